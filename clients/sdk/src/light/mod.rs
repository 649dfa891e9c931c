//! Verifies what a node says, trusting nothing but the genesis bytes or a recent checkpoint.
//!
//! The chain of trust, each link checked, each with an error of its own ([`LightError`]):
//!
//! 1. The genesis transaction's hash names the chain; its write set holds the first committee.
//! 2. The last checkpoint of an epoch, signed by more than two thirds of the stake of its committee, names the hash of
//!    the committee that follows ([`LightClient::advance`]).
//! 3. A checkpoint of the current epoch is signed by the current committee ([`LightClient::trust`]).
//! 4. A Merkle proof leads from a value, or its absence, to the checkpoint's state root ([`LightClient::verify_value`]).
//!
//! Old keys can be stolen after their stake was withdrawn, and then sign another history (weak subjectivity): a client
//! that was away for longer than stake stays locked starts from a checkpoint that it trusts for another reason
//! ([`LightClient::from_trusted`]).

mod error;
mod network;

use bytes::Bytes;
use noema_crypto::verify_certificate;
use noema_types::limits::GENESIS_BYTES_MAX;
use noema_types::{
    Address, CertifiedCheckpoint, CheckpointData, Committee, DecodeError, Epoch, EpochChange, Genesis, Hash, StateKey,
    StateProof, StructTag, Transaction, ValidatorSet, decode,
};

pub use error::LightError;
pub use network::{VerifiedValue, verify_resource, verify_value};

/// What a light client has verified so far: the chain's name, the current committee, the newest checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightClient {
    chain: Hash,
    committee: Committee,
    newest: Option<CertifiedCheckpoint>,
}

/// The name of the chain that begins with these bytes, the BCS of its genesis transaction, and its first committee.
///
/// # Errors
/// [`LightError::Decode`] for bytes that are no genesis transaction, [`LightError::Genesis`] for one without validators.
pub fn read_genesis(bytes: &[u8]) -> Result<(Hash, Committee), LightError> {
    let (size, limit) = (bytes.len(), GENESIS_BYTES_MAX);
    if size > limit {
        return Err(DecodeError::TooLarge { what: "genesis", size, limit }.into());
    }
    let transaction: Transaction = decode("genesis", bytes)?;
    let Transaction::Genesis(genesis) = &transaction else {
        return Err(LightError::Genesis { reason: "the transaction is of another kind".to_owned() });
    };
    let committee = first_committee(genesis).map_err(|reason| LightError::Genesis { reason })?;
    Ok((transaction.hash(), committee))
}

/// The committee of the epoch that genesis starts, from the values that it writes.
fn first_committee(genesis: &Genesis) -> Result<Committee, String> {
    let value = |key: &StateKey, name: &str| {
        let found = genesis.write_set.0.get(key).and_then(|op| op.bytes());
        found.ok_or_else(|| format!("it has no 0x1::{name}"))
    };
    let configuration = value(&configuration_key(), "reconfiguration::Configuration")?;
    let epoch = configuration.first_chunk().ok_or("its 0x1::reconfiguration::Configuration has no epoch")?;
    let epoch = Epoch(u64::from_le_bytes(*epoch));
    let validators = value(&ValidatorSet::state_key(), "stake::ValidatorSet")?;
    let validators: ValidatorSet = decode("validator set", validators).map_err(|error| error.to_string())?;
    validators.committee(epoch).map_err(|error| error.to_string())
}

/// `0x1::reconfiguration::Configuration`, whose first field is the epoch.
fn configuration_key() -> StateKey {
    let tag = StructTag {
        address: Address::ONE,
        module: "reconfiguration".parse().expect("a valid identifier"),
        name: "Configuration".parse().expect("a valid identifier"),
        type_args: Vec::new(),
    };
    StateKey::Resource { address: Address::ONE, tag }
}

impl LightClient {
    /// A client that trusts the chain that begins with these bytes: the BCS of its genesis transaction.
    ///
    /// # Errors
    /// [`LightError::Decode`], [`LightError::Genesis`].
    pub fn from_genesis(bytes: &[u8]) -> Result<Self, LightError> {
        let (chain, committee) = read_genesis(bytes)?;
        Ok(Self { chain, committee, newest: None })
    }

    /// A client that trusts a recent checkpoint, which its user got from somebody trusted, and checks what goes with it:
    /// the committee that signed it or, where it ends an epoch, the one that it names.
    ///
    /// # Errors
    /// [`LightError::Certificate`], [`LightError::OtherCommittee`], [`LightError::WrongEpoch`].
    pub fn from_trusted(certified: CertifiedCheckpoint, committee: Committee) -> Result<Self, LightError> {
        let data = certified.data();
        if committee.epoch() == data.epoch.next() {
            check_next_committee(data, &committee)?;
        } else {
            check_signed(&committee, &certified)?;
        }
        Ok(Self { chain: data.chain, committee, newest: Some(certified) })
    }

    /// The chain: hash of its genesis transaction.
    #[must_use]
    pub fn chain(&self) -> Hash {
        self.chain
    }

    /// The committee whose signatures count now.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// The epoch of that committee.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.committee.epoch()
    }

    /// The newest checkpoint that was verified.
    #[must_use]
    pub fn newest(&self) -> Option<&CertifiedCheckpoint> {
        self.newest.as_ref()
    }

    /// Follows the chain into the next epoch.
    ///
    /// # Errors
    /// [`LightError`]: which link does not hold. The client is as before then.
    pub fn advance(&mut self, change: &EpochChange) -> Result<(), LightError> {
        self.check(&change.certified)?;
        check_next_committee(change.certified.data(), &change.committee)?;
        self.remember(&change.certified);
        self.committee = change.committee.clone();
        Ok(())
    }

    /// Verifies a checkpoint of the current epoch and remembers the newest.
    ///
    /// # Errors
    /// [`LightError`]: which link does not hold. The client is as before then.
    pub fn trust(&mut self, certified: &CertifiedCheckpoint) -> Result<(), LightError> {
        self.check(certified)?;
        self.remember(certified);
        Ok(())
    }

    /// Verifies a checkpoint, and a value or its absence in the state after it.
    ///
    /// # Errors
    /// [`LightError`]: which link does not hold.
    pub fn verify_value(
        &self,
        certified: &CertifiedCheckpoint,
        key: &StateKey,
        proof: &StateProof,
    ) -> Result<Option<Bytes>, LightError> {
        // The newest may be of the epoch before: it was verified when it came.
        if self.newest.as_ref() != Some(certified) {
            self.check(certified)?;
        }
        let data = certified.data();
        proof.verify(data.state_root, key).map_err(|error| LightError::Proof { height: data.height, error })?;
        Ok(proof.value.clone())
    }

    /// Checks that a checkpoint is of this chain and epoch, and certified.
    fn check(&self, certified: &CertifiedCheckpoint) -> Result<(), LightError> {
        let data = certified.data();
        if data.chain != self.chain {
            return Err(LightError::WrongChain { expected: self.chain, found: data.chain });
        }
        check_signed(&self.committee, certified)
    }

    fn remember(&mut self, certified: &CertifiedCheckpoint) {
        if self.newest.as_ref().is_none_or(|newest| newest.data().height < certified.data().height) {
            self.newest = Some(certified.clone());
        }
    }
}

fn check_signed(committee: &Committee, certified: &CertifiedCheckpoint) -> Result<(), LightError> {
    let data = certified.data();
    if data.epoch != committee.epoch() {
        return Err(LightError::WrongEpoch { height: data.height, expected: committee.epoch(), found: data.epoch });
    }
    verify_certificate(committee, &certified.checkpoint, &certified.certificate)
        .map_err(|error| LightError::Certificate { height: data.height, error })
}

/// Checks that a committee is the one that an epoch's last checkpoint names.
fn check_next_committee(data: &CheckpointData, committee: &Committee) -> Result<(), LightError> {
    let Some(certified) = data.next_committee else {
        return Err(LightError::NoEpochEnd { height: data.height, epoch: data.epoch });
    };
    let found = committee.hash();
    if certified != found {
        return Err(LightError::OtherCommittee { height: data.height, certified, found });
    }
    if committee.epoch() != data.epoch.next() {
        return Err(LightError::WrongEpoch {
            height: data.height,
            expected: data.epoch.next(),
            found: committee.epoch(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
