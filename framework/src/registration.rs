//! What a validator-to-be hands to the ceremony that makes a genesis: its keys, signed by its account.
//!
//! A registration shows that whoever has the account's key wants these validator keys, that the consensus and network
//! keys are points that can be trusted, and that the checkpoint key's private key is possessed.

use noema_crypto::{
    BlsKeyPair, Ed25519KeyPair, is_strict_ed25519_key, verify_ed25519_strict, verify_proof_of_possession,
};
use noema_types::limits::NETWORK_ADDRESS_BYTES_MAX;
use noema_types::{Address, AuthKey, BlsPublicKey, BlsSignature, ChainId, Ed25519PublicKey, Ed25519Signature};
use serde::{Deserialize, Serialize};

use crate::GenesisValidator;

const DOMAIN: &[u8] = b"NOEMA::ValidatorRegistration";
/// Digits of a port, at most.
const PORT_DIGITS_MAX: usize = 5;

/// The private keys that a registration is made of.
#[derive(Debug)]
pub struct RegistrationKeys<'a> {
    /// Of the account that will own and operate the stake.
    pub account: &'a Ed25519KeyPair,
    /// Will sign blocks.
    pub consensus: &'a Ed25519KeyPair,
    /// Will prove who is at the other end of a connection.
    pub network: &'a Ed25519KeyPair,
    /// Will sign checkpoints.
    pub checkpoint: &'a BlsKeyPair,
}

/// A validator's keys and address, signed by its account. JSON and TOML show bytes as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The chain that it is for.
    pub chain_id: ChainId,
    /// The account, which is what its key opens.
    pub address: Address,
    /// Key of the account.
    pub account_key: Ed25519PublicKey,
    /// Signs blocks.
    pub consensus_key: Ed25519PublicKey,
    /// Proves who is at the other end of a connection.
    pub network_key: Ed25519PublicKey,
    /// Signs checkpoints.
    pub checkpoint_key: BlsPublicKey,
    /// Shows that the validator has the checkpoint key's private key.
    pub proof_of_possession: BlsSignature,
    /// Where the validator listens: `host:port`.
    pub network_address: String,
    /// The account's signature over all above.
    pub signature: Ed25519Signature,
}

/// Why a registration is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// It is for another chain.
    #[error("the registration is for chain {got}, expected {expected}")]
    OtherChain {
        /// The chain it names.
        got: ChainId,
        /// The chain that is made.
        expected: ChainId,
    },
    /// The account key opens another account.
    #[error("the account key opens {opened}, the registration is of {address}")]
    OtherAccount {
        /// What the key opens.
        opened: Address,
        /// The account it names.
        address: Address,
    },
    /// A key is no point of the curve, or one that proves nothing.
    #[error("the {0} key is not a point that can be trusted")]
    Key(&'static str),
    /// The proof is not of the checkpoint key.
    #[error("the proof does not show the possession of the checkpoint key")]
    Possession,
    /// The address is none.
    #[error("network address `{0}` is not host:port\nhint: validator.example.org:7000 or 192.0.2.1:7000")]
    NetworkAddress(String),
    /// The account did not sign this.
    #[error("the signature is not the account's over this registration")]
    Signature,
}

impl Registration {
    /// Makes and signs a registration.
    #[must_use]
    pub fn sign(chain_id: ChainId, keys: &RegistrationKeys<'_>, network_address: String) -> Self {
        let account_key = keys.account.public();
        let mut registration = Self {
            chain_id,
            address: AuthKey::ed25519(&account_key).to_address(),
            account_key,
            consensus_key: keys.consensus.public(),
            network_key: keys.network.public(),
            checkpoint_key: keys.checkpoint.public(),
            proof_of_possession: keys.checkpoint.proof_of_possession(),
            network_address,
            signature: Ed25519Signature([0; 64]),
        };
        registration.signature = keys.account.sign(&registration.signing_message());
        registration
    }

    /// The bytes that the account signs: a domain tag and the BCS of everything but the signature.
    fn signing_message(&self) -> Vec<u8> {
        let content = (
            self.chain_id,
            self.address,
            self.account_key,
            self.consensus_key,
            self.network_key,
            self.checkpoint_key,
            self.proof_of_possession,
            &self.network_address,
        );
        let mut message = DOMAIN.to_vec();
        bcs::serialize_into(&mut message, &content).expect("a registration always serialises");
        message
    }

    /// The validator of genesis that it asks for.
    #[must_use]
    pub fn validator(&self, balance: u64, stake: u64) -> GenesisValidator {
        GenesisValidator {
            address: self.address,
            balance,
            stake,
            consensus_key: self.consensus_key,
            network_key: self.network_key,
            checkpoint_key: self.checkpoint_key,
            proof_of_possession: self.proof_of_possession,
            network_address: self.network_address.clone(),
        }
    }
}

/// Checks everything that a registration shows by itself. That keys differ from those of others is genesis' to check.
///
/// # Errors
/// [`RegistrationError`].
pub fn verify_registration(registration: &Registration, chain_id: ChainId) -> Result<(), RegistrationError> {
    if registration.chain_id != chain_id {
        return Err(RegistrationError::OtherChain { got: registration.chain_id, expected: chain_id });
    }
    let (opened, address) = (AuthKey::ed25519(&registration.account_key).to_address(), registration.address);
    if opened != address {
        return Err(RegistrationError::OtherAccount { opened, address });
    }
    for (what, key) in [("consensus", &registration.consensus_key), ("network", &registration.network_key)] {
        if !is_strict_ed25519_key(key) {
            return Err(RegistrationError::Key(what));
        }
    }
    if !verify_proof_of_possession(&registration.checkpoint_key, &registration.proof_of_possession) {
        return Err(RegistrationError::Possession);
    }
    if !is_network_address(&registration.network_address) {
        return Err(RegistrationError::NetworkAddress(registration.network_address.clone()));
    }
    if !verify_ed25519_strict(&registration.account_key, &registration.signing_message(), &registration.signature) {
        return Err(RegistrationError::Signature);
    }
    Ok(())
}

/// Whether the text is a network address by the rules of `0x1::validator_keys`: `host:port`.
#[must_use]
pub fn is_network_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte);
    let is_port = !port.is_empty()
        && port.len() <= PORT_DIGITS_MAX
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && !port.starts_with('0')
        && port.parse::<u16>().is_ok();
    text.len() <= NETWORK_ADDRESS_BYTES_MAX && is_port && !host.is_empty() && host.bytes().all(host_byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registration() -> Registration {
        let pair = |seed| Ed25519KeyPair::from_private_bytes([seed; 32]);
        let (account, consensus, network) = (pair(1), pair(2), pair(3));
        let checkpoint = BlsKeyPair::from_seed(&[4; 32]);
        let keys =
            RegistrationKeys { account: &account, consensus: &consensus, network: &network, checkpoint: &checkpoint };
        Registration::sign(ChainId(4), &keys, "127.0.0.1:7000".to_owned())
    }

    #[test]
    fn good_registrations_pass_and_become_validators() {
        let good = registration();
        assert_eq!(verify_registration(&good, ChainId(4)), Ok(()));
        let validator = good.validator(7, 8);
        assert_eq!((validator.address, validator.balance, validator.stake), (good.address, 7, 8));
        let text = String::from_utf8(bcs::to_bytes(&good.network_address).unwrap()[1..].to_vec()).unwrap();
        assert_eq!(text, "127.0.0.1:7000");
        assert_eq!(bcs::from_bytes::<Registration>(&bcs::to_bytes(&good).unwrap()).unwrap(), good);
    }

    #[test]
    fn each_fault_has_its_name() {
        let good = registration();
        let verify = |change: &dyn Fn(&mut Registration)| {
            let mut changed = good.clone();
            change(&mut changed);
            verify_registration(&changed, ChainId(4)).unwrap_err()
        };
        let chain = RegistrationError::OtherChain { got: ChainId(5), expected: ChainId(4) };
        assert_eq!(verify(&|it| it.chain_id = ChainId(5)), chain);
        assert!(matches!(verify(&|it| it.address = Address::ONE), RegistrationError::OtherAccount { .. }));
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(verify(&|it| it.consensus_key.0 = identity), RegistrationError::Key("consensus"));
        assert_eq!(verify(&|it| it.network_key.0 = identity), RegistrationError::Key("network"));
        let other = BlsKeyPair::from_seed(&[9; 32]);
        assert_eq!(verify(&|it| it.checkpoint_key = other.public()), RegistrationError::Possession);
        let bad = "nowhere".to_owned();
        assert_eq!(verify(&|it| it.network_address.clone_from(&bad)), RegistrationError::NetworkAddress(bad.clone()));
        assert_eq!(verify(&|it| it.network_address = "a:1".to_owned()), RegistrationError::Signature);
        let swapped = good.consensus_key;
        assert_eq!(verify(&|it| it.network_key = swapped), RegistrationError::Signature);
    }

    #[test]
    fn network_addresses() {
        for good in ["a:1", "localhost:65535", "[::1]:80", "validator_1.example-net.org:7000"] {
            assert!(is_network_address(good), "{good}");
        }
        for bad in
            ["", ":80", "a", "a:", "a:0", "a:080", "a:65536", "a:123456", "a b:80", "ä:80", "http://a:80", "a:8x"]
        {
            assert!(!is_network_address(bad), "{bad}");
        }
        assert!(is_network_address(&format!("{}:80", "a".repeat(253))));
        assert!(!is_network_address(&format!("{}:80", "a".repeat(254))));
    }

    proptest! {
        #[test]
        fn mutated_registrations_never_pass(at in 0..500usize, mask in 1..=255u8, noise in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut bytes = bcs::to_bytes(&registration()).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= mask;
            for bytes in [bytes, noise] {
                if let Ok(changed) = bcs::from_bytes::<Registration>(&bytes) {
                    prop_assert!(verify_registration(&changed, ChainId(4)).is_err());
                }
            }
        }
    }
}
