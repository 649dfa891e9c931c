/// A market for written work: sellers offer it at prices, buyers take the cheapest offer, and when they do not agree
/// whether the work does what was asked, a model reads both and decides who gets the money.
///
/// The model sees the buyer's brief, fixed when the money was paid, and the seller's work, nothing that either writes
/// once they disagree. Every deal ends exactly once.
module task_market::task_market {
    use std::error;
    use std::fixed_point32::{Self, FixedPoint32};
    use std::signer;
    use std::string::String;
    use aptos_std::ordered_map::{Self, OrderedMap};
    use aptos_std::table_with_length::{Self, TableWithLength};
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::coin::{Self, Coin};
    use aptos_framework::event;
    use aptos_framework::object::Object;
    use aptos_framework::timestamp;
    use noema::inference;
    use noema::model::Model;

    /// The account has no market.
    const ENO_MARKET: u64 = 1;
    /// The account has a market already.
    const EMARKET_EXISTS: u64 = 2;
    /// The seller has no offer on the book.
    const ENO_SUCH_OFFER: u64 = 3;
    /// No offer is as cheap as that.
    const ETOO_CHEAP: u64 = 4;
    /// There is no such deal.
    const ENO_SUCH_DEAL: u64 = 5;
    /// Only the deal's seller may do this.
    const ENOT_SELLER: u64 = 6;
    /// Only the deal's buyer may do this.
    const ENOT_BUYER: u64 = 7;
    /// The deal is not in the state for this.
    const EWRONG_STATE: u64 = 8;
    /// The seller has time still.
    const ETOO_EARLY: u64 = 9;
    /// A text has 1 to 400 bytes.
    const ETEXT_LENGTH: u64 = 10;
    /// A price is above zero, a fee at most 1,000 basis points.
    const EBAD_NUMBER: u64 = 11;

    const TEXT_BYTES_MAX: u64 = 400;
    const FEE_BASIS_POINTS_MAX: u64 = 1000;

    /// The buyer has paid, the seller works.
    const ORDERED: u8 = 0;
    /// The seller has delivered.
    const DELIVERED: u8 = 1;
    /// The seller was paid: the buyer accepted.
    const ACCEPTED: u8 = 2;
    /// The seller was paid: the model found the work to be what was asked.
    const UPHELD: u8 = 3;
    /// The buyer was refunded: the model found the work not to be what was asked.
    const REJECTED: u8 = 4;
    /// The buyer was refunded: nothing was delivered in time.
    const EXPIRED: u8 = 5;

    const FULFILLED: u64 = 0;

    /// At the account that runs the market and gets its fees.
    struct Market has key {
        fee: FixedPoint32,
        next_offer: u64,
        /// The cheapest offer first; of two at one price the older one.
        book: OrderedMap<Ask, Offer>,
        deals: TableWithLength<u64, Deal>
    }

    struct Ask has copy, drop, store {
        price: u64,
        number: u64
    }

    struct Offer has copy, drop, store {
        seller: address,
        /// Time for the work.
        seconds: u64
    }

    struct Deal has store {
        seller: address,
        buyer: address,
        price: u64,
        /// What is still held: the price, then nothing.
        held: Coin<AptosCoin>,
        deadline_seconds: u64,
        brief: String,
        work: String,
        state: u8
    }

    #[event]
    struct Ordered has drop, store {
        market: address,
        deal: u64,
        seller: address,
        buyer: address,
        price: u64
    }

    #[event]
    struct Ended has drop, store {
        market: address,
        deal: u64,
        state: u8,
        paid: u64,
        fee: u64
    }

    /// Opens a market at the sender that keeps a part of every price that is paid out.
    public entry fun create(owner: &signer, fee_basis_points: u64) {
        assert!(!exists<Market>(signer::address_of(owner)), error::already_exists(EMARKET_EXISTS));
        assert!(fee_basis_points <= FEE_BASIS_POINTS_MAX, error::invalid_argument(EBAD_NUMBER));
        move_to(owner, Market {
            fee: fixed_point32::create_from_rational(fee_basis_points, 10000),
            next_offer: 0,
            book: ordered_map::new(),
            deals: table_with_length::new()
        });
    }

    /// Offers work at a price, to be delivered within so many seconds after an order.
    public entry fun offer(seller: &signer, market: address, price: u64, seconds: u64) acquires Market {
        assert!(price > 0, error::invalid_argument(EBAD_NUMBER));
        let market = market_mut(market);
        let number = market.next_offer;
        market.next_offer = number + 1;
        market.book.add(Ask { price, number }, Offer { seller: signer::address_of(seller), seconds });
    }

    /// Takes all offers of the sender off the book.
    public entry fun withdraw_offers(seller: &signer, market: address) acquires Market {
        let market = market_mut(market);
        let seller = signer::address_of(seller);
        let mine = vector[];
        market.book.for_each_ref(|ask, offer| {
            if (offer.seller == seller) mine.push_back(*ask);
        });
        assert!(!mine.is_empty(), error::not_found(ENO_SUCH_OFFER));
        mine.for_each(|ask| {
            market.book.remove(&ask);
        });
    }

    /// Orders from the cheapest offer, which must cost at most `price_max`, and pays into the deal.
    public entry fun order(buyer: &signer, market: address, price_max: u64, brief: String) acquires Market {
        assert_text(&brief);
        let place = market;
        let market = market_mut(market);
        assert!(!market.book.is_empty(), error::not_found(ETOO_CHEAP));
        let (ask, offer) = market.book.pop_front();
        assert!(ask.price <= price_max, error::not_found(ETOO_CHEAP));
        let deal = market.deals.length();
        let buyer_address = signer::address_of(buyer);
        market.deals.add(deal, Deal {
            seller: offer.seller,
            buyer: buyer_address,
            price: ask.price,
            held: coin::withdraw<AptosCoin>(buyer, ask.price),
            deadline_seconds: timestamp::now_seconds() + offer.seconds,
            brief,
            work: b"".to_string(),
            state: ORDERED
        });
        event::emit(Ordered { market: place, deal, seller: offer.seller, buyer: buyer_address, price: ask.price });
    }

    /// The seller delivers, once.
    public entry fun deliver(seller: &signer, market: address, deal: u64, work: String) acquires Market {
        assert_text(&work);
        let record = deal_mut(market_mut(market), deal, ORDERED);
        assert!(record.seller == signer::address_of(seller), error::permission_denied(ENOT_SELLER));
        record.work = work;
        record.state = DELIVERED;
    }

    /// The buyer agrees, and the seller is paid.
    public entry fun accept(buyer: &signer, market: address, deal: u64) acquires Market {
        assert_buyer(buyer, market, deal, DELIVERED);
        pay(market, deal, ACCEPTED);
    }

    /// The buyer disagrees; the model compares brief and work and decides.
    public entry fun dispute(buyer: &signer, market: address, deal: u64, model: Object<Model>) acquires Market {
        // Before the model is asked: what cannot be disputed must not cost inference.
        assert_buyer(buyer, market, deal, DELIVERED);
        let record = deal_mut(market_mut(market), deal, DELIVERED);
        let question = question(record.brief, record.work);
        if (inference::choose(model, question, verdicts()) == FULFILLED) {
            pay(market, deal, UPHELD);
        } else {
            refund(market, deal, REJECTED);
        }
    }

    /// The buyer takes the money back when nothing was delivered in time.
    public entry fun expire(buyer: &signer, market: address, deal: u64) acquires Market {
        assert_buyer(buyer, market, deal, ORDERED);
        let deadline_seconds = deal_mut(market_mut(market), deal, ORDERED).deadline_seconds;
        assert!(timestamp::now_seconds() >= deadline_seconds, error::invalid_state(ETOO_EARLY));
        refund(market, deal, EXPIRED);
    }

    #[view]
    /// Prices on the book, cheapest first.
    public fun prices(market: address): vector<u64> acquires Market {
        let prices = vector[];
        market_mut(market).book.for_each_ref(|ask, _offer| prices.push_back(ask.price));
        prices
    }

    #[view]
    /// State of a deal: 0 ordered, 1 delivered, 2 accepted, 3 upheld, 4 rejected, 5 expired.
    public fun state(market: address, deal: u64): u8 acquires Market {
        existing(market_mut(market), deal).state
    }

    #[view]
    /// What a deal still holds.
    public fun held(market: address, deal: u64): u64 acquires Market {
        coin::value(&existing(market_mut(market), deal).held)
    }

    /// What the model is asked.
    public fun question(brief: String, work: String): String {
        let question = b"Request: ".to_string();
        question.append(brief);
        question.append_utf8(b"\nWork: ");
        question.append(work);
        question.append_utf8(b"\nDoes the work fulfil the request (yes or no):");
        question
    }

    /// What the model chooses between.
    public fun verdicts(): vector<String> {
        vector[b" yes", b" no"].map(|text| text.to_string())
    }

    fun pay(market: address, deal: u64, state: u8) acquires Market {
        let place = market;
        let market = market_mut(market);
        let fee_rate = market.fee;
        let record = existing(market, deal);
        record.state = state;
        let fee = fixed_point32::multiply_u64(record.price, fee_rate);
        let paid = record.price - fee;
        let seller = record.seller;
        let for_owner = coin::extract(&mut record.held, fee);
        let for_seller = coin::extract_all(&mut record.held);
        if (fee > 0) aptos_account::deposit_coins(place, for_owner) else coin::destroy_zero(for_owner);
        aptos_account::deposit_coins(seller, for_seller);
        event::emit(Ended { market: place, deal, state, paid, fee });
    }

    fun refund(market: address, deal: u64, state: u8) acquires Market {
        let place = market;
        let record = existing(market_mut(market), deal);
        record.state = state;
        let buyer = record.buyer;
        aptos_account::deposit_coins(buyer, coin::extract_all(&mut record.held));
        event::emit(Ended { market: place, deal, state, paid: 0, fee: 0 });
    }

    fun assert_buyer(buyer: &signer, market: address, deal: u64, state: u8) acquires Market {
        let record = deal_mut(market_mut(market), deal, state);
        assert!(record.buyer == signer::address_of(buyer), error::permission_denied(ENOT_BUYER));
    }

    fun assert_text(text: &String) {
        let length = text.length();
        assert!(length > 0 && length <= TEXT_BYTES_MAX, error::invalid_argument(ETEXT_LENGTH));
    }

    fun deal_mut(market: &mut Market, deal: u64, state: u8): &mut Deal {
        let record = existing(market, deal);
        assert!(record.state == state, error::invalid_state(EWRONG_STATE));
        record
    }

    fun existing(market: &mut Market, deal: u64): &mut Deal {
        assert!(market.deals.contains(deal), error::not_found(ENO_SUCH_DEAL));
        market.deals.borrow_mut(deal)
    }

    /// The market of an account.
    inline fun market_mut(market: address): &mut Market {
        assert!(exists<Market>(market), error::not_found(ENO_MARKET));
        borrow_global_mut<Market>(market)
    }

    #[test_only]
    public fun ended_for_test(market: address, deal: u64, state: u8, paid: u64, fee: u64): bool {
        event::was_event_emitted(&Ended { market, deal, state, paid, fee })
    }
}
