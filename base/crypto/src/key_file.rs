//! Private keys in files that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Ed25519KeyPair;

/// Permissions of a key file: read and write for the owner.
const MODE: u32 = 0o600;
/// Permissions of anyone but the owner.
const OTHERS: u32 = 0o077;
/// Bytes of a key file, at most: a key, a prefix, a line end.
const FILE_BYTES_MAX: u64 = 256;
/// Prefix of AIP-80 for Ed25519 private keys.
const AIP80_PREFIX: &str = "ed25519-priv-";

/// The text is not an Ed25519 private key. The text is not repeated: it may be nearly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key: expected 64 hexadecimal digits, optionally after 0x or ed25519-priv-0x")]
pub struct KeyParseError;

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("key file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there, and a key is never overwritten.
    #[error("key file {} exists already\nhint: choose another name, or move the old key away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner can read the key.
    #[error("key file {path} has mode {mode:o}, open to others\nhint: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("key file {}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyParseError,
    },
}

/// Reads a private key from text: 64 hexadecimal digits, optionally after `0x` or `ed25519-priv-0x`.
///
/// # Errors
/// [`KeyParseError`] for anything else.
pub fn parse_private_key(text: &str) -> Result<Ed25519KeyPair, KeyParseError> {
    let text = text.trim();
    let digits = text.strip_prefix(AIP80_PREFIX).unwrap_or(text);
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| KeyParseError)?;
    Ok(Ed25519KeyPair::from_private_bytes(bytes))
}

/// Writes a new file that only its owner can read, and flushes it to disk.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file, else [`KeyFileError::Io`].
pub fn write_key_file(path: &Path, key: &Ed25519KeyPair) -> Result<(), KeyFileError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Io { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map_err(error)?;
    writeln!(file, "0x{}", hex::encode(key.private_bytes())).map_err(error)?;
    file.sync_all().map_err(error)
}

/// Reads a key file.
///
/// # Errors
/// [`KeyFileError`] if there is none, others can read it, or it does not hold a key.
pub fn read_key_file(path: &Path) -> Result<Ed25519KeyPair, KeyFileError> {
    let error = |source: io::Error| KeyFileError::Io { path: path.to_owned(), source };
    let content = |source| KeyFileError::Content { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(error)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(content(KeyParseError));
    }
    let bytes = fs::read(path).map_err(error)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| content(KeyParseError))?;
    parse_private_key(text).map_err(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = Ed25519KeyPair::from_private_bytes([7; 32]);
        write_key_file(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_key_file(&path).unwrap().public(), key.public());
        assert!(matches!(write_key_file(&path, &key), Err(KeyFileError::Exists { .. })));
    }

    #[test]
    fn exposed_and_broken_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(read_key_file(&path), Err(KeyFileError::Io { .. })));
        write_key_file(&path, &Ed25519KeyPair::from_private_bytes([7; 32])).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_key_file(&path).unwrap_err();
        assert!(error.to_string().contains("hint: chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for content in [&b"0x12"[..], b"\xff\xfe", b"", &[b'0'; 400]] {
            fs::write(&path, content).unwrap();
            assert!(matches!(read_key_file(&path), Err(KeyFileError::Content { .. })), "{content:?}");
        }
    }

    #[test]
    fn text_forms() {
        let digits = "11".repeat(32);
        let public = Ed25519KeyPair::from_private_bytes([0x11; 32]).public();
        for text in [digits.clone(), format!("0x{digits}"), format!("ed25519-priv-0x{digits}\n")] {
            assert_eq!(parse_private_key(&text).unwrap().public(), public);
        }
        assert!(parse_private_key(&digits[1..]).is_err());
    }

    #[test]
    fn debug_hides_the_private_key() {
        let text = format!("{:?}", Ed25519KeyPair::from_private_bytes([0xab; 32]));
        assert!(!text.contains("abababab"), "{text}");
    }
}
