//! Names of modules, structs, functions and fields.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::IDENTIFIER_BYTES_MAX;

/// A Move identifier: a letter or `_`, then letters, digits or `_`; `_` alone is not one.
///
/// `<SELF>` is accepted too: it names the pseudo-module of a script.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Identifier(Box<str>);

/// The text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid identifier `{text}`: expected a letter or `_`, then letters, digits or `_`, at most 128 bytes")]
pub struct IdentifierError {
    /// The text that is not an identifier.
    pub text: String,
}

impl Identifier {
    /// Checks `text` and wraps it.
    ///
    /// # Errors
    /// [`IdentifierError`] if the text is not an identifier.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdentifierError> {
        let text = text.into();
        if Self::is_valid(&text) { Ok(Self(text)) } else { Err(IdentifierError { text: text.into() }) }
    }

    /// Whether `text` is an identifier.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        let tail_is_valid = |tail: &[u8]| tail.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        text.len() <= IDENTIFIER_BYTES_MAX
            && match text.as_bytes() {
                b"<SELF>" => true,
                [b'a'..=b'z' | b'A'..=b'Z', tail @ ..] => tail_is_valid(tail),
                [b'_', tail @ ..] if !tail.is_empty() => tail_is_valid(tail),
                _ => false,
            }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Identifier {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Identifier {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Identifier {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Identifier {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Identifier {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_identifiers_and_refuses_the_rest() {
        for text in ["a", "A9_", "_x", "__", "<SELF>"] {
            assert!(Identifier::is_valid(text), "{text}");
        }
        for text in ["", "_", "9a", "a-b", "é", &"a".repeat(129)] {
            assert!(!Identifier::is_valid(text), "{text}");
        }
    }
}
