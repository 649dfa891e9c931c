/// Keeps texts and finds the one that is closest in meaning to a question.
module librarian::librarian {
    use std::error;
    use std::signer;
    use std::string::String;
    use std::vector;
    use aptos_framework::event;
    use aptos_framework::object::Object;
    use noema::inference;
    use noema::model::Model;

    /// The account keeps no such text, or none at all.
    const ENO_SUCH_TEXT: u64 = 1;
    /// The shelf is full.
    const ESHELF_FULL: u64 = 2;

    const TEXTS_MAX: u64 = 100;

    struct Kept has copy, drop, store {
        text: String,
        embedding: vector<u8>
    }

    /// An account's texts, oldest first.
    struct Shelf has key {
        texts: vector<Kept>
    }

    #[event]
    struct Found has drop, store {
        question: String,
        index: u64,
        text: String,
        similarity: u64
    }

    #[event]
    struct Weighed has drop, store {
        continuation: String,
        micro_nats: u64
    }

    /// Embeds a text and keeps it.
    public entry fun remember(owner: &signer, embedder: Object<Model>, text: String) {
        let addr = signer::address_of(owner);
        if (!exists<Shelf>(addr)) {
            move_to(owner, Shelf { texts: vector::empty() });
        };
        let embedding = inference::embed(embedder, text);
        let texts = &mut borrow_global_mut<Shelf>(addr).texts;
        assert!(vector::length(texts) < TEXTS_MAX, error::resource_exhausted(ESHELF_FULL));
        vector::push_back(texts, Kept { text, embedding });
    }

    /// Finds the text of an account that is closest to the question; of equals the oldest.
    public entry fun ask(_reader: &signer, embedder: Object<Model>, owner: address, question: String) {
        assert!(exists<Shelf>(owner), error::not_found(ENO_SUCH_TEXT));
        let wanted = inference::embed(embedder, question);
        let texts = &borrow_global<Shelf>(owner).texts;
        let (best, similarity) = (0, 0);
        let i = 0;
        while (i < vector::length(texts)) {
            let alike = inference::similarity(&wanted, &vector::borrow(texts, i).embedding);
            if (alike > similarity) {
                best = i;
                similarity = alike;
            };
            i = i + 1;
        };
        event::emit(Found { question, index: best, text: vector::borrow(texts, best).text, similarity });
    }

    /// Says how unlikely a continuation is.
    public entry fun weigh(_reader: &signer, model: Object<Model>, prompt: String, continuation: String) {
        let micro_nats = inference::score(model, inference::plain(prompt), continuation);
        event::emit(Weighed { continuation, micro_nats });
    }

    #[view]
    /// How many texts an account keeps.
    public fun count(owner: address): u64 {
        if (exists<Shelf>(owner)) vector::length(&borrow_global<Shelf>(owner).texts) else 0
    }

    #[view]
    /// A text that an account keeps.
    public fun text(owner: address, index: u64): String {
        assert!(index < count(owner), error::not_found(ENO_SUCH_TEXT));
        vector::borrow(&borrow_global<Shelf>(owner).texts, index).text
    }

    #[test_only]
    public fun was_found_for_test(question: String, index: u64, text: String, similarity: u64): bool {
        event::was_event_emitted(&Found { question, index, text, similarity })
    }

    #[test_only]
    public fun was_weighed_for_test(continuation: String, micro_nats: u64): bool {
        event::was_event_emitted(&Weighed { continuation, micro_nats })
    }
}
