//! The verifier agrees with the official one on changed modules: same verdict, same status.

use std::collections::BTreeMap;

use noema_bytecode::CompiledModule;
use noema_verifier::{Limits, verify_module};

const VERDICTS: &[u8] = include_bytes!("fixtures/verdicts.bin");

fn entries() -> Vec<(&'static str, &'static [u8])> {
    let mut entries = Vec::new();
    let mut rest = VERDICTS;
    while let Some((length, tail)) = rest.split_first() {
        let (verdict, tail) = tail.split_at(usize::from(*length));
        let (length, tail) = tail.split_at(2);
        let (module, tail) = tail.split_at(usize::from(u16::from_le_bytes([length[0], length[1]])));
        entries.push((std::str::from_utf8(verdict).expect("verdicts are names"), module));
        rest = tail;
    }
    entries
}

#[test]
fn verdicts_and_statuses_are_those_of_the_official_verifier() {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, (expected, bytes)) in entries().into_iter().enumerate() {
        let module = CompiledModule::deserialize(bytes).unwrap();
        let found = verify_module(&module, &Limits::default());
        let name = found.as_ref().map_or_else(|error| error.status.name(), |()| "OK");
        assert_eq!(name, expected, "entry {position}: {found:?}");
        *count.entry(expected).or_default() += 1;
    }
    assert!(count["OK"] >= 20, "{count:?}");
    assert!(count.len() >= 30, "{count:?}");
}
