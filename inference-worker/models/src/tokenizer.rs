//! Text to tokens and back.
//!
//! The tokenizer is part of the canonical file, in our own form ([`TokenizerData`], BCS); the `tokenizers` crate splits
//! and merges. Special tokens are found by this module, never by the crate, so that a caller decides whether a text may
//! contain any: text of users must not. Where special tokens are read, none is found across a [`PLAIN_MARK`], and marks
//! vanish: that is how a prompt carries text of users. A byte that the vocabulary has no token for vanishes, as it does in the
//! published tokenizers of such models. Added tokens that are not special are found here too, in every text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use noema_inference_api::{ModelManifest, PLAIN_MARK, SpecialTexts};
use serde::{Deserialize, Serialize};
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{BertNormalizer, Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::ModelError;
use crate::limits::{ADDED_TOKENS_MAX, SPECIAL_TOKENS_MAX};
use crate::sentence::{self, SPACE, Scores};

/// What word pieces make of a word they cannot spell.
const UNKNOWN: &str = "[UNK]";
/// How CLIP marks the last piece of a word.
const END_OF_WORD: &str = "</w>";

/// How text is cut before pairs are merged. The order of variants is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PreTokenizer {
    /// GPT-2: words with their leading space, numbers, punctuation, white space.
    Gpt2,
    /// SmolLM: single digits first, then as GPT-2.
    SmolLm,
    /// LLaMA 3: up to three digits together; whole words of the vocabulary need no merges.
    Llama3,
    /// Qwen 2: as LLaMA 3 with single digits.
    Qwen2,
    /// As [`PreTokenizer::Gpt2`], of text in Unicode's composed form (NFC).
    Gpt2Nfc,
    /// As [`PreTokenizer::Qwen2`], of text in Unicode's composed form (NFC).
    Qwen2Nfc,
    /// BERT's words and punctuation, in lower case without accents; longest pieces of the vocabulary, no merges.
    BertUncased,
    /// BERT's words and punctuation as they are; longest pieces of the vocabulary, no merges.
    BertCased,
    /// SentencePiece: nothing is cut, spaces are written as U+2581, what no token spells becomes tokens of its bytes.
    Sentence(Prefix),
    /// What llama.cpp does with files that name no other: punctuation, then as GPT-2, then digits by threes.
    Punctuation,
    /// CLIP: words in lower case, single digits, punctuation; white space only separates, and the last piece of a word is
    /// marked.
    Clip,
}

/// Where SentencePiece puts a space of its own. The order of variants is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prefix {
    /// Nowhere.
    Never,
    /// Before the text, and before what follows a special or added token.
    Each,
    /// As [`Prefix::Each`], unless there is one already.
    EachUnlessSpace,
    /// Before the text only, unless there is one already.
    FirstUnlessSpace,
}

impl PreTokenizer {
    /// Whether words are cut into the longest pieces of the vocabulary, rather than merged from bytes.
    const fn is_word_piece(self) -> bool {
        matches!(self, Self::BertUncased | Self::BertCased)
    }

    const fn is_sentence(self) -> bool {
        matches!(self, Self::Sentence(_))
    }
}

/// A tokenizer as data: byte-level BPE, SentencePiece's BPE, or WordPiece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenizerData {
    /// How text is cut.
    pub pre: PreTokenizer,
    /// Tokens by id; bytes of BPE are written in GPT-2's printable alphabet, special tokens and word pieces as they are.
    pub tokens: Vec<String>,
    /// Ids of special tokens, ascending.
    pub special: Vec<u32>,
    /// Pairs to merge, most frequent first.
    pub merges: Vec<(u32, u32)>,
    /// What few tokenizers have; it follows the rest of the section if there is any.
    #[serde(skip)]
    pub more: More,
}

/// What few tokenizers have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct More {
    /// Ids of tokens that are found in every text before anything else and yet are not special, ascending.
    pub added: Vec<u32>,
    /// Ranks of all tokens by score, 0 the best, equal for equal scores; `u32::MAX` for tokens that no merge makes. Where
    /// there are any, they decide what is merged, and there are no pairs.
    pub ranks: Vec<u32>,
}

/// What to do with the text of a special token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// It becomes the token, unless a [`PLAIN_MARK`] is inside: for templates. Marks vanish.
    Parse,
    /// It is text like any other: for what users write.
    Text,
}

/// A tokenizer ready to use.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Bytes of each token.
    bytes: Vec<Vec<u8>>,
    /// Special tokens by text.
    special: Fixed,
    special_ids: Vec<u32>,
    /// Added tokens by text.
    added: Fixed,
    prefix: Option<Prefix>,
    /// Merges by score, instead of the crate's.
    scores: Option<Scores>,
    bos: Option<u32>,
}

/// Tokens that are found in a text as they are, by text.
struct Fixed {
    texts: BTreeMap<Vec<u8>, u32>,
    /// Bytes that one of them begins with.
    begins: [bool; 256],
}

/// What is before a stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing: the text starts.
    Nothing,
    /// A special or added token.
    Token,
    /// Text.
    Text,
}

impl TokenizerData {
    /// The bytes of the tokenizer section.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = if self.more == More::default() { bcs::to_bytes(self) } else { bcs::to_bytes(&(self, &self.more)) };
        bytes.expect("tokenizer data always serialise")
    }

    /// Reads a tokenizer section.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] for anything but the bytes of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        if let Ok(data) = bcs::from_bytes(bytes) {
            return Ok(data);
        }
        let (data, more): (Self, More) = bcs::from_bytes(bytes).map_err(|error| broken(error.to_string()))?;
        if more == More::default() {
            return Err(broken("an empty supplement"));
        }
        Ok(Self { more, ..data })
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("tokens", &self.bytes.len()).field("bos", &self.bos).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a tokenizer section.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the data contradict themselves or the manifest.
    pub fn from_bytes(bytes: &[u8], manifest: &ModelManifest) -> Result<Self, ModelError> {
        let data = TokenizerData::from_bytes(bytes)?;
        if data.tokens.len() != manifest.vocab as usize {
            return Err(broken(format!("{} tokens for a vocabulary of {}", data.tokens.len(), manifest.vocab)));
        }
        Self::new(data, manifest.special.bos)
    }

    /// Builds a tokenizer that puts `bos` before a text.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the data contradict themselves.
    pub fn new(data: TokenizerData, bos: Option<u32>) -> Result<Self, ModelError> {
        let (special, added) = (Fixed::new(check_special(&data)?), Fixed::new(check_added(&data)?));
        let alphabet = Alphabet::new();
        let bytes = data.tokens.iter().zip(0u32..);
        let bytes: Vec<Vec<u8>> = bytes
            .map(|(token, id)| match data.special.binary_search(&id) {
                Ok(_) => token.as_bytes().to_vec(),
                Err(_) if data.pre.is_word_piece() => token.as_bytes().to_vec(),
                Err(_) if data.more.added.binary_search(&id).is_ok() => token.as_bytes().to_vec(),
                Err(_) if data.pre.is_sentence() => match sentence::byte(token) {
                    Some(byte) => vec![byte],
                    None => token.replace(SPACE, " ").into_bytes(),
                },
                Err(_) if data.pre == PreTokenizer::Clip => match token.strip_suffix(END_OF_WORD) {
                    Some(word) => [alphabet.bytes(word).as_slice(), b" "].concat(),
                    None => alphabet.bytes(token),
                },
                Err(_) => alphabet.bytes(token),
            })
            .collect();
        let token = |id: u32| {
            let token = data.tokens.get(id as usize).cloned();
            token.ok_or_else(|| broken(format!("a merge names token {id} of {}", data.tokens.len())))
        };
        let merges = data.merges.iter().map(|&(a, b)| Ok((token(a)?, token(b)?)));
        let merges = merges.collect::<Result<Vec<_>, ModelError>>()?;
        let mut vocab = ahash::AHashMap::with_capacity(data.tokens.len());
        for (token, id) in data.tokens.iter().zip(0u32..) {
            if vocab.insert(token.clone(), id).is_some() {
                return Err(broken(format!("token `{token}` is there twice")));
            }
        }
        let mut scores = None;
        let prefix = match data.pre {
            PreTokenizer::Sentence(prefix) => {
                sentence::byte_tokens(&data.tokens)?;
                Some(prefix)
            }
            _ => None,
        };
        if !data.more.ranks.is_empty() {
            if prefix.is_none() || !merges.is_empty() {
                return Err(broken("ranks beside pairs, or in a tokenizer that merges by pairs"));
            }
            scores = Some(Scores::new(&data.tokens, &data.more.ranks)?);
        }
        let model = if data.pre.is_word_piece() {
            word_piece(vocab)?
        } else {
            let mut builder = BPE::builder().vocab_and_merges(vocab, merges).byte_fallback(prefix.is_some());
            if data.pre == PreTokenizer::Clip {
                builder = builder.end_of_word_suffix(END_OF_WORD.to_owned());
            }
            let model = builder.ignore_merges(matches!(data.pre, PreTokenizer::Llama3)).build();
            ModelWrapper::from(model.map_err(|error| broken(error.to_string()))?)
        };
        let mut inner = tokenizers::Tokenizer::new(model);
        inner.with_pre_tokenizer(pre_tokenizer(data.pre)?);
        inner.with_normalizer(normalizer(data.pre)?).map_err(|error| broken(error.to_string()))?;
        Ok(Self { inner, bytes, special, special_ids: data.special, added, prefix, scores, bos })
    }

    /// Tokens of a text, without the token that starts a prompt.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the splitter gives up on the text.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>, ModelError> {
        self.encode_after(text, special, Before::Nothing)
    }

    /// Tokens of a text that goes on where another ended: as [`Tokenizer::encode`], without the space that some
    /// tokenizers put before a text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_continuation(&self, text: &str, special: Special) -> Result<Vec<u32>, ModelError> {
        self.encode_after(text, special, Before::Text)
    }

    fn encode_after(&self, text: &str, special: Special, mut before: Before) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        let mut rest = text;
        while special == Special::Parse
            && let Some((at, length, id)) = self.special.find(rest)
        {
            self.encode_words(&without_marks(&rest[..at]), before, &mut ids)?;
            ids.push(id);
            rest = &rest[at + length..];
            before = Before::Token;
        }
        match special {
            Special::Parse => self.encode_words(&without_marks(rest), before, &mut ids)?,
            Special::Text => self.encode_words(rest, before, &mut ids)?,
        }
        Ok(ids)
    }

    /// Tokens of a prompt: as [`Tokenizer::encode`], after the token that starts one if the model wants it and the text
    /// does not spell it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_prompt(&self, text: &str, special: Special) -> Result<Vec<u32>, ModelError> {
        let mut ids = self.encode(text, special)?;
        if let Some(bos) = self.bos.filter(|bos| ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// Bytes of a token; none if there is no such token. Tokens may end inside a character.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether a token is special, which text never is.
    #[must_use]
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.binary_search(&id).is_ok()
    }

    /// Id of a special token.
    #[must_use]
    pub fn special(&self, text: &str) -> Option<u32> {
        self.special.texts.get(text.as_bytes()).copied()
    }

    /// Texts of the special tokens, and of those that start a prompt and end a turn: of several ends the last, which is
    /// a chat's where a model has one for chats and one for documents.
    #[must_use]
    pub fn special_texts(&self, ends: &[u32]) -> SpecialTexts {
        let text = |id: u32| String::from_utf8_lossy(self.token_bytes(id)).into_owned();
        let [bos, eos] = [self.bos, ends.iter().max().copied()].map(|id| id.map(text).unwrap_or_default());
        let texts = self.special.texts.keys().map(|text| String::from_utf8_lossy(text).into_owned());
        SpecialTexts::new(texts, bos, eos)
    }

    /// Text of the tokens of a whole text: special ones left out, and the space that the tokenizer puts before a text;
    /// bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let plain = ids.iter().filter(|&&id| !self.is_special(id));
        let bytes: Vec<u8> = plain.flat_map(|&id| self.token_bytes(id)).copied().collect();
        let has_prefix = self.prefix.is_some_and(|prefix| prefix != Prefix::Never);
        let bytes = bytes.strip_prefix(b" ").filter(|_| has_prefix).unwrap_or(&bytes);
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Tokens of a text without special ones: added ones are found first.
    fn encode_words(&self, text: &str, mut before: Before, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        let mut rest = text;
        while let Some((at, length, id)) = self.added.find(rest) {
            self.encode_plain(&rest[..at], before, ids)?;
            ids.push(id);
            rest = &rest[at + length..];
            before = Before::Token;
        }
        self.encode_plain(rest, before, ids)
    }

    fn encode_plain(&self, text: &str, before: Before, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        if text.is_empty() {
            return Ok(());
        }
        let spaced = self.prefix.map(|prefix| {
            let has_space = text.starts_with([' ', SPACE]);
            let is_wanted = match prefix {
                Prefix::Never => false,
                Prefix::Each => before != Before::Text,
                Prefix::EachUnlessSpace => before != Before::Text && !has_space,
                Prefix::FirstUnlessSpace => before == Before::Nothing && !has_space,
            };
            let mut spaced = if is_wanted { SPACE.to_string() } else { String::new() };
            spaced.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
            spaced
        });
        let text = spaced.as_deref().unwrap_or(text);
        if let Some(scores) = &self.scores {
            scores.encode(text, ids);
            return Ok(());
        }
        let encoding = self.inner.encode_fast(text, false).map_err(|error| broken(error.to_string()))?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

impl Fixed {
    fn new(texts: BTreeMap<Vec<u8>, u32>) -> Self {
        let mut begins = [false; 256];
        texts.keys().for_each(|text| begins[usize::from(text[0])] = true);
        Self { texts, begins }
    }

    /// The first of them in a text, the longest if several start there: place, length, id.
    fn find(&self, text: &str) -> Option<(usize, usize, u32)> {
        let bytes = text.as_bytes();
        let longest = |at: usize| {
            let rest = &bytes[at..];
            // Keys that start with the same byte are neighbours; the last match in order is the longest.
            let first = rest[0];
            let same_start = self.texts.range(vec![first]..).take_while(|(text, _)| text[0] == first);
            same_start.filter(|(text, _)| rest.starts_with(text)).last().map(|(text, &id)| (at, text.len(), id))
        };
        (0..bytes.len()).filter(|&at| self.begins[usize::from(bytes[at])]).find_map(longest)
    }
}

fn is_single_character(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.chars().nth(1).is_none())
}

fn without_marks(text: &str) -> Cow<'_, str> {
    if text.contains(PLAIN_MARK) { text.replace(PLAIN_MARK, "").into() } else { text.into() }
}

pub(crate) fn broken(what: impl Into<String>) -> ModelError {
    ModelError::Tokenizer(what.into())
}

fn check_special(data: &TokenizerData) -> Result<BTreeMap<Vec<u8>, u32>, ModelError> {
    if data.special.len() > SPECIAL_TOKENS_MAX {
        return Err(broken(format!("{} special tokens, more than {SPECIAL_TOKENS_MAX}", data.special.len())));
    }
    if !data.special.is_sorted_by(|a, b| a < b) {
        return Err(broken("special tokens are not in ascending order"));
    }
    let mut texts = BTreeMap::new();
    for &id in &data.special {
        match data.tokens.get(id as usize).map(String::as_bytes) {
            None => return Err(broken(format!("special token {id} is none of {}", data.tokens.len()))),
            Some([]) => return Err(broken(format!("special token {id} is empty"))),
            // A mark could not keep a single character out of a prompt, and words need none.
            Some(text) if text[0].is_ascii_alphanumeric() || is_single_character(text) => {}
            Some(text) => {
                texts.insert(text.to_vec(), id);
            }
        }
    }
    Ok(texts)
}

/// Added tokens by text.
fn check_added(data: &TokenizerData) -> Result<BTreeMap<Vec<u8>, u32>, ModelError> {
    let added = &data.more.added;
    if added.len() > ADDED_TOKENS_MAX {
        return Err(broken(format!("{} added tokens, more than {ADDED_TOKENS_MAX}", added.len())));
    }
    if !added.is_sorted_by(|a, b| a < b) || added.iter().any(|id| data.special.binary_search(id).is_ok()) {
        return Err(broken("added tokens are not in ascending order, or special"));
    }
    let text = |&id: &u32| match data.tokens.get(id as usize).map(String::as_bytes) {
        None => Err(broken(format!("added token {id} is none of {}", data.tokens.len()))),
        Some([]) => Err(broken(format!("added token {id} is empty"))),
        Some(text) => Ok((text.to_vec(), id)),
    };
    added.iter().map(text).collect()
}

fn pre_tokenizer(kind: PreTokenizer) -> Result<Option<PreTokenizerWrapper>, ModelError> {
    const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
    const CONTRACTIONS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    const REST: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let words = |digits: &str| format!(r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}|{REST}");
    let split = |pattern: String| {
        Split::new(SplitPattern::Regex(pattern), SplitDelimiterBehavior::Isolated, false)
            .map_err(|error| broken(error.to_string()))
    };
    Ok(Some(match kind {
        PreTokenizer::Sentence(_) => return Ok(None),
        PreTokenizer::Punctuation => {
            let patterns = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"];
            let mut parts = Vec::new();
            for pattern in patterns {
                parts.push(split(pattern.to_owned())?.into());
            }
            parts.push(ByteLevel::new(false, false, false).into());
            Sequence::new(parts).into()
        }
        PreTokenizer::BertUncased | PreTokenizer::BertCased => BertPreTokenizer.into(),
        PreTokenizer::Clip => {
            let words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
            let words = Split::new(SplitPattern::Regex(words.to_owned()), SplitDelimiterBehavior::Removed, true)
                .map_err(|error| broken(error.to_string()))?;
            Sequence::new(vec![words.into(), ByteLevel::new(false, false, true).into()]).into()
        }
        PreTokenizer::Gpt2 | PreTokenizer::Gpt2Nfc => ByteLevel::new(false, false, true).into(),
        PreTokenizer::SmolLm => {
            Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()]).into()
        }
        PreTokenizer::Llama3 | PreTokenizer::Qwen2 | PreTokenizer::Qwen2Nfc => {
            let digits = if kind == PreTokenizer::Llama3 { r"\p{N}{1,3}" } else { r"\p{N}" };
            Sequence::new(vec![split(words(digits))?.into(), ByteLevel::new(false, false, false).into()]).into()
        }
    }))
}

/// How text is prepared before it is cut.
fn normalizer(kind: PreTokenizer) -> Result<Option<NormalizerWrapper>, ModelError> {
    Ok(match kind {
        PreTokenizer::Gpt2
        | PreTokenizer::SmolLm
        | PreTokenizer::Llama3
        | PreTokenizer::Qwen2
        | PreTokenizer::Sentence(_)
        | PreTokenizer::Punctuation => None,
        PreTokenizer::Gpt2Nfc | PreTokenizer::Qwen2Nfc => Some(NFC.into()),
        PreTokenizer::Clip => {
            let spaces = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ");
            let spaces = spaces.map_err(|error| broken(error.to_string()))?;
            Some(Normalizers::new(vec![NFC.into(), spaces.into(), Lowercase.into()]).into())
        }
        PreTokenizer::BertUncased => Some(BertNormalizer::new(true, true, None, true).into()),
        PreTokenizer::BertCased => Some(BertNormalizer::new(true, true, None, false).into()),
    })
}

fn word_piece(vocab: ahash::AHashMap<String, u32>) -> Result<ModelWrapper, ModelError> {
    if !vocab.contains_key(UNKNOWN) {
        return Err(broken(format!("there is no token `{UNKNOWN}`")));
    }
    let model = WordPiece::builder().vocab(vocab).unk_token(UNKNOWN.to_owned()).build();
    Ok(ModelWrapper::from(model.map_err(|error| broken(error.to_string()))?))
}

/// GPT-2's printable alphabet: each byte is one character.
pub(crate) struct Alphabet {
    characters: [char; 256],
    bytes: BTreeMap<char, u8>,
}

impl Alphabet {
    pub(crate) fn new() -> Self {
        let mut characters = ['\0'; 256];
        let mut next = 256u32;
        for byte in 0..=255u8 {
            let printable = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
            characters[byte as usize] = if printable {
                char::from(byte)
            } else {
                next += 1;
                char::from_u32(next - 1).expect("below the surrogates")
            };
        }
        let bytes = characters.iter().copied().zip(0..=255).collect();
        Self { characters, bytes }
    }

    pub(crate) const fn character(&self, byte: u8) -> char {
        self.characters[byte as usize]
    }

    /// Bytes of a token; characters outside the alphabet stand for themselves.
    fn bytes(&self, token: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(token.len());
        for character in token.chars() {
            match self.bytes.get(&character) {
                Some(byte) => bytes.push(*byte),
                None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
