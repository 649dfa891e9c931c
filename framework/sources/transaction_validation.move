/// What the executor runs before and after every user transaction.
///
/// `prologue` aborts with one of the codes below: the transaction is discarded. `epilogue` takes the fee and advances
/// the sequence number, whether the transaction succeeded or not; it must not fail after a successful prologue.
module aptos_framework::transaction_validation {
    use aptos_framework::account;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::chain_id;
    use aptos_framework::coin;
    use aptos_framework::timestamp;
    use aptos_framework::transaction_fee;

    // The executor maps these numbers to validation statuses; they are not canonical categories.

    /// The key that signed does not open the account.
    const PROLOGUE_EINVALID_ACCOUNT_AUTH_KEY: u64 = 1001;
    /// The sequence number was used already.
    const PROLOGUE_ESEQUENCE_NUMBER_TOO_OLD: u64 = 1002;
    /// The sequence number is ahead of the account's.
    const PROLOGUE_ESEQUENCE_NUMBER_TOO_NEW: u64 = 1003;
    /// The sender does not exist.
    const PROLOGUE_EACCOUNT_DOES_NOT_EXIST: u64 = 1004;
    /// The balance does not cover the most that the transaction may cost.
    const PROLOGUE_ECANT_PAY_GAS_DEPOSIT: u64 = 1005;
    /// The transaction has expired.
    const PROLOGUE_ETRANSACTION_EXPIRED: u64 = 1006;
    /// The transaction is for another chain.
    const PROLOGUE_EBAD_CHAIN_ID: u64 = 1007;
    /// The sequence number cannot grow further.
    const PROLOGUE_ESEQUENCE_NUMBER_TOO_BIG: u64 = 1008;

    const MAX_U64: u128 = 18446744073709551615;

    /// Checks a transaction against the state before it. `gas_payer` is the sender unless somebody else pays; then a
    /// sender without account is welcome at sequence number 0 and gets one.
    fun prologue(
        sender: address,
        gas_payer: address,
        sequence_number: u64,
        authentication_key: vector<u8>,
        gas_unit_price: u64,
        max_gas_units: u64,
        expiration_seconds: u64,
        id: u8
    ) {
        assert!(timestamp::now_seconds() < expiration_seconds, PROLOGUE_ETRANSACTION_EXPIRED);
        assert!(chain_id::get() == id, PROLOGUE_EBAD_CHAIN_ID);
        if (account::exists_at(sender)) {
            check_account(sender, sequence_number, authentication_key);
        } else {
            assert!(sender != gas_payer, PROLOGUE_EACCOUNT_DOES_NOT_EXIST);
            assert!(sequence_number == 0, PROLOGUE_ESEQUENCE_NUMBER_TOO_NEW);
            assert!(
                authentication_key == std::bcs::to_bytes(&sender), PROLOGUE_EINVALID_ACCOUNT_AUTH_KEY
            );
            account::create_account_if_does_not_exist(sender);
        };
        let deposit = (gas_unit_price as u128) * (max_gas_units as u128);
        assert!(deposit <= MAX_U64, PROLOGUE_ECANT_PAY_GAS_DEPOSIT);
        assert!(
            coin::is_balance_at_least<AptosCoin>(gas_payer, (deposit as u64)), PROLOGUE_ECANT_PAY_GAS_DEPOSIT
        );
    }

    fun check_account(sender: address, sequence_number: u64, authentication_key: vector<u8>) {
        assert!(
            authentication_key == account::get_authentication_key(sender), PROLOGUE_EINVALID_ACCOUNT_AUTH_KEY
        );
        assert!((sequence_number as u128) < MAX_U64, PROLOGUE_ESEQUENCE_NUMBER_TOO_BIG);
        let account_sequence_number = account::get_sequence_number(sender);
        assert!(sequence_number >= account_sequence_number, PROLOGUE_ESEQUENCE_NUMBER_TOO_OLD);
        assert!(sequence_number == account_sequence_number, PROLOGUE_ESEQUENCE_NUMBER_TOO_NEW);
    }

    /// Takes the fee for `gas_used` units, states it, advances the sequence number. `execution_gas` holds the units
    /// for inference too; `inference_gas` says how many those are.
    fun epilogue(
        sender: address,
        gas_payer: address,
        gas_unit_price: u64,
        gas_used: u64,
        execution_gas: u64,
        io_gas: u64,
        inference_units: u64,
        inference_calls: u64,
        inference_gas: u64
    ) {
        transaction_fee::burn_fee(gas_payer, gas_unit_price * gas_used);
        transaction_fee::emit_fee_statement(gas_used, execution_gas, io_gas, 0, 0);
        if (inference_calls > 0) {
            transaction_fee::emit_inference_statement(inference_units, inference_calls, inference_gas);
        };
        account::increment_sequence_number(sender);
    }

    #[test_only]
    public fun prologue_for_test(
        sender: address,
        gas_payer: address,
        sequence_number: u64,
        authentication_key: vector<u8>,
        gas_unit_price: u64,
        max_gas_units: u64,
        expiration_seconds: u64,
        id: u8
    ) {
        prologue(
            sender,
            gas_payer,
            sequence_number,
            authentication_key,
            gas_unit_price,
            max_gas_units,
            expiration_seconds,
            id
        )
    }

    #[test_only]
    public fun epilogue_for_test(
        sender: address, gas_payer: address, gas_unit_price: u64, gas_used: u64, inference_calls: u64
    ) {
        epilogue(sender, gas_payer, gas_unit_price, gas_used, gas_used, 0, 10, inference_calls, 1)
    }
}
