//! Lines and columns, fast.

use noema_compiler::diagnostics::{FileId, Files, Span};

/// Where the lines of every file begin.
#[derive(Debug)]
pub(crate) struct Positions<'f> {
    files: &'f Files,
    starts: Vec<Vec<u32>>,
}

impl<'f> Positions<'f> {
    pub(crate) fn new(files: &'f Files) -> Self {
        let starts = files.iter().map(|(_, file)| line_starts(&file.text)).collect();
        Self { files, starts }
    }

    /// Line of a byte, from 1.
    pub(crate) fn line(&self, file: FileId, byte: u32) -> usize {
        self.starts.get(file.0 as usize).map_or(1, |starts| starts.partition_point(|start| *start <= byte).max(1))
    }

    /// Text of a line, without its end.
    pub(crate) fn text(&self, file: FileId, line: usize) -> &'f str {
        let Some(text) = self.files.get(file).map(|file| &*file.text) else { return "" };
        let starts = &self.starts[file.0 as usize];
        let start = line.checked_sub(1).and_then(|index| starts.get(index)).map_or(text.len(), |at| *at as usize);
        let end = starts.get(line).map_or(text.len(), |at| *at as usize);
        text[start..end].trim_end()
    }

    /// `path:line:column`.
    pub(crate) fn show(&self, span: Span) -> String {
        let (line, column) = self.files.line_column(span.file, span.start);
        format!("{}:{line}:{column}", self.files.path(span.file))
    }
}

fn line_starts(text: &str) -> Vec<u32> {
    let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    let after = newlines.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX));
    std::iter::once(0).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_the_files_do() {
        let mut files = Files::new();
        let file = files.add("a.move", "one\r\ntw\u{f6}\n\nfour");
        let positions = Positions::new(&files);
        for byte in 0..files.get(file).unwrap().text.len() as u32 {
            assert_eq!(positions.line(file, byte), files.line_column(file, byte).0, "byte {byte}");
        }
        assert_eq!(positions.text(file, 1), "one");
        assert_eq!(positions.text(file, 3), "");
        assert_eq!(positions.text(file, 4), "four");
        assert_eq!(positions.text(file, 5), "");
        assert_eq!(positions.show(Span::new(file, 5, 6)), "a.move:2:1");
    }
}
