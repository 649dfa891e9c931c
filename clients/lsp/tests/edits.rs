//! Random edits in a row: the server lives, and knows what a fresh server knows of the same text.

mod support;

use serde_json::{Value, json};
use support::{Client, at, position_of, repository, uri};

/// How many edits are made unless `NOEMA_LSP_EDITS` says otherwise.
const EDITS: usize = 120;

/// After how many edits a fresh server is asked the same.
const COMPARED_EVERY: usize = 30;

/// What is typed, beside pieces of the text itself.
const PIECES: &[&str] = &[
    "",
    "",
    "",
    ".",
    "::",
    "(",
    ")",
    "{",
    "}",
    "<",
    ">",
    ";",
    ",",
    " ",
    "\n",
    "\u{1f600}",
    "\u{e4}",
    "x",
    "let x = ",
    "fun f(",
    "use std::",
    "&mut ",
    "vector[",
    "/*",
    "*/",
    "//",
    "\"",
    "#[test]",
    "match (x) {",
    "module 0x1::z;",
    "$x",
    "'a: ",
    "@0x1",
    "macro fun m($f: |u64| u64) ",
    "if (",
    "loop { break }",
    "1u8",
    "struct S { a: u64 }",
    "S { a",
    "r\u{202e}",
];

/// A generator of numbers that need not be good, only repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % below.max(1)
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What a server says about a document.
fn asked(client: &mut Client, uri: &str, text: &str) -> Vec<Value> {
    let document = json!({ "textDocument": { "uri": uri } });
    let mut answers = vec![
        client.result("textDocument/documentSymbol", document.clone()),
        client.result("textDocument/semanticTokens/full", document),
    ];
    for part in 0..6 {
        let place = position_of(text, boundary(text, text.len() * part / 6));
        answers.push(client.result("textDocument/hover", at(uri, place.clone())));
        answers.push(client.result("textDocument/completion", at(uri, place.clone())));
        answers.push(client.result("textDocument/signatureHelp", at(uri, place)));
    }
    answers.push(Value::from(client.diagnostics(uri)));
    answers
}

#[test]
fn random_edits_leave_the_state_of_a_fresh_server() {
    let edits = std::env::var("NOEMA_LSP_EDITS").ok().and_then(|text| text.parse().ok()).unwrap_or(EDITS);
    let cache = tempfile::tempdir().expect("a folder");
    let file = repository().join("clients/examples/review_escrow/sources/review_escrow.move");
    let original = std::fs::read_to_string(&file).expect("the example is there");
    let uri = uri(&file);
    let mut dice = Dice(20_261_123);
    let mut text = original.clone();
    let mut client = Client::start(cache.path());
    client.open(&uri, &text);
    for edit in 1..=edits {
        let start = boundary(&text, dice.roll(text.len() + 1));
        let end = boundary(&text, (start + dice.roll(if edit % 7 == 0 { 60 } else { 3 })).min(text.len()));
        let piece = match dice.roll(4) {
            0 => {
                let from = boundary(&original, dice.roll(original.len()));
                let to = boundary(&original, (from + dice.roll(80)).min(original.len()));
                original[from..to].to_owned()
            }
            _ => PIECES[dice.roll(PIECES.len())].to_owned(),
        };
        let range = json!({ "start": position_of(&text, start), "end": position_of(&text, end) });
        client.change(&uri, Some(range), &piece);
        text.replace_range(start..end, &piece);
        let place = at(&uri, position_of(&text, start + piece.len()));
        match dice.roll(4) {
            0 => drop(client.result("textDocument/completion", place)),
            1 => drop(client.result("textDocument/hover", place)),
            2 => drop(client.result("textDocument/signatureHelp", place)),
            _ => {
                let mut params = place;
                params["newName"] = json!("another_name");
                let answer = client.request("textDocument/rename", params);
                assert_ne!(answer["error"]["code"], -32603, "{answer}");
            }
        }
        if edit % COMPARED_EVERY == 0 || edit == edits {
            let mut fresh = Client::start(cache.path());
            fresh.open(&uri, &text);
            assert_eq!(asked(&mut client, &uri, &text), asked(&mut fresh, &uri, &text), "after {edit} edits:\n{text}");
            fresh.stop();
        }
        if edit % 40 == 0 {
            // Back to something whole.
            text.clone_from(&original);
            client.change(&uri, None, &text);
        }
    }
    client.stop();
}
