//! A client that talks to a server over pipes.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use noema_compiler::package::EmbeddedPackages;
use noema_lsp::{Config, Ending, serve};
use serde_json::{Value, json};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The standard library and the framework, as the command line embeds them.
pub(crate) fn embedded() -> EmbeddedPackages {
    let mut packages = EmbeddedPackages::new();
    for package in [noema_move_stdlib::package(), noema_framework::package()] {
        packages.add(package.name, package.manifest, package.sources.iter().copied());
    }
    packages.alias("AptosFramework", "NoemaFramework");
    packages
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

pub(crate) struct Client {
    input: Option<PipeWriter>,
    output: Receiver<Value>,
    server: Option<JoinHandle<Ending>>,
    next_id: i64,
    /// Notifications and requests of the server that nobody waited for yet.
    pub(crate) queue: Vec<Value>,
    versions: BTreeMap<String, i64>,
}

impl Client {
    /// A server that is initialized; `cache` is where copies of embedded sources go.
    pub(crate) fn start(cache: &Path) -> Self {
        let mut client = Self::raw(cache);
        let answer = client.request("initialize", json!({ "capabilities": {}, "processId": null, "rootUri": null }));
        assert_eq!(answer["result"]["serverInfo"]["name"], "noema move lsp");
        client.notify("initialized", json!({}));
        client
    }

    /// A server that has heard nothing yet.
    pub(crate) fn raw(cache: &Path) -> Self {
        let (server_input, input) = std::io::pipe().expect("a pipe");
        let (output, server_output) = std::io::pipe().expect("a pipe");
        let config = Config {
            embedded: embedded(),
            named_addresses: BTreeMap::new(),
            cache: Some(cache.to_path_buf()),
            formatter: Some(
                |text| if text.contains('\t') { Ok(text.replace('\t', "    ")) } else { Err("no tabs".into()) },
            ),
            version: "test".into(),
        };
        let server = std::thread::spawn(move || serve(server_input, server_output, config).expect("threads start"));
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(value) = read(&mut output) {
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self {
            input: Some(input),
            output: receiver,
            server: Some(server),
            next_id: 0,
            queue: Vec::new(),
            versions: BTreeMap::new(),
        }
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the connection is open");
        input.write_all(bytes).expect("the server reads");
        input.flush().expect("the server reads");
    }

    pub(crate) fn send(&mut self, value: &Value) {
        let text = value.to_string();
        self.send_bytes(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The next message, also one that was set aside.
    pub(crate) fn receive(&mut self) -> Value {
        self.output.recv_timeout(PATIENCE).expect("the server says something")
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.post(method, params);
        self.answer(&id)
    }

    /// Sends a request.
    pub(crate) fn post(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = json!(self.next_id);
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Waits for the answer to a request.
    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.receive();
            if message.get("method").is_none() && message["id"] == *id {
                return message;
            }
            self.queue.push(message);
        }
    }

    /// The result of a request that succeeds.
    pub(crate) fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.request(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub(crate) fn open(&mut self, uri: &str, text: &str) {
        self.versions.insert(uri.to_owned(), 1);
        let document = json!({ "uri": uri, "languageId": "move", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Replaces a range, or everything.
    pub(crate) fn change(&mut self, uri: &str, range: Option<Value>, text: &str) {
        let version = self.versions.entry(uri.to_owned()).or_insert(0);
        *version += 1;
        let mut change = json!({ "text": text });
        if let Some(range) = range {
            change["range"] = range;
        }
        let params = json!({ "textDocument": { "uri": uri, "version": *version }, "contentChanges": [change] });
        self.notify("textDocument/didChange", params);
    }

    /// Waits for the messages about the current version of a document.
    pub(crate) fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        let version = self.versions[uri];
        let wanted = |message: &Value| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri
                && message["params"]["version"] == version
        };
        let known = self.queue.iter().rposition(wanted);
        let message = match known {
            Some(position) => self.queue.remove(position),
            None => loop {
                let message = self.receive();
                if wanted(&message) {
                    break message;
                }
                self.queue.push(message);
            },
        };
        message["params"]["diagnostics"].as_array().expect("a list").clone()
    }

    pub(crate) fn close_stream(&mut self) {
        self.input = None;
    }

    pub(crate) fn join(&mut self) -> Ending {
        self.server.take().expect("joined once").join().expect("the server ends by itself")
    }

    /// Ends the connection as the protocol wants it.
    pub(crate) fn stop(mut self) {
        assert_eq!(self.request("shutdown", Value::Null)["result"], Value::Null);
        self.send(&json!({ "jsonrpc": "2.0", "method": "exit" }));
        assert_eq!(self.join(), Ending::Clean);
    }
}

fn read(input: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => length = line.strip_prefix("Content-Length: ")?.parse().ok()?,
        }
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).ok()?;
    Some(serde_json::from_slice(&bytes).expect("the server writes JSON"))
}

/// The position of the `nth` time that `needle` stands in `text`, in UTF-16 units, moved by `offset` bytes.
pub(crate) fn position(text: &str, needle: &str, nth: usize, offset: usize) -> Value {
    let at = text.match_indices(needle).nth(nth).unwrap_or_else(|| panic!("`{needle}` is there")).0 + offset;
    position_of(text, at)
}

pub(crate) fn position_of(text: &str, at: usize) -> Value {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[..at].matches('\n').count();
    json!({ "line": line, "character": text[start..at].encode_utf16().count() })
}

/// The byte at a position.
pub(crate) fn byte(text: &str, position: &Value) -> usize {
    let line = usize::try_from(position["line"].as_u64().expect("a line")).expect("small");
    let units = usize::try_from(position["character"].as_u64().expect("a column")).expect("small");
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let mut seen = 0;
    for (at, letter) in text[start..].char_indices() {
        if seen >= units {
            return start + at;
        }
        seen += letter.len_utf16();
    }
    text.len()
}

/// What a range covers.
pub(crate) fn covered<'t>(text: &'t str, range: &Value) -> &'t str {
    &text[byte(text, &range["start"])..byte(text, &range["end"])]
}

pub(crate) fn at(uri: &str, position: Value) -> Value {
    json!({ "textDocument": { "uri": uri }, "position": position })
}

pub(crate) fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

pub(crate) fn path(uri: &str) -> PathBuf {
    PathBuf::from(uri.strip_prefix("file://").expect("a file"))
}

/// Applies the edits of one document.
pub(crate) fn edited(text: &str, edits: &Value) -> String {
    let mut edits: Vec<(usize, usize, String)> = edits
        .as_array()
        .expect("a list")
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            let new = edit["newText"].as_str().expect("a text").to_owned();
            (byte(text, &range["start"]), byte(text, &range["end"]), new)
        })
        .collect();
    edits.sort();
    let mut text = text.to_owned();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, &new);
    }
    text
}
