#[test_only]
module aptos_framework::slashing_tests {
    use std::option;
    use std::vector;
    use aptos_std::ed25519;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::coin;
    use aptos_framework::evidence;
    use aptos_framework::stake;
    use aptos_framework::staking_config;
    use aptos_framework::staking_setup::{
        Self as setup, end_epoch, has_stake, header, report, report_author, sign, start, unbonds
    };
    use aptos_framework::timestamp;

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, offender = @0xC1)]
    fun an_equivocator_loses_stake_and_place(
        framework: &signer, vm: &signer, faucet: &signer, offender: &signer
    ) {
        start(framework);
        let supply = *option::borrow(&coin::supply<AptosCoin>());
        let balance = coin::balance<AptosCoin>(@0xFA);
        stake::unlock(offender, 20000);
        report_author(faucet, 1, 1, 1);
        // Half of 80,000 and half of 20,000 are taken; a tenth of that goes to the reporter, the rest is burned.
        assert!(has_stake(@0xC1, 40000, 0, 0, 10000), 0);
        assert!(coin::balance<AptosCoin>(@0xFA) == balance + 5000, 1);
        assert!(*option::borrow(&coin::supply<AptosCoin>()) == supply - 45000, 2);
        assert!(stake::slashed_for_test(@0xC1, 1, 50000, @0xFA, 5000, 3), 3);
        // The committee of an epoch never changes.
        assert!(stake::get_validator_state(@0xC1) == 2 && stake::get_current_epoch_voting_power(@0xC1) == 100000, 4);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xC1) == 4 && stake::get_validator_state(@0xC2) == 2, 5);
        assert!(stake::get_validator_index(@0xC2) == 1 && stake::get_jailed_through_epoch(@0xC1) == 3, 6);
        end_epoch(vm);
        // In epoch 3 it may join epoch 4.
        stake::join_validator_set(offender, @0xC1);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xC1) == 2, 7);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, offender = @0xC1)]
    #[expected_failure(abort_code = 0x3001a, location = aptos_framework::stake)]
    fun the_jailed_do_not_join(framework: &signer, vm: &signer, faucet: &signer, offender: &signer) {
        start(framework);
        report_author(faucet, 1, 1, 1);
        end_epoch(vm);
        stake::join_validator_set(offender, @0xC1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xD)]
    fun who_joins_is_jailed_too(framework: &signer, vm: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        setup::register(faucet, owner, 10, 50000);
        stake::join_validator_set(owner, @0xD);
        end_epoch(vm);
        stake::leave_validator_set(owner, @0xD);
        end_epoch(vm);
        stake::join_validator_set(owner, @0xD);
        report_author(faucet, 10, 2, 4);
        end_epoch(vm);
        assert!(stake::get_validator_state(@0xD) == 4 && has_stake(@0xD, 25000, 0, 0, 0), 0);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x8000a, location = aptos_framework::evidence)]
    fun one_punishment_per_epoch(framework: &signer, faucet: &signer) {
        start(framework);
        report_author(faucet, 1, 1, 1);
        report(faucet, 1, header(9, 1, 8, 1, 1), header(9, 1, 8, 1, 2));
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA)]
    fun another_epoch_is_another_offence(framework: &signer, vm: &signer, faucet: &signer) {
        start(framework);
        end_epoch(vm);
        report_author(faucet, 1, 1, 1);
        report_author(faucet, 1, 2, 1);
        assert!(has_stake(@0xC1, 25000, 0, 0, 0), 0);
        assert!(stake::get_jailed_through_epoch(@0xC1) == 4, 1);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10001, location = aptos_framework::evidence)]
    fun one_block_is_no_equivocation(framework: &signer, faucet: &signer) {
        start(framework);
        report(faucet, 1, header(9, 1, 7, 1, 1), header(9, 1, 7, 1, 1));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::evidence)]
    fun short_bytes_are_no_header(framework: &signer, faucet: &signer) {
        start(framework);
        let short = vector::slice(&header(9, 1, 7, 1, 1), 0, 49);
        report(faucet, 1, header(9, 1, 7, 1, 1), short);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10003, location = aptos_framework::evidence)]
    fun chains_must_be_equal(framework: &signer, faucet: &signer) {
        start(framework);
        report(faucet, 1, header(9, 1, 7, 1, 1), header(8, 1, 7, 1, 1));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10004, location = aptos_framework::evidence)]
    fun epochs_must_be_equal(framework: &signer, faucet: &signer) {
        start(framework);
        report(faucet, 1, header(9, 1, 7, 1, 1), header(9, 2, 7, 1, 1));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10005, location = aptos_framework::evidence)]
    fun rounds_must_be_equal(framework: &signer, faucet: &signer) {
        start(framework);
        report(faucet, 1, header(9, 1, 7, 1, 1), header(9, 1, 8, 1, 1));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10006, location = aptos_framework::evidence)]
    fun authors_must_be_equal(framework: &signer, faucet: &signer) {
        start(framework);
        report(faucet, 1, header(9, 1, 7, 1, 1), header(9, 1, 7, 2, 1));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x20007, location = aptos_framework::evidence)]
    fun the_epoch_must_have_begun(framework: &signer, faucet: &signer) {
        start(framework);
        report_author(faucet, 1, 2, 1);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10008, location = aptos_framework::evidence)]
    fun the_author_must_exist(framework: &signer, faucet: &signer) {
        start(framework);
        report_author(faucet, 1, 1, 4);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10008, location = aptos_framework::evidence)]
    fun the_author_has_two_bytes(framework: &signer, faucet: &signer) {
        start(framework);
        report_author(faucet, 1, 1, 257);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10009, location = aptos_framework::evidence)]
    fun others_signatures_prove_nothing(framework: &signer, faucet: &signer) {
        start(framework);
        report_author(faucet, 2, 1, 1);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10009, location = aptos_framework::evidence)]
    fun both_signatures_must_hold(framework: &signer, faucet: &signer) {
        start(framework);
        let (a, b) = (header(9, 1, 7, 1, 1), header(9, 1, 7, 1, 2));
        stake::report_equivocation(faucet, a, sign(1, a), b, sign(1, a));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10009, location = aptos_framework::evidence)]
    fun the_first_signature_must_hold_too(framework: &signer, faucet: &signer) {
        start(framework);
        let (a, b) = (header(9, 1, 7, 1, 1), header(9, 1, 7, 1, 2));
        stake::report_equivocation(faucet, a, sign(1, b), b, sign(1, b));
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x10009, location = aptos_framework::evidence)]
    fun bytes_signed_for_something_else_prove_nothing(framework: &signer, faucet: &signer) {
        start(framework);
        let (a, b) = (header(9, 1, 7, 1, 1), header(9, 1, 7, 1, 2));
        stake::report_equivocation(faucet, a, ed25519::sign_for_test(1, a), b, ed25519::sign_for_test(1, b));
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, operator = @0xC1)]
    fun the_key_of_that_epoch_counts(framework: &signer, vm: &signer, faucet: &signer, operator: &signer) {
        start(framework);
        stake::rotate_consensus_key(operator, @0xC1, ed25519::public_key_for_test(50));
        end_epoch(vm);
        report_author(faucet, 1, 1, 1);
        report_author(faucet, 50, 2, 1);
        assert!(has_stake(@0xC1, 25000, 0, 0, 0), 0);
    }

    #[test(framework = @0x1, faucet = @0xFA, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10009, location = aptos_framework::evidence)]
    fun a_new_key_signs_nothing_before_the_border(framework: &signer, faucet: &signer, operator: &signer) {
        start(framework);
        stake::rotate_consensus_key(operator, @0xC1, ed25519::public_key_for_test(50));
        report_author(faucet, 50, 1, 1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA)]
    fun evidence_counts_to_the_last_second(framework: &signer, vm: &signer, faucet: &signer) {
        start(framework);
        end_epoch(vm);
        // Epoch 1 ended at second 101.
        timestamp::update_global_time_for_test_secs(600);
        assert!(evidence::is_epoch_within_reach(1), 0);
        report_author(faucet, 1, 1, 1);
        timestamp::update_global_time_for_test_secs(601);
        assert!(!evidence::is_epoch_within_reach(1) && evidence::is_epoch_within_reach(2), 1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x20007, location = aptos_framework::evidence)]
    fun old_evidence_is_refused(framework: &signer, vm: &signer, faucet: &signer) {
        start(framework);
        end_epoch(vm);
        timestamp::update_global_time_for_test_secs(601);
        report_author(faucet, 1, 1, 1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA)]
    #[expected_failure(abort_code = 0x20007, location = aptos_framework::evidence)]
    fun old_epochs_are_forgotten(framework: &signer, vm: &signer, faucet: &signer) {
        start(framework);
        end_epoch(vm);
        setup::block_at(vm, 2000);
        report_author(faucet, 1, 1, 1);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xC1)]
    fun who_left_answers_with_all_that_served(framework: &signer, vm: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        coin::transfer<AptosCoin>(faucet, @0xC1, 100000);
        stake::unlock(owner, 40000);
        stake::add_stake(owner, 10000);
        stake::leave_validator_set(owner, @0xC1);
        setup::block_at(vm, 1050);
        // The lockup is over: 40,000 unbond until 1,550; 70,000 are active.
        assert!(unbonds(@0xC1, 40000, 1550) && stake::get_validator_state(@0xC1) == 4, 0);
        report_author(faucet, 1, 1, 1);
        assert!(unbonds(@0xC1, 20000, 1550) && has_stake(@0xC1, 35000, 0, 0, 20000), 1);
    }

    #[test(framework = @0x1, faucet = @0xFA, owner = @0xC1)]
    fun stake_that_waits_is_not_safe(framework: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        coin::transfer<AptosCoin>(faucet, @0xC1, 100000);
        stake::add_stake(owner, 10000);
        report_author(faucet, 1, 1, 1);
        assert!(has_stake(@0xC1, 50000, 0, 5000, 0), 0);
    }

    #[test(framework = @0x1, vm = @0x0, faucet = @0xFA, owner = @0xC1)]
    fun free_coins_are_beyond_reach(framework: &signer, vm: &signer, faucet: &signer, owner: &signer) {
        start(framework);
        stake::unlock(owner, 40000);
        setup::block_at(vm, 1050);
        timestamp::update_global_time_for_test_secs(1550);
        // Free at this second, withdrawn or not; it served in epoch 1 only, of which no evidence counts any more.
        report_author(faucet, 1, 2, 1);
        stake::withdraw(owner, 100000);
        assert!(coin::balance<AptosCoin>(@0xC1) == 40000 && has_stake(@0xC1, 30000, 0, 0, 0), 0);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    fun shares_may_be_nothing_or_all(framework: &signer, faucet: &signer) {
        start(framework);
        let balance = coin::balance<AptosCoin>(@0xFA);
        staking_config::update_slashing(framework, 10000, 0, 1, 500);
        report_author(faucet, 1, 1, 1);
        assert!(has_stake(@0xC1, 0, 0, 0, 0) && coin::balance<AptosCoin>(@0xFA) == balance, 0);
        staking_config::update_slashing(framework, 0, 1000, 1, 500);
        report_author(faucet, 2, 1, 2);
        assert!(has_stake(@0xC2, 100000, 0, 0, 0) && stake::get_jailed_through_epoch(@0xC2) == 2, 1);
    }
}
