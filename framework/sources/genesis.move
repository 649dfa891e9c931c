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
    use aptos_framework::evidence;
    use aptos_framework::reconfiguration;
    use aptos_framework::stake;
    use aptos_framework::staking_config;
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;
    use aptos_framework::transaction_fee;
    use noema::inference;
    use noema::model;
    #[test_only]
    use aptos_std::bls12381;
    #[test_only]
    use aptos_std::ed25519;

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
        stake::initialize(aptos_framework, mint_cap);
        aptos_coin::grant_mint(aptos_framework, mint_cap);
        coin::register<AptosCoin>(aptos_framework);
        model::initialize(aptos_framework);
        inference::initialize(
            aptos_framework, inference_units_per_transaction, inference_calls_per_transaction
        );
        evidence::initialize(aptos_framework);
        reconfiguration::initialize(aptos_framework);
    }

    /// The numbers of staking.
    fun initialize_staking(
        aptos_framework: &signer,
        minimum_stake: u64,
        maximum_stake: u64,
        recurring_lockup_duration_secs: u64,
        allow_validator_set_change: bool,
        rewards_rate: u64,
        rewards_rate_denominator: u64,
        voting_power_increase_limit: u64
    ) {
        staking_config::initialize(
            aptos_framework,
            minimum_stake,
            maximum_stake,
            recurring_lockup_duration_secs,
            allow_validator_set_change,
            rewards_rate,
            rewards_rate_denominator,
            voting_power_increase_limit
        );
    }

    /// The price of misbehaviour.
    fun initialize_slashing(
        aptos_framework: &signer,
        equivocation_share: u64,
        reporter_share: u64,
        jail_epochs: u64,
        evidence_window_secs: u64
    ) {
        staking_config::initialize_slashing(
            aptos_framework, equivocation_share, reporter_share, jail_epochs, evidence_window_secs
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

    /// Makes a validator of the first epoch: an account with a balance, which owns and operates a pool with a stake.
    fun create_validator(
        aptos_framework: &signer,
        addr: address,
        balance: u64,
        stake: u64,
        consensus_pubkey: vector<u8>,
        network_pubkey: vector<u8>,
        checkpoint_pubkey: vector<u8>,
        proof_of_possession: vector<u8>,
        network_address: vector<u8>
    ) {
        fund(aptos_framework, addr, balance);
        aptos_coin::mint(aptos_framework, addr, stake);
        let owner = create_signer(addr);
        stake::initialize_validator(
            &owner,
            consensus_pubkey,
            network_pubkey,
            checkpoint_pubkey,
            proof_of_possession,
            network_address,
            vector::empty()
        );
        stake::add_stake(&owner, stake);
        stake::join_validator_set_internal(&owner, addr);
    }

    /// Registers a model and makes it resident.
    fun add_resident_model(
        aptos_framework: &signer, weights: vector<u8>, tokenizer: vector<u8>, manifest: vector<u8>
    ) {
        let model = model::create(aptos_framework, weights, tokenizer, manifest, 0, vector::empty());
        model::make_resident(aptos_framework, model);
    }

    /// Last: the first epoch begins, the framework gives up minting, and block 0 is announced.
    fun finish(aptos_framework: &signer) {
        block::start_first_epoch();
        aptos_coin::destroy_mint_capability(aptos_framework);
        block::emit_genesis_block_event();
    }

    #[test_only]
    /// The whole first state, with a faucet at `faucet` and one validator at 0xC0, of the keys of seed 0.
    public fun setup_for_test(aptos_framework: &signer, faucet: address) {
        setup_validators_for_test(aptos_framework, faucet, vector[@0xC0], vector[100000], 7200000000);
    }

    #[test_only]
    /// As `setup_for_test`, with validators of these stakes and the keys of the seeds 0, 1, 2, ... Stakes are between 1000
    /// and a million, a lockup lasts a thousand seconds, evidence counts for five hundred, an epoch earns a tenth of a
    /// percent, an equivocation costs half of the stake and two epochs, and its reporter gets a tenth of that.
    public fun setup_validators_for_test(
        aptos_framework: &signer,
        faucet: address,
        validators: vector<address>,
        stakes: vector<u64>,
        epoch_interval_microseconds: u64
    ) {
        initialize(aptos_framework, 4, 1000000, epoch_interval_microseconds, 1000000, 4);
        initialize_staking(aptos_framework, 1000, 1000000, 1000, true, 1, 1000, 20);
        initialize_slashing(aptos_framework, 5000, 1000, 2, 500);
        fund(aptos_framework, faucet, 1000000000);
        grant_faucet(aptos_framework, faucet);
        let seed = 0;
        while ((seed as u64) < vector::length(&validators)) {
            create_validator_for_test(
                aptos_framework,
                *vector::borrow(&validators, (seed as u64)),
                *vector::borrow(&stakes, (seed as u64)),
                seed
            );
            seed = seed + 1;
        };
        finish(aptos_framework);
    }

    #[test_only]
    fun create_validator_for_test(aptos_framework: &signer, addr: address, stake: u64, seed: u8) {
        create_validator(
            aptos_framework,
            addr,
            0,
            stake,
            ed25519::public_key_for_test(seed),
            ed25519::public_key_for_test(seed + 100),
            bls12381::public_key_for_test(seed),
            bls12381::proof_of_possession_for_test(seed),
            b"localhost:7000"
        );
    }

    #[test_only]
    public fun add_resident_model_for_test(
        aptos_framework: &signer, weights: vector<u8>, tokenizer: vector<u8>, manifest: vector<u8>
    ) {
        add_resident_model(aptos_framework, weights, tokenizer, manifest)
    }
}
