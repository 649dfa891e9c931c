/// Charges fees and states them.
module aptos_framework::transaction_fee {
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::coin::{Self, BurnCapability, Coin};
    use aptos_framework::event;
    use aptos_framework::system_addresses;

    friend aptos_framework::genesis;
    friend aptos_framework::stake;
    friend aptos_framework::transaction_validation;

    /// Lets this module burn fees.
    struct AptosCoinCapabilities has key {
        burn_cap: BurnCapability<AptosCoin>
    }

    #[event]
    /// What a transaction paid for. The layout is that of Aptos; inference has a statement of its own.
    struct FeeStatement has drop, store {
        /// Gas units charged in all.
        total_charge_gas_units: u64,
        /// Of these, for execution, inference included.
        execution_gas_units: u64,
        /// Of these, for reading and writing state.
        io_gas_units: u64,
        /// Paid for storage, in the coin's smallest unit.
        storage_fee_octas: u64,
        /// Given back for freed storage, in the coin's smallest unit.
        storage_fee_refund_octas: u64
    }

    #[event]
    /// What a transaction used of models; emitted only if it asked one.
    struct InferenceStatement has drop, store {
        /// Microseconds of the reference machine.
        inference_units: u64,
        /// Questions asked.
        calls: u64,
        /// Of `execution_gas_units`, for inference.
        inference_gas_units: u64
    }

    public(friend) fun store_aptos_coin_burn_cap(aptos_framework: &signer, burn_cap: BurnCapability<AptosCoin>) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, AptosCoinCapabilities { burn_cap })
    }

    /// Burns a fee.
    public(friend) fun burn_fee(account: address, fee: u64) {
        coin::burn_from<AptosCoin>(account, fee, &borrow_global<AptosCoinCapabilities>(@aptos_framework).burn_cap);
    }

    /// Burns a coin: what a validator loses.
    public(friend) fun burn_coin(coin: Coin<AptosCoin>) {
        coin::burn(coin, &borrow_global<AptosCoinCapabilities>(@aptos_framework).burn_cap);
    }

    public(friend) fun emit_fee_statement(
        total_charge_gas_units: u64,
        execution_gas_units: u64,
        io_gas_units: u64,
        storage_fee_octas: u64,
        storage_fee_refund_octas: u64
    ) {
        event::emit(FeeStatement {
            total_charge_gas_units,
            execution_gas_units,
            io_gas_units,
            storage_fee_octas,
            storage_fee_refund_octas
        })
    }

    public(friend) fun emit_inference_statement(inference_units: u64, calls: u64, inference_gas_units: u64) {
        event::emit(InferenceStatement { inference_units, calls, inference_gas_units })
    }

    #[test_only]
    public fun store_burn_cap_for_test(aptos_framework: &signer, burn_cap: BurnCapability<AptosCoin>) {
        store_aptos_coin_burn_cap(aptos_framework, burn_cap)
    }

    #[test_only]
    public fun was_stated_for_test(total: u64, execution: u64, io: u64): bool {
        event::was_event_emitted(&FeeStatement {
            total_charge_gas_units: total,
            execution_gas_units: execution,
            io_gas_units: io,
            storage_fee_octas: 0,
            storage_fee_refund_octas: 0
        })
    }

    #[test_only]
    public fun was_inference_stated_for_test(inference_units: u64, calls: u64, inference_gas_units: u64): bool {
        event::was_event_emitted(&InferenceStatement { inference_units, calls, inference_gas_units })
    }
}
