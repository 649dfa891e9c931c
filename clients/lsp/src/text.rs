//! Positions as the protocol counts them: lines and UTF-16 units.

use std::sync::Arc;

use lsp_types::{Position, Range, TextDocumentContentChangeEvent};

/// A text and where its lines begin. Lines end in `\n`, `\r\n` or `\r`.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    text: Arc<str>,
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: Arc<str>) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                starts.push(at + 1);
            }
        }
        Self { text, starts }
    }

    /// A line without its end.
    fn line(&self, line: usize) -> Option<&str> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        Some(self.text[start..end].trim_end_matches(['\r', '\n']))
    }

    /// The byte at a position. Behind the end of a line is its end, behind the last line the end of the text, inside a
    /// character its beginning.
    pub(crate) fn byte(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(text) = self.line(line) else { return self.text.len() };
        let mut units = 0;
        for (at, letter) in text.char_indices() {
            units += letter.len_utf16();
            if units > position.character as usize {
                return self.starts[line] + at;
            }
        }
        self.starts[line] + text.len()
    }

    /// The position of a byte.
    pub(crate) fn position(&self, byte: u32) -> Position {
        let mut byte = (byte as usize).min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= byte) - 1;
        let units: usize = self.text[self.starts[line]..byte].chars().map(char::len_utf16).sum();
        Position { line: number(line), character: number(units) }
    }

    pub(crate) fn range(&self, start: u32, end: u32) -> Range {
        Range { start: self.position(start), end: self.position(end) }
    }

    /// All of the text.
    pub(crate) fn whole(&self) -> Range {
        self.range(0, number(self.text.len()))
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The text after a client's changes, each of which speaks of the text after the one before.
pub(crate) fn apply(text: &Arc<str>, changes: Vec<TextDocumentContentChangeEvent>) -> Arc<str> {
    let mut text = Arc::clone(text);
    for change in changes {
        let Some(range) = change.range else {
            text = Arc::from(change.text);
            continue;
        };
        let lines = Lines::new(Arc::clone(&text));
        let (a, b) = (lines.byte(range.start), lines.byte(range.end));
        let mut next = text.to_string();
        next.replace_range(a.min(b)..a.max(b), &change.text);
        text = Arc::from(next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\u{e4}\u{1f600}z\r\nsecond\rthird\n";

    #[test]
    fn counts_utf16_units() {
        let lines = Lines::new(Arc::from(TEXT));
        let z = u32::try_from(TEXT.find('z').unwrap()).unwrap();
        assert_eq!(lines.position(z), Position { line: 0, character: 4 });
        assert_eq!(lines.byte(Position { line: 0, character: 4 }), z as usize);
        // Inside the pair of surrogates.
        assert_eq!(lines.byte(Position { line: 0, character: 3 }), 3);
        assert_eq!(lines.byte(Position { line: 0, character: 99 }), z as usize + 1);
        assert_eq!(lines.byte(Position { line: 2, character: 0 }), TEXT.find("third").unwrap());
        assert_eq!(lines.byte(Position { line: 99, character: 0 }), TEXT.len());
        assert_eq!(lines.position(u32::MAX), Position { line: 3, character: 0 });
    }

    proptest::proptest! {
        #[test]
        fn positions_and_bytes_agree(text in "[a\u{e4}\u{1f600}\r\n]{0,40}") {
            let lines = Lines::new(Arc::from(text.as_str()));
            for (at, letter) in text.char_indices() {
                // A line's end has no position of its own behind its first byte.
                if letter != '\n' {
                    proptest::prop_assert_eq!(lines.byte(lines.position(u32::try_from(at).unwrap())), at);
                }
            }
        }

        #[test]
        fn changes_never_panic(text in "[a\u{e4}\u{1f600}\r\n]{0,40}", at: [u32; 4], new in "[b\u{1f600}\n]{0,5}") {
            let small = at.map(|value| value % 12);
            for [a, b, c, d] in [at, small] {
                let range = Range { start: Position::new(a, b), end: Position::new(c, d) };
                let change = TextDocumentContentChangeEvent { range: Some(range), range_length: None, text: new.clone() };
                proptest::prop_assert!(apply(&Arc::from(text.as_str()), vec![change]).contains(&new));
            }
        }
    }
}
