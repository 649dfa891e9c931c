//! The source texts of one run.

use std::sync::Arc;

use super::{FileId, Span};

/// One source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// How messages call it.
    pub path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

/// All files of a run, by [`FileId`].
#[derive(Clone, Debug, Default)]
pub struct Files {
    entries: Vec<File>,
}

impl Files {
    /// An empty store.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Adds a file; ids count up from zero.
    pub fn add(&mut self, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.entries.len()).expect("fewer than 2^32 files fit in memory"));
        self.entries.push(File { path: path.into(), text: text.into() });
        id
    }

    /// The file called `id`.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&File> {
        self.entries.get(id.0 as usize)
    }

    /// The path of a file, `<unknown>` if there is none.
    #[must_use]
    pub fn path(&self, id: FileId) -> &str {
        self.get(id).map_or("<unknown>", |file| &file.path)
    }

    /// The text a span covers, empty if it lies outside of its file.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
    }

    /// All files in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &File)> {
        (0u32..).map(FileId).zip(&self.entries)
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    #[must_use]
    pub fn line_column(&self, file: FileId, byte: u32) -> (usize, usize) {
        let Some(entry) = self.get(file) else { return (1, 1) };
        let mut end = (byte as usize).min(entry.text.len());
        while !entry.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &entry.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
