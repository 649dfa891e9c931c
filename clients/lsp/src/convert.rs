//! The compiler's messages as the protocol's diagnostics.

use std::collections::BTreeMap;
use std::sync::Arc;

use lsp_types::{
    CodeDescription, Diagnostic as Shown, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    NumberOrString, Range, Uri,
};
use noema_compiler::diagnostics::{Diagnostic, FileId, Files, Severity, Span, codes};
use serde_json::{Value, json};

use crate::limits::DIAGNOSTICS_MAX;
use crate::text::Lines;
use crate::uri;
use crate::worker::version_of;
use crate::workspace::{Key, Workspace};

/// What clients show as the origin of messages.
const SOURCE: &str = "move";

/// The line tables of a run's files, made once each.
#[derive(Default)]
pub(crate) struct Tables(BTreeMap<FileId, Lines>);

impl Tables {
    pub(crate) fn range(&mut self, files: &Files, span: Span) -> Range {
        let lines = self.0.entry(span.file).or_insert_with(|| {
            Lines::new(files.get(span.file).map_or_else(|| Arc::from(""), |file| Arc::clone(&file.text)))
        });
        lines.range(span.start, span.end)
    }
}

/// Checks a package: the parameters of one `publishDiagnostics` for each file that is open, has messages or had some.
pub(crate) fn publish(workspace: &mut Workspace, key: &Key) -> Vec<Value> {
    let mut by_uri: BTreeMap<Uri, Vec<Shown>> = BTreeMap::new();
    if let Some((found, files)) = workspace.check(key) {
        let mut tables = Tables::default();
        for diagnostic in found.iter() {
            let place = diagnostic.span().and_then(|span| workspace.uri(&files, span.file));
            let Some(uri) = place.or_else(|| home(key)) else { continue };
            let shown = show(workspace, &files, &mut tables, diagnostic);
            let list = by_uri.entry(uri).or_default();
            if list.len() < DIAGNOSTICS_MAX {
                list.push(shown);
            }
        }
    }
    for uri in workspace.documents_of(key) {
        by_uri.entry(uri).or_default();
    }
    let Some(package) = workspace.packages.get_mut(key) else { return Vec::new() };
    let published: Vec<Uri> = by_uri.keys().cloned().collect();
    for old in std::mem::take(&mut package.published) {
        by_uri.entry(old).or_default();
    }
    package.published.extend(published);
    by_uri
        .into_iter()
        .map(|(uri, diagnostics)| {
            let version = version_of(workspace, &uri);
            json!({ "uri": uri, "version": version, "diagnostics": diagnostics })
        })
        .collect()
}

/// Where messages without a place are shown.
fn home(key: &Key) -> Option<Uri> {
    match key {
        Key::Folder(folder) => uri::of(&folder.join("Move.toml")),
        Key::Loose(path) => uri::of(path),
    }
}

/// One message.
pub(crate) fn show(workspace: &mut Workspace, files: &Files, tables: &mut Tables, diagnostic: &Diagnostic) -> Shown {
    let mut message = diagnostic.message.clone();
    let label = diagnostic.primary.as_ref().map(|label| label.message.as_str()).filter(|text| !text.is_empty());
    for (head, text) in label
        .map(|text| ("", text))
        .into_iter()
        .chain(diagnostic.notes.iter().map(|note| ("note: ", note.as_str())))
        .chain(diagnostic.help.iter().map(|help| ("help: ", help.as_str())))
    {
        message.push_str(&format!("\n{head}{text}"));
    }
    let related: Vec<DiagnosticRelatedInformation> = diagnostic
        .secondary
        .iter()
        .filter_map(|label| {
            let location = workspace.location(files, label.span)?;
            Some(DiagnosticRelatedInformation { location, message: label.message.clone() })
        })
        .collect();
    let code = diagnostic.code;
    let is_idle = [codes::UNUSED_LOCAL, codes::UNUSED_ASSIGNMENT, codes::UNREACHABLE_CODE]
        .contains(&code.general().unwrap_or(code));
    Shown {
        range: diagnostic.span().map_or_else(Range::default, |span| tables.range(files, span)),
        severity: Some(match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(code.to_string())),
        code_description: workspace.explanation(code).map(|href| CodeDescription { href }),
        source: Some(SOURCE.to_owned()),
        message,
        related_information: (!related.is_empty()).then_some(related),
        tags: is_idle.then(|| vec![DiagnosticTag::UNNECESSARY]),
        data: Some(json!({ "explanation": code.summary() })),
    }
}
