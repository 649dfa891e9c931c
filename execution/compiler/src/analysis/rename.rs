//! Renames a definition everywhere in its package.
//!
//! A rename is tried before it is given out: the changed texts are analysed, and unless every name in them stands for
//! what it stood for before, the rename is refused. So it captures nothing and hides nothing.

use std::collections::BTreeMap;

use crate::diagnostics::{FileId, Span};
use crate::parse::token::RESERVED;

use super::index::{Definition, Form, Occurrence};
use super::query::SymbolKind;
use super::{Analysis, Session};

/// Names of the language's own types, which nothing else can have.
const TAKEN: &[&str] = &["Self", "address", "bool", "signer", "u128", "u16", "u256", "u32", "u64", "u8", "vector"];

/// A change of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What to replace.
    pub span: Span,
    /// The new text.
    pub text: String,
}

/// Why something is not renamed, as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused<T>(message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(message.into()))
}

impl Analysis {
    /// The name at a byte that can be renamed.
    ///
    /// # Errors
    /// There is none, or it belongs to the language, a dependency or a `use .. as`.
    pub fn renamable(&self, file: FileId, byte: u32) -> Result<Occurrence, Refused> {
        let Some(found) = self.occurrence(file, byte) else { return refused("there is no name here") };
        let name = self.name(found.definition);
        match found.definition {
            Definition::Builtin(_) => return refused(format!("`{name}` is part of the language")),
            Definition::Address(_) => {
                return refused(format!("`{name}` is a named address: rename it in Move.toml and in the sources"));
            }
            _ => {}
        }
        if let Some(module) = self.module_of(found.definition)
            && !self.globals.module(module).is_target
        {
            let package = &self.globals.module(module).package;
            return refused(format!("`{name}` belongs to package `{package}`, which this package only depends on"));
        }
        if self.written(found.span) != name.as_str() {
            let written = self.files.text(found.span);
            return refused(format!("`{written}` is another name for `{name}`: change the `use` that gives it"));
        }
        Ok(found)
    }

    /// A name as written, without quotes and the mark of labels.
    fn written(&self, span: Span) -> &str {
        self.files.text(span).trim_matches('`').trim_start_matches('\'')
    }

    fn check_name(&self, definition: Definition, new_name: &str) -> Result<(), Refused> {
        let old = self.name(definition);
        let kind = self.kind(definition);
        let plain = match (old.starts_with('$'), new_name.strip_prefix('$')) {
            (true, Some(rest)) => rest,
            (true, None) => return refused("parameters of macros begin with `$`"),
            (false, _) => new_name,
        };
        let mut letters = plain.chars();
        let starts_well = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if !starts_well || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') || plain == "_" {
            return refused(format!("`{new_name}` is no name: write a letter, then letters, digits or `_`"));
        }
        if RESERVED.contains(&plain) || TAKEN.contains(&plain) {
            return refused(format!("`{new_name}` is a word of the language"));
        }
        let first = plain.chars().next().unwrap_or('_');
        match kind {
            SymbolKind::Struct | SymbolKind::Enum | SymbolKind::Constant | SymbolKind::Variant
                if !first.is_ascii_uppercase() =>
            {
                refused("names of types, variants and constants begin with A to Z")
            }
            SymbolKind::Function | SymbolKind::Macro if first == '_' => {
                refused("names of functions begin with a letter")
            }
            SymbolKind::Variable | SymbolKind::Parameter if first.is_ascii_uppercase() => {
                refused("names of locals begin with a small letter or `_`")
            }
            _ => Ok(()),
        }
    }

    /// One change for every place that spells the name.
    fn edits(&self, definition: Definition, new_name: &str) -> Vec<(Edit, Occurrence)> {
        let old = self.name(definition);
        let spelled = self.index.of(definition).into_iter().filter(|one| self.written(one.span) == old.as_str());
        let mut edits: Vec<(Edit, Occurrence)> = spelled
            .map(|one| {
                let (span, text) = match one.form {
                    Form::ShortField => {
                        (self.with_mut(one.span), format!("{new_name}: {}", self.with_mut_text(one.span)))
                    }
                    Form::ShortLocal => {
                        let whole = self.with_mut(one.span);
                        let is_mut = if whole == one.span { "" } else { "mut " };
                        (whole, format!("{old}: {is_mut}{new_name}"))
                    }
                    _ if self.files.text(one.span).starts_with('\'') => (one.span, format!("'{new_name}")),
                    _ => (one.span, new_name.to_owned()),
                };
                (Edit { span, text }, one)
            })
            .collect();
        edits.sort_by_key(|(edit, _)| edit.span);
        edits.dedup_by(|(next, _), (kept, _)| next.span == kept.span);
        edits
    }

    /// The span with the `mut` before it: `S { mut a }`.
    fn with_mut(&self, span: Span) -> Span {
        let Some(file) = self.files.get(span.file) else { return span };
        let before = file.text[..span.start as usize].trim_end();
        match before.strip_suffix("mut") {
            Some(rest) if !rest.ends_with(|last: char| last.is_alphanumeric() || last == '_') => {
                let start = u32::try_from(rest.len()).expect("a file is shorter than 2^32 bytes");
                Span::new(span.file, start, span.end)
            }
            _ => span,
        }
    }

    fn with_mut_text(&self, span: Span) -> &str {
        self.files.text(self.with_mut(span))
    }
}

impl Session {
    /// The changes that give a definition of the package a new name.
    ///
    /// # Errors
    /// The new name is not allowed, or some name would stand for something else afterwards.
    pub fn rename(&self, analysis: &Analysis, found: Occurrence, new_name: &str) -> Result<Vec<Edit>, Refused> {
        let definition = found.definition;
        analysis.check_name(definition, new_name)?;
        let old = analysis.name(definition);
        if old.as_str() == new_name {
            return Ok(Vec::new());
        }
        let edits = analysis.edits(definition, new_name);
        let foreign = edits.iter().find(|(edit, _)| !self.is_own(edit.span.file));
        if let Some((edit, _)) = foreign {
            let path = analysis.files.path(edit.span.file);
            return refused(format!("`{old}` is also written in {path}, which does not belong to this package"));
        }
        let mut texts: BTreeMap<FileId, String> = BTreeMap::new();
        for (edit, _) in edits.iter().rev() {
            let text = texts.entry(edit.span.file).or_insert_with(|| {
                analysis.files.get(edit.span.file).map_or_else(String::new, |file| file.text.to_string())
            });
            text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        let after = self.with_texts(&texts).analyse();
        let (errors_before, errors_after) = (analysis.errors(), after.errors());
        if errors_after > errors_before {
            let first = after.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
            let why = first.map_or_else(String::new, |diagnostic| format!(": {}", diagnostic.message));
            return refused(format!("with `{new_name}` instead of `{old}` the package does not compile{why}"));
        }
        let images = Images { edits: &edits, old_len: len(&old), new_len: len(new_name), definition };
        if images.of_analysis(analysis) != bindings(&after) {
            return refused(format!(
                "with `{new_name}` instead of `{old}` some name would stand for something else than before"
            ));
        }
        Ok(edits.into_iter().map(|(edit, _)| edit).collect())
    }
}

fn len(text: &str) -> u32 {
    u32::try_from(text.len()).expect("names are short")
}

/// Every name by its place, with the place of its declaration.
type Bindings = BTreeMap<(Span, bool), Vec<Option<Span>>>;

fn bindings(analysis: &Analysis) -> Bindings {
    let mut bindings = Bindings::new();
    for one in analysis.index.occurrences.values().flatten() {
        let half = matches!(one.form, Form::ShortLocal);
        bindings.entry((one.span, half)).or_default().push(analysis.name_span(one.definition));
    }
    bindings
}

/// Where places come to lie.
struct Images<'a> {
    edits: &'a [(Edit, Occurrence)],
    old_len: u32,
    new_len: u32,
    definition: Definition,
}

impl Images<'_> {
    fn of_analysis(&self, analysis: &Analysis) -> Bindings {
        let mut bindings = Bindings::new();
        for one in analysis.index.occurrences.values().flatten() {
            let is_local = matches!(one.definition, Definition::Local(_));
            let (span, was_split) = self.of(one.span, is_local);
            let half = matches!(one.form, Form::ShortLocal) && !was_split;
            let declared = analysis.name_span(one.definition);
            let declared = declared.map(|span| self.of(span, matches!(one.definition, Definition::Local(_))).0);
            bindings.entry((span, half)).or_default().push(declared);
        }
        bindings
    }

    /// The image of a span, and whether a short field was split there.
    fn of(&self, span: Span, is_local: bool) -> (Span, bool) {
        let mut shift = 0i64;
        for (edit, one) in self.edits {
            if edit.span.file != span.file || edit.span.start > span.start {
                continue;
            }
            let at = |start: i64, len: u32| {
                let start = u32::try_from(start).unwrap_or(0);
                Span::new(span.file, start, start + len)
            };
            if one.span == span {
                let begin = i64::from(edit.span.start) + shift;
                let end = begin + i64::from(len(&edit.text));
                let is_short = matches!(one.form, Form::ShortField | Form::ShortLocal);
                if !is_short {
                    return (at(begin, len(&edit.text)), false);
                }
                let renames_local = matches!(self.definition, Definition::Local(_));
                let (field, local) =
                    if renames_local { (self.old_len, self.new_len) } else { (self.new_len, self.old_len) };
                let image = if is_local { at(end - i64::from(local), local) } else { at(begin, field) };
                return (image, true);
            }
            if edit.span.end <= span.start {
                shift += i64::from(len(&edit.text)) - i64::from(edit.span.end - edit.span.start);
            }
        }
        let moved = |byte: u32| u32::try_from(i64::from(byte) + shift).unwrap_or(0);
        (Span::new(span.file, moved(span.start), moved(span.end)), false)
    }
}
