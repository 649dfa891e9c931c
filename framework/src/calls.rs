//! Calls that nodes and tools make on validators' behalf, as payloads of transactions.

use noema_types::{Address, Ed25519Signature, EntryFunction, Identifier, ModuleId};
use serde::Serialize;

use crate::Registration;

/// The call that reports an equivocation: two block headers of one slot, each in BCS with its author's signature.
/// Anyone may send it; `0x1::stake::report_equivocation` judges.
#[must_use]
pub fn report_equivocation(first: (&[u8], &Ed25519Signature), second: (&[u8], &Ed25519Signature)) -> EntryFunction {
    let args =
        [first, second].iter().flat_map(|(header, sig)| [argument(header), argument(&sig.0.as_slice())]).collect();
    stake("report_equivocation", args)
}

/// The call that makes the sender the owner and operator of a stake pool with a registration's keys.
#[must_use]
pub fn initialize_validator(registration: &Registration, fullnode_address: &str) -> EntryFunction {
    let args = vec![
        argument(&registration.consensus_key),
        argument(&registration.network_key),
        argument(&registration.checkpoint_key),
        argument(&registration.proof_of_possession),
        argument(&registration.network_address),
        argument(&fullnode_address),
    ];
    stake("initialize_validator", args)
}

/// The call that adds to the sender's stake.
#[must_use]
pub fn add_stake(amount: u64) -> EntryFunction {
    stake("add_stake", vec![argument(&amount)])
}

/// The call by which an operator lets a pool's validator join at the end of the epoch.
#[must_use]
pub fn join_validator_set(pool: Address) -> EntryFunction {
    stake("join_validator_set", vec![argument(&pool)])
}

/// The call by which an operator lets a pool's validator leave at the end of the epoch.
#[must_use]
pub fn leave_validator_set(pool: Address) -> EntryFunction {
    stake("leave_validator_set", vec![argument(&pool)])
}

fn stake(function: &str, args: Vec<Vec<u8>>) -> EntryFunction {
    let name = |text: &str| Identifier::new(text).expect("the framework's names are identifiers");
    let module = ModuleId::new(Address::ONE, name("stake"));
    EntryFunction { module, function: name(function), type_args: Vec::new(), args }
}

fn argument(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    bcs::to_bytes(value).expect("arguments of calls always serialise")
}
