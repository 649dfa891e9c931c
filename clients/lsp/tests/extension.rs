//! The VS Code extension names what exists.

mod support;

use noema_compiler::analysis::KEYWORDS;
use serde_json::Value;
use support::repository;

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join("clients/vscode").join(name)).expect("the file is there")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_manifest_names_files_and_settings_that_are_there() {
    let manifest = json("package.json");
    let contributes = &manifest["contributes"];
    json(contributes["languages"][0]["configuration"].as_str().expect("a file").trim_start_matches("./"));
    let code = read(manifest["main"].as_str().expect("a file").trim_start_matches("./"));
    for command in contributes["commands"].as_array().expect("a list") {
        assert!(code.contains(command["command"].as_str().expect("a name")), "{command}");
    }
    let settings = contributes["configuration"]["properties"].as_object().expect("an object");
    for name in settings.keys().filter(|name| !name.ends_with("trace.server")) {
        let short = name.strip_prefix("noema-move.").expect("the extension's own");
        assert!(code.contains(&format!("\"{short}\"")), "{name}");
    }
}

#[test]
fn the_grammar_knows_every_keyword() {
    let grammar = json("syntaxes/move.tmLanguage.json");
    assert_eq!(grammar["scopeName"], "source.move");
    let text = grammar["repository"].to_string();
    let missing: Vec<&&str> = KEYWORDS
        .iter()
        .filter(|word| {
            let around = |text: &str| text.split(|letter: char| !letter.is_alphanumeric()).any(|part| part == **word);
            !around(&text.replace("\\\\b", " "))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
