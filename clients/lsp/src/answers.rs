//! Requests that ask about a text.

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionList, CompletionParams, CompletionResponse, DocumentHighlight,
    DocumentHighlightParams, DocumentSymbol, DocumentSymbolParams, Documentation, GotoDefinitionParams, Hover,
    HoverContents, HoverParams, Location, MarkupContent, MarkupKind, ParameterInformation, ParameterLabel,
    ReferenceParams, SignatureHelp, SignatureHelpParams, SignatureInformation, SymbolInformation, SymbolKind as Kind,
    TextDocumentPositionParams, WorkspaceSymbolParams,
};
use noema_compiler::analysis::{self, Definition, Outline, SymbolKind};
use noema_compiler::typing::Ty;
use serde_json::Value;

use crate::limits::SYMBOLS_MAX;
use crate::text::Lines;
use crate::worker::{Answer, to_value};
use crate::workspace::{Place, Workspace};

/// The document and byte that a request speaks of.
pub(crate) fn locate(workspace: &mut Workspace, at: &TextDocumentPositionParams) -> Option<(Place, u32)> {
    let place = workspace.place(&at.text_document.uri)?;
    let byte = u32::try_from(place.lines.byte(at.position)).ok()?;
    Some((place, byte))
}

fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

fn describe(hover: &analysis::Hover) -> String {
    let mut text = String::from("```move\n");
    if let Some(container) = &hover.container {
        text.push_str(&format!("// {container}\n"));
    }
    text.push_str(&hover.code);
    if let Some(value) = &hover.value {
        text.push_str(&format!(" = {value}"));
    }
    text.push_str("\n```\n");
    if let Some(docs) = &hover.docs {
        text.push_str(&format!("\n{docs}\n"));
    }
    text
}

pub(crate) fn hover(workspace: &mut Workspace, params: &HoverParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position_params) else { return Ok(Value::Null) };
    let Some(found) = place.analysis.hover(place.file, byte) else { return Ok(Value::Null) };
    to_value(Hover {
        contents: HoverContents::Markup(markdown(describe(&found))),
        range: Some(place.lines.range(found.span.start, found.span.end)),
    })
}

pub(crate) fn definition(workspace: &mut Workspace, params: &GotoDefinitionParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position_params) else { return Ok(Value::Null) };
    let mut found: Vec<Location> = Vec::new();
    for one in place.analysis.index.at(place.file, byte) {
        if let Some(span) = place.analysis.name_span(one.definition) {
            found.extend(workspace.location(&place.analysis.files, span));
        }
    }
    to_value(found)
}

pub(crate) fn type_definition(workspace: &mut Workspace, params: &GotoDefinitionParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position_params) else { return Ok(Value::Null) };
    let analysis = &place.analysis;
    let of_local = analysis.occurrence(place.file, byte).and_then(|one| match one.definition {
        Definition::Local(id) => analysis.index.locals.get(id as usize)?.ty.as_ref(),
        _ => None,
    });
    let ty = of_local.or_else(|| analysis.index.type_at(place.file, byte).map(|(_, ty, _)| ty));
    let Some(Ty::Data(data, _)) = ty.map(Ty::pointee) else { return Ok(Value::Null) };
    let span = analysis.globals.datatype(*data).name.span;
    to_value(workspace.location(&analysis.files, span))
}

pub(crate) fn references(workspace: &mut Workspace, params: &ReferenceParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position) else { return Ok(Value::Null) };
    let Some(found) = place.analysis.occurrence(place.file, byte) else { return Ok(Value::Null) };
    let declared = place.analysis.name_span(found.definition);
    let mut locations: Vec<Location> = Vec::new();
    for one in place.analysis.index.of(found.definition) {
        if params.context.include_declaration || Some(one.span) != declared {
            locations.extend(workspace.location(&place.analysis.files, one.span));
        }
    }
    to_value(locations)
}

pub(crate) fn highlights(workspace: &mut Workspace, params: &DocumentHighlightParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position_params) else { return Ok(Value::Null) };
    let Some(found) = place.analysis.occurrence(place.file, byte) else { return Ok(Value::Null) };
    let here = place.analysis.index.of(found.definition).into_iter().filter(|one| one.span.file == place.file);
    let shown: Vec<DocumentHighlight> = here
        .map(|one| DocumentHighlight { range: place.lines.range(one.span.start, one.span.end), kind: None })
        .collect();
    to_value(shown)
}

// ---------------------------------------------------------------------------------------------------------------
// Symbols

fn kind(kind: SymbolKind) -> Kind {
    match kind {
        SymbolKind::Module => Kind::MODULE,
        SymbolKind::Struct => Kind::STRUCT,
        SymbolKind::Enum => Kind::ENUM,
        SymbolKind::Variant => Kind::ENUM_MEMBER,
        SymbolKind::Field => Kind::FIELD,
        SymbolKind::Function | SymbolKind::Macro | SymbolKind::Builtin => Kind::FUNCTION,
        SymbolKind::Constant => Kind::CONSTANT,
        SymbolKind::TypeParameter => Kind::TYPE_PARAMETER,
        SymbolKind::Address => Kind::NAMESPACE,
        SymbolKind::Parameter | SymbolKind::Variable | SymbolKind::Label => Kind::VARIABLE,
    }
}

#[expect(deprecated, reason = "the field `deprecated` has no default")]
fn symbol(lines: &Lines, outline: Outline) -> DocumentSymbol {
    DocumentSymbol {
        name: outline.name,
        detail: outline.detail,
        kind: kind(outline.kind),
        tags: None,
        deprecated: None,
        range: lines.range(outline.span.start, outline.span.end),
        selection_range: lines.range(outline.name_span.start, outline.name_span.end),
        children: (!outline.children.is_empty())
            .then(|| outline.children.into_iter().map(|child| symbol(lines, child)).collect()),
    }
}

pub(crate) fn outline(workspace: &mut Workspace, params: &DocumentSymbolParams) -> Answer {
    let Some(place) = workspace.place(&params.text_document.uri) else { return Ok(Value::Null) };
    let symbols: Vec<DocumentSymbol> =
        place.analysis.outline(place.file).into_iter().map(|entry| symbol(&place.lines, entry)).collect();
    to_value(symbols)
}

#[expect(deprecated, reason = "the field `deprecated` has no default")]
pub(crate) fn symbols(workspace: &mut Workspace, params: &WorkspaceSymbolParams) -> Answer {
    let keys: Vec<_> = workspace.packages.keys().cloned().collect();
    let mut found: Vec<SymbolInformation> = Vec::new();
    for key in keys {
        let Some(analysis) = workspace.analysis(&key) else { continue };
        for definition in analysis.search(&params.query, SYMBOLS_MAX) {
            let location = analysis.name_span(definition).and_then(|span| workspace.location(&analysis.files, span));
            let Some(location) = location else { continue };
            if found.iter().any(|known| known.location == location) {
                continue;
            }
            found.push(SymbolInformation {
                name: analysis.name(definition).to_string(),
                kind: kind(analysis.kind(definition)),
                tags: None,
                deprecated: None,
                location,
                container_name: analysis.describe(definition).container,
            });
        }
    }
    found.truncate(SYMBOLS_MAX);
    to_value(found)
}

// ---------------------------------------------------------------------------------------------------------------
// While typing

fn completion_kind(kind: Option<SymbolKind>) -> CompletionItemKind {
    match kind {
        None => CompletionItemKind::KEYWORD,
        Some(SymbolKind::Module | SymbolKind::Address) => CompletionItemKind::MODULE,
        Some(SymbolKind::Struct) => CompletionItemKind::STRUCT,
        Some(SymbolKind::Enum) => CompletionItemKind::ENUM,
        Some(SymbolKind::Variant) => CompletionItemKind::ENUM_MEMBER,
        Some(SymbolKind::Field) => CompletionItemKind::FIELD,
        Some(SymbolKind::Function | SymbolKind::Macro | SymbolKind::Builtin) => CompletionItemKind::FUNCTION,
        Some(SymbolKind::Constant) => CompletionItemKind::CONSTANT,
        Some(SymbolKind::TypeParameter) => CompletionItemKind::TYPE_PARAMETER,
        Some(SymbolKind::Parameter | SymbolKind::Variable | SymbolKind::Label) => CompletionItemKind::VARIABLE,
    }
}

pub(crate) fn completion(workspace: &mut Workspace, params: &CompletionParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position) else { return Ok(Value::Null) };
    // Two colons make a path, one does not.
    let trigger = params.context.as_ref().and_then(|context| context.trigger_character.as_deref());
    let text = place.analysis.files.get(place.file).map_or("", |file| &*file.text);
    if trigger == Some(":") && !text[..byte as usize].ends_with("::") {
        return Ok(Value::Null);
    }
    let Some((offers, analysis)) = workspace.session(&place.key).and_then(|session| session.complete(place.file, byte))
    else {
        return Ok(Value::Null);
    };
    let items = offers
        .into_iter()
        .map(|offer| {
            let docs = offer.definition.and_then(|definition| analysis.describe(definition).docs);
            CompletionItem {
                sort_text: Some(format!("{}{}", offer.rank, offer.label)),
                kind: Some(completion_kind(offer.kind)),
                detail: offer.detail,
                documentation: docs.map(|docs| Documentation::MarkupContent(markdown(docs))),
                label: offer.label,
                ..CompletionItem::default()
            }
        })
        .collect();
    to_value(CompletionResponse::List(CompletionList { is_incomplete: false, items }))
}

pub(crate) fn signature(workspace: &mut Workspace, params: &SignatureHelpParams) -> Answer {
    let Some((place, byte)) = locate(workspace, &params.text_document_position_params) else { return Ok(Value::Null) };
    let found = workspace.session(&place.key).and_then(|session| session.signature(place.file, byte));
    let Some((signature, active)) = found else { return Ok(Value::Null) };
    let units = |byte: usize| {
        let before = signature.label.get(..byte).unwrap_or(&signature.label);
        u32::try_from(before.encode_utf16().count()).unwrap_or(u32::MAX)
    };
    let parameters = signature
        .params
        .iter()
        .map(|(start, end)| ParameterInformation {
            label: ParameterLabel::LabelOffsets([units(*start), units(*end)]),
            documentation: None,
        })
        .collect();
    let active = u32::try_from(active).ok();
    to_value(SignatureHelp {
        signatures: vec![SignatureInformation {
            label: signature.label.clone(),
            documentation: signature.docs.map(|docs| Documentation::MarkupContent(markdown(docs))),
            parameters: Some(parameters),
            active_parameter: active,
        }],
        active_signature: Some(0),
        active_parameter: active,
    })
}
