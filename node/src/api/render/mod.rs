//! Core values as the API's JSON.
//!
//! Only this layer knows JSON. Numbers of 64 bits and more are decimal strings, bytes are `0x` hex, structs are objects
//! by field name; `docs/rest-api.md` has the table.

mod abi;
mod payload;
mod signature;
mod transaction;
mod value;

pub(crate) use abi::{module_json, parameter_tags};
pub(crate) use transaction::{CommittedTransaction, committed_json, event_json, pending_json};
pub(crate) use value::{Renderer, parse_argument};

use serde_json::{Value, json};

/// Bytes as the API shows them.
pub(crate) fn hex_json(bytes: &[u8]) -> Value {
    json!(format!("0x{}", hex::encode(bytes)))
}
