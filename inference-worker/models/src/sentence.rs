//! Pairs merged by score, as SentencePiece does for BPE: of all neighbours whose text together is a token, those with the
//! best score go first, the leftmost of equals; what no token spells becomes bytes.
//!
//! The `tokenizers` crate ranks pairs; scores rank tokens. The two differ where two cuts of one token overlap in a text,
//! so files that carry scores are read by this module.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ahash::AHashMap;

use crate::ModelError;
use crate::tokenizer::broken;

/// What SentencePiece writes for a space.
pub(crate) const SPACE: char = '\u{2581}';
/// The rank of tokens that no merge makes.
pub(crate) const NO_RANK: u32 = u32::MAX;

/// The byte that a token of the form `<0xE2>` stands for.
pub(crate) fn byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_plain = digits.len() == 2 && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'A'..=b'F'));
    u8::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

/// The tokens of all bytes.
pub(crate) fn byte_tokens(tokens: &[String]) -> Result<[u32; 256], ModelError> {
    let mut found = [None; 256];
    for (token, id) in tokens.iter().zip(0u32..) {
        if let Some(byte) = byte(token) {
            found[usize::from(byte)] = Some(id);
        }
    }
    let mut ids = [0; 256];
    for (value, (id, found)) in ids.iter_mut().zip(found).enumerate() {
        *id = found.ok_or_else(|| broken(format!("there is no token <0x{value:02X}> for what no token spells")))?;
    }
    Ok(ids)
}

/// Tokens by text with their ranks; equal scores have equal ranks, 0 is the best.
pub(crate) struct Scores {
    tokens: AHashMap<String, (u32, u32)>,
    bytes: [u32; 256],
}

/// Neighbours that could become a token: its rank, where the left one starts, the length of both, the right one.
type Candidate = Reverse<(u32, usize, usize, usize)>;

/// A stretch of text between its neighbours; an empty one has been merged away.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    length: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

impl Scores {
    pub(crate) fn new(tokens: &[String], ranks: &[u32]) -> Result<Self, ModelError> {
        if ranks.len() != tokens.len() {
            return Err(broken(format!("{} ranks for {} tokens", ranks.len(), tokens.len())));
        }
        let entry = |((token, &rank), id): ((&String, &u32), u32)| (token.clone(), (id, rank));
        let ranked = tokens.iter().zip(ranks).zip(0..).filter(|((_, rank), _)| **rank != NO_RANK).map(entry);
        Ok(Self { tokens: ranked.collect(), bytes: byte_tokens(tokens)? })
    }

    pub(crate) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = Vec::new();
        for (start, character) in text.char_indices() {
            let at = symbols.len();
            let (previous, next) = (at.checked_sub(1), Some(at + 1));
            symbols.push(Symbol { start, length: character.len_utf8(), previous, next });
        }
        if let Some(last) = symbols.last_mut() {
            last.next = None;
        }
        let mut heap = BinaryHeap::new();
        for left in 0..symbols.len().saturating_sub(1) {
            heap.extend(self.candidate(text, &symbols, left, left + 1));
        }
        while let Some(Reverse((_, left, length, right))) = heap.pop() {
            let (a, b) = (symbols[left], symbols[right]);
            // What has been merged since has another length, or none.
            if a.length == 0 || b.length == 0 || a.length + b.length != length {
                continue;
            }
            symbols[left] = Symbol { length, next: b.next, ..a };
            symbols[right].length = 0;
            if let Some(next) = b.next {
                symbols[next].previous = Some(left);
                heap.extend(self.candidate(text, &symbols, left, next));
            }
            if let Some(previous) = a.previous {
                heap.extend(self.candidate(text, &symbols, previous, left));
            }
        }
        for symbol in symbols.iter().filter(|symbol| symbol.length > 0) {
            let piece = &text[symbol.start..][..symbol.length];
            match self.tokens.get(piece) {
                Some((id, _)) => ids.push(*id),
                None => ids.extend(piece.bytes().map(|byte| self.bytes[usize::from(byte)])),
            }
        }
    }

    fn candidate(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Candidate> {
        let length = symbols[left].length + symbols[right].length;
        let (_, rank) = self.tokens.get(&text[symbols[left].start..][..length])?;
        Some(Reverse((*rank, left, length, right)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(pieces: &[(&str, u32)]) -> (Scores, Vec<String>) {
        let mut tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
        let mut ranks = vec![NO_RANK; 256];
        tokens.extend(pieces.iter().map(|(text, _)| (*text).to_owned()));
        ranks.extend(pieces.iter().map(|(_, rank)| *rank));
        (Scores::new(&tokens, &ranks).expect("sound"), tokens)
    }

    fn pieces(text: &str, vocabulary: &[(&str, u32)]) -> Vec<String> {
        let (scores, tokens) = scores(vocabulary);
        let mut ids = Vec::new();
        scores.encode(text, &mut ids);
        ids.into_iter().map(|id| tokens[id as usize].clone()).collect()
    }

    #[test]
    fn the_best_score_goes_first_and_the_leftmost_of_equals() {
        let vocabulary = [("a", 9), ("b", 9), ("aa", 1), ("ab", 0), ("aab", 3), ("aaa", 2)];
        assert_eq!(pieces("aab", &vocabulary), ["aab"], "by way of a, ab");
        assert_eq!(pieces("aabb", &vocabulary[..4]), ["a", "ab", "b"]);
        assert_eq!(pieces("aaa", &vocabulary), ["aaa"]);
        assert_eq!(pieces("aaaa", &vocabulary), ["aa", "aa"]);
        assert_eq!(pieces("", &vocabulary), [""; 0]);
        // Equal ranks: the left pair, though the right one is listed first.
        assert_eq!(pieces("xyz", &[("x", 5), ("y", 5), ("z", 5), ("yz", 1), ("xy", 1)]), ["xy", "z"]);
        // Pairs may be tokens though their parts are none.
        assert_eq!(pieces("pq", &[("pq", 0)]), ["pq"]);
    }

    #[test]
    fn what_no_token_spells_becomes_bytes() {
        assert_eq!(pieces("a\u{20ac}", &[("a", 0)]), ["a", "<0xE2>", "<0x82>", "<0xAC>"]);
        assert_eq!(byte("<0xE2>"), Some(0xe2));
        for other in ["<0xe2>", "<0xE>", "<0xE22>", "<0x+2>", "0xE2", "<0x\u{e9}>"] {
            assert_eq!(byte(other), None, "{other}");
        }
        let missing: Vec<String> = (0..255).map(|byte| format!("<0x{byte:02X}>")).collect();
        assert!(byte_tokens(&missing).is_err());
        assert!(Scores::new(&missing, &[0]).is_err());
    }
}
