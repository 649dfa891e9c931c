//! Account addresses: 32 bytes, shown as AIP-40 says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An account address of 32 bytes.
///
/// Shown short (`0x1`) for the sixteen special addresses `0x0` to `0xf`, else with all 64 digits (AIP-40). Parsed with
/// or without `0x`, short or long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; Address::LENGTH]);

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid address `{text}`: expected 1 to 64 hexadecimal digits, optionally after 0x")]
pub struct AddressParseError {
    /// The text that did not parse.
    pub text: String,
}

impl Address {
    /// Bytes of an address.
    pub const LENGTH: usize = 32;
    /// `0x0`.
    pub const ZERO: Self = Self([0; 32]);
    /// `0x1`: standard library and framework.
    pub const ONE: Self = Self::from_u8(1);

    /// The address whose last byte is `byte` and whose other bytes are zero.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Self {
        let mut bytes = [0; 32];
        bytes[31] = byte;
        Self(bytes)
    }

    /// True for `0x0` to `0xf`, which are shown short.
    #[must_use]
    pub fn is_special(&self) -> bool {
        self.0[..31].iter().all(|byte| *byte == 0) && self.0[31] < 16
    }

    /// The 64 hexadecimal digits, without prefix.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// `0x` and the digits without leading zeros (`0x0` for zero).
    #[must_use]
    pub fn to_short_hex(&self) -> String {
        let digits = self.to_hex();
        let trimmed = digits.trim_start_matches('0');
        format!("0x{}", if trimmed.is_empty() { "0" } else { trimmed })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_special() { write!(f, "0x{:x}", self.0[31]) } else { write!(f, "0x{}", self.to_hex()) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || AddressParseError { text: text.to_owned() };
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        if digits.is_empty() || digits.len() > 64 || !digits.is_ascii() {
            return Err(error());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(format!("{digits:0>64}"), &mut bytes).map_err(|_| error())?;
        Ok(Self(bytes))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_short_and_others_long() {
        assert_eq!(Address::ONE.to_string(), "0x1");
        assert_eq!(Address::from_u8(16).to_string(), format!("0x{:0>64}", "10"));
        assert_eq!(Address::from_u8(16).to_short_hex(), "0x10");
    }

    #[test]
    fn parses_every_accepted_form() {
        for text in ["0x1", "1", "0x01", "0X1", &format!("{:0>64}", "1")] {
            assert_eq!(text.parse(), Ok(Address::ONE), "{text}");
        }
        for text in ["", "0x", "0xg", "é", &"1".repeat(65)] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
