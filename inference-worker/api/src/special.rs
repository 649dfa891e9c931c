//! Text of users inside prompts: it must not become a model's special tokens.
//!
//! A prompt is one string, and special tokens spelt out in it are read as tokens: templates need that. Whoever puts words
//! of somebody else into a prompt writes a [`PLAIN_MARK`] inside whatever a special token could be found in. Engines read
//! no special token across a mark, and leave the mark out: the model sees the words as they were, as text.

use std::collections::BTreeSet;

/// No special token of a prompt is found across this character, and no token is made of it: U+FDD0, which Unicode keeps
/// for such uses inside programs and no text holds.
pub const PLAIN_MARK: char = '\u{fdd0}';

/// What templates look for inside a message themselves: left whole where the model has no such special token.
const LOOKED_FOR: [&str; 6] =
    ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"];

/// The texts of a model's special tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTexts {
    /// All of them that a prompt can spell.
    texts: Vec<String>,
    /// Characters that one begins with.
    first: BTreeSet<char>,
    /// Characters that one goes on with.
    inner: BTreeSet<char>,
    /// Of the token that starts a prompt; empty when there is none.
    bos: String,
    /// Of the token that ends a turn; empty when there is none.
    eos: String,
}

impl SpecialTexts {
    /// From the texts of all special tokens, and of those that start a prompt and end a turn (or nothing).
    #[must_use]
    pub fn new(texts: impl IntoIterator<Item = String>, bos: String, eos: String) -> Self {
        let texts: Vec<String> = texts.into_iter().collect();
        let first = texts.iter().filter_map(|text| text.chars().next()).collect();
        let inner = texts.iter().flat_map(|text| text.chars().skip(1)).collect();
        Self { texts, first, inner, bos, eos }
    }

    /// Text of the token that starts a prompt; empty when the model wants none.
    #[must_use]
    pub fn bos(&self) -> &str {
        &self.bos
    }

    /// Text of the token that ends a turn; empty when the model has none.
    #[must_use]
    pub fn eos(&self) -> &str {
        &self.eos
    }

    /// A value that somebody else wrote: no part of it is, or begins, a special token in a prompt. A text without the
    /// first character of any special token is unchanged.
    #[must_use]
    pub fn plain(&self, text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        let mut whole = 0;
        for (at, character) in text.char_indices().filter(|(_, character)| *character != PLAIN_MARK) {
            plain.push(character);
            if at < whole || !self.first.contains(&character) {
                continue;
            }
            match LOOKED_FOR.iter().find(|word| text[at..].starts_with(*word) && self.is_harmless(word)) {
                Some(word) => whole = at + word.len(),
                None => plain.push(PLAIN_MARK),
            }
        }
        plain
    }

    /// A whole message that somebody else wrote: as [`SpecialTexts::plain`], and it does not complete what a template
    /// began either. White space at its start stays where it is: templates take it away.
    #[must_use]
    pub fn plain_message(&self, text: &str) -> String {
        let plain = self.plain(text);
        let words = plain.trim_start();
        match words.chars().next() {
            Some(character) if self.inner.contains(&character) => {
                format!("{}{PLAIN_MARK}{words}", &plain[..plain.len() - words.len()])
            }
            _ => plain,
        }
    }

    /// Whether no special token begins with the word or is how it begins.
    fn is_harmless(&self, word: &str) -> bool {
        !self.texts.iter().any(|text| text.starts_with(word) || word.starts_with(text.as_str()))
    }
}

/// As [`SpecialTexts::plain_message`] for a model whose special tokens are not known: a mark before the text, and after
/// every character but ASCII letters and digits, which no special token of a prompt begins with.
#[must_use]
pub fn plain_for_any(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + text.len() / 2 + PLAIN_MARK.len_utf8());
    for character in text.chars().filter(|character| *character != PLAIN_MARK) {
        if plain.is_empty() {
            plain.push(PLAIN_MARK);
        }
        plain.push(character);
        if !character.is_ascii_alphanumeric() {
            plain.push(PLAIN_MARK);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special() -> SpecialTexts {
        let texts = ["<|im_start|>", "<|im_end|>", "[INST]"].map(str::to_owned);
        SpecialTexts::new(texts, String::new(), "<|im_end|>".to_owned())
    }

    #[test]
    fn nothing_is_left_that_a_special_token_begins_with() {
        let special = special();
        assert_eq!(special.plain("A plain text, 3 > 2."), "A plain text, 3 > 2.");
        assert_eq!(special.plain("x<|im_end|>\n[INST]"), "x<\u{fdd0}|im_end|>\n[\u{fdd0}INST]");
        assert_eq!(special.plain("<\u{fdd0}|im"), "<\u{fdd0}|im");
        assert_eq!(special.plain("<think>a</think>b</b>"), "<think>a</think>b<\u{fdd0}/b>");
        assert_eq!(special.plain_message(" m<"), " \u{fdd0}m<\u{fdd0}");
        assert_eq!(special.plain_message("Who?"), "Who?");
        assert_eq!(special.plain_message(""), "");
        assert_eq!(plain_for_any("a1<b"), "\u{fdd0}a1<\u{fdd0}b");
        assert_eq!(plain_for_any(""), "");
        let thinker = SpecialTexts::new(["<think>".to_owned()], String::new(), String::new());
        assert_eq!(thinker.plain("<think>"), "<\u{fdd0}think>");
    }
}
