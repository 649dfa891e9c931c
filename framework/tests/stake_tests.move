#[test_only]
module aptos_framework::stake_tests {
    use std::option;
    use aptos_std::bls12381;
    use aptos_std::ed25519;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::block;
    use aptos_framework::coin;
    use aptos_framework::evidence;
    use aptos_framework::reconfiguration;
    use aptos_framework::stake;
    use aptos_framework::staking_config;
    use aptos_framework::staking_setup::{Self as setup, end_epoch, has_stake, led, register, start, unbonds};
    use aptos_framework::timestamp;

    const JOINING: u64 = 1;
    const ACTIVE: u64 = 2;
    const LEAVING: u64 = 3;
    const OUT: u64 = 4;
    const NO_INDEX: u64 = 18446744073709551615;

    #[test(framework = @0x1)]
    fun genesis_elects_the_first_set(framework: &signer) {
        start(framework);
        assert!(reconfiguration::current_epoch() == 1 && evidence::current_epoch() == 1, 0);
        assert!(reconfiguration::last_reconfiguration_time() == 1000000, 1);
        assert!(reconfiguration::epoch_end_time() == 101000000, 2);
        assert!(stake::get_validator_state(@0xC2) == ACTIVE && stake::get_validator_index(@0xC2) == 2, 3);
        assert!(stake::get_current_epoch_voting_power(@0xC2) == 100000, 4);
        assert!(stake::get_lockup_secs(@0xC2) == 1001 && stake::get_remaining_lockup_secs(@0xC2) == 1000, 5);
        let (consensus, network, checkpoint, address, fullnode) = stake::get_validator_config(@0xC2);
        assert!(consensus == ed25519::public_key_for_test(2) && network == ed25519::public_key_for_test(102), 6);
        assert!(checkpoint == bls12381::public_key_for_test(2), 7);
        assert!(address == b"localhost:7000" && fullnode == b"", 8);
        assert!(stake::get_validator_state(@0xD) == OUT && !stake::stake_pool_exists(@0xD), 9);
    }

    #[test(framework = @0x1, vm = @0x0)]
    fun an_epoch_ends_with_the_first_block_at_its_end(framework: &signer, vm: &signer) {
        start(framework);
        block::block_prologue_for_test(vm, @0xC0, 1, 100999999);
        assert!(reconfiguration::current_epoch() == 1, 0);
        block::block_prologue_for_test(vm, @0xC0, 2, 101000000);
        assert!(reconfiguration::current_epoch() == 2 && evidence::current_epoch() == 2, 1);
        assert!(reconfiguration::epoch_end_time() == 201000000, 2);
        // A late block ends it too, and the next one counts from there.
        block::block_prologue_for_test(vm, @0xC0, 3, 987654321);
        assert!(reconfiguration::current_epoch() == 3, 3);
        assert!(reconfiguration::last_reconfiguration_time() == 987654321, 4);
        assert!(reconfiguration::epoch_end_time() == 1087654321, 5);
    }

    #[test(framework = @0x1, vm = @0x0)]
    fun a_new_interval_counts_from_the_next_epoch_on(framework: &signer, vm: &signer) {
        start(framework);
        block::update_epoch_interval_microsecs(framework, 5);
        assert!(reconfiguration::epoch_end_time() == 101000000, 0);
        end_epoch(vm);
        assert!(reconfiguration::epoch_end_time() == 101000005, 1);
        // An end beyond all numbers is the largest number.
        block::update_epoch_interval_microsecs(framework, 18446744073709551615);
        end_epoch(vm);
        assert!(reconfiguration::epoch_end_time() == 18446744073709551615, 2);
    }

    #[test(framework = @0x1, vm = @0x0)]
    #[expected_failure(abort_code = 0x50004, location = aptos_framework::block)]
    fun strangers_lead_no_block(framework: &signer, vm: &signer) {
        start(framework);
        block::block_prologue_for_test(vm, @0xD, 1, 2000000);
    }

    #[test(framework = @0x1, vm = @0x0)]
    fun rewards_follow_performance_exactly(framework: &signer, vm: &signer) {
        start(framework);
        let before = *option::borrow(&coin::supply<AptosCoin>());
        block::block_with_failures_for_test(vm, @0xC0, vector[1], 2000000);
        // Position 99 is nobody's.
        block::block_with_failures_for_test(vm, @0xC1, vector[0, 1, 1, 99], 3000000);
        block::block_with_failures_for_test(vm, @0xC0, vector[2], 4000000);
        assert!(led(0, 2, 1), 0);
        assert!(led(1, 1, 3), 1);
        assert!(led(2, 0, 1), 2);
        end_epoch(vm);
        // The last block counts too: 3 of 4, 1 of 4, 0 of 1, nothing. A thousandth of 100,000 is 100.
        assert!(has_stake(@0xC0, 100075, 0, 0, 0), 3);
        assert!(has_stake(@0xC1, 100025, 0, 0, 0), 4);
        assert!(has_stake(@0xC2, 100000, 0, 0, 0), 5);
        assert!(has_stake(@0xC3, 100000, 0, 0, 0), 6);
        assert!(*option::borrow(&coin::supply<AptosCoin>()) == before + 100, 7);
        assert!(stake::get_current_epoch_voting_power(@0xC0) == 100075, 8);
        assert!(led(0, 0, 0), 9);
        // 100,075 / 1,000, rounded down.
        end_epoch(vm);
        assert!(has_stake(@0xC0, 100175, 0, 0, 0), 10);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xD)]
    fun joining_serving_leaving_withdrawing(framework: &signer, vm: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        register(faucet, owner, 10, 50000);
        assert!(stake::get_validator_state(@0xD) == OUT, 0);
        stake::join_validator_set(owner, @0xD);
        assert!(stake::get_validator_state(@0xD) == JOINING && !stake::is_current_epoch_validator(@0xD), 1);
        assert!(stake::get_current_epoch_voting_power(@0xD) == 0, 2);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xD) == ACTIVE && stake::get_validator_index(@0xD) == 4, 3);
        assert!(stake::get_current_epoch_voting_power(@0xD) == 50000, 4);
        assert!(stake::get_lockup_secs(@0xD) == 1101, 5);
        stake::leave_validator_set(owner, @0xD);
        assert!(stake::get_validator_state(@0xD) == LEAVING && stake::is_current_epoch_validator(@0xD), 6);
        assert!(stake::get_current_epoch_voting_power(@0xD) == 50000 && stake::get_validator_index(@0xD) == 4, 7);
        // It serves until the border, and earns.
        block::block_prologue_for_test(vm, @0xD, 1, 110000000);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xD) == OUT && stake::get_validator_index(@0xD) == NO_INDEX, 8);
        assert!(stake::get_current_epoch_voting_power(@0xD) == 0, 9);
        assert!(has_stake(@0xD, 50050, 0, 0, 0), 10);
        let balance = coin::balance<AptosCoin>(@0xD);
        stake::unlock(owner, 60000);
        timestamp::update_global_time_for_test_secs(1100);
        stake::withdraw(owner, 60000);
        assert!(coin::balance<AptosCoin>(@0xD) == balance, 11);
        assert!(has_stake(@0xD, 0, 0, 0, 50050), 12);
        timestamp::update_global_time_for_test_secs(1101);
        stake::withdraw(owner, 50000);
        assert!(coin::balance<AptosCoin>(@0xD) == balance + 50000, 13);
        assert!(has_stake(@0xD, 0, 50, 0, 0), 14);
        stake::withdraw(owner, 60000);
        assert!(coin::balance<AptosCoin>(@0xD) == balance + 50050 && has_stake(@0xD, 0, 0, 0, 0), 15);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xD)]
    fun a_validator_that_left_answers_longer_than_its_lockup(
        framework: &signer, vm: &signer, faucet: &signer, owner: &signer
    ) {
        start(framework);
        register(faucet, owner, 10, 50000);
        stake::join_validator_set(owner, @0xD);
        end_epoch(vm);
        stake::unlock(owner, 50000);
        // Serves to second 1000; the lockup ends at 1101, evidence of the last epoch counts until 1500.
        setup::block_at(vm, 900);
        stake::leave_validator_set(owner, @0xD);
        end_epoch(vm);
        assert!(timestamp::now_seconds() == 1000 && stake::get_validator_state(@0xD) == OUT, 0);
        timestamp::update_global_time_for_test_secs(1499);
        stake::withdraw(owner, 50000);
        assert!(has_stake(@0xD, 0, 0, 0, 50000), 1);
        timestamp::update_global_time_for_test_secs(1500);
        stake::withdraw(owner, 50000);
        assert!(has_stake(@0xD, 0, 0, 0, 0), 2);
    }

    #[test(framework = @0x1, vm = @0x0, owner = @0xC1)]
    fun unlocked_stake_votes_until_the_lockup_and_unbonds_after(framework: &signer, vm: &signer, owner: &signer) {
        start(framework);
        stake::unlock(owner, 30000);
        assert!(has_stake(@0xC1, 70000, 0, 0, 30000), 0);
        block::block_prologue_for_test(vm, @0xC1, 1, 2000000);
        end_epoch(vm);
        // Both parts vote and earn: 70 and 30.
        assert!(has_stake(@0xC1, 70070, 0, 0, 30030), 1);
        assert!(stake::get_current_epoch_voting_power(@0xC1) == 100100, 2);
        stake::reactivate_stake(owner, 30);
        assert!(has_stake(@0xC1, 70100, 0, 0, 30000), 3);
        setup::block_at(vm, 1000);
        assert!(unbonds(@0xC1, 0, 0), 4);
        assert!(stake::get_lockup_secs(@0xC1) == 1001, 5);
        // The lockup ended at 1001: at the next border the part stops to vote, and the rest is locked anew.
        end_epoch(vm);
        assert!(timestamp::now_seconds() == 1100, 6);
        assert!(stake::get_current_epoch_voting_power(@0xC1) == 70100, 7);
        assert!(has_stake(@0xC1, 70100, 0, 0, 30000) && unbonds(@0xC1, 30000, 1600), 8);
        assert!(stake::get_lockup_secs(@0xC1) == 2100, 9);
        // It cannot be taken back, nor out, until no evidence of its last epoch counts.
        stake::reactivate_stake(owner, 30000);
        stake::withdraw(owner, 30000);
        assert!(has_stake(@0xC1, 70100, 0, 0, 30000), 10);
        timestamp::update_global_time_for_test_secs(1600);
        stake::withdraw(owner, 1);
        assert!(has_stake(@0xC1, 70100, 29999, 0, 0), 11);
        assert!(coin::balance<AptosCoin>(@0xC1) == 1, 12);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xC1)]
    fun stake_added_while_serving_counts_from_the_next_epoch_on(
        framework: &signer, vm: &signer, faucet: &signer, owner: &signer
    ) {
        start(framework);
        coin::transfer<AptosCoin>(faucet, @0xC1, 500000);
        stake::add_stake(owner, 5000);
        stake::add_stake(owner, 0);
        assert!(has_stake(@0xC1, 100000, 0, 5000, 0), 0);
        assert!(stake::get_current_epoch_voting_power(@0xC1) == 100000, 1);
        end_epoch(vm);
        assert!(has_stake(@0xC1, 105000, 0, 0, 0), 2);
        assert!(stake::get_current_epoch_voting_power(@0xC1) == 105000, 3);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xC1)]
    #[expected_failure(abort_code = 0x1000d, location = aptos_framework::stake)]
    fun stake_added_while_serving_counts_for_the_limit(
        framework: &signer, vm: &signer, faucet: &signer, owner: &signer
    ) {
        start(framework);
        coin::transfer<AptosCoin>(faucet, @0xC1, 500000);
        end_epoch(vm);
        // The first validator has earned 100: 20 percent of 400,100 are 80,020.
        stake::add_stake(owner, 80020);
        stake::add_stake(owner, 1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xD, other = @0xE)]
    fun the_limit_of_joining_stake_is_per_epoch(
        framework: &signer, vm: &signer, faucet: &signer, owner: &signer, other: &signer
    ) {
        start(framework);
        register(faucet, owner, 10, 80000);
        register(faucet, other, 11, 80000);
        stake::join_validator_set(owner, @0xD);
        // Who gives up makes room.
        stake::leave_validator_set(owner, @0xD);
        assert!(stake::get_validator_state(@0xD) == OUT, 0);
        stake::join_validator_set(other, @0xE);
        end_epoch(vm);
        stake::join_validator_set(owner, @0xD);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xD) == ACTIVE && stake::get_validator_state(@0xE) == ACTIVE, 1);
        assert!(stake::get_validator_index(@0xE) == 4 && stake::get_validator_index(@0xD) == 5, 2);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD, other = @0xE)]
    #[expected_failure(abort_code = 0x1000d, location = aptos_framework::stake)]
    fun too_much_stake_joins(framework: &signer, faucet: &signer, owner: &signer, other: &signer) {
        start(framework);
        register(faucet, owner, 10, 80000);
        register(faucet, other, 11, 1000);
        stake::join_validator_set(owner, @0xD);
        stake::join_validator_set(other, @0xE);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD)]
    #[expected_failure(abort_code = 0x10003, location = aptos_framework::stake)]
    fun too_little_stake_joins(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        register(faucet, owner, 10, 999);
        stake::join_validator_set(owner, @0xD);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD)]
    #[expected_failure(abort_code = 0x10004, location = aptos_framework::stake)]
    fun too_high_a_stake_joins(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        register(faucet, owner, 10, 2001);
        staking_config::update_required_stake(framework, 1000, 2000);
        stake::join_validator_set(owner, @0xD);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD)]
    #[expected_failure(abort_code = 0x1000e, location = aptos_framework::stake)]
    fun more_stake_than_anyone_may_have(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        register(faucet, owner, 10, 1000001);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x30005, location = aptos_framework::stake)]
    fun joining_twice(framework: &signer, owner: &signer) {
        start(framework);
        stake::join_validator_set(owner, @0xC1);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD)]
    #[expected_failure(abort_code = 0x30006, location = aptos_framework::stake)]
    fun leaving_from_outside(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        register(faucet, owner, 10, 5000);
        stake::leave_validator_set(owner, @0xD);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x30006, location = aptos_framework::stake)]
    fun leaving_twice(framework: &signer, owner: &signer) {
        start(framework);
        stake::leave_validator_set(owner, @0xC1);
        stake::leave_validator_set(owner, @0xC1);
    }

    #[test(framework = @0x1, a = @0xC0, b = @0xC1, c = @0xC2, d = @0xC3)]
    #[expected_failure(abort_code = 0x30007, location = aptos_framework::stake)]
    fun the_last_validator_stays(framework: &signer, a: &signer, b: &signer, c: &signer, d: &signer) {
        start(framework);
        stake::leave_validator_set(a, @0xC0);
        stake::leave_validator_set(b, @0xC1);
        stake::leave_validator_set(c, @0xC2);
        stake::leave_validator_set(d, @0xC3);
    }

    #[test(framework = @0x1, other = @0xC2)]
    #[expected_failure(abort_code = 0x40009, location = aptos_framework::stake)]
    fun only_the_operator_lets_a_validator_leave(framework: &signer, other: &signer) {
        start(framework);
        stake::leave_validator_set(other, @0xC1);
    }

    #[test(framework = @0x1, other = @0xC2)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::stake)]
    fun who_has_no_pool_does_not_join(framework: &signer, other: &signer) {
        start(framework);
        stake::join_validator_set(other, @0xD);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x10014, location = aptos_framework::stake)]
    fun a_closed_set_is_not_left(framework: &signer, owner: &signer) {
        start(framework);
        staking_config::set_allow_validator_set_change_for_test(false);
        stake::leave_validator_set(owner, @0xC1);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD)]
    #[expected_failure(abort_code = 0x10014, location = aptos_framework::stake)]
    fun a_closed_set_is_not_joined(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        register(faucet, owner, 10, 5000);
        staking_config::set_allow_validator_set_change_for_test(false);
        stake::join_validator_set(owner, @0xD);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x80001, location = aptos_framework::stake)]
    fun a_validator_is_made_once(framework: &signer, owner: &signer) {
        start(framework);
        setup::initialize(owner, 10);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x80008, location = aptos_framework::stake)]
    fun a_pool_is_made_once(framework: &signer, owner: &signer) {
        start(framework);
        stake::initialize_stake_owner(owner, 0, @0xC1, @0xC1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xD, operator = @0xE)]
    fun an_operator_runs_the_pool_of_an_owner(
        framework: &signer, vm: &signer, faucet: &signer, owner: &signer, operator: &signer
    ) {
        start(framework);
        setup::fund(faucet, owner);
        stake::initialize_stake_owner(owner, 5000, @0xE, @0xF);
        assert!(stake::get_operator(@0xD) == @0xE && stake::get_delegated_voter(@0xD) == @0xF, 0);
        stake::rotate_consensus_key(operator, @0xD, ed25519::public_key_for_test(10));
        stake::rotate_network_key(operator, @0xD, ed25519::public_key_for_test(110));
        let (key, proof) = (bls12381::public_key_for_test(10), bls12381::proof_of_possession_for_test(10));
        stake::rotate_checkpoint_key(operator, @0xD, key, proof);
        stake::update_network_and_fullnode_addresses(operator, @0xD, b"[::1]:80", b"https://example.org");
        stake::join_validator_set(operator, @0xD);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xD) == ACTIVE, 1);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xD)]
    #[expected_failure(abort_code = 0x10019, location = aptos_framework::stake)]
    fun without_keys_nobody_joins(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        setup::fund(faucet, owner);
        stake::initialize_stake_owner(owner, 5000, @0xD, @0xD);
        stake::join_validator_set(owner, @0xD);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x40009, location = aptos_framework::stake)]
    fun an_owner_that_is_no_operator_rotates_nothing(framework: &signer, owner: &signer) {
        start(framework);
        stake::set_operator(owner, @0xE);
        stake::rotate_consensus_key(owner, @0xC1, ed25519::public_key_for_test(10));
    }

    #[test(framework = @0x1, other = @0xC2)]
    #[expected_failure(abort_code = 0x40009, location = aptos_framework::stake)]
    fun others_rotate_no_network_key(framework: &signer, other: &signer) {
        start(framework);
        stake::rotate_network_key(other, @0xC1, ed25519::public_key_for_test(10));
    }

    #[test(framework = @0x1, other = @0xC2)]
    #[expected_failure(abort_code = 0x40009, location = aptos_framework::stake)]
    fun others_rotate_no_checkpoint_key(framework: &signer, other: &signer) {
        start(framework);
        let (key, proof) = (bls12381::public_key_for_test(10), bls12381::proof_of_possession_for_test(10));
        stake::rotate_checkpoint_key(other, @0xC1, key, proof);
    }

    #[test(framework = @0x1, other = @0xC2)]
    #[expected_failure(abort_code = 0x40009, location = aptos_framework::stake)]
    fun others_change_no_address(framework: &signer, other: &signer) {
        start(framework);
        stake::update_network_and_fullnode_addresses(other, @0xC1, b"a:1", b"");
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x6000f, location = aptos_framework::stake)]
    fun who_owns_no_pool_moves_no_stake(framework: &signer, faucet: &signer) {
        start(framework);
        stake::unlock(faucet, 1);
    }

    #[test(framework = @0x1, owner = @0xC1, heir = @0xD)]
    fun ownership_can_be_handed_on(framework: &signer, owner: &signer, heir: &signer) {
        start(framework);
        let cap = stake::extract_owner_cap(owner);
        assert!(stake::get_owned_pool_address(&cap) == @0xC1, 0);
        stake::deposit_owner_cap(heir, cap);
        stake::unlock(heir, 10);
        assert!(has_stake(@0xC1, 99990, 0, 0, 10), 1);
    }

    #[test(framework = @0x1, owner = @0xC1, heir = @0xC2)]
    #[expected_failure(abort_code = 0x80010, location = aptos_framework::stake)]
    fun an_account_owns_one_pool(framework: &signer, owner: &signer, heir: &signer) {
        start(framework);
        stake::deposit_owner_cap(heir, stake::extract_owner_cap(owner));
    }

    #[test(framework = @0x1, owner = @0xC1)]
    fun a_lockup_starts_anew(framework: &signer, owner: &signer) {
        start(framework);
        timestamp::fast_forward_seconds(10);
        stake::increase_lockup(owner);
        assert!(stake::get_lockup_secs(@0xC1) == 1011, 0);
    }

    #[test(framework = @0x1, owner = @0xC1)]
    #[expected_failure(abort_code = 0x10012, location = aptos_framework::stake)]
    fun a_lockup_does_not_get_shorter(framework: &signer, owner: &signer) {
        start(framework);
        stake::increase_lockup(owner);
    }

    #[test(framework = @0x1, vm = @0x0)]
    fun an_empty_set_is_never_elected(framework: &signer, vm: &signer) {
        start(framework);
        staking_config::update_required_stake(framework, 500000, 1000000);
        end_epoch(vm);
        assert!(reconfiguration::current_epoch() == 2, 0);
        assert!(stake::get_validator_state(@0xC0) == ACTIVE && stake::get_validator_state(@0xC3) == ACTIVE, 1);
        assert!(stake::get_current_epoch_voting_power(@0xC3) == 100000 && stake::get_validator_index(@0xC3) == 3, 2);
        staking_config::update_required_stake(framework, 100001, 1000000);
        end_epoch(vm);
        // Only the first earned anything.
        assert!(stake::get_validator_state(@0xC0) == ACTIVE && stake::get_validator_state(@0xC3) == OUT, 3);
    }

    #[test(framework = @0x1, vm = @0x0)]
    fun stake_beyond_the_maximum_neither_votes_nor_earns(framework: &signer, vm: &signer) {
        start(framework);
        staking_config::update_required_stake(framework, 1000, 60000);
        end_epoch(vm);
        assert!(stake::get_current_epoch_voting_power(@0xC0) == 60000, 0);
        // A thousandth of 60,000.
        assert!(has_stake(@0xC0, 100060, 0, 0, 0), 1);
    }
}
