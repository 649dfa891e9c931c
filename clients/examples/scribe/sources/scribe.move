/// Asks a model for a text and keeps it under the account that asked.
module scribe::scribe {
    use std::error;
    use std::signer;
    use std::string::String;
    use std::vector;
    use aptos_framework::event;
    use aptos_framework::object::{Self, Object};
    use aptos_framework::timestamp;
    use noema::inference;
    use noema::model::Model;

    /// The account has no note of this number.
    const ENO_SUCH_NOTE: u64 = 1;
    /// The notebook is full.
    const ENOTEBOOK_FULL: u64 = 2;

    const NOTES_MAX: u64 = 100;

    /// What was asked, and what the model wrote.
    struct Note has copy, drop, store {
        model: address,
        prompt: String,
        text: String,
        written_at_seconds: u64
    }

    /// An account's notes, oldest first.
    struct Notebook has key {
        notes: vector<Note>
    }

    #[event]
    struct Written has drop, store {
        author: address,
        model: address,
        note: u64,
        text: String
    }

    /// Asks the model to continue the prompt, greedily, by at most `max_new_tokens` tokens, and keeps the text.
    public entry fun write(author: &signer, model: Object<Model>, prompt: String, max_new_tokens: u64) {
        let options = inference::with_max_new_tokens(inference::options(), max_new_tokens);
        let text = inference::generate(model, prompt, &options);
        keep(author, model, prompt, text);
    }

    /// The same, drawing tokens at a temperature (in basis points) from a seed.
    public entry fun write_freely(
        author: &signer,
        model: Object<Model>,
        prompt: String,
        max_new_tokens: u64,
        temperature_bps: u64,
        seed: u64
    ) {
        let options = inference::options();
        options = inference::with_max_new_tokens(options, max_new_tokens);
        options = inference::with_temperature(options, temperature_bps);
        options = inference::with_seed(options, seed);
        let text = inference::generate(model, prompt, &options);
        keep(author, model, prompt, text);
    }

    fun keep(author: &signer, model: Object<Model>, prompt: String, text: String) {
        let author_address = signer::address_of(author);
        if (!exists<Notebook>(author_address)) {
            move_to(author, Notebook { notes: vector::empty() });
        };
        let notes = &mut borrow_global_mut<Notebook>(author_address).notes;
        let note = vector::length(notes);
        assert!(note < NOTES_MAX, error::resource_exhausted(ENOTEBOOK_FULL));
        let model = object::object_address(&model);
        vector::push_back(notes, Note { model, prompt, text, written_at_seconds: timestamp::now_seconds() });
        event::emit(Written { author: author_address, model, note, text });
    }

    #[view]
    /// How many notes the account has.
    public fun count(author: address): u64 {
        if (exists<Notebook>(author)) vector::length(&borrow_global<Notebook>(author).notes) else 0
    }

    #[view]
    /// What the model wrote in a note.
    public fun text(author: address, note: u64): String {
        assert!(note < count(author), error::not_found(ENO_SUCH_NOTE));
        vector::borrow(&borrow_global<Notebook>(author).notes, note).text
    }

    #[view]
    /// What was asked in a note.
    public fun prompt(author: address, note: u64): String {
        assert!(note < count(author), error::not_found(ENO_SUCH_NOTE));
        vector::borrow(&borrow_global<Notebook>(author).notes, note).prompt
    }

    #[test_only]
    public fun was_written_for_test(author: address, model: address, note: u64, text: String): bool {
        event::was_event_emitted(&Written { author, model, note, text })
    }
}
