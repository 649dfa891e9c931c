//! The validator set as it lies in the state: the BCS of `0x1::stake::ValidatorSet`.

use serde::{Deserialize, Serialize};

use crate::{
    Address, BlsPublicKey, Committee, CommitteeError, Ed25519PublicKey, Epoch, Stake, StateKey, StructTag,
    ValidatorInfo,
};

/// `0x1::stake::ValidatorConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorConfig {
    /// Ed25519 key that signs blocks.
    #[serde(with = "serde_bytes")]
    pub consensus_pubkey: Vec<u8>,
    /// Ed25519 key of connections.
    #[serde(with = "serde_bytes")]
    pub network_pubkey: Vec<u8>,
    /// BLS12-381 key that signs checkpoints.
    #[serde(with = "serde_bytes")]
    pub checkpoint_pubkey: Vec<u8>,
    /// Where the validator listens for others: `host:port`.
    #[serde(with = "serde_bytes")]
    pub network_addresses: Vec<u8>,
    /// Where it serves full nodes: the URL of a REST API, or nothing.
    #[serde(with = "serde_bytes")]
    pub fullnode_addresses: Vec<u8>,
    /// Position in the active set.
    pub validator_index: u64,
}

/// `0x1::stake::ValidatorInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorEntry {
    /// Account of the stake pool.
    pub addr: Address,
    /// Stake that counts this epoch.
    pub voting_power: u64,
    /// Keys and addresses.
    pub config: ValidatorConfig,
}

/// `0x1::stake::ValidatorSet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorSet {
    /// Which signatures consensus uses; 0 is the only scheme.
    pub consensus_scheme: u8,
    /// The committee of the epoch, with those that leave at its end.
    pub active_validators: Vec<ValidatorEntry>,
    /// Validators that leave at the end of the epoch. They vote until then.
    pub pending_inactive: Vec<ValidatorEntry>,
    /// Validators that join at the end of the epoch.
    pub pending_active: Vec<ValidatorEntry>,
    /// Stake of the committee.
    pub total_voting_power: u128,
    /// Stake that joins.
    pub total_joining_power: u128,
}

impl ValidatorSet {
    /// Where it lies.
    ///
    /// # Panics
    /// Never: the names are valid.
    #[must_use]
    pub fn state_key() -> StateKey {
        let tag = StructTag {
            address: Address::ONE,
            module: "stake".parse().expect("a valid identifier"),
            name: "ValidatorSet".parse().expect("a valid identifier"),
            type_args: Vec::new(),
        };
        StateKey::Resource { address: Address::ONE, tag }
    }

    /// The committee of `epoch`: the active validators and those that leave at the epoch's end, by their index, which
    /// does not change within an epoch.
    ///
    /// # Errors
    /// [`CommitteeError`]. Keys of a wrong length cannot be told apart from absent ones and count as shared; the
    /// framework registers none.
    pub fn committee(&self, epoch: Epoch) -> Result<Committee, CommitteeError> {
        let mut entries: Vec<_> = self.active_validators.iter().chain(&self.pending_inactive).collect();
        entries.sort_by_key(|entry| entry.config.validator_index);
        Committee::new(epoch, entries.into_iter().map(ValidatorEntry::info).collect())
    }
}

impl ValidatorEntry {
    fn info(&self) -> ValidatorInfo {
        let key = |bytes: &[u8]| Ed25519PublicKey::from_slice(bytes).unwrap_or(Ed25519PublicKey([0; 32]));
        ValidatorInfo {
            address: self.addr,
            stake: Stake(self.voting_power),
            consensus_key: key(&self.config.consensus_pubkey),
            network_key: key(&self.config.network_pubkey),
            checkpoint_key: BlsPublicKey::from_slice(&self.config.checkpoint_pubkey).unwrap_or(BlsPublicKey([0; 48])),
            network_address: String::from_utf8_lossy(&self.config.network_addresses).into_owned(),
        }
    }
}
