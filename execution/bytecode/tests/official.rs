//! Modules that the official compiler made: read, written back byte for byte, shown, changed.

use noema_bytecode::{CompiledModule, Version, disassemble};
use noema_execution_api::StatusCode;
use proptest::prelude::*;

const SHAPES: &[u8] = include_bytes!("fixtures/shapes.mv");
const PLAIN_SUI7: &[u8] = include_bytes!("fixtures/plain_sui7.mv");
const PLAIN_V6: &[u8] = include_bytes!("fixtures/plain_v6.mv");
const VECTOR: &[u8] = include_bytes!("fixtures/vector.mv");
const ALL: [&[u8]; 4] = [SHAPES, PLAIN_SUI7, PLAIN_V6, VECTOR];

#[test]
fn are_written_back_byte_for_byte() {
    for bytes in ALL {
        let module = CompiledModule::deserialize(bytes).unwrap();
        assert_eq!(module.serialize().unwrap(), bytes);
    }
}

#[test]
fn have_the_versions_and_tables_of_their_sources() {
    let shapes = CompiledModule::deserialize(SHAPES).unwrap();
    assert_eq!(shapes.version, Version::Sui7);
    let (_, shape) = shapes.find_enum("Shape").unwrap();
    assert_eq!(shape.variants.len(), 3);
    assert!(shapes.find_function("check").unwrap().1.is_entry);
    let mut plain = CompiledModule::deserialize(PLAIN_SUI7).unwrap();
    assert_eq!(plain.version, Version::Sui7);
    plain.version = Version::V6;
    assert_eq!(plain.serialize().unwrap(), PLAIN_V6);
}

#[test]
fn read_like_their_sources() {
    let text = disassemble(&CompiledModule::deserialize(SHAPES).unwrap());
    for expected in [
        "module 0x0::shapes {",
        "struct Pair<T0, phantom T1> has copy, drop, store {",
        "points: vector<Point>,",
        "enum Shape<T0> has copy, drop, store {",
        "public fun area(a0: &Shape<u16>): u64 {",
        "VariantSwitch Shape [ Empty: L",
        "UnpackVariantGenericMutRef Shape<u16>::Circle",
        "entry fun check(a0: bool) {",
        "b\"origin\"",
        "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    ] {
        assert!(text.contains(expected), "no `{expected}` in:\n{text}");
    }
}

#[test]
fn the_version_word_decides_what_opcodes_and_tables_exist() {
    let mut bytes = SHAPES.to_vec();
    bytes[4..8].copy_from_slice(&6u32.to_le_bytes());
    assert_eq!(CompiledModule::deserialize(&bytes).unwrap_err().status, StatusCode::UNKNOWN_TABLE_TYPE);
    for word in [0u32, 4, 7, 8, 0x0A00_0007, 0x0500_0008, u32::MAX] {
        bytes[4..8].copy_from_slice(&word.to_le_bytes());
        assert_eq!(CompiledModule::deserialize(&bytes).unwrap_err().status, StatusCode::UNKNOWN_VERSION);
    }
}

#[test]
fn cut_short_or_extended_they_are_errors() {
    for bytes in ALL {
        for length in 0..bytes.len() {
            assert!(CompiledModule::deserialize(&bytes[..length]).is_err(), "{length} bytes were read as a module");
        }
        let longer = [bytes, &[0]].concat();
        assert_eq!(CompiledModule::deserialize(&longer).unwrap_err().status, StatusCode::TRAILING_BYTES);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mutations_give_a_module_or_an_error(
        which in 0..ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = ALL[which].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(module) = CompiledModule::deserialize(&bytes) {
            let _ = disassemble(&module);
            let canonical = module.serialize().unwrap();
            prop_assert_eq!(CompiledModule::deserialize(&canonical).unwrap(), module);
        }
    }
}
