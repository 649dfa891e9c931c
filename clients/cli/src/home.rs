//! Where a user's accounts, models and local networks live: `$NOEMA_HOME`, else `~/.noema`.

use std::path::{Path, PathBuf};

use noema_types::Address;
use serde::{Deserialize, Serialize};

use crate::output::{CliError, CliResult, Context};

/// Name of the account that commands use unless told otherwise.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

/// A stored account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredAccount {
    /// Address.
    pub(crate) address: Address,
    /// Ed25519 secret key, hexadecimal.
    pub(crate) secret_key: String,
    /// Ed25519 public key, hexadecimal.
    pub(crate) public_key: String,
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

    fn account_path(&self, name: &str) -> CliResult<PathBuf> {
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_plain {
            return Err(CliError::fault(format!("`{name}` is no account name"))
                .hint("use letters, digits, `-` and `_`"));
        }
        Ok(self.0.join("accounts").join(format!("{name}.toml")))
    }

    /// Reads an account.
    pub(crate) fn account(&self, name: &str) -> CliResult<StoredAccount> {
        let path = self.account_path(name)?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CliError::fault(format!("there is no account `{name}` in {}", self.0.display()))
                    .hint(format!("make it with `noema account new --name {name}`")));
            }
            Err(error) => return Err(CliError::fault(format!("cannot read {}: {error}", path.display()))),
        };
        toml::from_str(&text).context(format!("cannot read {}", path.display()))
    }

    /// Writes a new account, readable by its owner only; refuses to replace one.
    pub(crate) fn save_account(&self, name: &str, account: &StoredAccount) -> CliResult<PathBuf> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;

        let path = self.account_path(name)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
        }
        let text = toml::to_string(account).expect("an account always serialises");
        let mut options = std::fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()).context(format!("cannot write {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(CliError::fault(format!("account `{name}` exists already in {}", path.display()))
                    .hint("choose another --name"));
            }
            Err(error) => return Err(CliError::fault(format!("cannot write {}: {error}", path.display()))),
        }
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
