//! The file that a validator publishes to take part in genesis: a name for people and the signed registration.

use std::path::Path;

use noema_framework::{Registration, RegistrationKeys, verify_registration};
use noema_types::ChainId;
use noema_types::limits::NETWORK_ADDRESS_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::keys::ValidatorKeys;
use crate::output::{CliError, CliResult, Context};

/// Name of the file in a validator's folder.
pub(crate) const REGISTRATION_FILE: &str = "registration.toml";
/// Bytes of a registration's file, at most.
const FILE_BYTES_MAX: usize = 16 << 10;
/// Characters of a name, at most.
const NAME_CHARACTERS_MAX: usize = 64;
const HEADER: &str =
    "# Registration of a validator for genesis. Everything in here is public: send it to whoever builds genesis.\n\n";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrationFile {
    /// For people; not signed, and not on chain.
    pub(crate) name: String,
    /// What is registered, signed by the validator's account.
    pub(crate) registration: Registration,
}

impl RegistrationFile {
    /// Registers `keys` for a chain.
    pub(crate) fn sign(keys: &ValidatorKeys, chain_id: ChainId, name: &str, network_address: &str) -> CliResult<Self> {
        let pairs = RegistrationKeys {
            account: &keys.account,
            consensus: &keys.consensus,
            network: &keys.network,
            checkpoint: &keys.checkpoint,
        };
        let registration = Registration::sign(chain_id, &pairs, network_address.to_owned());
        let file = Self { name: name.to_owned(), registration };
        file.verify(chain_id).map_err(CliError::fault)?;
        Ok(file)
    }

    /// The file's text.
    pub(crate) fn to_toml(&self) -> CliResult<String> {
        let text = toml::to_string(self).context("the registration cannot be written")?;
        Ok(format!("{HEADER}{text}"))
    }

    /// Parses and verifies a file's text; of any chain when `chain_id` is none.
    pub(crate) fn parse(text: &str, chain_id: Option<ChainId>) -> Result<Self, String> {
        if text.len() > FILE_BYTES_MAX {
            return Err(format!("{} bytes are more than a registration has, {FILE_BYTES_MAX}", text.len()));
        }
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        file.verify(chain_id.unwrap_or(file.registration.chain_id))?;
        Ok(file)
    }

    /// Reads and verifies a file; a wrong one is a verdict.
    pub(crate) fn load(path: &Path, chain_id: Option<ChainId>) -> CliResult<Self> {
        let text = std::fs::read_to_string(path).context(format!("cannot read {}", path.display()))?;
        Self::parse(&text, chain_id).map_err(|reason| {
            CliError::verdict(format!("{} is no valid registration: {reason}", path.display()))
                .hint("its owner makes it with `noema genesis keys`, for this chain id, and sends it unchanged")
        })
    }

    fn verify(&self, chain_id: ChainId) -> Result<(), String> {
        let plain = self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c));
        if self.name.trim().is_empty() || self.name.chars().count() > NAME_CHARACTERS_MAX || !plain {
            return Err(format!(
                "{:?} is no name: up to {NAME_CHARACTERS_MAX} letters, digits, spaces and any of - _ .",
                self.name
            ));
        }
        verify_registration(&self.registration, chain_id).map_err(|error| error.to_string())
    }
}

/// Whether the text is empty or the URL of a REST API.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    let plain = text.len() <= NETWORK_ADDRESS_BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic());
    if text.is_empty() || (is_url && plain) {
        Ok(())
    } else {
        Err(format!("{text:?} is no URL of a REST API; expected for example http://203.0.113.7:8080/v1"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAIN: ChainId = ChainId(7);

    fn registration() -> RegistrationFile {
        RegistrationFile::sign(&ValidatorKeys::generate(), CHAIN, "alice", "alice.example:6180").unwrap()
    }

    #[test]
    fn a_registration_survives_its_file() {
        let own = registration();
        assert_eq!(RegistrationFile::parse(&own.to_toml().unwrap(), Some(CHAIN)), Ok(own));
    }

    #[test]
    fn nothing_that_counts_can_be_changed() {
        let (own, other) = (registration(), registration());
        let text = own.to_toml().unwrap();
        let (mine, theirs) = (&own.registration, &other.registration);
        for (what, from, to) in [
            ("address", "alice.example:6180".to_owned(), "mallory.example:6180".to_owned()),
            ("account", mine.address.to_string(), theirs.address.to_string()),
            ("account key", mine.account_key.to_string(), theirs.account_key.to_string()),
            ("consensus key", mine.consensus_key.to_string(), theirs.consensus_key.to_string()),
            ("network key", mine.network_key.to_string(), theirs.network_key.to_string()),
            ("checkpoint key", mine.checkpoint_key.to_string(), theirs.checkpoint_key.to_string()),
            ("proof", mine.proof_of_possession.to_string(), theirs.proof_of_possession.to_string()),
            ("signature", mine.signature.to_string(), theirs.signature.to_string()),
            ("unknown field", "name =".to_owned(), "more = 1\nname =".to_owned()),
            ("name", "\"alice\"".to_owned(), "\"al/ice\"".to_owned()),
        ] {
            let forged = text.replacen(&from, &to, 1);
            assert_ne!(forged, text, "{what} is not in the file");
            assert!(RegistrationFile::parse(&forged, Some(CHAIN)).is_err(), "{what} was taken");
        }
        let other_chain = RegistrationFile::parse(&text, Some(ChainId(8))).unwrap_err();
        assert!(other_chain.contains("chain 7, expected 8"), "{other_chain}");
    }

    #[test]
    fn addresses_are_checked_before_keys_are_written() {
        let keys = ValidatorKeys::generate();
        for address in ["", ":1", "host", "host:0", "host:65536", "a b:1"] {
            assert!(RegistrationFile::sign(&keys, CHAIN, "alice", address).is_err(), "{address}");
        }
        assert!(check_url("").is_ok() && check_url("http://a:8080/v1").is_ok());
        assert!(check_url("a:8080").is_err() && check_url("http://a b").is_err());
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in ".{0,200}") {
            prop_assert!(RegistrationFile::parse(&text, None).is_err());
        }

        #[test]
        fn one_changed_character_is_noticed_or_changes_nothing_that_counts(at in 0usize..4000, to in b'!'..b'~') {
            let own = registration();
            let mut bytes = own.to_toml().unwrap().into_bytes();
            let at = HEADER.len() + at % (bytes.len() - HEADER.len());
            bytes[at] = to;
            if let Ok(parsed) = RegistrationFile::parse(&String::from_utf8(bytes).unwrap(), Some(CHAIN)) {
                prop_assert_eq!(parsed.registration, own.registration);
            }
        }
    }
}
