/// The chain's clock: the timestamp of the block being executed.
module aptos_framework::timestamp {
    use std::error;
    use aptos_framework::system_addresses;

    friend aptos_framework::block;
    friend aptos_framework::genesis;

    struct CurrentTimeMicroseconds has key {
        microseconds: u64
    }

    const MICRO_CONVERSION_FACTOR: u64 = 1000000;

    /// The clock does not exist yet.
    const ENOT_OPERATING: u64 = 1;
    /// A block's timestamp must exceed the one before it, except for a block that the chain made itself.
    const EINVALID_TIMESTAMP: u64 = 2;

    public(friend) fun set_time_has_started(aptos_framework: &signer, microseconds: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, CurrentTimeMicroseconds { microseconds })
    }

    /// Sets the clock to a block's timestamp. Blocks without proposer repeat the time before them.
    public(friend) fun update_global_time(account: &signer, proposer: address, timestamp: u64) {
        system_addresses::assert_vm(account);
        let clock = borrow_global_mut<CurrentTimeMicroseconds>(@aptos_framework);
        if (proposer == @vm_reserved) {
            assert!(clock.microseconds == timestamp, error::invalid_argument(EINVALID_TIMESTAMP));
        } else {
            assert!(clock.microseconds < timestamp, error::invalid_argument(EINVALID_TIMESTAMP));
            clock.microseconds = timestamp;
        }
    }

    #[view]
    public fun now_microseconds(): u64 {
        borrow_global<CurrentTimeMicroseconds>(@aptos_framework).microseconds
    }

    #[view]
    public fun now_seconds(): u64 {
        now_microseconds() / MICRO_CONVERSION_FACTOR
    }

    #[test_only]
    public fun set_time_has_started_for_testing(account: &signer) {
        if (!exists<CurrentTimeMicroseconds>(@aptos_framework)) set_time_has_started(account, 0)
    }

    #[test_only]
    public fun update_global_time_for_test(microseconds: u64) {
        let clock = borrow_global_mut<CurrentTimeMicroseconds>(@aptos_framework);
        assert!(clock.microseconds <= microseconds, error::invalid_argument(EINVALID_TIMESTAMP));
        clock.microseconds = microseconds;
    }

    #[test_only]
    public fun update_global_time_for_test_secs(seconds: u64) {
        update_global_time_for_test(seconds * MICRO_CONVERSION_FACTOR)
    }

    #[test_only]
    public fun fast_forward_seconds(seconds: u64) {
        update_global_time_for_test(now_microseconds() + seconds * MICRO_CONVERSION_FACTOR)
    }
}
