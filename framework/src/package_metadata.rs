//! The metadata of a package, as `0x1::code` reads it; docs/package-metadata.md has the layout.

use noema_types::Address;
use serde::{Deserialize, Serialize};

/// What a package is. Its BCS is an argument of `0x1::code::publish_package_txn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageMetadata {
    /// Name, unique per account.
    pub name: String,
    /// How it may change.
    pub upgrade_policy: UpgradePolicy,
    /// How often it was upgraded; the chain counts.
    pub upgrade_number: u64,
    /// Digest of the sources, for people.
    pub source_digest: String,
    /// Manifest, gzipped, or empty.
    #[serde(with = "serde_bytes")]
    pub manifest: Vec<u8>,
    /// Its modules, in the order of their bytes.
    pub modules: Vec<ModuleMetadata>,
    /// Packages it needs.
    pub deps: Vec<PackageDep>,
    /// Nothing for now.
    pub extension: Option<Any>,
}

/// How a package may change, in BCS one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradePolicy {
    /// 1 compatible, 2 immutable.
    pub policy: u8,
}

/// What a module of a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleMetadata {
    /// Name.
    pub name: String,
    /// Source, gzipped, or empty.
    #[serde(with = "serde_bytes")]
    pub source: Vec<u8>,
    /// Source map, gzipped, or empty.
    #[serde(with = "serde_bytes")]
    pub source_map: Vec<u8>,
    /// Nothing for now.
    pub extension: Option<Any>,
}

/// A package that another one needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDep {
    /// Where it is.
    pub account: Address,
    /// Its name.
    pub package_name: String,
}

/// A value of any type, with its type's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Any {
    /// Canonical text of the type.
    pub type_name: String,
    /// BCS of the value.
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

impl UpgradePolicy {
    /// Upgrades keep public signatures and struct layouts.
    pub const COMPATIBLE: Self = Self { policy: 1 };
    /// No upgrades.
    pub const IMMUTABLE: Self = Self { policy: 2 };
}

impl PackageMetadata {
    /// A package of these modules, without sources.
    #[must_use]
    pub fn new(name: impl Into<String>, policy: UpgradePolicy, modules: impl IntoIterator<Item = String>) -> Self {
        let module = |name| ModuleMetadata { name, source: Vec::new(), source_map: Vec::new(), extension: None };
        Self {
            name: name.into(),
            upgrade_policy: policy,
            upgrade_number: 0,
            source_digest: String::new(),
            manifest: Vec::new(),
            modules: modules.into_iter().map(module).collect(),
            deps: Vec::new(),
            extension: None,
        }
    }

    /// BCS of the metadata.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        bcs::to_bytes(self).expect("metadata always serialises")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_those_of_the_documentation() {
        let metadata = PackageMetadata::new("P", UpgradePolicy::COMPATIBLE, ["m".to_owned()]);
        let mut expected = vec![1, b'P', 1];
        expected.extend([0; 8]);
        expected.extend([0, 0, 1, 1, b'm', 0, 0, 0, 0, 0]);
        assert_eq!(metadata.to_bytes(), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(metadata) = bcs::from_bytes::<PackageMetadata>(&bytes) {
                prop_assert_eq!(metadata.to_bytes(), bytes);
            }
        }
    }
}
