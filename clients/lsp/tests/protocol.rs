//! The server as a client sees it: framed JSON over pipes, on the framework and on broken files.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use noema_compiler::diagnostics::Code;
use noema_compiler::package::{LoadOptions, load};
use noema_compiler::{Options, compile_package};
use noema_lsp::Ending;
use serde_json::{Value, json};
use support::{Client, at, byte, covered, edited, embedded, path, position, position_of, repository, uri};

fn source(name: &str) -> (String, String) {
    let path = repository().join("framework/sources").join(name);
    (uri(&path), std::fs::read_to_string(path).expect("the source is there"))
}

fn labels(completion: &Value) -> Vec<&str> {
    completion["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["label"].as_str().expect("a label"))
        .collect()
}

fn hover(client: &mut Client, uri: &str, position: Value) -> String {
    client.result("textDocument/hover", at(uri, position))["contents"]["value"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_framework_answers() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let (uri, text) = source("stake.move");
    client.open(&uri, &text);

    let shown = hover(&mut client, &uri, position(&text, "vector::borrow(&set", 0, 10));
    assert!(shown.contains("fun borrow<Element>(self: &vector<Element>, i: u64): &Element"), "{shown}");
    let shown = hover(&mut client, &uri, position(&text, "&found", 0, 2));
    assert!(shown.contains("let found: option::Option<u64>"), "{shown}");

    // Into the standard library, whose copy opens as a document and answers too.
    let found = client.result("textDocument/definition", at(&uri, position(&text, "option::destroy_some", 0, 10)));
    let target = found[0]["uri"].as_str().expect("a place").to_owned();
    let copy = std::fs::read_to_string(path(&target)).expect("the copy can be read");
    assert_eq!(covered(&copy, &found[0]["range"]), "destroy_some");
    client.open(&target, &copy);
    let inside = hover(&mut client, &target, position(&copy, "fun destroy_some", 0, 6));
    assert!(inside.contains("destroy_some<Element>"), "{inside}");

    // Locals, types, fields, modules, constants.
    let go = |client: &mut Client, needle: &str, nth: usize, offset: usize| {
        let found = client.result("textDocument/definition", at(&uri, position(&text, needle, nth, offset)));
        let place = &found[0];
        let file = place["uri"].as_str().unwrap_or_else(|| panic!("{needle}: {found}"));
        let text = std::fs::read_to_string(path(file)).expect("a readable place");
        let name = file.rsplit('/').next().unwrap_or_default().to_owned();
        let line = text.lines().nth(usize::try_from(place["range"]["start"]["line"].as_u64().unwrap()).unwrap());
        (name, line.unwrap_or_default().trim().to_owned())
    };
    assert!(go(&mut client, "&found", 0, 1).1.starts_with("let found"));
    assert_eq!(go(&mut client, ".voting_power\n", 0, 3).0, "stake.move");
    assert_eq!(go(&mut client, "coins: Coin<", 0, 8).0, "coin.move");
    assert!(go(&mut client, "option::is_some", 0, 1).1.starts_with("module std::option"));
    client.stop();
}

#[test]
fn symbols_references_and_colours() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let (uri, text) = source("math64.move");
    client.open(&uri, &text);
    let symbols = client.result("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(symbols[0]["name"], "math64");
    let names: Vec<&str> =
        symbols[0]["children"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names[..4], ["EINVALID_ARG_FLOOR_LOG2", "EDIVISION_BY_ZERO", "max", "min"]);
    let found = client.result("workspace/symbol", json!({ "query": "clmp" }));
    assert_eq!(found[0]["name"], "clamp");
    let here = found.as_array().unwrap().iter().find(|one| one["location"]["uri"] == uri.as_str()).expect("clamp");
    assert_eq!(covered(&text, &here["location"]["range"]), "clamp");

    let mut params = at(&uri, position(&text, "fun min", 0, 5));
    params["context"] = json!({ "includeDeclaration": true });
    let references = client.result("textDocument/references", params.clone());
    let here: Vec<&Value> = references.as_array().unwrap().iter().filter(|one| one["uri"] == uri.as_str()).collect();
    assert!(here.len() >= 2);
    assert!(here.iter().all(|one| covered(&text, &one["range"]) == "min"));
    params["context"] = json!({ "includeDeclaration": false });
    let without = client.result("textDocument/references", params);
    assert_eq!(without.as_array().unwrap().len() + 1, references.as_array().unwrap().len());
    let marks = client.result("textDocument/documentHighlight", at(&uri, position(&text, "fun min", 0, 5)));
    assert_eq!(marks.as_array().unwrap().len(), here.len());

    // Every coloured token is a name.
    let tokens = client.result("textDocument/semanticTokens/full", json!({ "textDocument": { "uri": uri } }));
    let data: Vec<u64> = tokens["data"].as_array().unwrap().iter().map(|one| one.as_u64().unwrap()).collect();
    let (mut line, mut column) = (0, 0);
    for token in data.chunks(5) {
        column = if token[0] == 0 { column + token[1] } else { token[1] };
        line += token[0];
        let start = json!({ "line": line, "character": column });
        let end = json!({ "line": line, "character": column + token[2] });
        let word = covered(&text, &json!({ "start": start, "end": end }));
        assert!(!word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || letter == '_'), "{word:?}");
    }
    assert!(data.len() / 5 > 100);
    client.stop();
}

#[test]
fn completion_while_typing() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let (uri, text) = source("stake.move");
    client.open(&uri, &text);
    let place = text.find("public fun stake_pool_exists").expect("the function is there");
    let type_in = |client: &mut Client, typed: &str| {
        let new = format!("fun typed(set: &ValidatorSet, owner: &signer) {{\n        {typed}\n    }}\n\n    ");
        let edited = format!("{}{new}{}", &text[..place], &text[place..]);
        client.change(&uri, None, &edited);
        let cursor = position_of(&edited, place + new.find(typed).unwrap() + typed.len());
        (edited, cursor)
    };
    let (_, cursor) = type_in(&mut client, "set.");
    let fields = client.result("textDocument/completion", at(&uri, cursor));
    assert!(labels(&fields).contains(&"active_validators"), "{fields}");
    let (_, cursor) = type_in(&mut client, "let found = vector::");
    let members = client.result("textDocument/completion", at(&uri, cursor));
    assert!(labels(&members).contains(&"push_back") && !labels(&members).contains(&"let"), "{members}");
    let (_, cursor) = type_in(&mut client, "let local = 1; ");
    let names = client.result("textDocument/completion", at(&uri, cursor));
    for wanted in ["local", "set", "owner", "ValidatorSet", "let", "vector", "aptos_framework", "u64"] {
        assert!(labels(&names).contains(&wanted), "{wanted}");
    }
    let (_, cursor) = type_in(&mut client, "let s = std::");
    let modules = client.result("textDocument/completion", at(&uri, cursor));
    assert!(labels(&modules).contains(&"option"), "{modules}");
    let (_, cursor) = type_in(&mut client, "let pool = get_stake(signer::address_of(owner), ");
    let help = client.result("textDocument/signatureHelp", at(&uri, cursor));
    assert!(
        help["signatures"][0]["label"].as_str().unwrap().contains("fun get_stake(pool_address: address)"),
        "{help}"
    );
    let (_, cursor) = type_in(&mut client, "let pool = get_stake(signer::address_of(");
    let help = client.result("textDocument/signatureHelp", at(&uri, cursor));
    let signature = &help["signatures"][0];
    assert!(signature["label"].as_str().unwrap().contains("fun address_of(s: &signer): address"), "{help}");
    assert_eq!(help["activeParameter"], 0);
    client.stop();
}

/// Every module's instructions and tables as text.
fn compiled(folder: &Path) -> BTreeMap<String, String> {
    let loaded = load(folder, &embedded(), &LoadOptions::default()).expect("loads");
    let program = compile_package(&loaded, Options::default()).unwrap_or_else(|failure| panic!("{failure}"));
    program
        .modules
        .iter()
        .filter(|unit| unit.is_target)
        .map(|unit| (unit.ident.to_string(), noema_bytecode::disassemble(&unit.module)))
        .collect()
}

fn copy_framework(to: &Path) {
    std::fs::create_dir_all(to.join("sources")).expect("a folder");
    let from = repository().join("framework");
    std::fs::copy(from.join("Move.toml"), to.join("Move.toml")).expect("a copy");
    for entry in std::fs::read_dir(from.join("sources")).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join("sources").join(entry.file_name())).expect("a copy");
    }
}

#[test]
fn a_rename_compiles_to_the_same_code() {
    let cache = tempfile::tempdir().expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it is there");
    copy_framework(&root);
    let before = compiled(&root);
    let mut client = Client::start(cache.path());
    let renames = [
        ("math64.move", "fun min(", 4, "min", "renamed_function"),
        ("stake.move", "voting_power: u64", 0, "voting_power", "renamed_field"),
        ("stake.move", "struct OwnerCapability", 7, "OwnerCapability", "RenamedType"),
        ("stake.move", "let found", 4, "found", "renamed_local"),
        ("stake.move", "pool_address: address", 0, "pool_address", "renamed_parameter"),
    ];
    for (file, needle, offset, old, new) in renames {
        let source = root.join("sources").join(file);
        let text = std::fs::read_to_string(&source).expect("the source is there");
        let target = uri(&source);
        client.open(&target, &text);
        let mut params = at(&target, position(&text, needle, 0, offset));
        let prepared = client.result("textDocument/prepareRename", params.clone());
        assert_eq!(prepared["placeholder"], old);
        params["newName"] = json!(new);
        let result = client.result("textDocument/rename", params);
        let changes = result["changes"].as_object().expect("changes");
        assert!(!changes.is_empty());
        for (uri, edits) in changes {
            let file = path(uri);
            let text = std::fs::read_to_string(&file).expect("the source is there");
            std::fs::write(&file, edited(&text, edits)).expect("it can be written");
        }
        client.notify("textDocument/didClose", json!({ "textDocument": { "uri": target } }));
        client.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": target, "type": 2 }] }));
        let after = compiled(&root);
        assert_eq!(before.len(), after.len());
        for (name, code) in &before {
            assert_eq!(&after[name].replace(new, old), code, "{name} after {old} became {new}");
        }
        let is_local = ["renamed_local", "renamed_parameter"].contains(&new);
        assert!(is_local || after.values().any(|code| code.contains(new)), "{new} is in no binary");
        copy_framework(&root);
        client.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": target, "type": 2 }] }));
    }
    // What belongs to others, or is no name.
    let source = root.join("sources/stake.move");
    let text = std::fs::read_to_string(&source).expect("the source is there");
    let target = uri(&source);
    client.open(&target, &text);
    let mut refuse = |needle: &str, offset: usize, new: &str| {
        let mut params = at(&target, position(&text, needle, 0, offset));
        params["newName"] = json!(new);
        client.request("textDocument/rename", params)["error"]["message"].as_str().expect("a refusal").to_owned()
    };
    assert!(refuse("option::is_some", 10, "f").contains("belongs to package `MoveStdlib`"));
    assert!(refuse("let found", 4, "2x").contains("is no name"));
    assert!(refuse("fun get_stake(", 4, "get_operator").contains("does not compile"));
    client.stop();
}

const BROKEN: &str = "module 0x42::broken {
    use std::vector;
    /* \u{1f600} */ fun caf\u{65}(list: &mut vector<u64>): u64 { let \u{1f600} = 1; 2 }
    fun conflict(): u64 {
        let list = vector[1];
        let first = &mut list;
        let other = &list;
        *first = vector[]; vector::length(other)
    }
    fun mistyped(): bool { /* \u{1f600}\u{1f600} */ 1u64 }
    fun misspelled(amount: u64): u64 { amuont + 1 }
    fun unclosed(amount: u64): u64 { let x = amount + ; x }
    fun unused(idle: u64) {}
}
";

/// Whether a code is the wanted one or a special case of it.
fn is_code(found: &Value, wanted: &str) -> bool {
    let code = found.as_str().and_then(Code::parse);
    code.is_some_and(|code| code.as_str() == wanted || code.general().is_some_and(|code| code.as_str() == wanted))
}

fn with_code<'d>(found: &'d [Value], code: &str) -> &'d Value {
    found.iter().find(|one| is_code(&one["code"], code)).unwrap_or_else(|| panic!("no {code} in {found:?}"))
}

#[test]
fn messages_about_a_broken_file() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let uri = "untitled:Untitled-1";
    client.open(uri, BROKEN);
    let found = client.diagnostics(uri);
    let mistyped = with_code(&found, "E0501");
    assert_eq!(covered(BROKEN, &mistyped["range"]), "1u64");
    assert_eq!(mistyped["severity"], 1);
    let page = mistyped["codeDescription"]["href"].as_str().expect("a page");
    assert!(std::fs::read_to_string(path(page)).expect("it is there").contains("E05"));
    let strange = with_code(&found, "E0102");
    assert_eq!(covered(BROKEN, &strange["range"]), "\u{1f600}");
    assert_eq!(with_code(&found, "W0401")["tags"], json!([1]));

    // The whole file but the conflicting borrow is mended: both ends of it are named.
    let start = BROKEN.find("    fun conflict").unwrap();
    let end = BROKEN.find("    fun mistyped").unwrap();
    let conflict = format!("module 0x42::broken {{\n    use std::vector;\n{}}}\n", &BROKEN[start..end]);
    client.change(uri, None, &conflict);
    let found = client.diagnostics(uri);
    let borrow = with_code(&found, "E0604");
    let related = borrow["relatedInformation"].as_array().expect("the other end");
    assert!(related.iter().any(|one| covered(&conflict, &one["location"]["range"]).contains("list")), "{borrow}");

    // And mended.
    let fixed = conflict
        .replace("fun conflict", "public fun conflict")
        .replace("let other = &list;", "")
        .replace("length(other)", "length(&list)");
    client.change(uri, None, &fixed);
    assert_eq!(client.diagnostics(uri), Vec::<Value>::new());

    // A closed file of no package is no longer spoken of.
    client.change(uri, None, BROKEN);
    assert!(!client.diagnostics(uri).is_empty());
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    let cleared = loop {
        let message = client.receive();
        if message["params"]["uri"] == uri {
            break message;
        }
    };
    assert_eq!(cleared["params"]["diagnostics"], json!([]));
    client.stop();
}

#[test]
fn broken_files_still_answer() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let uri = "file:///nowhere/broken.move";
    client.open(uri, BROKEN);
    assert!(hover(&mut client, uri, position(BROKEN, "first = &mut", 0, 1)).contains("let first: &mut vector<u64>"));
    assert!(hover(&mut client, uri, position(BROKEN, "x = amount", 0, 6)).is_empty());
    let found = client.result("textDocument/definition", at(uri, position(BROKEN, "vector::length(other)", 0, 16)));
    assert_eq!(covered(BROKEN, &found[0]["range"]), "other");
    // Behind characters that are two units wide.
    let text = "module 0x42::m { fun f(): u64 { /* \u{1f600}\u{e4} */ let value = 1; value } }";
    client.change(uri, None, text);
    assert!(hover(&mut client, uri, position(text, "value }", 0, 2)).contains("let value: u64"));
    let found = client.result("textDocument/definition", at(uri, position(text, "value }", 0, 2)));
    assert_eq!(byte(text, &found[0]["range"]["start"]), text.find("value =").unwrap());
    client.stop();
}

#[test]
fn fixes_mend_what_they_promise() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let uri = "untitled:fixes";
    let cases = [
        ("fun f(amount: u64): u64 { amuont }", "amuont"),
        ("fun f(): u64 { let x = 1\n let y = 2; x + y }", "1\n"),
        ("fun f(v: &vector<u64>): bool { signer::address_of(v); true }", "signer"),
        ("fun f(a: u64) {}", "a:"),
    ];
    for (number, (body, needle)) in cases.into_iter().enumerate() {
        let text = format!("module 0x42::m {{\n    {body}\n}}\n");
        if number == 0 {
            client.open(uri, &text)
        } else {
            client.change(uri, None, &text)
        }
        let place = position(&text, needle, 0, 0);
        let params = json!({ "textDocument": { "uri": uri }, "range": { "start": place, "end": place }, "context": { "diagnostics": [] } });
        let actions = client.result("textDocument/codeAction", params);
        let action = &actions[0];
        let code = action["diagnostics"][0]["code"].clone();
        let edits = &action["edit"]["changes"][uri];
        assert!(edits.is_array(), "{body}: {actions}");
        client.diagnostics(uri);
        let mended = edited(&text, edits);
        client.change(uri, None, &mended);
        let left = client.diagnostics(uri);
        assert!(left.iter().all(|one| one["code"] != code), "{mended}: {left:?}");
    }
    client.stop();
}

#[test]
fn documents_are_formatted_by_what_the_program_gives() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    let uri = "untitled:format";
    client.open(uri, "module 0x42::m {\n\tfun f() {}\n}\n");
    let params = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 4, "insertSpaces": true } });
    let edits = client.result("textDocument/formatting", params.clone());
    assert_eq!(edits[0]["newText"], "module 0x42::m {\n    fun f() {}\n}\n");
    client.change(uri, None, "module 0x42::m {}");
    assert_eq!(client.request("textDocument/formatting", params)["error"]["message"], "no tabs");
    client.stop();
}

#[test]
fn garbage_is_answered_and_survived() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::raw(cache.path());
    let early = client.request("textDocument/hover", json!({}));
    assert_eq!(early["error"]["code"], -32002);
    let bad = client.request("initialize", json!({ "capabilities": 5 }));
    assert_eq!(bad["error"]["code"], -32602);
    client.request("initialize", json!({ "capabilities": {} }));
    client.send_bytes(b"GET / HTTP/1.1\r\n\r\nContent-Length: 3\r\n\r\n{x}");
    assert_eq!(client.receive()["error"]["code"], -32700);
    client.send(&json!({ "jsonrpc": "2.0", "id": 77, "method": 5 }));
    let refused = client.receive();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(77), &json!(-32600)));
    assert_eq!(client.request("no/such", json!({}))["error"]["code"], -32601);
    assert_eq!(client.request("textDocument/hover", json!([1, 2]))["error"]["code"], -32602);
    assert_eq!(client.request("initialize", json!({ "capabilities": {} }))["error"]["code"], -32600);
    client.notify("textDocument/didChange", json!({ "textDocument": 1 }));
    client.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": "file:///not/open.move", "version": 2 }, "contentChanges": [{ "text": "" }] }),
    );
    client.notify("$/unknown", json!({}));
    let nowhere =
        client.result("textDocument/hover", at("file:///not/there.move", json!({ "line": 9, "character": 9 })));
    assert_eq!(nowhere, Value::Null);
    // A request that is cancelled while others run is answered with an error or, if it was too late, with a result.
    client.open("untitled:a", "module 0x42::m { fun f() {} }");
    let ids: Vec<Value> = (0..5)
        .map(|_| client.post("textDocument/hover", at("untitled:a", json!({ "line": 0, "character": 22 }))))
        .collect();
    client.notify("$/cancelRequest", json!({ "id": ids[4] }));
    for id in &ids {
        let answer = client.answer(id);
        assert!(answer["error"]["code"] == -32800 || answer.get("result").is_some(), "{answer}");
    }
    client.stop();
}

#[test]
fn the_end_of_the_stream_ends_the_server() {
    let cache = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(cache.path());
    client.close_stream();
    assert_eq!(client.join(), Ending::Cut);
    let mut client = Client::start(cache.path());
    client.notify("exit", Value::Null);
    assert_eq!(client.join(), Ending::Cut);
}

#[test]
fn packages_without_addresses_and_with_bad_manifests() {
    let cache = tempfile::tempdir().expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it is there");
    std::fs::create_dir_all(root.join("sources")).expect("a folder");
    std::fs::write(
        root.join("Move.toml"),
        "[package]\nname = \"P\"\n[addresses]\nhello = \"_\"\n[dependencies]\nMoveStdlib = { local = \"x\" }\n",
    )
    .unwrap();
    let file = root.join("sources/m.move");
    let text = "module hello::m { public fun f(): address { @hello } }";
    std::fs::write(&file, text).unwrap();
    let mut client = Client::start(cache.path());
    let target = uri(&file);
    client.open(&target, text);
    assert!(hover(&mut client, &target, position(text, "fun f", 0, 4)).contains("public fun f(): address"));
    // A new file beside it, not saved yet.
    let other = uri(&root.join("sources/other.move"));
    let other_text = "module hello::other { use hello::m; fun g(): address { m::f() } }";
    client.open(&other, other_text);
    assert!(hover(&mut client, &other, position(other_text, "m::f", 0, 3)).contains("public fun f(): address"));
    // Broken and mended on disk.
    std::fs::write(root.join("Move.toml"), "[package\n").unwrap();
    client.notify(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [{ "uri": uri(&root.join("Move.toml")), "type": 2 }] }),
    );
    assert_eq!(hover(&mut client, &target, position(text, "fun f", 0, 4)), "");
    let manifest = uri(&root.join("Move.toml"));
    loop {
        let message = client.receive();
        if message["params"]["uri"] == manifest.as_str() {
            assert!(is_code(&message["params"]["diagnostics"][0]["code"], "E0201"), "{message}");
            break;
        }
    }
    std::fs::write(root.join("Move.toml"), "[package]\nname = \"P\"\n[addresses]\nhello = \"0x5\"\n").unwrap();
    client.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": manifest, "type": 2 }] }));
    assert!(hover(&mut client, &target, position(text, "@hello", 0, 2)).contains("hello = 0x5"));
    client.stop();
}
