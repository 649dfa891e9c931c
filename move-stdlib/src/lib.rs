//! Carries the Move standard library: sources, tests and natives.
//!
//! [`package`] is the source text that every compilation may depend on; [`natives`] implements what it declares
//! `native`, [`test_natives`] the same for unit tests; [`mod@format`] writes values as text. Natives are pure functions of their arguments and type arguments, charged by the bytes they work through.
//! The functions of `std::vector` that are bytecode instructions are the compiler's and the machine's, not natives.

pub mod format;
mod natives;

pub use natives::{natives, test_natives};

/// A Move package whose text is part of this program.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedPackage {
    /// Its name, as in its manifest.
    pub name: &'static str,
    /// Text of its `Move.toml`.
    pub manifest: &'static str,
    /// Path inside the package and text of each source, ordered by path.
    pub sources: &'static [(&'static str, &'static str)],
}

/// The standard library.
#[must_use]
pub fn package() -> EmbeddedPackage {
    EmbeddedPackage {
        name: "MoveStdlib",
        manifest: include_str!("../Move.toml"),
        sources: include!(concat!(env!("OUT_DIR"), "/sources.rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_native_is_there() {
        let instructions = 8;
        let is_native = |line: &&str| line.trim_start().starts_with("native ") || line.contains(") native fun ");
        let declared = package().sources.iter().flat_map(|(_, text)| text.lines()).filter(is_native).count();
        assert_eq!(natives().names().count(), declared - instructions);
    }
}
