#[test_only]
module noema::settlement_tests {
    use std::option;
    use aptos_framework::event;
    use noema::model;
    use noema::settlement;

    #[test(account = @0xC0DE, other = @0xBEEF)]
    fun answers_are_recorded_once(account: &signer, other: &signer) {
        let (job, answer) = (model::root_for_test(1), model::root_for_test(2));
        assert!(option::is_none(&settlement::answer(@0xC0DE, job)), 0);
        settlement::settle(account, job, answer);
        settlement::settle(account, job, answer);
        assert!(event::emitted_count<settlement::Settled>() == 1, 1);
        assert!(settlement::answer(@0xC0DE, job) == option::some(answer), 2);
        assert!(option::is_none(&settlement::answer(@0xC0DE, answer)), 3);
        // Others may disagree: each speaks for itself.
        settlement::settle(other, job, job);
        assert!(settlement::answer(@0xBEEF, job) == option::some(job), 4);
    }

    #[test(account = @0xC0DE)]
    #[expected_failure(abort_code = 0x80002, location = noema::settlement)]
    fun an_account_does_not_contradict_itself(account: &signer) {
        let (job, answer) = (model::root_for_test(1), model::root_for_test(2));
        settlement::settle(account, job, answer);
        settlement::settle(account, job, job);
    }

    #[test(account = @0xC0DE)]
    #[expected_failure(abort_code = 0x10001, location = noema::settlement)]
    fun hashes_have_32_bytes(account: &signer) {
        settlement::settle(account, model::root_for_test(1), x"00");
    }
}
