//! Public keys and signatures as bytes, in the forms transactions carry them. Nothing is verified here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_bytes::ByteBuf;

use crate::limits::{BITMAP_BYTES_MAX, MULTI_ED25519_KEYS_MIN, MULTI_KEYS_MAX};

macro_rules! byte_strings {
    ($($(#[$doc:meta])* $name:ident($length:literal, $what:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// Bytes of one.
            pub const LENGTH: usize = $length;

            /// Takes the bytes if there are as many as needed.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    hex::decode(text.strip_prefix("0x").unwrap_or(&text)).map_err(de::Error::custom)?
                } else {
                    ByteBuf::deserialize(deserializer)?.into_vec()
                };
                Self::from_slice(&bytes).ok_or_else(|| {
                    let (got, expected) = (bytes.len(), Self::LENGTH);
                    de::Error::custom(format!(concat!($what, " of {} bytes, expected {}"), got, expected))
                })
            }
        }
    )*};
}

byte_strings! {
    /// An Ed25519 public key: a compressed point, perhaps not a valid one.
    Ed25519PublicKey(32, "Ed25519 public key");
    /// An Ed25519 signature: R and s.
    Ed25519Signature(64, "Ed25519 signature");
    /// A secp256k1 public key: uncompressed, with the leading 0x04.
    Secp256k1PublicKey(65, "secp256k1 public key");
    /// A secp256k1 ECDSA signature: r and s, big-endian.
    Secp256k1Signature(64, "secp256k1 signature");
    /// A BLS12-381 public key: a compressed point of G1, perhaps not a valid one.
    BlsPublicKey(48, "BLS12-381 public key");
    /// A BLS12-381 signature: a compressed point of G2.
    BlsSignature(96, "BLS12-381 signature");
    /// A secp256r1 public key: uncompressed, with the leading 0x04.
    Secp256r1PublicKey(65, "secp256r1 public key");
}

macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident($message:literal);)*) => {$(
        $(#[$doc])*
        ///
        /// No value exists: decoding one is an error that says so.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {}

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                match *self {}
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(de::Error::custom($message))
            }
        }
    )*};
}

refused! {
    /// Account abstraction.
    Abstraction("account abstraction authenticators are not supported");
    /// Keyless accounts.
    Keyless("keyless accounts are not supported");
    /// `WebAuthn` assertions.
    WebAuthn("WebAuthn signatures are not supported");
    /// The payload of module bundles, long gone from the wire.
    ModuleBundle("module bundle payloads were removed; publish through 0x1::code::publish_package_txn");
}

/// A public key of a single-key or multi-key account. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants are the schemes' own names")]
pub enum AnyPublicKey {
    Ed25519(Ed25519PublicKey),
    Secp256k1(Secp256k1PublicKey),
    Secp256r1(Secp256r1PublicKey),
    Keyless(Keyless),
    FederatedKeyless(Keyless),
}

/// A signature of a single-key or multi-key account. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants are the schemes' own names")]
pub enum AnySignature {
    Ed25519(Ed25519Signature),
    Secp256k1(Secp256k1Signature),
    WebAuthn(WebAuthn),
    Keyless(Keyless),
}

/// The keys of a MultiEd25519 account and how many must sign: 2 to 32 keys, 1 to all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MultiEd25519PublicKey {
    keys: Vec<Ed25519PublicKey>,
    threshold: u8,
}

/// Signatures by some keys of a MultiEd25519 account, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MultiEd25519Signature {
    /// The signatures.
    pub signatures: Vec<Ed25519Signature>,
    /// Which keys signed.
    pub bitmap: [u8; BITMAP_BYTES_MAX],
}

/// The keys of a multi-key account and how many must sign: 1 to 32 keys, 1 to all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct MultiKey {
    keys: Vec<AnyPublicKey>,
    required: u8,
}

/// Signatures by some keys of a multi-key account, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MultiKeySignature {
    /// The signatures.
    pub signatures: Vec<AnySignature>,
    /// Which keys signed.
    pub bitmap: Bitmap,
}

/// Which keys of an account signed: bit 0 is the most significant bit of byte 0. 1 to 4 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bitmap(Vec<u8>);

/// A key or bitmap that breaks a rule of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too few or too many keys.
    #[error("{got} keys, expected {min} to {max}")]
    Keys {
        /// Keys given.
        got: usize,
        /// Fewest allowed.
        min: usize,
        /// Most allowed.
        max: usize,
    },
    /// No signature needed, or more than there are keys.
    #[error("threshold of {threshold} with {keys} keys")]
    Threshold {
        /// Signatures needed.
        threshold: u8,
        /// Keys given.
        keys: usize,
    },
    /// A byte string that cannot hold what it should.
    #[error("{what} of {got} bytes")]
    Length {
        /// What the bytes should be.
        what: &'static str,
        /// Bytes given.
        got: usize,
    },
}

fn check_threshold(keys: usize, keys_min: usize, threshold: u8) -> Result<(), KeyError> {
    if !(keys_min..=MULTI_KEYS_MAX).contains(&keys) {
        return Err(KeyError::Keys { got: keys, min: keys_min, max: MULTI_KEYS_MAX });
    }
    if threshold == 0 || usize::from(threshold) > keys {
        return Err(KeyError::Threshold { threshold, keys });
    }
    Ok(())
}

/// The set bits, counted from the most significant bit of the first byte.
pub(crate) fn set_bits(bitmap: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..bitmap.len() * 8).filter(|bit| bitmap[bit / 8] & (0x80 >> (bit % 8)) != 0)
}

impl MultiEd25519PublicKey {
    /// Joins keys and threshold.
    ///
    /// # Errors
    /// [`KeyError`] for fewer than 2 or more than 32 keys, or a threshold that they cannot meet.
    pub fn new(keys: Vec<Ed25519PublicKey>, threshold: u8) -> Result<Self, KeyError> {
        check_threshold(keys.len(), MULTI_ED25519_KEYS_MIN, threshold)?;
        Ok(Self { keys, threshold })
    }

    /// Reads the keys one after the other, then the threshold.
    ///
    /// # Errors
    /// [`KeyError`] if they are not that, or break a rule.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let error = KeyError::Length { what: "MultiEd25519 public key", got: bytes.len() };
        let (threshold, keys) = bytes.split_last().ok_or(error)?;
        let (keys, rest) = keys.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(error);
        }
        Self::new(keys.iter().copied().map(Ed25519PublicKey).collect(), *threshold)
    }

    /// The keys one after the other, then the threshold.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.keys.iter().flat_map(|key| key.0).collect();
        bytes.push(self.threshold);
        bytes
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[Ed25519PublicKey] {
        &self.keys
    }

    /// How many of the keys must sign.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }
}

impl MultiEd25519Signature {
    /// Reads the signatures one after the other, then the bitmap.
    ///
    /// # Errors
    /// [`KeyError::Length`] if they are not that.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let error = KeyError::Length { what: "MultiEd25519 signature", got: bytes.len() };
        let (signatures, bitmap) = bytes.split_last_chunk().ok_or(error)?;
        let (signatures, rest) = signatures.as_chunks::<64>();
        if !rest.is_empty() || signatures.len() > MULTI_KEYS_MAX {
            return Err(error);
        }
        Ok(Self { signatures: signatures.iter().copied().map(Ed25519Signature).collect(), bitmap: *bitmap })
    }

    /// The signatures one after the other, then the bitmap.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.signatures.iter().flat_map(|signature| signature.0).collect();
        bytes.extend(self.bitmap);
        bytes
    }

    /// Positions of the keys that signed, ascending.
    pub fn signers(&self) -> impl Iterator<Item = usize> + '_ {
        set_bits(&self.bitmap)
    }
}

impl MultiKey {
    /// Joins keys and threshold.
    ///
    /// # Errors
    /// [`KeyError`] for no or more than 32 keys, or a threshold that they cannot meet.
    pub fn new(keys: Vec<AnyPublicKey>, required: u8) -> Result<Self, KeyError> {
        check_threshold(keys.len(), 1, required)?;
        Ok(Self { keys, required })
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[AnyPublicKey] {
        &self.keys
    }

    /// How many of the keys must sign.
    #[must_use]
    pub fn required(&self) -> u8 {
        self.required
    }
}

impl Bitmap {
    /// Takes the bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless there are 1 to 4.
    pub fn new(bytes: Vec<u8>) -> Result<Self, KeyError> {
        if (1..=BITMAP_BYTES_MAX).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(KeyError::Length { what: "signature bitmap", got: bytes.len() })
        }
    }

    /// The bitmap of 4 bytes with the given bits set.
    ///
    /// # Errors
    /// [`KeyError::Keys`] for a position past 31.
    pub fn of(signers: &[usize]) -> Result<Self, KeyError> {
        let mut bytes = vec![0; BITMAP_BYTES_MAX];
        for signer in signers {
            let byte = bytes.get_mut(signer / 8);
            *byte.ok_or(KeyError::Keys { got: *signer, min: 0, max: MULTI_KEYS_MAX - 1 })? |= 0x80 >> (signer % 8);
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Positions of the keys that signed, ascending.
    pub fn signers(&self) -> impl Iterator<Item = usize> + '_ {
        set_bits(&self.0)
    }
}

impl Serialize for MultiEd25519PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for MultiEd25519PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&ByteBuf::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for MultiEd25519Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for MultiEd25519Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&ByteBuf::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for MultiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "MultiKey")]
        struct Wire {
            keys: Vec<AnyPublicKey>,
            required: u8,
        }
        let wire = Wire::deserialize(deserializer)?;
        Self::new(wire.keys, wire.required).map_err(de::Error::custom)
    }
}

impl Serialize for Bitmap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bitmap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(ByteBuf::deserialize(deserializer)?.into_vec()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_zero_is_the_most_significant_of_the_first_byte() {
        assert_eq!(Bitmap::of(&[0, 9]).expect("in range").as_bytes(), [0x80, 0x40, 0, 0]);
        assert_eq!(Bitmap::new(vec![0x80, 0x41]).expect("two bytes").signers().collect::<Vec<_>>(), [0, 9, 15]);
    }

    #[test]
    fn bitmaps_have_one_to_four_bytes() {
        for length in 1..=4 {
            assert!(Bitmap::new(vec![0; length]).is_ok());
        }
        assert!(Bitmap::new(vec![]).is_err());
        assert!(Bitmap::new(vec![0; 5]).is_err());
        assert!(Bitmap::of(&[32]).is_err());
    }

    #[test]
    fn keys_and_thresholds_are_bounded() {
        let key = Ed25519PublicKey([1; 32]);
        assert!(MultiEd25519PublicKey::new(vec![key], 1).is_err(), "one key");
        assert!(MultiEd25519PublicKey::new(vec![key; 33], 1).is_err(), "33 keys");
        assert!(MultiEd25519PublicKey::new(vec![key; 2], 0).is_err(), "nobody signs");
        assert!(MultiEd25519PublicKey::new(vec![key; 2], 3).is_err(), "more than all sign");
        let good = MultiEd25519PublicKey::new(vec![key; 32], 32).expect("32 of 32");
        assert_eq!(MultiEd25519PublicKey::from_bytes(&good.to_bytes()), Ok(good));
        assert!(MultiKey::new(vec![AnyPublicKey::Ed25519(key)], 1).is_ok(), "one key");
    }

    #[test]
    fn unsupported_schemes_are_refused_by_name() {
        let error = bcs::from_bytes::<AnyPublicKey>(&[3, 0, 0]).expect_err("keyless");
        assert!(error.to_string().contains("keyless accounts are not supported"), "{error}");
    }
}
