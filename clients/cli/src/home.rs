//! Where a user's accounts, models and local networks live: `$NOEMA_HOME`, else `~/.noema`.

use std::path::{Path, PathBuf};

use noema_crypto::{Ed25519KeyPair, read_key_file, write_key_file};
use noema_sdk::address_of;
use noema_types::Address;

use crate::output::{CliError, CliResult, Context};

/// Name of the account that commands use unless told otherwise.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

/// An account that this machine can sign for.
#[derive(Debug)]
pub(crate) struct StoredAccount {
    /// Address.
    pub(crate) address: Address,
    /// Key that signs.
    pub(crate) key: Ed25519KeyPair,
}

impl Home {
    /// Finds the folder; makes nothing yet.
    pub(crate) fn find() -> CliResult<Self> {
        if let Some(path) = std::env::var_os("NOEMA_HOME") {
            return Ok(Self(path.into()));
        }
        let home = std::env::var_os("HOME")
            .ok_or_else(|| CliError::fault("neither NOEMA_HOME nor HOME is set").hint("set NOEMA_HOME to a folder"))?;
        Ok(Self(Path::new(&home).join(".noema")))
    }

    /// Folder of canonical model files.
    pub(crate) fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// Folder of the default local network.
    pub(crate) fn localnet(&self) -> PathBuf {
        self.0.join("localnet")
    }

    /// File of this machine's key as a worker.
    pub(crate) fn worker_key(&self) -> PathBuf {
        self.0.join("worker.key")
    }

    fn account_path(&self, name: &str) -> CliResult<PathBuf> {
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_plain {
            return Err(
                CliError::fault(format!("`{name}` is no account name")).hint("use letters, digits, `-` and `_`")
            );
        }
        Ok(self.0.join("accounts").join(format!("{name}.key")))
    }

    /// Reads an account.
    pub(crate) fn account(&self, name: &str) -> CliResult<StoredAccount> {
        let path = self.account_path(name)?;
        if !path.exists() {
            return Err(CliError::fault(format!("there is no account `{name}` in {}", self.0.display()))
                .hint(format!("make it with `noema account new --name {name}`")));
        }
        let key = read_key_file(&path).map_err(CliError::fault)?;
        Ok(StoredAccount { address: address_of(&key), key })
    }

    /// Writes a new account's key, readable by its owner only; refuses to replace one.
    pub(crate) fn save_account(&self, name: &str, key: &Ed25519KeyPair) -> CliResult<PathBuf> {
        let path = self.account_path(name)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
        }
        if path.exists() {
            return Err(CliError::fault(format!("account `{name}` exists already in {}", self.0.display()))
                .hint("choose another --name"));
        }
        write_key_file(&path, key).map_err(CliError::fault)?;
        Ok(path)
    }

    /// An address given as text, or the address of a stored account of that name.
    pub(crate) fn resolve(&self, text: &str) -> CliResult<Address> {
        if text.starts_with("0x") {
            return text.parse().map_err(CliError::fault);
        }
        Ok(self.account(text)?.address)
    }
}
