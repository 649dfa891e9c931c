//! `noema move explain`: what a diagnostic code means.

use noema_compiler::diagnostics::{Code, ExampleKind, codes};
use serde_json::{Value, json};

use crate::output::{CliError, CliResult, Output};

/// Explains one code, or lists all.
pub(super) fn run(output: Output, code: Option<&str>) -> CliResult {
    let Some(name) = code else {
        output.result(list, || codes::TABLE.iter().map(|entry| document(entry.code)).collect());
        return Ok(());
    };
    let Some(code) = Code::parse(name) else {
        return Err(CliError::fault(format!("there is no diagnostic code `{name}`"))
            .hint("`noema move explain` lists all of them"));
    };
    output.result(|| code.explain().trim_end().to_owned(), || document(code));
    Ok(())
}

/// One line for each code.
fn list() -> String {
    codes::TABLE.iter().map(|entry| format!("{}  {}", entry.code, entry.summary)).collect::<Vec<_>>().join("\n")
}

fn document(code: Code) -> Value {
    let explanation = code.explanation();
    let examples = |wanted: ExampleKind| -> Vec<&str> {
        let all = explanation.iter().flat_map(|explanation| &explanation.examples);
        all.filter(|example| example.kind == wanted).map(|example| example.text).collect()
    };
    json!({
        "code": code.as_str(),
        "summary": code.summary(),
        "general": code.general().map(Code::as_str),
        "text": explanation.as_ref().map(|explanation| explanation.text),
        "wrong": examples(ExampleKind::Wrong),
        "wrong_manifest": examples(ExampleKind::Manifest),
        "right": examples(ExampleKind::Right),
    })
}
