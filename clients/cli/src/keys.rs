//! The keys of a validator in its folder: one account, three that sign for it. Readable by their owner only.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use noema_crypto::{BlsKeyPair, Ed25519KeyPair, read_bls_key_file, read_key_file, write_bls_key_file, write_key_file};
pub(crate) use noema_node::key_files::{
    ACCOUNT as ACCOUNT_KEY, CHECKPOINT as CHECKPOINT_KEY, CONSENSUS as CONSENSUS_KEY, NETWORK as NETWORK_KEY,
};
use noema_sdk::address_of;
use noema_types::Address;

use crate::output::{CliError, CliResult, Context};

/// All of them.
pub(crate) const KEY_FILES: [&str; 4] = [ACCOUNT_KEY, CONSENSUS_KEY, NETWORK_KEY, CHECKPOINT_KEY];

/// Permissions of a folder with keys.
const FOLDER_MODE: u32 = 0o700;

/// All keys of a validator.
#[derive(Debug)]
pub(crate) struct ValidatorKeys {
    /// Owns and operates the stake.
    pub(crate) account: Ed25519KeyPair,
    /// Signs blocks.
    pub(crate) consensus: Ed25519KeyPair,
    /// Proves who is at the end of a connection.
    pub(crate) network: Ed25519KeyPair,
    /// Signs checkpoints.
    pub(crate) checkpoint: BlsKeyPair,
}

impl ValidatorKeys {
    /// Draws new ones.
    pub(crate) fn generate() -> Self {
        Self {
            account: Ed25519KeyPair::generate(),
            consensus: Ed25519KeyPair::generate(),
            network: Ed25519KeyPair::generate(),
            checkpoint: BlsKeyPair::generate(),
        }
    }

    /// Address of the account.
    pub(crate) fn address(&self) -> Address {
        address_of(&self.account)
    }

    /// Writes them into a folder, which is made; refuses to replace any.
    pub(crate) fn save(&self, dir: &Path) -> CliResult {
        make_private_folder(dir)?;
        let present: Vec<&str> = KEY_FILES.into_iter().filter(|name| dir.join(name).exists()).collect();
        if !present.is_empty() {
            return Err(CliError::fault(format!("{} has keys already: {}", dir.display(), present.join(", ")))
                .hint("keys are never overwritten: choose another --dir, or move the old keys away"));
        }
        write_key_file(&dir.join(ACCOUNT_KEY), &self.account).map_err(CliError::fault)?;
        write_key_file(&dir.join(CONSENSUS_KEY), &self.consensus).map_err(CliError::fault)?;
        write_key_file(&dir.join(NETWORK_KEY), &self.network).map_err(CliError::fault)?;
        write_bls_key_file(&dir.join(CHECKPOINT_KEY), &self.checkpoint).map_err(CliError::fault)
    }

    /// Reads them from a folder.
    pub(crate) fn load(dir: &Path) -> CliResult<Self> {
        let missing: Vec<&str> = KEY_FILES.into_iter().filter(|name| !dir.join(name).exists()).collect();
        if !missing.is_empty() {
            return Err(CliError::fault(format!("{} lacks {}", dir.display(), missing.join(", "))).hint(format!(
                "make keys with `noema genesis keys --dir {} --name NAME --address HOST:PORT`",
                dir.display()
            )));
        }
        Ok(Self {
            account: read_key_file(&dir.join(ACCOUNT_KEY)).map_err(CliError::fault)?,
            consensus: read_key_file(&dir.join(CONSENSUS_KEY)).map_err(CliError::fault)?,
            network: read_key_file(&dir.join(NETWORK_KEY)).map_err(CliError::fault)?,
            checkpoint: read_bls_key_file(&dir.join(CHECKPOINT_KEY)).map_err(CliError::fault)?,
        })
    }
}

/// Makes a folder that only its owner can enter; leaves one that is there as it is.
pub(crate) fn make_private_folder(dir: &Path) -> CliResult {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE).create(dir).context(format!("cannot make {}", dir.display()))
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> CliResult<PathBuf> {
    use std::io::Write;
    let mut file = match std::fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(CliError::fault(format!("{} exists already", path.display()))
                .hint("nothing is overwritten: choose another name, or move it away"));
        }
        Err(error) => return Err(CliError::fault(format!("cannot write {}: {error}", path.display()))),
    };
    file.write_all(content).and_then(|()| file.sync_all()).context(format!("cannot write {}", path.display()))?;
    Ok(path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_survive_the_disk_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("alice");
        let keys = ValidatorKeys::generate();
        keys.save(&dir).unwrap();
        let loaded = ValidatorKeys::load(&dir).unwrap();
        assert_eq!(loaded.address(), keys.address());
        assert_eq!(loaded.consensus.public(), keys.consensus.public());
        assert_eq!(loaded.network.public(), keys.network.public());
        assert_eq!(loaded.checkpoint.public(), keys.checkpoint.public());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for name in KEY_FILES {
            assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn keys_are_never_overwritten_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        ValidatorKeys::generate().save(folder.path()).unwrap();
        let again = ValidatorKeys::generate().save(folder.path()).unwrap_err();
        assert!(again.message.contains("has keys already") && again.hint.is_some(), "{}", again.message);
        std::fs::remove_file(folder.path().join(NETWORK_KEY)).unwrap();
        let error = ValidatorKeys::load(folder.path()).unwrap_err();
        assert!(error.message.ends_with("lacks network.key"), "{}", error.message);
    }
}
