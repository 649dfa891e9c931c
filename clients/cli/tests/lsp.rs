//! `noema move lsp` as an editor starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

fn start(cache: &std::path::Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_noema"))
        .args(["move", "lsp", "--named-addresses", "hello=0x42"])
        .env("XDG_CACHE_HOME", cache)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("noema starts")
}

fn send(server: &mut Child, value: &Value) {
    let text = value.to_string();
    let input = server.stdin.as_mut().expect("a pipe");
    write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
    input.flush().expect("the server reads");
}

fn receive(output: &mut BufReader<ChildStdout>) -> Value {
    let mut head = String::new();
    output.read_line(&mut head).expect("the server writes");
    let length = head.trim_end().strip_prefix("Content-Length: ").expect("stdout holds the protocol only");
    let mut rest = vec![0; 2 + length.parse::<usize>().expect("a length")];
    output.read_exact(&mut rest).expect("the server writes");
    serde_json::from_slice(&rest[2..]).expect("JSON")
}

/// The answer to request `id`.
fn answer(output: &mut BufReader<ChildStdout>, id: u64) -> Value {
    loop {
        let message = receive(output);
        if message["id"] == id {
            return message["result"].clone();
        }
    }
}

#[test]
fn an_editor_starts_it_and_ends_it() {
    let cache = tempfile::tempdir().unwrap();
    let mut server = start(cache.path());
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let request = |id: u64, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    send(&mut server, &request(1, "initialize", json!({ "capabilities": {} })));
    assert_eq!(answer(&mut output, 1)["capabilities"]["documentFormattingProvider"], true);
    let text = "module hello::m {\n/// Says it.\npublic fun f(): address   { @hello } }\n";
    let document = json!({ "uri": "untitled:a", "languageId": "move", "version": 1, "text": text });
    send(
        &mut server,
        &json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } }),
    );
    let place = json!({ "textDocument": { "uri": "untitled:a" }, "position": { "line": 2, "character": 11 } });
    send(&mut server, &request(2, "textDocument/hover", place));
    let shown = answer(&mut output, 2)["contents"]["value"].to_string();
    assert!(shown.contains("0x42::m") && shown.contains("Says it."), "{shown}");
    let options = json!({ "textDocument": { "uri": "untitled:a" }, "options": { "tabSize": 4, "insertSpaces": true } });
    send(&mut server, &request(3, "textDocument/formatting", options));
    assert!(answer(&mut output, 3)[0]["newText"].as_str().unwrap().contains("    public fun f(): address {"));
    send(&mut server, &request(4, "shutdown", Value::Null));
    assert_eq!(answer(&mut output, 4), Value::Null);
    send(&mut server, &json!({ "jsonrpc": "2.0", "method": "exit" }));
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn an_editor_that_leaves_ends_it_too() {
    let cache = tempfile::tempdir().unwrap();
    let mut server = start(cache.path());
    drop(server.stdin.take());
    assert_eq!(server.wait().unwrap().code(), Some(1));
}
