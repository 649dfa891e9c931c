//! Diagnostics as text with carets, and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use ariadne::{Cache, Config, IndexType, Label as Mark, Report, ReportKind, Source};
use serde_json::{Value, json};

use super::{Diagnostic, Diagnostics, FileId, Files, Severity, Span};

/// Lends the texts to ariadne.
struct Sources<'a> {
    files: &'a Files,
    loaded: BTreeMap<FileId, Source<&'a str>>,
}

impl<'a> Cache<FileId> for Sources<'a> {
    type Storage = &'a str;

    fn fetch(&mut self, id: &FileId) -> Result<&Source<&'a str>, impl fmt::Debug> {
        let text = self.files.get(*id).map(|file| &*file.text);
        match text {
            Some(text) => Ok(self.loaded.entry(*id).or_insert_with(|| Source::from(text))),
            None => Err(format!("no file {}", id.0)),
        }
    }

    fn display<'b>(&self, id: &'b FileId) -> Option<impl fmt::Display + 'b> {
        Some(self.files.path(*id).to_owned())
    }
}

impl Diagnostics {
    /// All messages as people read them, in the order of [`Diagnostics::sorted`].
    #[must_use]
    pub fn render(&self, files: &Files, colour: bool) -> String {
        let mut sources = Sources { files, loaded: BTreeMap::new() };
        let mut output = String::new();
        for diagnostic in self.sorted() {
            output.push_str(&render_one(diagnostic, &mut sources, colour));
            output.push('\n');
        }
        output
    }

    /// All messages as one JSON array. Lines and columns count from 1, bytes from 0.
    #[must_use]
    pub fn to_json(&self, files: &Files) -> Value {
        self.sorted().into_iter().map(|diagnostic| diagnostic.to_json(files)).collect()
    }
}

impl Diagnostic {
    /// The message as people read it.
    #[must_use]
    pub fn render(&self, files: &Files, colour: bool) -> String {
        let mut sources = Sources { files, loaded: BTreeMap::new() };
        render_one(self, &mut sources, colour)
    }

    /// The message as JSON.
    #[must_use]
    pub fn to_json(&self, files: &Files) -> Value {
        let label = |label: &super::Label| {
            let mut place = place_json(files, label.span);
            place["message"] = json!(label.message);
            place
        };
        json!({
            "code": self.code.as_str(),
            "severity": severity_name(self.severity),
            "message": self.message,
            "primary": self.primary.as_ref().map(label),
            "secondary": self.secondary.iter().map(label).collect::<Vec<_>>(),
            "notes": self.notes,
            "help": self.help,
            "suggestion": self.suggestion.as_ref().map(|suggestion| {
                let mut place = place_json(files, suggestion.span);
                place["replacement"] = json!(suggestion.replacement);
                place
            }),
        })
    }
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn place_json(files: &Files, span: Span) -> Value {
    let (line, column) = files.line_column(span.file, span.start);
    let (end_line, end_column) = files.line_column(span.file, span.end);
    json!({
        "file": files.path(span.file),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": span.start,
        "end": span.end,
    })
}

fn render_one(diagnostic: &Diagnostic, sources: &mut Sources<'_>, colour: bool) -> String {
    let Some(primary) = &diagnostic.primary else {
        return render_plain(diagnostic);
    };
    let kind = match diagnostic.severity {
        Severity::Error => ReportKind::Error,
        Severity::Warning => ReportKind::Warning,
    };
    let config = Config::default().with_color(colour).with_index_type(IndexType::Byte);
    let place = |span: Span| {
        let length = sources.files.get(span.file).map_or(0, |file| file.text.len());
        let start = (span.start as usize).min(length);
        (span.file, start..(span.end as usize).clamp(start, length))
    };
    let mark = |label: &super::Label, colour: ariadne::Color| {
        let mark = Mark::new(place(label.span)).with_color(colour);
        if label.message.is_empty() { mark.with_message("here") } else { mark.with_message(&label.message) }
    };
    let mut report = Report::build(kind, place(primary.span))
        .with_config(config)
        .with_code(diagnostic.code)
        .with_message(&diagnostic.message)
        .with_label(mark(primary, ariadne::Color::Red).with_priority(1));
    for label in &diagnostic.secondary {
        report = report.with_label(mark(label, ariadne::Color::Blue));
    }
    for note in &diagnostic.notes {
        report.add_note(note);
    }
    if let Some(help) = &diagnostic.help {
        report.add_help(help);
    }
    let mut bytes = Vec::new();
    match report.finish().write(&mut *sources, &mut bytes) {
        Ok(()) => without_trailing_space(&String::from_utf8_lossy(&bytes)),
        Err(_) => render_plain(diagnostic),
    }
}

fn without_trailing_space(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for line in text.lines() {
        output.push_str(line.trim_end());
        output.push('\n');
    }
    output
}

fn render_plain(diagnostic: &Diagnostic) -> String {
    let mut output = format!(
        "[{}] {}: {}\n",
        diagnostic.code,
        if diagnostic.is_error() { "Error" } else { "Warning" },
        diagnostic.message
    );
    for note in &diagnostic.notes {
        output.push_str(&format!("  Note: {note}\n"));
    }
    if let Some(help) = &diagnostic.help {
        output.push_str(&format!("  Help: {help}\n"));
    }
    output
}
