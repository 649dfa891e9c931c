#[test_only]
/// What the tests of staking share: four validators of 100,000 each, epochs of a hundred seconds from second 1 on, and
/// headers to sign. `genesis::setup_validators_for_test` has the other numbers.
module aptos_framework::staking_setup {
    use std::bcs;
    use std::signer;
    use std::vector;
    use aptos_std::bls12381;
    use aptos_std::ed25519;
    use aptos_framework::account;
    use aptos_framework::aptos_account;
    use aptos_framework::block;
    use aptos_framework::genesis;
    use aptos_framework::reconfiguration;
    use aptos_framework::stake;

    public fun start(framework: &signer) {
        genesis::setup_validators_for_test(
            framework, @0xFA, vector[@0xC0, @0xC1, @0xC2, @0xC3], vector[100000, 100000, 100000, 100000], 100000000
        );
    }

    /// Ends the epoch with a block that the first validator leads.
    public fun end_epoch(vm: &signer) {
        block::block_prologue_for_test(vm, @0xC0, 1, reconfiguration::epoch_end_time());
    }

    /// A block of the first validator at this second.
    public fun block_at(vm: &signer, seconds: u64) {
        block::block_prologue_for_test(vm, @0xC0, 1, seconds * 1000000);
    }

    /// Makes the account, gives it money and a pool with the keys of a seed.
    public fun register(faucet: &signer, owner: &signer, seed: u8, stake: u64) {
        fund(faucet, owner);
        initialize(owner, seed);
        if (stake > 0) stake::add_stake(owner, stake);
    }

    public fun fund(faucet: &signer, owner: &signer) {
        if (!account::exists_at(signer::address_of(owner))) {
            aptos_account::transfer(faucet, signer::address_of(owner), 10000000);
        }
    }

    public fun initialize(owner: &signer, seed: u8) {
        stake::initialize_validator(
            owner,
            ed25519::public_key_for_test(seed),
            ed25519::public_key_for_test(seed + 100),
            bls12381::public_key_for_test(seed),
            bls12381::proof_of_possession_for_test(seed),
            b"example.org:7000",
            b""
        );
    }

    /// Whether the pool has this active, inactive, pending_active and pending_inactive stake.
    public fun has_stake(pool: address, active: u64, inactive: u64, pending_active: u64, pending_inactive: u64): bool {
        let (a, i, pa, pi) = stake::get_stake(pool);
        a == active && i == inactive && pa == pending_active && pi == pending_inactive
    }

    /// Whether so many coins of the pool unbond until then.
    public fun unbonds(pool: address, amount: u64, until_secs: u64): bool {
        let (coins, until) = stake::get_unbonding(pool);
        coins == amount && until == until_secs
    }

    /// Whether the validator led so many blocks of the epoch, and failed to lead so many.
    public fun led(index: u64, successful: u64, failed: u64): bool {
        let (s, f) = stake::get_current_epoch_proposal_counts(index);
        s == successful && f == failed
    }

    /// The header of a block: chain, epoch, round, author, and some more.
    public fun header(chain: u8, epoch: u64, round: u64, author: u16, tail: u8): vector<u8> {
        let bytes = vector::empty();
        while (vector::length(&bytes) < 32) vector::push_back(&mut bytes, chain);
        vector::append(&mut bytes, bcs::to_bytes(&epoch));
        vector::append(&mut bytes, bcs::to_bytes(&round));
        vector::append(&mut bytes, bcs::to_bytes(&author));
        vector::push_back(&mut bytes, tail);
        bytes
    }

    /// A validator's signature of a block.
    public fun sign(seed: u8, header: vector<u8>): vector<u8> {
        let message = b"NOEMA::Block";
        vector::append(&mut message, header);
        ed25519::sign_for_test(seed, message)
    }

    /// Reports two headers, both signed with the key of a seed.
    public fun report(reporter: &signer, seed: u8, a: vector<u8>, b: vector<u8>) {
        stake::report_equivocation(reporter, a, sign(seed, a), b, sign(seed, b));
    }

    /// Reports that an author signed two blocks of round 7, with the key of a seed.
    public fun report_author(reporter: &signer, seed: u8, epoch: u64, author: u16) {
        report(reporter, seed, header(9, epoch, 7, author, 1), header(9, epoch, 7, author, 2));
    }
}
