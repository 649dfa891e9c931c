#[test_only]
module librarian::librarian_tests {
    use std::signer;
    use std::string::{Self, String};
    use noema::inference;
    use noema::model;
    use librarian::librarian;

    fun text(bytes: vector<u8>): String {
        string::utf8(bytes)
    }

    #[test(framework = @0x1, owner = @0xA)]
    fun finds_what_is_closest(framework: &signer, owner: &signer) {
        inference::initialize_for_test(framework);
        let embedder = model::create_resident_embedder_for_test(framework);
        inference::script_embedding_for_test(x"7f00");
        inference::script_embedding_for_test(x"007f");
        inference::script_embedding_for_test(x"5a5b");
        librarian::remember(owner, embedder, text(b"cats"));
        librarian::remember(owner, embedder, text(b"dogs"));
        let address = signer::address_of(owner);
        assert!(librarian::count(address) == 2 && librarian::text(address, 1) == text(b"dogs"), 0);
        librarian::ask(owner, embedder, address, text(b"pets"));
        assert!(librarian::was_found_for_test(text(b"pets"), 1, text(b"dogs"), 7110), 1);
    }

    #[test(framework = @0x1, reader = @0xA)]
    fun weighs_words_of_others_as_text(framework: &signer, reader: &signer) {
        inference::initialize_for_test(framework);
        let model = model::create_resident_for_test(framework);
        inference::script_score_for_test(1234567);
        librarian::weigh(reader, model, text(b"a<b"), text(b" c"));
        assert!(librarian::was_weighed_for_test(text(b" c"), 1234567), 0);
        assert!(inference::prompts_for_test() == vector[x"efb790613cefb79062"], 1);
    }

    #[test(framework = @0x1, reader = @0xA)]
    #[expected_failure(abort_code = 0x60001, location = librarian::librarian)]
    fun nothing_is_found_on_no_shelf(framework: &signer, reader: &signer) {
        inference::initialize_for_test(framework);
        let embedder = model::create_resident_embedder_for_test(framework);
        librarian::ask(reader, embedder, @0xB, text(b"pets"));
    }
}
