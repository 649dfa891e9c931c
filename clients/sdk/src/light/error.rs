//! Which link of the chain of trust broke.

use noema_crypto::CertificateError;
use noema_types::{DecodeError, Epoch, Hash, Height, ProofError};

use crate::ClientError;

/// What a node said does not follow from what is trusted, or did not come at all.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A genesis that a client cannot start from.
    #[error("the genesis cannot be used: {reason}")]
    Genesis {
        /// What is wrong.
        reason: String,
    },
    /// The node serves another chain.
    #[error(
        "the checkpoint is of chain {found}, expected {expected}\nhint: check the node's address, and the genesis file"
    )]
    WrongChain {
        /// The chain that is trusted.
        expected: Hash,
        /// The chain that it is of.
        found: Hash,
    },
    /// A checkpoint or a committee of an epoch that is not the client's turn.
    #[error("block {height}: of epoch {found}, expected epoch {expected}\nhint: follow the epoch changes in between")]
    WrongEpoch {
        /// Block of the checkpoint.
        height: Height,
        /// The epoch that can be verified.
        expected: Epoch,
        /// The epoch that it is of.
        found: Epoch,
    },
    /// The committee did not sign it.
    #[error("block {height}: its certificate does not hold: {error}")]
    Certificate {
        /// Block of the checkpoint.
        height: Height,
        /// Why not.
        error: CertificateError,
    },
    /// The checkpoint does not end its epoch.
    #[error("block {height} does not end epoch {epoch}: its checkpoint names no committee")]
    NoEpochEnd {
        /// Block of the checkpoint.
        height: Height,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The committee is not the one that was certified.
    #[error("block {height} certifies the committee with hash {certified}, the one given has {found}")]
    OtherCommittee {
        /// Block of the checkpoint.
        height: Height,
        /// Hash in the checkpoint.
        certified: Hash,
        /// Hash of what was given.
        found: Hash,
    },
    /// The value is not in the state, or something is where it is said that nothing is.
    #[error("block {height}: {error}")]
    Proof {
        /// Block of the checkpoint.
        height: Height,
        /// What does not hold.
        error: ProofError,
    },
    /// An answer about another block than the one asked for.
    #[error("the node answered about block {found}, asked for block {expected}")]
    OtherHeight {
        /// The block asked for.
        expected: Height,
        /// The block answered about.
        found: Height,
    },
    /// A checkpoint below one that was verified before: the node is behind, or hides what is new.
    #[error(
        "the node's newest checkpoint is of block {found}, block {known} is known to be certified\nhint: ask another node"
    )]
    Behind {
        /// Block of the newest known checkpoint.
        known: Height,
        /// Block of the node's.
        found: Height,
    },
    /// The node refused, or cannot be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
}
