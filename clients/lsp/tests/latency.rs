//! How long an editor waits for the server after a key.
#![allow(clippy::print_stdout, reason = "the figures are of interest when the test passes too")]

mod support;

use std::time::{Duration, Instant};

use noema_lsp::limits::CHECK_PAUSE;
use serde_json::json;
use support::{Client, at, position_of, repository, uri};

/// The most that a key on the framework may take until its names are known, and behind the pause until its messages are.
const KEY_MAX: Duration = Duration::from_millis(300);

/// How often a busy machine may be too slow.
const ROUNDS: usize = 30;

#[test]
fn a_key_on_the_framework_is_answered_at_once() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let path = repository().join("framework/sources/stake.move");
    let text = std::fs::read_to_string(&path).expect("the source is there");
    let uri = uri(&path);
    client.open(&uri, &text);
    client.diagnostics(&uri);
    let place = text.find("    public fun stake_pool_exists").expect("the function is there");
    let start = json!({ "line": position_of(&text, place)["line"], "character": 0 });
    let (mut names, mut messages) = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS {
        let range = json!({ "start": start, "end": start });
        let begin = Instant::now();
        client.change(&uri, Some(range), &format!("    fun typed_{round}() {{}}\n"));
        let under = client.result("textDocument/hover", at(&uri, json!({ "line": start["line"], "character": 10 })));
        names = names.min(begin.elapsed());
        assert!(under.to_string().contains(&format!("typed_{round}")), "{under}");
        client.diagnostics(&uri);
        messages = messages.min(begin.elapsed());
        if round > 2 && names < KEY_MAX && messages < KEY_MAX + CHECK_PAUSE {
            break;
        }
    }
    println!("after a key: names {names:?}, messages {messages:?}, of which the pause is {CHECK_PAUSE:?}");
    assert!(names < KEY_MAX && messages < KEY_MAX + CHECK_PAUSE, "{names:?} {messages:?}");
    client.stop();
}
