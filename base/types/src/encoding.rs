//! Strict decoding, and serde forms that BCS needs and derives do not give.

use serde::de::DeserializeOwned;

use crate::limits::BCS_DEPTH_MAX;

/// Bytes that are not what they should be, or over a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than such a value may have.
    #[error("{what} of {size} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// What was being decoded.
        what: &'static str,
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes are not canonical BCS of the type.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What was being decoded.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A well-formed value that breaks a limit.
    #[error("{what} has {count} {of}, over the limit of {limit}")]
    OverLimit {
        /// What was being decoded.
        what: &'static str,
        /// What there is too much of.
        of: &'static str,
        /// How much there is.
        count: usize,
        /// How much is allowed.
        limit: usize,
    },
}

/// Decodes BCS with nothing left over and no more than [`BCS_DEPTH_MAX`] nested containers.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    bcs::from_bytes_with_limit(bytes, BCS_DEPTH_MAX)
        .map_err(|error| DecodeError::Malformed { what, reason: error.to_string() })
}

/// Decodes BCS with nothing left over, no more than `limit` bytes and no more than `depth` nested containers.
pub(crate) fn decode_limited<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
    depth: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { what, size: bytes.len(), limit });
    }
    bcs::from_bytes_with_limit(bytes, depth).map_err(|error| DecodeError::Malformed { what, reason: error.to_string() })
}

/// `Vec<Vec<u8>>` as a sequence of byte strings.
pub(crate) mod byte_strings {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    pub(crate) fn serialize<S: Serializer>(strings: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(strings.iter().map(|bytes| Bytes::new(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let strings = Vec::<ByteBuf>::deserialize(deserializer)?;
        Ok(strings.into_iter().map(ByteBuf::into_vec).collect())
    }
}

/// `U256` as 32 little-endian bytes.
pub(crate) mod u256_le {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::U256;

    pub(crate) fn serialize<S: Serializer>(number: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        number.to_le_bytes::<32>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
        <[u8; 32]>::deserialize(deserializer).map(U256::from_le_bytes)
    }
}
