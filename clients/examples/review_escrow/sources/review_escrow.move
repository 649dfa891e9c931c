/// Holds a buyer's money until the buyer's review is in; a model reads the review and decides who gets the money.
///
/// A review that the model finds positive pays the seller, a negative one refunds the buyer. Without a review the
/// seller may claim the money after the deadline. The seller may give the money back at any time before.
/// Every order ends exactly once.
module review_escrow::review_escrow {
    use std::error;
    use std::signer;
    use std::string::{Self, String};
    use aptos_std::table::{Self, Table};
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::coin::{Self, Coin};
    use aptos_framework::event;
    use aptos_framework::object::Object;
    use aptos_framework::timestamp;
    use noema::inference;
    use noema::model::Model;

    /// The buyer has no order of this number.
    const ENO_SUCH_ORDER: u64 = 1;
    /// The buyer has an order of this number already.
    const EORDER_EXISTS: u64 = 2;
    /// The order has ended.
    const EALREADY_SETTLED: u64 = 3;
    /// Only the order's seller may do this.
    const ENOT_SELLER: u64 = 4;
    /// The seller must wait for the deadline.
    const ETOO_EARLY: u64 = 5;
    /// An order needs an amount.
    const EZERO_AMOUNT: u64 = 6;
    /// A buyer cannot be the seller.
    const ESELF_DEALING: u64 = 7;
    /// A review has 1 to 200 bytes.
    const EREVIEW_LENGTH: u64 = 8;

    const REVIEW_BYTES_MAX: u64 = 200;

    const OPEN: u8 = 0;
    /// The seller was paid after a positive review.
    const PAID: u8 = 1;
    /// The buyer was refunded after a negative review.
    const REFUNDED: u8 = 2;
    /// The seller was paid after the deadline, without a review.
    const CLAIMED: u8 = 3;
    /// The seller gave the money back.
    const RETURNED: u8 = 4;

    const POSITIVE: u64 = 0;

    struct Order has store {
        seller: address,
        amount: u64,
        deadline_seconds: u64,
        /// What is still held: the amount, then nothing.
        held: Coin<AptosCoin>,
        status: u8,
        review: String
    }

    /// A buyer's orders, by the numbers that the buyer chose.
    struct Orders has key {
        orders: Table<u64, Order>
    }

    #[event]
    struct Opened has drop, store {
        buyer: address,
        order: u64,
        seller: address,
        amount: u64
    }

    #[event]
    struct Settled has drop, store {
        buyer: address,
        order: u64,
        status: u8,
        receiver: address,
        amount: u64
    }

    /// The buyer puts an amount into escrow for the seller.
    public entry fun open(buyer: &signer, order: u64, seller: address, amount: u64, deadline_seconds: u64) {
        let buyer_address = signer::address_of(buyer);
        assert!(amount > 0, error::invalid_argument(EZERO_AMOUNT));
        assert!(seller != buyer_address, error::invalid_argument(ESELF_DEALING));
        if (!exists<Orders>(buyer_address)) {
            move_to(buyer, Orders { orders: table::new() });
        };
        let orders = &mut borrow_global_mut<Orders>(buyer_address).orders;
        assert!(!table::contains(orders, order), error::already_exists(EORDER_EXISTS));
        table::add(orders, order, Order {
            seller,
            amount,
            deadline_seconds,
            held: coin::withdraw<AptosCoin>(buyer, amount),
            status: OPEN,
            review: string::utf8(b"")
        });
        event::emit(Opened { buyer: buyer_address, order, seller, amount });
    }

    /// The buyer reviews; the model decides; the money moves.
    public entry fun review(buyer: &signer, order: u64, model: Object<Model>, review: String) {
        let buyer_address = signer::address_of(buyer);
        // Before the model is asked: a settled order must not cost inference.
        assert_open(buyer_address, order);
        let length = string::length(&review);
        assert!(length > 0 && length <= REVIEW_BYTES_MAX, error::invalid_argument(EREVIEW_LENGTH));
        let verdict = inference::choose(model, question(review), verdicts());
        let record = table::borrow_mut(&mut borrow_global_mut<Orders>(buyer_address).orders, order);
        record.review = review;
        let seller = record.seller;
        if (verdict == POSITIVE) {
            settle(buyer_address, order, PAID, seller);
        } else {
            settle(buyer_address, order, REFUNDED, buyer_address);
        }
    }

    /// The seller takes the money after the deadline if there was no review.
    public entry fun claim(seller: &signer, buyer: address, order: u64) {
        let seller_address = signer::address_of(seller);
        assert_open(buyer, order);
        assert_seller(buyer, order, seller_address);
        let deadline_seconds = table::borrow(&borrow_global<Orders>(buyer).orders, order).deadline_seconds;
        assert!(timestamp::now_seconds() >= deadline_seconds, error::invalid_state(ETOO_EARLY));
        settle(buyer, order, CLAIMED, seller_address);
    }

    /// The seller gives the money back.
    public entry fun give_back(seller: &signer, buyer: address, order: u64) {
        assert_open(buyer, order);
        assert_seller(buyer, order, signer::address_of(seller));
        settle(buyer, order, RETURNED, buyer);
    }

    #[view]
    /// 0 open, 1 paid, 2 refunded, 3 claimed, 4 given back.
    public fun status(buyer: address, order: u64): u8 {
        assert_exists(buyer, order);
        table::borrow(&borrow_global<Orders>(buyer).orders, order).status
    }

    #[view]
    /// What the order still holds.
    public fun held(buyer: address, order: u64): u64 {
        assert_exists(buyer, order);
        coin::value(&table::borrow(&borrow_global<Orders>(buyer).orders, order).held)
    }

    #[view]
    /// The buyer's review, empty while there is none.
    public fun review_of(buyer: address, order: u64): String {
        assert_exists(buyer, order);
        table::borrow(&borrow_global<Orders>(buyer).orders, order).review
    }

    /// The question that the model's choice answers.
    public fun question(review: String): String {
        let question = string::utf8(b"Review: ");
        string::append(&mut question, review);
        string::append(&mut question, string::utf8(b"\nSentiment (positive or negative):"));
        question
    }

    /// What the model chooses between.
    public fun verdicts(): vector<String> {
        vector[string::utf8(b" positive"), string::utf8(b" negative")]
    }

    fun settle(buyer: address, order: u64, status: u8, receiver: address) {
        let record = table::borrow_mut(&mut borrow_global_mut<Orders>(buyer).orders, order);
        record.status = status;
        let coins = coin::extract_all(&mut record.held);
        let amount = coin::value(&coins);
        aptos_account::deposit_coins(receiver, coins);
        event::emit(Settled { buyer, order, status, receiver, amount });
    }

    fun assert_open(buyer: address, order: u64) {
        assert!(status(buyer, order) == OPEN, error::invalid_state(EALREADY_SETTLED));
    }

    fun assert_seller(buyer: address, order: u64, candidate: address) {
        let seller = table::borrow(&borrow_global<Orders>(buyer).orders, order).seller;
        assert!(seller == candidate, error::permission_denied(ENOT_SELLER));
    }

    fun assert_exists(buyer: address, order: u64) {
        assert!(
            exists<Orders>(buyer) && table::contains(&borrow_global<Orders>(buyer).orders, order),
            error::not_found(ENO_SUCH_ORDER)
        );
    }

    #[test_only]
    public fun was_settled_for_test(buyer: address, order: u64, status: u8, receiver: address, amount: u64): bool {
        event::was_event_emitted(&Settled { buyer, order, status, receiver, amount })
    }
}
