//! Reads `tokenizer.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::hf::Json;
use super::unsupported;
use crate::limits::SPECIAL_TOKENS_MAX;
use crate::tokenizer::{More, Prefix};
use crate::{ModelError, PreTokenizer, TokenizerData};

/// What LLaMA 3 and Qwen 2 split text by; they differ in how many digits go together.
const SPLIT_LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const SPLIT_QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The tokenizer, and the ids of all its tokens. Rows of the table beyond the tokenizer's become unused tokens.
pub(super) fn read(folder: &Path, vocab: u32) -> Result<(TokenizerData, BTreeMap<String, u32>), ModelError> {
    let json = Json::read(folder, "tokenizer.json")?;
    let pre = pre_tokenizer(&json.value)?;
    let model = &json.value["model"];
    let table = model["vocab"].as_object().ok_or_else(|| json.bad("its model has no table of tokens"))?;
    let mut ids = BTreeMap::new();
    let mut special = BTreeSet::new();
    let mut more = More::default();
    let id_of = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|&id| id < vocab);
    for (text, id) in table {
        let id = id_of(id).ok_or_else(|| json.bad(format!("token `{text}` has the id {id} of {vocab}")))?;
        ids.insert(text.clone(), id);
    }
    for added in json.value["added_tokens"].as_array().into_iter().flatten() {
        let text = added["content"].as_str().ok_or_else(|| json.bad("an added token has no content"))?;
        let id = id_of(&added["id"]).ok_or_else(|| json.bad(format!("token `{text}` has an id beyond {vocab}")))?;
        if text.is_empty() {
            return Err(json.bad(format!("added token {id} is empty")));
        }
        ids.insert(text.to_owned(), id);
        if added["special"].as_bool() == Some(true) {
            special.insert(id);
            continue;
        }
        for flag in ["lstrip", "rstrip", "single_word"] {
            if added[flag] == true {
                return Err(unsupported(
                    &format!("{flag} of the added token"),
                    text,
                    "added tokens that stand as they are",
                ));
            }
        }
        more.added.push(id);
    }
    more.added.sort_unstable();
    more.added.dedup();
    more.added.retain(|id| !special.contains(id));
    let mut tokens = vec![String::new(); vocab as usize];
    for (text, &id) in &ids {
        let old = std::mem::replace(&mut tokens[id as usize], text.clone());
        if !old.is_empty() {
            return Err(json.bad(format!("`{old}` and `{text}` are both token {id}")));
        }
    }
    for (id, token) in (0u32..).zip(&mut tokens).filter(|(_, token)| token.is_empty()) {
        *token = format!("<|unused {id}|>");
        if special.len() < SPECIAL_TOKENS_MAX {
            special.insert(id);
        }
    }
    let mut merges = Vec::new();
    for merge in model["merges"].as_array().into_iter().flatten() {
        let pair = match merge {
            Value::String(text) => text.split_once(' '),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(a), Value::String(b)] => Some((a.as_str(), b.as_str())),
                _ => None,
            },
            _ => None,
        };
        let pair = pair.and_then(|(a, b)| Some((*ids.get(a)?, *ids.get(b)?)));
        merges.push(pair.ok_or_else(|| json.bad(format!("merge {merge} names unknown tokens")))?);
    }
    Ok((TokenizerData { pre, tokens, special: special.into_iter().collect(), merges, more }, ids))
}

/// Recognises the pre-tokenizers and normalizers that [`PreTokenizer`] has.
fn pre_tokenizer(json: &Value) -> Result<PreTokenizer, ModelError> {
    let supported = "byte-level BPE of GPT-2, GPT-NeoX, SmolLM, LLaMA 3, Qwen 2, SentencePiece's BPE of LLaMA and Mistral \
        with bytes for unknown characters, and BERT's WordPiece";
    let refuse = || {
        let settings = format!("{} {} {}", json["model"]["type"], json["normalizer"], json["pre_tokenizer"]);
        unsupported("tokenizer", &settings, supported)
    };
    let (normalizer, cut) = (&json["normalizer"], &json["pre_tokenizer"]);
    let composed = match normalizer["type"].as_str() {
        None => false,
        Some("NFC") => true,
        Some("Sequence" | "Replace") if json["model"]["byte_fallback"] == true => false,
        Some("BertNormalizer") => {
            let plain = normalizer["clean_text"] == true && normalizer["handle_chinese_chars"] == true;
            let word_piece = json["model"]["type"] == "WordPiece" && json["model"]["continuing_subword_prefix"] == "##";
            if !plain || !word_piece || !normalizer["strip_accents"].is_null() || cut["type"] != "BertPreTokenizer" {
                return Err(refuse());
            }
            let lower = normalizer["lowercase"] == true;
            return Ok(if lower { PreTokenizer::BertUncased } else { PreTokenizer::BertCased });
        }
        Some(_) => return Err(refuse()),
    };
    // An absent type means BPE, as the oldest files have it.
    let is_bpe =
        json["model"]["type"] == "BPE" || json["model"]["type"].is_null() && json["model"]["merges"].is_array();
    let is_plain = ["continuing_subword_prefix", "end_of_word_suffix"]
        .iter()
        .all(|key| json["model"][key].is_null() || json["model"][key] == "");
    if !is_bpe || !is_plain {
        return Err(refuse());
    }
    if json["model"]["byte_fallback"] == true {
        let is_merged = json["model"]["ignore_merges"] != true && !composed;
        return prefix(normalizer, cut).filter(|_| is_merged).map(PreTokenizer::Sentence).ok_or_else(refuse);
    }
    let plain_bytes = |part: &Value| part["type"] == "ByteLevel" && part["add_prefix_space"] != true;
    let parts = cut["pretokenizers"].as_array().map(Vec::as_slice).unwrap_or_default();
    match (composed, parts) {
        (false, []) if plain_bytes(cut) => Ok(PreTokenizer::Gpt2),
        (true, []) if plain_bytes(cut) => Ok(PreTokenizer::Gpt2Nfc),
        (false, [digits, bytes])
            if digits["type"] == "Digits" && digits["individual_digits"] == true && plain_bytes(bytes) =>
        {
            Ok(PreTokenizer::SmolLm)
        }
        (_, [split, bytes]) if split["type"] == "Split" && split["behavior"] == "Isolated" && plain_bytes(bytes) => {
            match (composed, split["pattern"]["Regex"].as_str()) {
                (false, Some(SPLIT_LLAMA3)) => Ok(PreTokenizer::Llama3),
                (false, Some(SPLIT_QWEN2)) => Ok(PreTokenizer::Qwen2),
                (true, Some(SPLIT_QWEN2)) => Ok(PreTokenizer::Qwen2Nfc),
                _ => Err(refuse()),
            }
        }
        _ => Err(refuse()),
    }
}

/// Where SentencePiece's BPE puts a space of its own: said by normalizers, or by a pre-tokenizer that cuts nothing.
fn prefix(normalizer: &Value, cut: &Value) -> Option<Prefix> {
    let parts = match normalizer["type"].as_str() {
        None => Vec::new(),
        Some("Sequence") => normalizer["normalizers"].as_array()?.iter().collect(),
        Some(_) => vec![normalizer],
    };
    let is_prepend = |part: &Value| part["type"] == "Prepend" && part["prepend"] == "\u{2581}";
    let is_replace =
        |part: &Value| part["type"] == "Replace" && part["pattern"]["String"] == " " && part["content"] == "\u{2581}";
    match (parts.as_slice(), cut["type"].as_str()) {
        ([first, second], None) if is_prepend(first) && is_replace(second) => Some(Prefix::Each),
        ([only], None) if is_replace(only) => Some(Prefix::Never),
        ([], Some("Metaspace")) if cut["replacement"] == "\u{2581}" && cut["split"] == false => {
            match cut["prepend_scheme"].as_str()? {
                "always" => Some(Prefix::EachUnlessSpace),
                "first" => Some(Prefix::FirstUnlessSpace),
                "never" => Some(Prefix::Never),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The special token that the tokenizer's template puts before a text.
pub(super) fn first_token(json: &Json) -> Option<u32> {
    let processor = &json.value["post_processor"];
    let parts = processor["processors"].as_array().map_or_else(|| vec![processor], |parts| parts.iter().collect());
    let template = parts.into_iter().find(|part| part["type"] == "TemplateProcessing")?;
    let name = template["single"][0]["SpecialToken"]["id"].as_str()?;
    template["special_tokens"][name]["ids"][0].as_u64().and_then(|id| u32::try_from(id).ok())
}
