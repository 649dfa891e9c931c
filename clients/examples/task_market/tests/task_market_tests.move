#[test_only]
module task_market::task_market_tests {
    use std::string::String;
    use aptos_framework::account;
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::{Self, AptosCoin};
    use aptos_framework::coin;
    use aptos_framework::genesis;
    use aptos_framework::object::Object;
    use aptos_framework::timestamp;
    use noema::inference;
    use noema::model::{Self, Model};
    use task_market::task_market as market;

    const OWNER: address = @0xA0;
    const BUYER: address = @0xB;
    const SELLER: address = @0x5E;
    const RIVAL: address = @0x5F;
    const FAUCET: address = @0xFA;

    const DELIVERED: u8 = 1;
    const ACCEPTED: u8 = 2;
    const UPHELD: u8 = 3;
    const REJECTED: u8 = 4;
    const EXPIRED: u8 = 5;

    fun signer_of(who: address): signer {
        account::create_signer_for_test(who)
    }

    fun text(bytes: vector<u8>): String {
        bytes.to_string()
    }

    /// A market with 2.5 % fee, a buyer with 1,000, and three offers: the cheapest, 200, is SELLER's.
    fun setup(framework: &signer): Object<Model> {
        genesis::setup_for_test(framework, FAUCET);
        let model = model::create_resident_for_test(framework);
        vector[OWNER, BUYER, SELLER, RIVAL].for_each(|who| aptos_account::create_account(who));
        aptos_coin::mint(&signer_of(FAUCET), BUYER, 1000);
        market::create(&signer_of(OWNER), 250);
        market::offer(&signer_of(RIVAL), OWNER, 300, 60);
        market::offer(&signer_of(SELLER), OWNER, 200, 60);
        market::offer(&signer_of(RIVAL), OWNER, 200, 60);
        model
    }

    /// The same, and SELLER has delivered what BUYER ordered.
    fun delivered(framework: &signer): Object<Model> {
        let model = setup(framework);
        market::order(&signer_of(BUYER), OWNER, 250, text(b"A haiku about rain"));
        market::deliver(&signer_of(SELLER), OWNER, 0, text(b"Rain on the old roof"));
        model
    }

    fun assert_ended(state: u8, buyer: u64, seller: u64, owner: u64) {
        assert!(market::state(OWNER, 0) == state && market::held(OWNER, 0) == 0);
        assert!(coin::balance<AptosCoin>(BUYER) == buyer);
        assert!(coin::balance<AptosCoin>(SELLER) == seller);
        assert!(coin::balance<AptosCoin>(OWNER) == owner);
    }

    #[test(framework = @0x1)]
    fun the_cheapest_and_oldest_offer_goes_first(framework: &signer) {
        setup(framework);
        assert!(market::prices(OWNER) == vector[200, 200, 300]);
        market::order(&signer_of(BUYER), OWNER, 250, text(b"A haiku about rain"));
        assert!(market::prices(OWNER) == vector[200, 300] && market::held(OWNER, 0) == 200);
        assert!(coin::balance<AptosCoin>(BUYER) == 800);
        market::withdraw_offers(&signer_of(RIVAL), OWNER);
        assert!(market::prices(OWNER) == vector[]);
    }

    #[test(framework = @0x1)]
    fun accepted_work_is_paid_less_the_fee(framework: &signer) {
        delivered(framework);
        assert!(market::state(OWNER, 0) == DELIVERED);
        market::accept(&signer_of(BUYER), OWNER, 0);
        // 2.5 % of 200, rounded down in binary
        assert_ended(ACCEPTED, 800, 196, 4);
        assert!(market::ended_for_test(OWNER, 0, ACCEPTED, 196, 4));
    }

    #[test(framework = @0x1)]
    fun the_model_upholds(framework: &signer) {
        let model = delivered(framework);
        inference::script_choice_for_test(0);
        market::dispute(&signer_of(BUYER), OWNER, 0, model);
        assert_ended(UPHELD, 800, 196, 4);
        assert!(
            inference::prompts_for_test()
                == vector[b"Request: A haiku about rain\nWork: Rain on the old roof\nDoes the work fulfil the request (yes or no):"]
        );
    }

    #[test(framework = @0x1)]
    fun the_model_rejects(framework: &signer) {
        let model = delivered(framework);
        inference::script_choice_for_test(1);
        market::dispute(&signer_of(BUYER), OWNER, 0, model);
        assert_ended(REJECTED, 1000, 0, 0);
        assert!(market::ended_for_test(OWNER, 0, REJECTED, 0, 0));
    }

    #[test(framework = @0x1)]
    fun what_is_late_is_refunded(framework: &signer) {
        setup(framework);
        market::order(&signer_of(BUYER), OWNER, 200, text(b"A haiku"));
        timestamp::fast_forward_seconds(60);
        market::expire(&signer_of(BUYER), OWNER, 0);
        assert_ended(EXPIRED, 1000, 0, 0);
    }

    #[test(framework = @0x1)]
    fun a_market_without_a_fee(framework: &signer) {
        setup(framework);
        market::create(&signer_of(RIVAL), 0);
        market::offer(&signer_of(SELLER), RIVAL, 10, 60);
        market::order(&signer_of(BUYER), RIVAL, 10, text(b"A word"));
        market::deliver(&signer_of(SELLER), RIVAL, 0, text(b"Rain"));
        market::accept(&signer_of(BUYER), RIVAL, 0);
        assert!(coin::balance<AptosCoin>(SELLER) == 10);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x60001, location = task_market::task_market)]
    fun nobodys_market(framework: &signer) {
        setup(framework);
        market::prices(BUYER);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x80002, location = task_market::task_market)]
    fun a_second_market(framework: &signer) {
        setup(framework);
        market::create(&signer_of(OWNER), 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x60003, location = task_market::task_market)]
    fun withdrawal_of_nothing(framework: &signer) {
        setup(framework);
        market::withdraw_offers(&signer_of(BUYER), OWNER);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x60004, location = task_market::task_market)]
    fun nothing_is_that_cheap(framework: &signer) {
        setup(framework);
        market::order(&signer_of(BUYER), OWNER, 199, text(b"A haiku"));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x60004, location = task_market::task_market)]
    fun an_empty_book(framework: &signer) {
        setup(framework);
        market::create(&signer_of(BUYER), 0);
        market::order(&signer_of(BUYER), BUYER, 199, text(b"A haiku"));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x60005, location = task_market::task_market)]
    fun no_such_deal(framework: &signer) {
        setup(framework);
        market::state(OWNER, 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x50006, location = task_market::task_market)]
    fun only_the_seller_delivers(framework: &signer) {
        setup(framework);
        market::order(&signer_of(BUYER), OWNER, 200, text(b"A haiku"));
        market::deliver(&signer_of(RIVAL), OWNER, 0, text(b"Mine"));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x50007, location = task_market::task_market)]
    fun only_the_buyer_accepts(framework: &signer) {
        delivered(framework);
        market::accept(&signer_of(SELLER), OWNER, 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x30008, location = task_market::task_market)]
    fun deals_end_once(framework: &signer) {
        let model = delivered(framework);
        market::accept(&signer_of(BUYER), OWNER, 0);
        // No answer is scripted: reaching the model would fail otherwise.
        market::dispute(&signer_of(BUYER), OWNER, 0, model);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x30008, location = task_market::task_market)]
    fun delivered_work_does_not_expire(framework: &signer) {
        delivered(framework);
        timestamp::fast_forward_seconds(60);
        market::expire(&signer_of(BUYER), OWNER, 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x30009, location = task_market::task_market)]
    fun sellers_have_their_time(framework: &signer) {
        setup(framework);
        market::order(&signer_of(BUYER), OWNER, 200, text(b"A haiku"));
        timestamp::fast_forward_seconds(59);
        market::expire(&signer_of(BUYER), OWNER, 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000A, location = task_market::task_market)]
    fun empty_briefs(framework: &signer) {
        setup(framework);
        market::order(&signer_of(BUYER), OWNER, 200, text(b""));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000B, location = task_market::task_market)]
    fun work_for_nothing(framework: &signer) {
        setup(framework);
        market::offer(&signer_of(SELLER), OWNER, 0, 60);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000B, location = task_market::task_market)]
    fun greedy_markets(framework: &signer) {
        setup(framework);
        market::create(&signer_of(BUYER), 1001);
    }
}
