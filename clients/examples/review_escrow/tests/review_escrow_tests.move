#[test_only]
module review_escrow::review_escrow_tests {
    use std::string;
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::{Self, AptosCoin};
    use aptos_framework::coin;
    use aptos_framework::genesis;
    use aptos_framework::object::{Self, Object};
    use aptos_framework::timestamp;
    use aptos_framework::account;
    use noema::inference;
    use noema::model::{Self, Model};
    use review_escrow::review_escrow as escrow;

    const BUYER: address = @0xB;
    const SELLER: address = @0x5E;
    const FAUCET: address = @0xFA;

    const OPEN: u8 = 0;
    const PAID: u8 = 1;
    const REFUNDED: u8 = 2;
    const CLAIMED: u8 = 3;
    const RETURNED: u8 = 4;

    /// A chain, a resident model, a buyer with 1,000 who has put 400 into escrow as order 7.
    fun setup(framework: &signer, buyer: &signer): Object<Model> {
        genesis::setup_for_test(framework, FAUCET);
        let model = model::create_resident_for_test(framework);
        aptos_account::create_account(BUYER);
        aptos_coin::mint(&account::create_signer_for_test(FAUCET), BUYER, 1000);
        escrow::open(buyer, 7, SELLER, 400, timestamp::now_seconds() + 60);
        assert!(coin::balance<AptosCoin>(BUYER) == 600, 100);
        assert!(escrow::held(BUYER, 7) == 400, 101);
        assert!(escrow::status(BUYER, 7) == OPEN, 102);
        model
    }

    fun assert_ended(status: u8, buyer_balance: u64, seller_balance: u64) {
        assert!(escrow::status(BUYER, 7) == status, 103);
        assert!(escrow::held(BUYER, 7) == 0, 104);
        assert!(coin::balance<AptosCoin>(BUYER) == buyer_balance, 105);
        assert!(coin::balance<AptosCoin>(SELLER) == seller_balance, 106);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    fun positive_review_pays_the_seller(framework: &signer, buyer: &signer) {
        let model = setup(framework, buyer);
        inference::script_choice_for_test(0);
        escrow::review(buyer, 7, model, string::utf8(b"Wonderful, thank you!"));
        assert_ended(PAID, 600, 400);
        assert!(escrow::was_settled_for_test(BUYER, 7, PAID, SELLER, 400), 0);
        assert!(escrow::review_of(BUYER, 7) == string::utf8(b"Wonderful, thank you!"), 1);
        assert!(
            inference::prompts_for_test()
                == vector[b"Review: Wonderful, thank you!\nSentiment (positive or negative):"],
            2
        );
    }

    #[test(framework = @0x1, buyer = @0xB)]
    fun negative_review_refunds_the_buyer(framework: &signer, buyer: &signer) {
        let model = setup(framework, buyer);
        inference::script_choice_for_test(1);
        escrow::review(buyer, 7, model, string::utf8(b"It never arrived."));
        assert_ended(REFUNDED, 1000, 0);
        assert!(escrow::was_settled_for_test(BUYER, 7, REFUNDED, BUYER, 400), 0);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x30003, location = review_escrow::review_escrow)]
    fun second_review_is_refused_before_the_model_is_asked(framework: &signer, buyer: &signer) {
        let model = setup(framework, buyer);
        inference::script_choice_for_test(0);
        escrow::review(buyer, 7, model, string::utf8(b"Fine."));
        // No second answer is scripted: reaching the model would fail otherwise.
        escrow::review(buyer, 7, model, string::utf8(b"Fine."));
    }

    #[test(framework = @0x1, buyer = @0xB, seller = @0x5E)]
    #[expected_failure(abort_code = 0x30003, location = review_escrow::review_escrow)]
    fun no_claim_after_a_review(framework: &signer, buyer: &signer, seller: &signer) {
        let model = setup(framework, buyer);
        inference::script_choice_for_test(1);
        escrow::review(buyer, 7, model, string::utf8(b"Broken."));
        timestamp::fast_forward_seconds(61);
        escrow::claim(seller, BUYER, 7);
    }

    #[test(framework = @0x1, buyer = @0xB, seller = @0x5E)]
    fun seller_claims_after_the_deadline(framework: &signer, buyer: &signer, seller: &signer) {
        setup(framework, buyer);
        timestamp::fast_forward_seconds(60);
        escrow::claim(seller, BUYER, 7);
        assert_ended(CLAIMED, 600, 400);
    }

    #[test(framework = @0x1, buyer = @0xB, seller = @0x5E)]
    #[expected_failure(abort_code = 0x30005, location = review_escrow::review_escrow)]
    fun seller_must_wait(framework: &signer, buyer: &signer, seller: &signer) {
        setup(framework, buyer);
        timestamp::fast_forward_seconds(59);
        escrow::claim(seller, BUYER, 7);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x50004, location = review_escrow::review_escrow)]
    fun buyer_cannot_claim(framework: &signer, buyer: &signer) {
        setup(framework, buyer);
        timestamp::fast_forward_seconds(61);
        escrow::claim(buyer, BUYER, 7);
    }

    #[test(framework = @0x1, buyer = @0xB, seller = @0x5E)]
    fun seller_gives_back(framework: &signer, buyer: &signer, seller: &signer) {
        setup(framework, buyer);
        escrow::give_back(seller, BUYER, 7);
        assert_ended(RETURNED, 1000, 0);
    }

    #[test(framework = @0x1, buyer = @0xB, stranger = @0x666)]
    #[expected_failure(abort_code = 0x50004, location = review_escrow::review_escrow)]
    fun stranger_cannot_give_back(framework: &signer, buyer: &signer, stranger: &signer) {
        setup(framework, buyer);
        escrow::give_back(stranger, BUYER, 7);
    }

    #[test(framework = @0x1, buyer = @0xB, stranger = @0x666)]
    #[expected_failure(abort_code = 0x60001, location = review_escrow::review_escrow)]
    fun stranger_has_no_order_to_review(framework: &signer, buyer: &signer, stranger: &signer) {
        let model = setup(framework, buyer);
        escrow::review(stranger, 7, model, string::utf8(b"Mine!"));
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x80002, location = review_escrow::review_escrow)]
    fun order_numbers_are_used_once(framework: &signer, buyer: &signer) {
        setup(framework, buyer);
        escrow::open(buyer, 7, SELLER, 1, 100);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x10006, location = aptos_framework::coin)]
    fun buyer_needs_the_money(framework: &signer, buyer: &signer) {
        setup(framework, buyer);
        escrow::open(buyer, 8, SELLER, 601, 100);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x10006, location = review_escrow::review_escrow)]
    fun nothing_cannot_be_escrowed(framework: &signer, buyer: &signer) {
        setup(framework, buyer);
        escrow::open(buyer, 8, SELLER, 0, 100);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x10007, location = review_escrow::review_escrow)]
    fun buyer_is_not_the_seller(framework: &signer, buyer: &signer) {
        setup(framework, buyer);
        escrow::open(buyer, 8, BUYER, 1, 100);
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x10008, location = review_escrow::review_escrow)]
    fun empty_review(framework: &signer, buyer: &signer) {
        let model = setup(framework, buyer);
        escrow::review(buyer, 7, model, string::utf8(b""));
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0xB0007, location = noema::inference)]
    fun failing_model_settles_nothing(framework: &signer, buyer: &signer) {
        let model = setup(framework, buyer);
        inference::script_failure_for_test(2);
        escrow::review(buyer, 7, model, string::utf8(b"Fine."));
    }

    #[test(framework = @0x1, buyer = @0xB)]
    #[expected_failure(abort_code = 0x30003, location = noema::inference)]
    fun model_that_is_not_resident(framework: &signer, buyer: &signer) {
        let model = setup(framework, buyer);
        model::end_residency(framework, model);
        assert!(!model::is_resident(model) && object::is_object(object::object_address(&model)), 0);
        escrow::review(buyer, 7, model, string::utf8(b"Fine."));
    }
}
