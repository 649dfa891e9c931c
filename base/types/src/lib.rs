//! Defines the chain's values: addresses, hashes, transactions, events, write sets, in BCS.
//!
//! Everything here is plain data. The BCS bytes of every type that reaches a signature, a hash or a disk are
//! wire-compatible with Aptos where Aptos has the type.

mod address;
mod event;
mod hash;
mod identifier;
mod language;
pub mod limits;
mod state;

pub use address::{Address, AddressParseError};
pub use event::{Event, EventKey};
pub use hash::{Hash, HashParseError};
pub use identifier::{Identifier, IdentifierError};
pub use language::{ModuleId, StructTag, TypeTag, TypeTagParseError};
pub use ruint::aliases::U256;
pub use state::{StateKey, WriteOp, WriteSet};
