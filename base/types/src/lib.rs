//! Defines the chain's values: addresses, hashes, transactions, events, write sets, in BCS.
//!
//! Everything here is plain data. The BCS bytes of every type that reaches a signature, a hash or a disk are
//! wire-compatible with Aptos where Aptos has the type.

mod address;
mod auth_key;
mod block;
mod checkpoint;
mod committee;
mod encoding;
mod event;
mod hash;
mod identifier;
mod keys;
mod language;
mod ledger;
pub mod limits;
mod proof;
mod state;
mod status;
mod transaction;
mod units;
mod validator_set;

pub use address::{Address, AddressParseError};
pub use auth_key::AuthKey;
pub use block::{
    BlockCommit, CertifiedBlock, CommittedBlock, EpochChange, SnapshotChunk, SnapshotHeader, TransactionCommit,
    accumulate,
};
pub use checkpoint::{Certificate, CertifiedCheckpoint, Checkpoint, CheckpointData};
pub use committee::{Committee, CommitteeError, ValidatorInfo};
pub use encoding::{DecodeError, decode};
pub use event::{Event, EventKey};
pub use hash::{Hash, HashParseError};
pub use identifier::{Identifier, IdentifierError};
pub use keys::{
    Abstraction, AnyPublicKey, AnySignature, Bitmap, BlsPublicKey, BlsSignature, Ed25519PublicKey, Ed25519Signature,
    KeyError, Keyless, ModuleBundle, MultiEd25519PublicKey, MultiEd25519Signature, MultiKey, MultiKeySignature,
    Secp256k1PublicKey, Secp256k1Signature, Secp256r1PublicKey, WebAuthn,
};
pub use language::{ModuleId, StructTag, TypeTag, TypeTagParseError};
pub use ledger::{BlockInfo, BlockMetadata, Genesis, Transaction, TransactionInfo};
pub use proof::{
    EMPTY_STATE_ROOT, ProofError, StateLeaf, StateProof, ValueProof, goes_right, state_node_hash, state_path_root,
};
pub use ruint::aliases::U256;
pub use state::{StateKey, WriteOp, WriteSet};
pub use status::{AbortInfo, CodeLocation, ExecutionStatus};
pub use transaction::{
    AccountAuthenticator, Cosigners, EntryFunction, Executable, ExecutableRef, ExtendedPayload, ExtraConfig, Multisig,
    MultisigPayload, RawTransaction, Script, SignedTransaction, TransactionArgument, TransactionAuthenticator,
    TransactionPayload,
};
pub use units::{Author, ChainId, CommitIndex, Epoch, Gas, Height, Round, Stake, TimestampMs, Version};
pub use validator_set::{ValidatorConfig, ValidatorEntry, ValidatorSet};
