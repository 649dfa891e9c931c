/// Records answers that were computed off the chain: an account says, for all to see, that a job has an answer.
///
/// A job's hash names the model, the prompt and the options, and an answer is a function of its job: anybody can run it
/// again and see whether the account spoke the truth. Nothing is checked here, and nothing can be taken back.
module noema::settlement {
    use std::error;
    use std::option::{Self, Option};
    use std::signer;
    use std::vector;
    use aptos_std::table::{Self, Table};
    use aptos_framework::event;

    /// A job and an answer are named by hashes of 32 bytes.
    const EINVALID_HASH: u64 = 1;
    /// The account has recorded another answer to the job: an answer is a function of its job.
    const EOTHER_ANSWER: u64 = 2;

    const HASH_BYTES: u64 = 32;

    /// What an account has recorded: digests of answers by hashes of jobs.
    struct Settlements has key {
        answers: Table<vector<u8>, vector<u8>>
    }

    #[event]
    struct Settled has drop, store {
        account: address,
        job: vector<u8>,
        answer: vector<u8>
    }

    /// Records the digest of the answer to a job; changes nothing if it is recorded already.
    public entry fun settle(account: &signer, job: vector<u8>, answer: vector<u8>) {
        assert!(
            vector::length(&job) == HASH_BYTES && vector::length(&answer) == HASH_BYTES,
            error::invalid_argument(EINVALID_HASH)
        );
        let addr = signer::address_of(account);
        if (!exists<Settlements>(addr)) {
            move_to(account, Settlements { answers: table::new() });
        };
        let answers = &mut borrow_global_mut<Settlements>(addr).answers;
        if (table::contains(answers, job)) {
            assert!(*table::borrow(answers, job) == answer, error::already_exists(EOTHER_ANSWER));
            return
        };
        table::add(answers, job, answer);
        event::emit(Settled { account: addr, job, answer });
    }

    #[view]
    /// The digest of the answer that an account has recorded for a job, if it has.
    public fun answer(account: address, job: vector<u8>): Option<vector<u8>> {
        if (!exists<Settlements>(account)) return option::none();
        let answers = &borrow_global<Settlements>(account).answers;
        if (table::contains(answers, job)) option::some(*table::borrow(answers, job)) else option::none()
    }
}
