//! Published folders with something wrong: no panic, and what is imported can be loaded.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use noema_models::import::import_hf;
use noema_models::{ModelError, load};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::families::{byte_level_tokenizer, folder};
use crate::llama::{config, published, qwen_config};

const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// A sound folder, made once.
fn sound() -> &'static Path {
    static FOLDER: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FOLDER.get_or_init(|| {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = folder(temporary.path(), &qwen_config(true), &published(true, true), 1);
        (temporary, path)
    });
    path
}

/// Imports a copy of the sound folder in which one file holds something else.
fn import_with(file: &str, bytes: &[u8]) -> Result<(), ModelError> {
    let temporary = tempfile::tempdir().expect("a folder");
    for name in FILES.into_iter().filter(|name| *name != file) {
        std::fs::hard_link(sound().join(name), temporary.path().join(name)).expect("linked");
    }
    std::fs::write(temporary.path().join(file), bytes).expect("written");
    let target = temporary.path().join("model.noema");
    match import_hf(temporary.path(), &target, &mut |_, _| {}) {
        Ok(imported) => load(&target, Some(imported.root)).map(|_| ()),
        Err(error) => {
            assert!(!target.exists());
            assert!(error.is_permanent(), "{error}");
            Err(error)
        }
    }
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(sound().join(file)).expect("there")
}

/// What a hostile file may hold where anything else is expected.
fn hostile() -> impl Strategy<Value = Value> {
    let numbers = [0u64, 1, 2, 3, 7, 64, 265, 4_096, u64::from(u32::MAX), 1 << 40, u64::MAX];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        proptest::sample::select(numbers.to_vec()).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[]], null, { "type": [] }])),
        (0u32..300, "\\PC{0,4}").prop_map(|(id, text)| json!([{ "id": id, "content": text, "special": false }])),
    ]
}

/// Puts a value, or nothing, somewhere into another.
fn put(value: &mut Value, path: &[prop::sample::Index], with: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = with;
        return;
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(first.index(map.len())).expect("below the length").clone();
            match (rest, &with) {
                ([], Value::Bool(true)) => drop(map.remove(&key)),
                _ => put(&mut map[&key], rest, with),
            }
        }
        Value::Array(list) if !list.is_empty() => {
            let at = first.index(list.len());
            put(&mut list[at], rest, with);
        }
        other => *other = with,
    }
}

/// Contexts that are within the limits and yet cost minutes of rotary tables are not what is tested here.
fn is_quick(config: &Value) -> bool {
    config["max_position_embeddings"].as_u64().is_none_or(|context| context <= 4_096 || context > 1 << 20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn settings(
        edits in proptest::collection::vec((proptest::collection::vec(any::<prop::sample::Index>(), 1..3), hostile()), 1..3),
        is_qwen in any::<bool>(),
    ) {
        let mut value = if is_qwen { qwen_config(true) } else { config("llama", true) };
        value["rope_scaling"] = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64 });
        for (path, with) in edits {
            put(&mut value, &path, with);
        }
        if is_quick(&value) {
            let _ = import_with("config.json", value.to_string().as_bytes());
        }
    }

    #[test]
    fn tokenizers(
        edits in proptest::collection::vec((proptest::collection::vec(any::<prop::sample::Index>(), 1..5), hostile()), 1..3),
    ) {
        let mut value = byte_level_tokenizer();
        value["added_tokens"].as_array_mut().expect("a list").push(json!({ "id": 1, "content": "x", "special": false }));
        for (path, with) in edits {
            put(&mut value, &path, with);
        }
        let _ = import_with("tokenizer.json", value.to_string().as_bytes());
    }

    #[test]
    fn bytes_of_any_file(
        which in 0usize..3,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        let mut bytes = read(FILES[which]);
        for (at, value) in edits {
            // The header is where damage can mislead.
            let at = at.index(bytes.len().min(3_000));
            bytes[at] = value;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        if which != 0 || serde_json::from_slice(&bytes).is_ok_and(|value: Value| is_quick(&value)) {
            let _ = import_with(FILES[which], &bytes);
        }
    }

    /// Headers of safetensors files that are JSON and say anything.
    #[test]
    fn tensor_headers(
        edits in proptest::collection::vec((proptest::collection::vec(any::<prop::sample::Index>(), 1..4), hostile()), 1..3),
        shift in -9i64..9,
    ) {
        let bytes = read("model.safetensors");
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("json");
        for (path, with) in edits {
            put(&mut header, &path, with);
        }
        let header = header.to_string();
        let claimed = (header.len() as u64).saturating_add_signed(shift / 8);
        let file = [&claimed.to_le_bytes()[..], header.as_bytes(), &bytes[8 + length..]].concat();
        let _ = import_with("model.safetensors", &file);
    }
}

#[test]
fn the_sound_folder_is_sound() {
    for file in FILES {
        import_with(file, &read(file)).expect("imports");
    }
}
