//! What every name is, for colours.

use lsp_types::{
    SemanticToken, SemanticTokenModifier, SemanticTokenType, SemanticTokens, SemanticTokensLegend, SemanticTokensParams,
};
use noema_compiler::analysis::{Form, SymbolKind};
use serde_json::Value;

use crate::worker::{Answer, to_value};
use crate::workspace::Workspace;

/// The types of tokens, by the number that [`number`] gives.
const TYPES: [SemanticTokenType; 10] = [
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::STRUCT,
    SemanticTokenType::ENUM,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::PROPERTY,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::MACRO,
    SemanticTokenType::TYPE_PARAMETER,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::VARIABLE,
];

/// Modifiers, by bit.
const MODIFIERS: [SemanticTokenModifier; 3] =
    [SemanticTokenModifier::DECLARATION, SemanticTokenModifier::READONLY, SemanticTokenModifier::DEFAULT_LIBRARY];

pub(crate) fn legend() -> SemanticTokensLegend {
    SemanticTokensLegend { token_types: TYPES.to_vec(), token_modifiers: MODIFIERS.to_vec() }
}

/// Position among [`TYPES`]; labels have no colour of their own.
const fn number(kind: SymbolKind) -> Option<u32> {
    Some(match kind {
        SymbolKind::Module | SymbolKind::Address => 0,
        SymbolKind::Struct => 1,
        SymbolKind::Enum => 2,
        SymbolKind::Variant => 3,
        SymbolKind::Field => 4,
        SymbolKind::Function | SymbolKind::Builtin => 5,
        SymbolKind::Macro => 6,
        SymbolKind::TypeParameter => 7,
        SymbolKind::Parameter => 8,
        SymbolKind::Variable | SymbolKind::Constant => 9,
        SymbolKind::Label => return None,
    })
}

pub(crate) fn full(workspace: &mut Workspace, params: &SemanticTokensParams) -> Answer {
    let Some(place) = workspace.place(&params.text_document.uri) else { return Ok(Value::Null) };
    let mut data = Vec::new();
    let (mut line, mut column, mut end) = (0, 0, 0);
    for one in place.analysis.index.occurrences.get(&place.file).into_iter().flatten() {
        let kind = place.analysis.kind(one.definition);
        let Some(token_type) = number(kind) else { continue };
        // Tokens do not overlap: of a short field the first half counts.
        if one.span.start < end {
            continue;
        }
        end = one.span.end;
        let range = place.lines.range(one.span.start, one.span.end);
        let start = range.start;
        let mut modifiers = u32::from(one.form == Form::Declaration);
        modifiers |= u32::from(kind == SymbolKind::Constant) << 1;
        modifiers |= u32::from(kind == SymbolKind::Builtin) << 2;
        data.push(SemanticToken {
            delta_line: start.line - line,
            delta_start: if start.line == line { start.character - column } else { start.character },
            length: range.end.character.saturating_sub(start.character),
            token_type,
            token_modifiers_bitset: modifiers,
        });
        (line, column) = (start.line, start.character);
    }
    to_value(SemanticTokens { result_id: None, data })
}
