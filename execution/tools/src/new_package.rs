//! The files of a new package: it compiles, its tests pass, and it asks a model.

use noema_types::Identifier;

/// A name that no package can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no package name; hint: use a letter, then letters, digits or `_`")]
pub struct NameError(pub String);

/// Path inside the package and text of each file.
///
/// # Errors
/// [`NameError`]
pub fn files(name: &str) -> Result<Vec<(String, String)>, NameError> {
    let module = name.to_lowercase();
    if !Identifier::is_valid(name) || !module.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(NameError(name.to_owned()));
    }
    let fill = |text: &str| text.replace("{NAME}", name).replace("{MODULE}", &module);
    Ok(vec![
        ("Move.toml".to_owned(), fill(MANIFEST)),
        (format!("sources/{module}.move"), fill(SOURCE)),
        (format!("tests/{module}_tests.move"), fill(TESTS)),
        ("README.md".to_owned(), fill(README)),
        (".gitignore".to_owned(), "build/\n".to_owned()),
    ])
}

const MANIFEST: &str = r#"[package]
name = "{NAME}"
version = "0.1.0"
upgrade_policy = "compatible"

[addresses]
{MODULE} = "_"

[dev-addresses]
{MODULE} = "0x42"

[dependencies]
AptosFramework = { local = "embedded" }
"#;

const SOURCE: &str = r#"/// A guest book whose door is kept by a model: it lets in what it finds friendly.
///
/// The answer of a model is a function of the model and the question, so every node comes to the same one.
module {MODULE}::{MODULE} {
    use std::error;
    use std::signer;
    use std::string::{Self, String};
    use std::vector;
    use aptos_framework::event;
    use aptos_framework::object::Object;
    use noema::inference;
    use noema::model::Model;

    /// The account has no book.
    const ENO_BOOK: u64 = 1;
    /// The book is full.
    const EBOOK_FULL: u64 = 2;

    const MESSAGES_MAX: u64 = 100;

    /// What the model may answer, by position.
    const FRIENDLY: u64 = 0;

    /// An account's book: the messages that were let in.
    struct Book has key {
        messages: vector<String>,
        refused: u64
    }

    #[event]
    struct Judged has drop, store {
        book: address,
        message: String,
        is_friendly: bool
    }

    /// Opens a book.
    public entry fun open(owner: &signer) {
        move_to(owner, Book { messages: vector::empty(), refused: 0 });
    }

    /// Asks the model about a message, and keeps it if it is friendly.
    public entry fun sign(_guest: &signer, book: address, model: Object<Model>, message: String) {
        assert!(exists<Book>(book), error::not_found(ENO_BOOK));
        let is_friendly = inference::choose(model, question(message), choices()) == FRIENDLY;
        let pages = &mut Book[book];
        if (is_friendly) {
            assert!(pages.messages.length() < MESSAGES_MAX, error::resource_exhausted(EBOOK_FULL));
            pages.messages.push_back(message);
        } else {
            pages.refused += 1;
        };
        event::emit(Judged { book, message, is_friendly });
    }

    #[view]
    /// The messages in the book.
    public fun messages(book: address): vector<String> {
        assert!(exists<Book>(book), error::not_found(ENO_BOOK));
        Book[book].messages
    }

    #[view]
    /// How many messages were not let in.
    public fun refused(book: address): u64 {
        assert!(exists<Book>(book), error::not_found(ENO_BOOK));
        Book[book].refused
    }

    /// The message is a stranger's: `plain` keeps it from speaking as anybody but itself.
    fun question(message: String): String {
        let text = string::utf8(b"Message: ");
        text.append(inference::plain(message));
        text.append(string::utf8(b"\nIs the message friendly or rude? It is"));
        text
    }

    fun choices(): vector<String> {
        vector[string::utf8(b" friendly"), string::utf8(b" rude")]
    }
}
"#;

const TESTS: &str = r#"#[test_only]
module {MODULE}::{MODULE}_tests {
    use std::string;
    use aptos_framework::object::Object;
    use noema::inference;
    use noema::model::{Self, Model};
    use {MODULE}::{MODULE};

    /// Tests have no models: they say beforehand what the model will answer.
    fun setup(framework: &signer): Object<Model> {
        inference::initialize_for_test(framework);
        model::create_resident_for_test(framework)
    }

    #[test(framework = @0x1, owner = @0xA, guest = @0xB)]
    fun friendly_messages_are_kept(framework: &signer, owner: &signer, guest: &signer) {
        let model = setup(framework);
        {MODULE}::open(owner);
        inference::script_choice_for_test(0);
        {MODULE}::sign(guest, @0xA, model, string::utf8(b"What a lovely chain!"));
        inference::script_choice_for_test(1);
        {MODULE}::sign(guest, @0xA, model, string::utf8(b"Go away."));
        assert!({MODULE}::messages(@0xA) == vector[string::utf8(b"What a lovely chain!")], 0);
        assert!({MODULE}::refused(@0xA) == 1, 1);
        assert!(inference::prompts_for_test().length() == 2, 2);
    }

    #[test(framework = @0x1, guest = @0xB)]
    #[expected_failure(abort_code = 0x60001, location = {MODULE}::{MODULE})]
    fun there_must_be_a_book(framework: &signer, guest: &signer) {
        let model = setup(framework);
        {MODULE}::sign(guest, @0xA, model, string::utf8(b"Anybody there?"));
    }
}
"#;

const README: &str = r"# {NAME}

    noema move test                                        # [dev-addresses] gives {MODULE} an address
    noema move test --coverage
    noema move fmt
    noema move doc
    noema move publish --named-addresses {MODULE}=default  # the address of your stored account
";
