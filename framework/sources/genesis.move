/// Makes the first state. The functions run once, in the order given here, before block 0 is sealed; no transaction can
/// call them, because none has the signers.
module aptos_framework::genesis {
    use std::vector;
    use aptos_framework::account;
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::{Self, AptosCoin};
    use aptos_framework::block;
    use aptos_framework::chain_id;
    use aptos_framework::code;
    use aptos_framework::coin;
    use aptos_framework::create_signer::create_signer;
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;
    use aptos_framework::transaction_fee;
    use noema::inference;
    use noema::model;

    /// First: accounts of the framework, clock, coin, registries.
    fun initialize(
        aptos_framework: &signer,
        id: u8,
        timestamp_microseconds: u64,
        epoch_interval_microseconds: u64,
        inference_units_per_transaction: u64,
        inference_calls_per_transaction: u64
    ) {
        create_reserved_accounts();
        account::initialize(aptos_framework);
        chain_id::initialize(aptos_framework, id);
        timestamp::set_time_has_started(aptos_framework, timestamp_microseconds);
        block::initialize(aptos_framework, epoch_interval_microseconds);
        let (burn_cap, mint_cap) = aptos_coin::initialize(aptos_framework);
        transaction_fee::store_aptos_coin_burn_cap(aptos_framework, burn_cap);
        aptos_coin::grant_mint(aptos_framework, mint_cap);
        coin::register<AptosCoin>(aptos_framework);
        model::initialize(aptos_framework);
        inference::initialize(
            aptos_framework, inference_units_per_transaction, inference_calls_per_transaction
        );
    }

    fun create_reserved_accounts() {
        let addresses = vector[@0x1, @0x2, @0x3, @0x4, @0x5, @0x6, @0x7, @0x8, @0x9, @0xa];
        while (!vector::is_empty(&addresses)) {
            account::create_framework_reserved_account(vector::pop_back(&mut addresses));
        }
    }

    /// Records one package of the framework.
    fun register_package(aptos_framework: &signer, metadata_serialized: vector<u8>) {
        code::initialize(aptos_framework, metadata_serialized);
    }

    /// Gives an account an amount of the chain's coin; makes it if it does not exist.
    fun fund(aptos_framework: &signer, addr: address, amount: u64) {
        if (!account::exists_at(addr)) {
            aptos_account::create_account(addr);
        };
        aptos_coin::mint(aptos_framework, addr, amount);
    }

    /// Lets an account that exists mint: the faucet of a test network.
    fun grant_faucet(aptos_framework: &signer, addr: address) {
        system_addresses::assert_aptos_framework(aptos_framework);
        aptos_coin::copy_mint(aptos_framework, &create_signer(addr));
    }

    /// Registers a model and makes it resident.
    fun add_resident_model(
        aptos_framework: &signer, weights: vector<u8>, tokenizer: vector<u8>, manifest: vector<u8>
    ) {
        let model = model::create(aptos_framework, weights, tokenizer, manifest, 0, vector::empty());
        model::make_resident(aptos_framework, model);
    }

    /// Last: the framework gives up minting, and block 0 is announced.
    fun finish(aptos_framework: &signer) {
        aptos_coin::destroy_mint_capability(aptos_framework);
        block::emit_genesis_block_event();
    }

    #[test_only]
    /// The whole first state, with a faucet at `faucet`.
    public fun setup_for_test(aptos_framework: &signer, faucet: address) {
        initialize(aptos_framework, 4, 1000000, 7200000000, 1000000, 4);
        fund(aptos_framework, faucet, 1000000000);
        grant_faucet(aptos_framework, faucet);
        finish(aptos_framework);
    }

    #[test_only]
    public fun add_resident_model_for_test(
        aptos_framework: &signer, weights: vector<u8>, tokenizer: vector<u8>, manifest: vector<u8>
    ) {
        add_resident_model(aptos_framework, weights, tokenizer, manifest)
    }
}
