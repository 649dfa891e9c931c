//! Requests that change texts.

use std::collections::BTreeMap;

use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, DocumentFormattingParams, PrepareRenameResponse,
    RenameParams, TextDocumentPositionParams, TextEdit, Uri, WorkspaceEdit,
};
use noema_compiler::analysis::{Analysis, Edit};
use noema_compiler::diagnostics::{Diagnostic, FileId, Files, Span, codes};
use serde_json::Value;

use crate::answers::locate;
use crate::convert::{Tables, show};
use crate::worker::{Answer, Failure, to_value};
use crate::workspace::Workspace;

pub(crate) fn prepare_rename(workspace: &mut Workspace, at: &TextDocumentPositionParams) -> Answer {
    let Some((place, byte)) = locate(workspace, at) else { return Ok(Value::Null) };
    let found = place.analysis.renamable(place.file, byte).map_err(|refused| Failure::refused(refused.0))?;
    to_value(PrepareRenameResponse::RangeWithPlaceholder {
        range: place.lines.range(found.span.start, found.span.end),
        placeholder: place.analysis.name(found.definition).to_string(),
    })
}

pub(crate) fn rename(workspace: &mut Workspace, params: &RenameParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position) else { return Ok(Value::Null) };
    let found = place.analysis.renamable(place.file, byte).map_err(|refused| Failure::refused(refused.0))?;
    let Some(session) = workspace.session(&place.key) else { return Ok(Value::Null) };
    let edits = session
        .rename(&place.analysis, found, params.new_name.trim_start_matches('\''))
        .map_err(|refused| Failure::refused(refused.0))?;
    to_value(workspace_edit(workspace, &place.analysis.files, edits))
}

#[expect(
    clippy::mutable_key_type,
    reason = "the protocol's library keys changes by URI, whose hash is that of its text"
)]
fn workspace_edit(workspace: &mut Workspace, files: &Files, edits: Vec<Edit>) -> WorkspaceEdit {
    let mut tables = Tables::default();
    let mut by_uri: BTreeMap<Uri, Vec<TextEdit>> = BTreeMap::new();
    for edit in edits {
        if let Some(uri) = workspace.uri(files, edit.span.file) {
            let range = tables.range(files, edit.span);
            by_uri.entry(uri).or_default().push(TextEdit { range, new_text: edit.text });
        }
    }
    WorkspaceEdit { changes: Some(by_uri.into_iter().collect()), ..WorkspaceEdit::default() }
}

// ---------------------------------------------------------------------------------------------------------------
// Fixes

pub(crate) fn code_actions(workspace: &mut Workspace, params: &CodeActionParams) -> Answer {
    let Some(place) = workspace.place(&params.text_document.uri) else { return Ok(Value::Null) };
    let Some((found, files)) = workspace.check(&place.key) else { return Ok(Value::Null) };
    let [start, end] = [params.range.start, params.range.end].map(|at| place.lines.byte(at));
    let mut actions: Vec<CodeActionOrCommand> = Vec::new();
    let mut tables = Tables::default();
    for diagnostic in found.iter() {
        let Some(span) = diagnostic.span() else { continue };
        let touches = span.file == place.file && span.start as usize <= end && start <= span.end as usize;
        if !touches {
            continue;
        }
        for (title, edit) in fixes(&place.analysis, place.file, diagnostic) {
            let shown = show(workspace, &files, &mut tables, diagnostic);
            actions.push(CodeActionOrCommand::CodeAction(CodeAction {
                title,
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(vec![shown]),
                edit: Some(workspace_edit(workspace, &files, vec![edit])),
                is_preferred: Some(true),
                ..CodeAction::default()
            }));
        }
    }
    to_value(actions)
}

/// The changes that a message suggests: its own, else what its help says in words.
fn fixes(analysis: &Analysis, file: FileId, diagnostic: &Diagnostic) -> Vec<(String, Edit)> {
    let help = diagnostic.help.as_deref().unwrap_or_default();
    if let Some(suggestion) = &diagnostic.suggestion {
        let edit = Edit { span: suggestion.span, text: suggestion.replacement.clone() };
        let text = suggestion.replacement.trim();
        let title = match (help.is_empty(), suggestion.span.start == suggestion.span.end, text.is_empty()) {
            (false, ..) => help.to_owned(),
            (_, true, _) => format!("insert `{text}`"),
            (_, _, true) => "remove this".to_owned(),
            _ => format!("replace with `{text}`"),
        };
        return vec![(title, edit)];
    }
    let Some(span) = diagnostic.span() else { return Vec::new() };
    let quoted = |head: &str| help.strip_prefix(head).and_then(|rest| rest.split('`').next());
    if let Some(name) = quoted("did you mean `") {
        // Only where the whole place is the one wrong name.
        let written = analysis.files.text(span);
        let is_name = !written.is_empty() && written.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        return if is_name { vec![(format!("replace with `{name}`"), replaced(span, name))] } else { Vec::new() };
    }
    if let Some(declaration) = quoted("add `").filter(|text| text.starts_with("use ")) {
        let place = use_place(analysis, file, span.start);
        return place
            .map(|span| (help.to_owned(), replaced(span, &format!("\n    {declaration}"))))
            .into_iter()
            .collect();
    }
    if diagnostic.code.general().unwrap_or(diagnostic.code) == codes::UNUSED_LOCAL {
        let name = analysis.files.text(span);
        return vec![(format!("name it `_{name}`"), replaced(span.start_of(), "_"))];
    }
    Vec::new()
}

fn replaced(span: Span, text: &str) -> Edit {
    Edit { span, text: text.to_owned() }
}

trait StartOf {
    fn start_of(self) -> Self;
}

impl StartOf for Span {
    /// The empty range before it.
    fn start_of(self) -> Self {
        Self::new(self.file, self.start, self.start)
    }
}

/// Where a new `use` of the module around a byte goes: behind its `{` or `;`.
fn use_place(analysis: &Analysis, file: FileId, byte: u32) -> Option<Span> {
    let module = analysis.globals.module(analysis.module_at(file, byte)?);
    let text = &analysis.files.get(file)?.text;
    let from = module.name.span.end as usize;
    let at = from + text.get(from..)?.find(['{', ';'])? + 1;
    let at = u32::try_from(at).ok()?;
    Some(Span::new(file, at, at))
}

// ---------------------------------------------------------------------------------------------------------------
// Formatting

pub(crate) fn format(workspace: &mut Workspace, params: &DocumentFormattingParams) -> Answer {
    let Some(formatter) = workspace.config.formatter else { return Ok(Value::Null) };
    let Some(place) = workspace.place(&params.text_document.uri) else { return Ok(Value::Null) };
    let Some(file) = place.analysis.files.get(place.file) else { return Ok(Value::Null) };
    let formatted = formatter(&file.text).map_err(Failure::refused)?;
    if *formatted == *file.text {
        return to_value(Vec::<TextEdit>::new());
    }
    to_value(vec![TextEdit { range: place.lines.whole(), new_text: formatted }])
}
