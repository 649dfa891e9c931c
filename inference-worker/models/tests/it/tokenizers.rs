//! Tokenizers against independent ones: the `tokenizers` crate reading the published file, and SentencePiece's rule done
//! the slow way.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use candle_core::quantized::gguf_file::Value as Meta;
use noema_models::import::{GgufFile, import_hf};
use noema_models::{ModelError, Special, Tokenizer, load, synthetic};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use crate::families::{byte_level_tokenizer, folder};
use crate::gguf::metadata_file;
use crate::llama::{config, published_with};

/// Rows of the folders' tables; there are fewer tokens.
const VOCAB: usize = 400;

const SPACE: &str = "\u{2581}";
/// Text that pieces are learnt from.
const SAMPLE: &str = "the cat and the hat sat on the mat; then that cat ate another hat. banana bananas, anana! caf\u{e9} \
    caf\u{e9}s \u{20ac}5 and \u{20ac}50 \u{4f60}\u{597d} \u{4f60}\u{4eec}  two  spaces   three";

/// A vocabulary with all bytes, the sample's characters, and the most frequent pairs: tokens, and pairs in order.
fn learnt(pairs: usize) -> (Vec<String>, Vec<(String, String)>) {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    let text = format!("{SPACE}{}", SAMPLE.replace(' ', SPACE));
    let mut symbols: Vec<String> = text.chars().map(String::from).collect();
    // One character stays unknown.
    let characters: std::collections::BTreeSet<_> = symbols.iter().filter(|c| *c != "\u{4eec}").cloned().collect();
    tokens.extend(characters.iter().cloned());
    let mut merges = Vec::new();
    while merges.len() < pairs {
        let mut counts = BTreeMap::new();
        for pair in symbols.windows(2).filter(|pair| pair.iter().all(|s| tokens.contains(s))) {
            *counts.entry((pair[0].clone(), pair[1].clone())).or_insert(0) += 1;
        }
        let Some(((a, b), _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { break };
        let mut i = 0;
        while i + 1 < symbols.len() {
            if symbols[i] == a && symbols[i + 1] == b {
                symbols[i] = format!("{a}{b}");
                symbols.remove(i + 1);
            }
            i += 1;
        }
        if !tokens.contains(&format!("{a}{b}")) {
            tokens.push(format!("{a}{b}"));
        }
        merges.push((a, b));
    }
    (tokens, merges)
}

/// `tokenizer.json` as LLaMA's and Mistral's are.
fn sentence_json(normalizer: &Value, cut: &Value) -> Value {
    let (tokens, merges) = learnt(60);
    assert!(tokens.len() <= VOCAB);
    let vocab: serde_json::Map<_, _> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let added: Vec<_> = (0..3)
        .map(|id| {
            json!({ "id": id, "content": tokens[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        })
        .collect();
    let merges: Vec<_> = merges.iter().map(|(a, b)| format!("{a} {b}")).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": normalizer,
        "pre_tokenizer": cut,
        "post_processor": { "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } } },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": SPACE }, "content": " " }, { "type": "ByteFallback" },
            { "type": "Fuse" }, { "type": "Strip", "content": " ", "start": 1, "stop": 0 } ] },
        "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": merges },
    })
}

fn import(at: &Path, json: &Value) -> Result<Tokenizer, ModelError> {
    let mut settings = config("llama", true);
    settings["vocab_size"] = json!(VOCAB);
    let source = folder(at, &settings, &published_with(VOCAB, false, true), 1);
    std::fs::write(source.join("tokenizer.json"), json.to_string()).expect("written");
    let target = at.join("model.noema");
    let imported = import_hf(&source, &target, &mut |_, _| {})?;
    let loaded = load(&target, Some(imported.root))?;
    Ok(std::sync::Arc::into_inner(loaded.tokenizer).expect("nobody else has it"))
}

fn published_layouts() -> Vec<(Value, Value)> {
    let replace = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
    let prepend = json!({ "type": "Prepend", "prepend": SPACE });
    let legacy = json!({ "type": "Sequence", "normalizers": [prepend, replace] });
    let cut =
        |scheme: &str| json!({ "type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": false });
    vec![(legacy, Value::Null), (Value::Null, cut("first")), (Value::Null, cut("always")), (replace, Value::Null)]
}

const TEXTS: [&str; 14] = [
    "",
    " ",
    "the cat sat",
    " the cat",
    "  two  spaces   three ",
    "caf\u{e9} \u{20ac}50",
    "\u{4f60}\u{4eec}\u{597d} unknown \u{1f600}!",
    "<s>the hat</s> and<s> that",
    "</s><s>",
    "a\nb\tc",
    "bananananas",
    "\u{2581}the\u{2581}",
    "<s> the",
    "<0x41>",
];

#[test]
fn sentences_are_those_of_the_published_file() {
    let temporary = tempfile::tempdir().expect("a folder");
    for (normalizer, cut) in published_layouts() {
        let json = sentence_json(&normalizer, &cut);
        let ours = import(temporary.path(), &json).expect("imports");
        let theirs = tokenizers::Tokenizer::from_bytes(json.to_string()).expect("theirs reads it");
        let mut random = proptest::test_runner::TestRunner::deterministic();
        let words = proptest::collection::vec(
            prop_oneof!["[a-e ]{0,6}", Just("<s>".to_owned()), "the|cat|banana|  ", "\\PC{0,3}"],
            0..8,
        );
        let generated = (0..300).map(|_| words.new_tree(&mut random).expect("a text").current().concat());
        for text in TEXTS.iter().map(|text| (*text).to_owned()).chain(generated) {
            let expected = theirs.encode(text.as_str(), false).expect("encodes");
            let ids = ours.encode(&text, Special::Parse).expect("encodes");
            assert_eq!(ids, expected.get_ids(), "{text:?} by {normalizer} {cut}");
            let with_start = theirs.encode(text.as_str(), true).expect("encodes");
            // A text that spells the token that starts it gets no second one.
            if !text.starts_with("<s>") {
                assert_eq!(ours.encode_prompt(&text, Special::Parse).expect("encodes"), with_start.get_ids());
            }
            if normalizer.is_null() || normalizer["type"] == "Sequence" {
                assert_eq!(ours.decode(&ids), theirs.decode(&ids, true).expect("decodes"), "{text:?}");
            }
        }
    }
}

#[test]
fn added_tokens_are_those_of_the_published_file() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut json = byte_level_tokenizer();
    let added = json["added_tokens"].as_array_mut().expect("a list");
    for token in added.iter_mut() {
        token["normalized"] = json!(false);
    }
    for (id, text) in [(265, "  "), (266, "   "), (267, "<tool>"), (268, "caf\u{e9}")] {
        added.push(json!({ "id": id, "content": text, "special": false, "normalized": id % 2 == 1 }));
    }
    for token in added.iter_mut() {
        for flag in ["lstrip", "rstrip", "single_word"] {
            token[flag] = json!(false);
        }
    }
    json["normalizer"] = Value::Null;
    json["pre_tokenizer"]["use_regex"] = json!(true);
    let ours = import(temporary.path(), &json).expect("imports");
    let theirs = tokenizers::Tokenizer::from_bytes(json.to_string()).expect("theirs reads it");
    for text in ["a  b   c    d", "x<tool>the caf\u{e9}s<|end|>", "<|start|>  <tool", "     ", "caf\u{e9}caf\u{e9}"] {
        let ids = ours.encode(text, Special::Parse).expect("encodes");
        assert_eq!(ids, theirs.encode(text, false).expect("encodes").get_ids(), "{text:?}");
        let plain = ours.encode(text, Special::Text).expect("encodes");
        assert_eq!(ours.decode(&plain), text);
    }
    assert_eq!(ours.encode("  ", Special::Text).expect("encodes"), [265]);
    json["added_tokens"][3]["lstrip"] = json!(true);
    let error = import(temporary.path(), &json).expect_err("a token that eats spaces").to_string();
    assert!(error.starts_with("lstrip of the added token `   ` is not supported"), "{error}");
}

#[test]
fn tokenizers_of_other_kinds_are_refused() {
    let temporary = tempfile::tempdir().expect("a folder");
    let (normalizer, cut) = published_layouts().remove(0);
    let good = sentence_json(&normalizer, &cut);
    import(temporary.path(), &good).expect("imports");
    let split = json!({ "type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first" });
    for (key, value) in
        [("normalizer", json!({ "type": "NFKC" })), ("normalizer", Value::Null), ("pre_tokenizer", split)]
    {
        let mut json = good.clone();
        json[key] = value;
        let error = import(temporary.path(), &json).expect_err(key).to_string();
        assert!(error.starts_with("tokenizer `"), "{error}");
    }
    let mut json = good;
    json["model"]["vocab"].as_object_mut().expect("a table").remove("<0x41>");
    let error = import(temporary.path(), &json).expect_err("a byte is missing").to_string();
    assert!(error.starts_with("broken tokenizer: there is no token <0x41>"), "{error}");
}

/// SentencePiece's rule, read off its definition: again and again the best-scored pair of neighbours, the leftmost of
/// equals.
fn slowly(text: &str, tokens: &[String], scores: &[f32], prefix: bool) -> Vec<u32> {
    let id = |piece: &str| tokens.iter().position(|token| token == piece && !token.starts_with('<'));
    let text = format!("{}{}", if prefix && !text.is_empty() { " " } else { "" }, text).replace(' ', SPACE);
    let mut symbols: Vec<String> = text.chars().map(String::from).collect();
    loop {
        let mut best: Option<(f32, usize)> = None;
        for i in 0..symbols.len().saturating_sub(1) {
            if let Some(id) = id(&format!("{}{}", symbols[i], symbols[i + 1]))
                && best.is_none_or(|(score, _)| scores[id] > score)
            {
                best = Some((scores[id], i));
            }
        }
        let Some((_, i)) = best else { break };
        let right = symbols.remove(i + 1);
        symbols[i].push_str(&right);
    }
    let byte =
        |byte: u8| tokens.iter().position(|token| *token == format!("<0x{byte:02X}>")).expect("all bytes") as u32;
    let spell = |piece: &String| id(piece).map_or_else(|| piece.bytes().map(byte).collect(), |id| vec![id as u32]);
    symbols.iter().flat_map(spell).collect()
}

fn sentence_metadata(tokens: &[String], scores: &[f32]) -> Vec<(&'static str, Option<Meta>)> {
    let kind = |token: &String| match token.as_str() {
        "<unk>" => 2,
        "<s>" | "</s>" => 3,
        _ if token.starts_with("<0x") => 6,
        _ => 1,
    };
    let strings = tokens.iter().cloned().map(Meta::String).collect();
    vec![
        ("tokenizer.ggml.model", Some(Meta::String("llama".to_owned()))),
        ("tokenizer.ggml.pre", None),
        ("tokenizer.ggml.merges", None),
        ("tokenizer.ggml.tokens", Some(Meta::Array(strings))),
        ("tokenizer.ggml.token_type", Some(Meta::Array(tokens.iter().map(|t| Meta::I32(kind(t))).collect()))),
        ("tokenizer.ggml.scores", Some(Meta::Array(scores.iter().map(|score| Meta::F32(*score)).collect()))),
        ("tokenizer.ggml.bos_token_id", Some(Meta::U32(1))),
        ("tokenizer.ggml.eos_token_id", Some(Meta::U32(2))),
    ]
}

fn from_gguf(changes: &[(&str, Option<Meta>)]) -> Result<Tokenizer, ModelError> {
    let mut gguf = GgufFile::open(Cursor::new(metadata_file(changes)))?;
    let manifest = gguf.manifest()?;
    Tokenizer::from_bytes(&gguf.tokenizer()?.to_bytes(), &manifest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Scores of few values, so that equal ones meet.
    #[test]
    fn scores_merge_as_sentencepiece_does(
        pieces in proptest::collection::btree_set("[\u{2581}abc]{1,4}", 1..40),
        values in proptest::collection::vec(0u8..12, 41),
        texts in proptest::collection::vec("[ abcd\u{e9}]{0,24}", 8),
        prefix in any::<bool>(),
    ) {
        let mut pieces = pieces;
        pieces.insert(SPACE.to_owned());
        let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
        tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
        let mut scores = vec![0.0; tokens.len()];
        tokens.extend(pieces.iter().cloned());
        scores.extend(values.iter().take(pieces.len()).map(|value| -f32::from(*value)));
        // Two scores that differ, or the file says nothing.
        tokens.extend(["yy".to_owned(), "zz".to_owned()]);
        scores.extend([-100.0, -101.0]);
        let mut changes = sentence_metadata(&tokens, &scores);
        changes.push(("tokenizer.ggml.add_space_prefix", Some(Meta::Bool(prefix))));
        let tokenizer = from_gguf(&changes).expect("imports");
        for text in texts {
            let ids = tokenizer.encode(&text, Special::Text).expect("encodes");
            prop_assert_eq!(&ids, &slowly(&text, &tokens, &scores, prefix), "{:?}", text);
            prop_assert_eq!(tokenizer.decode(&ids), text);
        }
    }
}

#[test]
fn scores_and_pairs_of_a_learnt_vocabulary_agree() {
    let (tokens, merges) = learnt(60);
    // The score of a token is its place among the pairs, as SentencePiece numbers them.
    let place = |token: &String| merges.iter().position(|(a, b)| format!("{a}{b}") == *token).unwrap_or(1_000);
    let scores: Vec<f32> = tokens.iter().map(|token| -(place(token) as f32)).collect();
    let ours = from_gguf(&sentence_metadata(&tokens, &scores)).expect("imports");
    let (normalizer, cut) = published_layouts().remove(0);
    let theirs = tokenizers::Tokenizer::from_bytes(sentence_json(&normalizer, &cut).to_string()).expect("reads it");
    for text in TEXTS {
        let ids = ours.encode(text, Special::Parse).expect("encodes");
        assert_eq!(ids, theirs.encode(text, false).expect("encodes").get_ids(), "{text:?}");
        assert_eq!(ours.decode(&ids), theirs.decode(&ids, true).expect("decodes"));
    }
    assert_eq!(ours.encode_prompt("", Special::Text).expect("encodes"), [1], "such files start with their token");
}

/// A vocabulary that SentencePiece itself has trained, and how it cuts texts (`train_pieces.py`).
#[test]
fn a_trained_vocabulary_cuts_as_sentencepiece_does() {
    let trained: Value = serde_json::from_str(include_str!("sentencepiece.json")).expect("json");
    let pieces = trained["pieces"].as_array().expect("a list");
    let tokens: Vec<String> = pieces.iter().map(|piece| piece[0].as_str().expect("a text").to_owned()).collect();
    let scores: Vec<f32> = pieces.iter().map(|piece| piece[1].as_f64().expect("a score") as f32).collect();
    let kinds = pieces.iter().map(|piece| Meta::I32(piece[2].as_i64().expect("a kind") as i32)).collect();
    let mut changes = sentence_metadata(&tokens, &scores);
    changes.push(("tokenizer.ggml.token_type", Some(Meta::Array(kinds))));
    let tokenizer = from_gguf(&changes).expect("imports");
    let cases = trained["cases"].as_array().expect("a list");
    assert!(cases.len() > 70);
    for case in cases {
        let text = case[0].as_str().expect("a text");
        let expected: Vec<u32> = serde_json::from_value(case[1].clone()).expect("ids");
        let ids = tokenizer.encode(text, Special::Text).expect("encodes");
        assert_eq!(ids, expected, "{text:?}");
        assert_eq!(tokenizer.decode(&ids), text.replace(SPACE, " "));
    }
    assert_eq!(tokenizer.encode("<tool>", Special::Text).expect("encodes"), [3], "added, not special");
}

#[test]
fn scores_that_cannot_be_right_are_refused() {
    let (tokens, _) = learnt(20);
    let scores = vec![0.0; tokens.len()];
    let with = |key: &'static str, value: Option<Meta>| {
        let mut distinct = scores.clone();
        distinct[270] = -1.0;
        let mut changes = sentence_metadata(&tokens, &distinct);
        changes.retain(|(existing, _)| *existing != key);
        changes.push((key, value));
        from_gguf(&changes).map(|_| ()).expect_err(key).to_string()
    };
    let error = from_gguf(&sentence_metadata(&tokens, &scores)).expect_err("they say nothing").to_string();
    assert!(error.starts_with("tokenizer.ggml.scores `all equal` is not supported"), "{error}");
    assert!(with("tokenizer.ggml.scores", None).contains("metadata lack `tokenizer.ggml.scores`"));
    let short = Meta::Array(vec![Meta::F32(1.0)]);
    assert!(with("tokenizer.ggml.scores", Some(short)).contains("1 scores for"));
    let bad = Meta::Array(vec![Meta::F32(f32::NAN); tokens.len()]);
    assert!(with("tokenizer.ggml.scores", Some(bad)).contains("a score is not a number"));
    let squeezed = with("tokenizer.ggml.remove_extra_whitespaces", Some(Meta::Bool(true)));
    assert!(squeezed.starts_with("tokenizer.ggml.remove_extra_whitespaces `true`"), "{squeezed}");
    let error = with("tokenizer.ggml.model", Some(Meta::String("t5".to_owned())));
    assert!(error.starts_with("tokenizer `t5` is not supported"), "{error}");
}

#[test]
fn pre_tokenizers_of_gguf_files_cut_as_they_are_called() {
    let pieces = |name: &str, text: &str| {
        let data = synthetic::tokenizer_data();
        let more = ["12", "123", "1234", "\u{120}+"].map(str::to_owned);
        let tokens: Vec<_> = data.tokens.iter().cloned().chain(more).map(Meta::String).collect();
        let types = (0..tokens.len() as u32).map(|id| Meta::I32(if data.special.contains(&id) { 3 } else { 1 }));
        let merges = ["t h", "1 2", "12 3", "123 4", "\u{120} +"].map(|merge| Meta::String(merge.to_owned()));
        let tokenizer = from_gguf(&[
            ("tokenizer.ggml.pre", Some(Meta::String(name.to_owned()))),
            ("tokenizer.ggml.token_type", Some(Meta::Array(types.collect()))),
            ("tokenizer.ggml.tokens", Some(Meta::Array(tokens))),
            ("tokenizer.ggml.merges", Some(Meta::Array(merges.to_vec()))),
        ])
        .expect("a known name");
        let ids = tokenizer.encode(text, Special::Text).expect("encodes");
        ids.iter().map(|&id| String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned()).collect::<Vec<_>>()
    };
    for (name, digits) in [
        ("gpt-2", ["1234", "1"].as_slice()),
        ("phi-2", &["1234", "1"]),
        ("default", &["123", "4", "1"]),
        ("llama-bpe", &["123", "4", "1"]),
        ("llama3", &["123", "4", "1"]),
        ("smollm", &["1", "2", "3", "4", "1"]),
        ("starcoder", &["1", "2", "3", "4", "1"]),
        ("qwen2", &["1", "2", "3", "4", "1"]),
        ("deepseek-r1-qwen", &["1", "2", "3", "4", "1"]),
    ] {
        assert_eq!(pieces(name, "the"), ["th", "e"], "{name}");
        assert_eq!(pieces(name, "12341"), digits, "{name}");
    }
    // Only this one cuts punctuation off the space before it.
    assert_eq!(pieces("default", " +"), [" ", "+"]);
    assert_eq!(pieces("gpt-2", " +"), [" +"]);
    for name in ["viking", "tekken", ""] {
        let changes = [("tokenizer.ggml.pre", Some(Meta::String(name.to_owned())))];
        let error = from_gguf(&changes).expect_err("unknown").to_string();
        assert!(error.starts_with(&format!("pre-tokenizer `{name}` is not supported")), "{error}");
    }
}
