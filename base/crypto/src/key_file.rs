//! Private keys in files that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{BlsKeyPair, Ed25519KeyPair};

/// Permissions of a key file: read and write for the owner.
const MODE: u32 = 0o600;
/// Permissions of anyone but the owner.
const OTHERS: u32 = 0o077;
/// Bytes of a key file, at most: a key, a prefix, a line end.
const FILE_BYTES_MAX: u64 = 256;
/// Prefix of AIP-80 for Ed25519 private keys.
const AIP80_PREFIX: &str = "ed25519-priv-";
/// Prefix of BLS private keys. It is never left out, so that no key serves the other scheme by mistake.
const BLS_PREFIX: &str = "bls12381-priv-0x";

/// The text is not an Ed25519 private key. The text is not repeated: it may be nearly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key: expected 64 hexadecimal digits, optionally after 0x or ed25519-priv-0x")]
pub struct KeyParseError;

/// The text is not a BLS private key. The text is not repeated: it may be nearly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a BLS private key: expected bls12381-priv-0x and 64 hexadecimal digits of a number below the group order")]
pub struct BlsKeyParseError;

/// What is wrong with the content of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyContentError {
    /// It is not an Ed25519 key.
    #[error(transparent)]
    Ed25519(#[from] KeyParseError),
    /// It is not a BLS key.
    #[error(transparent)]
    Bls(#[from] BlsKeyParseError),
}

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
        source: KeyContentError,
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

/// Reads a BLS private key from text: `bls12381-priv-0x` and 64 hexadecimal digits.
///
/// # Errors
/// [`BlsKeyParseError`] for anything else.
pub fn parse_bls_private_key(text: &str) -> Result<BlsKeyPair, BlsKeyParseError> {
    let digits = text.trim().strip_prefix(BLS_PREFIX).ok_or(BlsKeyParseError)?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| BlsKeyParseError)?;
    BlsKeyPair::from_private_bytes(&bytes).map_err(|_| BlsKeyParseError)
}

/// Writes a new file that only its owner can read, and flushes it to disk.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file, else [`KeyFileError::Io`].
pub fn write_key_file(path: &Path, key: &Ed25519KeyPair) -> Result<(), KeyFileError> {
    write_text(path, &format!("0x{}", hex::encode(key.private_bytes())))
}

/// As [`write_key_file`], of a BLS key.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file, else [`KeyFileError::Io`].
pub fn write_bls_key_file(path: &Path, key: &BlsKeyPair) -> Result<(), KeyFileError> {
    write_text(path, &format!("{BLS_PREFIX}{}", hex::encode(key.private_bytes())))
}

fn write_text(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Io { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map_err(error)?;
    writeln!(file, "{text}").map_err(error)?;
    file.sync_all().map_err(error)
}

/// Reads a key file.
///
/// # Errors
/// [`KeyFileError`] if there is none, others can read it, or it does not hold a key.
pub fn read_key_file(path: &Path) -> Result<Ed25519KeyPair, KeyFileError> {
    read_text(path, |text| parse_private_key(text.ok_or(KeyParseError)?).map_err(Into::into))
}

/// Reads the file of a BLS key.
///
/// # Errors
/// [`KeyFileError`] if there is none, others can read it, or it does not hold a BLS key.
pub fn read_bls_key_file(path: &Path) -> Result<BlsKeyPair, KeyFileError> {
    read_text(path, |text| parse_bls_private_key(text.ok_or(BlsKeyParseError)?).map_err(Into::into))
}

/// Parses a key file's text; `None` stands for content that is too long or not text.
fn read_text<T>(
    path: &Path,
    parse: impl FnOnce(Option<&str>) -> Result<T, KeyContentError>,
) -> Result<T, KeyFileError> {
    let error = |source: io::Error| KeyFileError::Io { path: path.to_owned(), source };
    let content = |source| KeyFileError::Content { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(error)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let bytes = if metadata.len() > FILE_BYTES_MAX { None } else { Some(fs::read(path).map_err(error)?) };
    parse(bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())).map_err(content)
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
    fn bls_keys_have_files_that_no_other_scheme_reads() {
        let folder = tempfile::tempdir().unwrap();
        let (bls, ed25519) = (folder.path().join("bls"), folder.path().join("ed25519"));
        let key = BlsKeyPair::from_seed(&[7; 32]);
        write_bls_key_file(&bls, &key).unwrap();
        write_key_file(&ed25519, &Ed25519KeyPair::from_private_bytes([7; 32])).unwrap();
        assert_eq!(fs::metadata(&bls).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_bls_key_file(&bls).unwrap().public(), key.public());
        assert!(matches!(write_bls_key_file(&bls, &key), Err(KeyFileError::Exists { .. })));
        assert!(matches!(read_key_file(&bls), Err(KeyFileError::Content { .. })));
        assert!(matches!(read_bls_key_file(&ed25519), Err(KeyFileError::Content { .. })));
        // The group order and zero are no keys.
        let order = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
        for digits in [order, &"00".repeat(32)] {
            assert!(parse_bls_private_key(&format!("bls12381-priv-0x{digits}")).is_err());
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
        let key = BlsKeyPair::from_private_bytes(&[0x2b; 32]).unwrap();
        assert!(!format!("{key:?}").contains("2b2b2b2b"));
    }
}
