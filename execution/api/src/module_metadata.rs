//! What a module says about itself beyond its code: an entry of its metadata table.
//!
//! The compiler writes it, publishing checks it, the REST layer and error messages read it. The value is the BCS of
//! [`ModuleMetadata`] under [`MODULE_METADATA_KEY`].

use serde::{Deserialize, Serialize};

/// Key of the entry in the module's metadata table.
pub const MODULE_METADATA_KEY: &[u8] = b"noema::metadata_v0";

/// A module's description of itself. Every list is sorted by its first part and free of repetitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModuleMetadata {
    /// Abort codes that have a name: constants `E..` of type u64.
    pub error_map: Vec<ErrorDescription>,
    /// Functions marked `#[view]`: they can be run without a transaction.
    pub view_functions: Vec<String>,
    /// Structs marked `#[event]`: only they can be emitted as module events.
    pub event_structs: Vec<String>,
    /// Structs marked `#[resource_group(scope = ..)]`: name and scope.
    pub resource_groups: Vec<(String, String)>,
    /// Structs marked `#[resource_group_member(group = a::m::G)]`: name and group, as `0x1::m::G`.
    pub resource_group_members: Vec<(String, String)>,
}

/// An abort code that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ErrorDescription {
    /// The code.
    pub code: u64,
    /// The constant's name.
    pub name: String,
    /// Its doc comment, or empty.
    pub description: String,
}

impl ModuleMetadata {
    /// Whether it says nothing, so that the entry can be left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The BCS.
    ///
    /// # Errors
    /// [`bcs::Error`] if a part exceeds BCS's limits.
    pub fn to_bytes(&self) -> Result<Vec<u8>, bcs::Error> {
        bcs::to_bytes(self)
    }

    /// Reads the BCS.
    ///
    /// # Errors
    /// [`bcs::Error`] if `bytes` is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, bcs::Error> {
        bcs::from_bytes(bytes)
    }

    /// The description of an abort code. The code of `std::error` adds a category above the lower 16 bits, so a code
    /// that has no name of its own is looked up by those.
    #[must_use]
    pub fn describe_abort(&self, code: u64) -> Option<&ErrorDescription> {
        let find = |wanted: u64| self.error_map.iter().find(|entry| entry.code == wanted);
        find(code).or_else(|| find(code & 0xFFFF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_finds_codes_with_and_without_category() {
        let metadata = ModuleMetadata {
            error_map: vec![ErrorDescription { code: 3, name: "EFULL".into(), description: "No room.".into() }],
            view_functions: vec!["size".into()],
            ..ModuleMetadata::default()
        };
        let bytes = metadata.to_bytes().unwrap();
        assert_eq!(ModuleMetadata::from_bytes(&bytes).unwrap(), metadata);
        assert_eq!(metadata.describe_abort(3).unwrap().name, "EFULL");
        assert_eq!(metadata.describe_abort(0x1_0003).unwrap().name, "EFULL");
        assert_eq!(metadata.describe_abort(4), None);
        assert!(ModuleMetadata::from_bytes(&bytes[1..]).is_err());
    }
}
