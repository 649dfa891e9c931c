#[test_only]
module scribe::scribe_tests {
    use std::signer;
    use std::string;
    use aptos_framework::object::{Self, Object};
    use aptos_framework::timestamp;
    use noema::inference;
    use noema::model::{Self, Model};
    use scribe::scribe;

    fun setup(framework: &signer): Object<Model> {
        timestamp::set_time_has_started_for_testing(framework);
        inference::initialize_for_test(framework);
        model::create_resident_for_test(framework)
    }

    #[test(framework = @0x1, author = @0xA)]
    fun keeps_what_the_model_wrote(framework: &signer, author: &signer) {
        let model = setup(framework);
        inference::script_text_for_test(b" Paris.");
        inference::script_text_for_test(b" Rome.");
        timestamp::fast_forward_seconds(5);
        scribe::write(author, model, string::utf8(b"The capital of France is"), 8);
        scribe::write(author, model, string::utf8(b"The capital of Italy is"), 8);

        let address = signer::address_of(author);
        assert!(scribe::count(address) == 2, 0);
        assert!(scribe::text(address, 0) == string::utf8(b" Paris."), 1);
        assert!(scribe::text(address, 1) == string::utf8(b" Rome."), 2);
        assert!(scribe::prompt(address, 1) == string::utf8(b"The capital of Italy is"), 3);
        let model_address = object::object_address(&model);
        assert!(scribe::was_written_for_test(address, model_address, 1, string::utf8(b" Rome.")), 4);
        assert!(
            inference::prompts_for_test() == vector[b"The capital of France is", b"The capital of Italy is"],
            5
        );
    }

    #[test(framework = @0x1, author = @0xA)]
    fun draws_from_a_seed(framework: &signer, author: &signer) {
        let model = setup(framework);
        inference::script_text_for_test(b" a moon");
        scribe::write_freely(author, model, string::utf8(b"Once there was"), 8, 8000, 42);
        assert!(scribe::text(@0xA, 0) == string::utf8(b" a moon"), 0);
    }

    #[test]
    fun nobody_has_notes_at_first() {
        assert!(scribe::count(@0xA) == 0, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x60001, location = scribe::scribe)]
    fun absent_note() {
        scribe::text(@0xA, 0);
    }

    #[test(framework = @0x1, author = @0xA)]
    #[expected_failure(abort_code = 0x90001, location = noema::inference)]
    fun more_tokens_than_a_transaction_may_ask(framework: &signer, author: &signer) {
        let model = setup(framework);
        scribe::write(author, model, string::utf8(b"Tell me everything."), 4096);
    }

    #[test(framework = @0x1, author = @0xA)]
    #[expected_failure(abort_code = 0x10005, location = noema::inference)]
    fun empty_prompt(framework: &signer, author: &signer) {
        let model = setup(framework);
        scribe::write(author, model, string::utf8(b""), 8);
    }
}
