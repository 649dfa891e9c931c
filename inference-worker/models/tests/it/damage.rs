//! Damaged files are typed errors.

use noema_models::{LoadedModel, ModelError, load, load_bytes, synthetic};
use noema_types::Hash;
use proptest::prelude::*;

/// The synthetic file and its root. The root is frozen: a change of the format shows here.
fn file() -> (Vec<u8>, Hash) {
    let file = synthetic::tiny_llama(1);
    let root = Hash(*blake3::hash(&file).as_bytes());
    (file, root)
}

#[test]
fn the_format_is_frozen() {
    let (file, root) = file();
    assert_eq!(file, synthetic::tiny_llama(1), "equal seeds, equal bytes");
    assert_eq!(root.to_string(), "0xd5de1a2d6172cf122b2565a9198b10999795fc02809c0153c05343eb36d3f066");
    let loaded = load_bytes(&file, Some(root)).expect("an intact file loads");
    assert_eq!(loaded.root, root);
    assert_eq!(*loaded.manifest, synthetic::tiny_manifest());
    assert_eq!(loaded.tokenizer_root.0, *blake3::hash(&synthetic::tokenizer_data().to_bytes()).as_bytes());
}

#[test]
fn files_on_disk() {
    let (bytes, root) = file();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.noema");
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(load(&path, Some(root)).expect("loads").root, root);
    // The file is replaced by another valid one.
    std::fs::write(&path, synthetic::tiny_llama(2)).expect("written");
    assert!(matches!(load(&path, Some(root)), Err(ModelError::Root { expected, .. }) if expected == root));
    let missing = load(&folder.path().join("missing"), None).expect_err("no such file");
    assert!(matches!(missing, ModelError::Io { .. }) && !missing.is_permanent());
}

#[test]
fn truncation_trailing_bytes_and_magic() {
    let (bytes, root) = file();
    for length in [0, 7, 8, 15, 16, 100, 2_000, bytes.len() / 2, bytes.len() - 1] {
        let error = load_bytes(&bytes[..length], Some(root)).expect_err("cut off");
        assert!(matches!(error, ModelError::Truncated { .. }), "{length}: {error}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(load_bytes(&longer, Some(root)), Err(ModelError::TrailingBytes { extra: 1 })));
    let other = [b"GGUF".as_slice(), &bytes[4..]].concat();
    let error = load_bytes(&other, Some(root)).expect_err("another magic");
    assert_eq!(error.to_string(), "not a canonical model file: it starts with [47, 47, 55, 46, 41, 57, 30, 31]");
}

#[test]
fn absurd_lengths_take_no_memory() {
    let (bytes, root) = file();
    for length in [u64::MAX, 1 << 40, 17 << 20] {
        let mut bytes = bytes.clone();
        bytes[8..16].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(load_bytes(&bytes, Some(root)), Err(ModelError::Shape { .. })));
    }
}

#[test]
fn absurd_shapes_are_named() {
    let shape = synthetic::tiny_manifest();
    let bad = [
        noema_inference_api::ModelManifest { layers: 0, ..shape.clone() },
        noema_inference_api::ModelManifest { hidden: u32::MAX, ..shape.clone() },
        noema_inference_api::ModelManifest { heads: 3, ..shape.clone() },
        noema_inference_api::ModelManifest { head_dim: 7, ..shape.clone() },
        noema_inference_api::ModelManifest { heads: 4_096, head_dim: 65_000, ..shape.clone() },
        noema_inference_api::ModelManifest { rope_base: 1, ..shape.clone() },
        noema_inference_api::ModelManifest { norm_epsilon_bits: f32::NAN.to_bits(), ..shape.clone() },
        noema_inference_api::ModelManifest { numerics: 2, ..shape.clone() },
        noema_inference_api::ModelManifest { context: 1 << 20, head_dim: 1_024, ..shape },
    ];
    for manifest in bad {
        assert!(matches!(synthetic::random_model(&manifest, 1), Err(ModelError::Shape { .. })), "{manifest:?}");
    }
}

#[test]
fn contents_are_checked_even_without_a_root() {
    let (bytes, _) = file();
    // The last section ends with the final norm: a NaN there.
    let mut nan = bytes.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = load_bytes(&nan, None).expect_err("NaN");
    assert_eq!(error.to_string(), "malformed model file: `norm` holds NaN");
}

fn survives(result: Result<LoadedModel, ModelError>, root: Hash) -> Result<(), TestCaseError> {
    match result {
        Ok(model) => prop_assert_eq!(model.root, root, "only the intact file has the root"),
        Err(error) => prop_assert!(error.is_permanent(), "{}", error),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn one_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), near_start in any::<bool>(), bit in 0u8..8) {
        let (mut bytes, root) = file();
        let at = at.index(if near_start { 4_000 } else { bytes.len() });
        bytes[at] ^= 1 << bit;
        prop_assert!(load_bytes(&bytes, Some(root)).is_err());
    }

    #[test]
    fn mutations_do_not_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        near_start in any::<bool>(),
        with_root in any::<bool>(),
    ) {
        let (original, root) = file();
        let mut bytes = original.clone();
        for (at, value) in edits {
            let at = at.index(if near_start { 4_000 } else { bytes.len() });
            bytes[at] = value;
        }
        if !with_root {
            bytes.truncate(bytes.len().min(cut.index(2 * bytes.len())));
            let _ = load_bytes(&bytes, None);
        } else if bytes != original {
            survives(load_bytes(&bytes, Some(root)), root)?;
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        let bytes = if magic { [b"NOEMAW01".as_slice(), &[200, 0, 0, 0, 0, 0, 0, 0], &bytes].concat() } else { bytes };
        prop_assert!(load_bytes(&bytes, None).is_err());
    }
}
