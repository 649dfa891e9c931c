//! Modules of the official compiler pass, and no mutation of them makes the verifier panic.

use noema_bytecode::CompiledModule;
use proptest::prelude::*;

use super::*;

const ALL: [&[u8]; 4] = [
    include_bytes!("../../../bytecode/tests/fixtures/shapes.mv"),
    include_bytes!("../../../bytecode/tests/fixtures/plain_sui7.mv"),
    include_bytes!("../../../bytecode/tests/fixtures/plain_v6.mv"),
    include_bytes!("../../../bytecode/tests/fixtures/vector.mv"),
];

#[test]
fn are_accepted() {
    for bytes in ALL {
        verify_module(&CompiledModule::deserialize(bytes).unwrap(), &Limits::default()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Mutations reach deep into the passes, because most of the module stays valid.
    #[test]
    fn mutations_are_judged_without_panic(
        which in 0..ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = ALL[which].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(module) = CompiledModule::deserialize(&bytes) {
            let _ = verify_module(&module, &Limits::default());
        }
    }
}
