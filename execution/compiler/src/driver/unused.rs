//! Warns of what nothing mentions, and drops warnings that the source allows.
//!
//! A name counts as mentioned wherever it stands as a word outside of `use` declarations, also in a `spec` or as the
//! name of something else: a warning here is never wrong, and some unused things are not found.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic, Diagnostics, Files, Name, Span, Symbol, codes};
use crate::expand::ast::{Attributes, ExpandedModule, ExpandedUseKind, Program};
use crate::parse::ast::{Fields, Visibility};
use crate::parse::lexer::lex;
use crate::parse::token::TokenKind;

/// What `#[allow(..)]` calls each warning.
const LINTS: &[(Code, &str)] = &[
    (codes::UNUSED_LOCAL, "unused_variable"),
    (codes::UNUSED_PARAMETER, "unused_variable"),
    (codes::UNUSED_PARAMETER, "unused_parameter"),
    (codes::UNUSED_USE, "unused_use"),
    (codes::UNUSED_USE, "unused_import"),
    (codes::UNUSED_FUNCTION, "unused_function"),
    (codes::UNUSED_CONSTANT, "unused_const"),
    (codes::UNUSED_STRUCT, "unused_type"),
    (codes::UNUSED_STRUCT, "unused_struct"),
    (codes::UNUSED_MUT, "unused_let_mut"),
    (codes::UNUSED_MUT, "unused_mut"),
    (codes::UNUSED_ASSIGNMENT, "unused_assignment"),
    (codes::UNREACHABLE_CODE, "dead_code"),
];

/// Functions that the chain itself calls.
const CALLED_BY_THE_CHAIN: &[&str] = &["init", "init_module"];

/// Reports what is not used in the modules that are compiled, not in their dependencies.
pub(super) fn report(program: &Program, files: &Files, diagnostics: &mut Diagnostics) {
    let mut words: BTreeMap<crate::diagnostics::FileId, Words> = BTreeMap::new();
    for module in program.modules.values().filter(|module| module.is_target) {
        words.entry(module.span.file).or_insert_with(|| Words::of(files, module.span.file));
    }
    for module in program.modules.values().filter(|module| module.is_target) {
        if let Some(words) = words.get(&module.span.file) {
            report_module(module, words, diagnostics);
        }
    }
}

fn report_module(module: &ExpandedModule, words: &Words, diagnostics: &mut Diagnostics) {
    for item in &module.uses {
        let name = match &item.kind {
            ExpandedUseKind::Module { name, .. } | ExpandedUseKind::Member { name, .. } => name,
            ExpandedUseKind::Method { .. } => continue,
        };
        if !words.mentions(&name.value, module.span, item.span) {
            diagnostics.push(
                Diagnostic::new(codes::UNUSED_USE, name.span, format!("`{}` is never used", name.value))
                    .label("brought into scope here")
                    .help("remove it from the `use`"),
            );
        }
    }
    for item in &module.functions {
        let function = &item.item;
        let is_called = !matches!(function.visibility, Visibility::Private)
            || function.entry.is_some()
            || CALLED_BY_THE_CHAIN.contains(&function.name.value.as_str())
            || is_special(&item.attributes);
        if !is_called && !words.mentions(&function.name.value, module.span, function.span) {
            unused(codes::UNUSED_FUNCTION, "function", &function.name, diagnostics);
        }
    }
    for item in &module.constants {
        let name = &item.item.name;
        if !is_special(&item.attributes) && !words.mentions(&name.value, module.span, item.item.span) {
            unused(codes::UNUSED_CONSTANT, "constant", name, diagnostics);
        }
    }
    for item in &module.structs {
        let one = &item.item;
        let is_marker = matches!(&one.fields, Fields::Named(fields) if fields.is_empty())
            || matches!(&one.fields, Fields::Positional(fields) if fields.is_empty())
            || matches!(one.fields, Fields::Native(_));
        let has_key = one.abilities.iter().any(|ability| ability.value == crate::parse::ast::Ability::Key);
        let is_open = !matches!(one.visibility, Visibility::Private) || is_special(&item.attributes);
        let is_excused = is_marker || has_key || is_open;
        if !is_excused && !words.mentions(&one.name.value, module.span, one.span) {
            unused(codes::UNUSED_STRUCT, "struct", &one.name, diagnostics);
        }
    }
}

/// Whether attributes say that something outside of the module uses the member.
fn is_special(attributes: &Attributes) -> bool {
    attributes.test_only
        || attributes.test.is_some()
        || attributes.view.is_some()
        || attributes.event.is_some()
        || attributes.resource_group.is_some()
        || attributes.syntax_index.is_some()
        || !attributes.raw.is_empty()
}

fn unused(code: Code, what: &str, name: &Name, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::new(code, name.span, format!("the {what} `{}` is never used", name.value))
            .help(format!("remove it, or say `#[allow({})]`", lint(code))),
    );
}

fn lint(code: Code) -> &'static str {
    LINTS.iter().find(|(known, _)| *known == code).map_or("unused", |(_, name)| name)
}

/// The words of a file that are not part of a `use`.
struct Words {
    places: BTreeMap<Symbol, Vec<u32>>,
}

impl Words {
    fn of(files: &Files, file: crate::diagnostics::FileId) -> Self {
        let text = files.get(file).map_or("", |file| &*file.text);
        // The parser has reported what is wrong with the text.
        let lexed = lex(file, text, &mut Diagnostics::new());
        let mut places: BTreeMap<Symbol, Vec<u32>> = BTreeMap::new();
        let mut in_use = false;
        for token in &lexed.tokens {
            match token.kind {
                TokenKind::Semicolon => in_use = false,
                TokenKind::Ident | TokenKind::QuotedIdent => {
                    let word = files.text(token.span).trim_matches('`');
                    // `use fun f as T.g` uses what it names.
                    in_use &= word != "fun";
                    in_use |= token.kind == TokenKind::Ident && word == "use";
                    if !in_use {
                        places.entry(word.into()).or_default().push(token.span.start);
                    }
                }
                _ => {}
            }
        }
        Self { places }
    }

    /// Whether the word stands in `inside` and not in `declaration`.
    fn mentions(&self, word: &Symbol, inside: Span, declaration: Span) -> bool {
        let covers = |span: Span, at: u32| span.start <= at && at < span.end;
        self.places
            .get(word)
            .is_some_and(|places| places.iter().any(|at| covers(inside, *at) && !covers(declaration, *at)))
    }
}

/// Drops warnings inside members and modules that allow them.
pub(super) fn without_allowed(program: &Program, diagnostics: Diagnostics) -> Diagnostics {
    let mut allowed: Vec<(Span, &Name)> = Vec::new();
    for module in program.modules.values().filter(|module| module.is_target) {
        let members = module
            .functions
            .iter()
            .map(|item| (item.item.span, &item.attributes))
            .chain(module.structs.iter().map(|item| (item.item.span, &item.attributes)))
            .chain(module.enums.iter().map(|item| (item.item.span, &item.attributes)))
            .chain(module.constants.iter().map(|item| (item.item.span, &item.attributes)))
            .chain([(module.span, &module.attributes)]);
        for (span, attributes) in members {
            allowed.extend(attributes.allow.iter().map(|name| (span, name)));
        }
    }
    if allowed.is_empty() {
        return diagnostics;
    }
    let is_allowed = |diagnostic: &Diagnostic| {
        let Some(at) = diagnostic.span() else { return false };
        allowed.iter().any(|(span, name)| {
            span.file == at.file
                && span.start <= at.start
                && at.end <= span.end
                && (name.value == "unused" && diagnostic.code.as_str().starts_with("W04")
                    || name.value == "all"
                    || LINTS.iter().any(|(code, lint)| *code == diagnostic.code && name.value == *lint))
        })
    };
    let mut kept = Diagnostics::new();
    for diagnostic in diagnostics {
        if diagnostic.is_error() || !is_allowed(&diagnostic) {
            kept.push(diagnostic);
        }
    }
    kept
}
