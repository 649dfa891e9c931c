//! Failures with the lines of source they happened in.

use noema_compiler::diagnostics::Span;
use noema_compiler::{CompiledProgram, CompiledUnit};
use noema_types::{CodeLocation, ModuleId};
use noema_vm::{TraceFrame, VmError};

use crate::positions::Positions;

/// A failure for people: what went wrong, the name of the abort code if its module gives it one, the line of source, and
/// the lines that called it.
#[must_use]
pub fn render(program: &CompiledProgram, error: &VmError) -> String {
    let positions = Positions::new(&program.files);
    let mut out = head(error);
    if let Some(meaning) = meaning(program, error) {
        out.push_str(&format!("\n  = {meaning}"));
    }
    if let Some(span) = error.at.as_ref().and_then(|at| span_of(program, at)) {
        out.push_str(&excerpt(&positions, program, span));
    }
    for frame in &error.callers {
        out.push_str(&format!("\n  called from {}", name_of(frame)));
        if let Some(span) = span_of(program, frame) {
            out.push_str(&format!(" at {}", positions.show(span)));
        }
    }
    out
}

/// Status, code, place and message on one line.
fn head(error: &VmError) -> String {
    let mut out = format!("{} ({})", error.status, error.status.number());
    if let Some(code) = error.sub_status {
        out.push_str(&format!(", code {code} ({code:#x})"));
    }
    if let Some(at) = &error.at {
        out.push_str(&format!(" in {} at offset {}", name_of(at), at.code_offset));
    }
    if let Some(message) = &error.message {
        out.push_str(&format!(": {message}"));
    }
    out
}

fn name_of(frame: &TraceFrame) -> String {
    match &frame.location {
        CodeLocation::Module(id) => format!("{}::{}::{}", id.address.to_short_hex(), id.name, frame.name),
        CodeLocation::Script => "the script".to_owned(),
    }
}

fn unit_of<'p>(program: &'p CompiledProgram, id: &ModuleId) -> Option<&'p CompiledUnit> {
    program.modules.iter().find(|unit| unit.module.self_id() == *id)
}

fn span_of(program: &CompiledProgram, frame: &TraceFrame) -> Option<Span> {
    let CodeLocation::Module(id) = &frame.location else { return None };
    unit_of(program, id)?.source_map.span(usize::from(frame.function), usize::from(frame.code_offset))
}

/// The constant that an abort code belongs to, and what its doc comment says.
fn meaning(program: &CompiledProgram, error: &VmError) -> Option<String> {
    let code = error.abort_code()?;
    let CodeLocation::Module(id) = &error.at.as_ref()?.location else { return None };
    let unit = unit_of(program, id)?;
    if let Some(name) = clever_name(unit, code) {
        return Some(format!("{name}, an #[error] constant of {}", unit.ident));
    }
    let known = unit.metadata.describe_abort(code)?;
    let text: Vec<&str> = known.description.split_whitespace().collect();
    Some(if text.is_empty() { known.name.clone() } else { format!("{}: {}", known.name, text.join(" ")) })
}

/// Name of the `#[error]` constant that an abort code `0xC0kk_LLLL_IIII_CCCC` points to: `IIII` is its place among the
/// module's identifiers.
pub(crate) fn clever_name(unit: &CompiledUnit, code: u64) -> Option<&str> {
    if code >> 56 != 0xC0 {
        return None;
    }
    let position = usize::from(u16::try_from((code >> 16) & 0xFFFF).ok()?);
    unit.module.identifiers.get(position).map(|name| name.as_str())
}

/// The first line of a span, with what it covers underlined.
fn excerpt(positions: &Positions<'_>, program: &CompiledProgram, span: Span) -> String {
    let line = positions.line(span.file, span.start);
    let text = positions.text(span.file, line);
    let (_, column) = program.files.line_column(span.file, span.start);
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let covered = program.files.text(span).lines().next().unwrap_or_default().chars().count().max(1);
    let room = text.chars().count().saturating_sub(column - 1).max(1);
    // Tabs keep their width, so that the carets stand below what they mean.
    let indent: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let carets = "^".repeat(covered.min(room));
    format!("\n {gutter}--> {}\n {gutter} |\n {number} | {text}\n {gutter} | {indent}{carets}", positions.show(span))
}
