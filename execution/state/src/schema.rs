//! Columns of the database and the bytes in them.
//!
//! | column | key | value |
//! | --- | --- | --- |
//! | values | address, kind, name, version (inverted) | 1 and the value, or 0 |
//! | tree | height, nibble path | node |
//! | transactions, infos, events, write_sets | version | BCS |
//! | versions_by_hash | transaction hash | version |
//! | versions_by_account | address, sequence number | version |
//! | events_by_key | account, creation number, sequence number | version, position |
//! | blocks | height | BCS |
//! | heights_by_version | last version of a block | height |
//! | checkpoints | height | BCS |
//! | epochs | epoch that ends | height of its last block and the next committee |
//! | keys | hash of a state key | state key, once it was there |
//! | records | the caller's | the caller's |
//! | meta | name | `format`: number; `base`: height of the snapshot it began with; `restore`: where a restore is |
//!
//! Numbers in keys are big-endian, so that they order. `name` is BCS, of which no encoding begins another: the
//! versions of one key lie together, and nothing lies between them.

use bytes::Bytes;
use noema_store::{Batch, Column};
use noema_types::{Address, EventKey, StateKey, StructTag, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StateDbError;
use crate::limits::STORED_DEPTH_MAX;

/// Format of the database: changes whenever a key or value does.
pub(crate) const FORMAT: u64 = 2;
/// Where the format is.
pub(crate) const FORMAT_KEY: &[u8] = b"format";
/// Where the height of the snapshot is that the database began with.
pub(crate) const BASE_KEY: &[u8] = b"base";
/// Where the state of a restore is that has not ended.
pub(crate) const RESTORE_KEY: &[u8] = b"restore";

/// The column for the caller's own records, which go in with a block.
pub const RECORDS: Column = OWN_RECORDS;

macro_rules! columns {
    ($($name:ident = $text:literal;)*) => {
        $(pub(crate) const $name: Column = Column($text);)*
        /// Columns that a store must have to hold the state database.
        pub const COLUMNS: &[Column] = &[$($name),*];
    };
}

columns! {
    VALUES = "state_values";
    TREE = "state_tree";
    TRANSACTIONS = "transactions";
    INFOS = "transaction_infos";
    EVENTS = "events";
    WRITE_SETS = "write_sets";
    VERSIONS_BY_HASH = "versions_by_hash";
    VERSIONS_BY_ACCOUNT = "versions_by_account";
    EVENTS_BY_KEY = "events_by_key";
    BLOCKS = "blocks";
    HEIGHTS_BY_VERSION = "heights_by_version";
    CHECKPOINTS = "checkpoints";
    EPOCHS = "epochs";
    KEYS = "state_keys";
    OWN_RECORDS = "records";
    META = "state_meta";
}

/// Checks that a caller's changes are in its own column.
pub(crate) fn check_records(records: &Batch) -> Result<(), StateDbError> {
    match records.operations().iter().find(|(column, ..)| *column != RECORDS) {
        Some((column, ..)) => Err(StateDbError::ForeignColumn { column: column.0 }),
        None => Ok(()),
    }
}

/// What lies under an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Module = 0,
    Resource = 1,
    TableItem = 2,
}

const KIND_AT: usize = Address::LENGTH;
const NAME_AT: usize = KIND_AT + 1;
const VERSION_BYTES: usize = 8;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("what the ledger holds was decoded or built within its limits, so it serialises")
}

pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StateDbError> {
    bcs::from_bytes_with_limit(bytes, STORED_DEPTH_MAX).map_err(|error| damaged(format!("{what}: {error}")))
}

pub(crate) fn damaged(reason: impl Into<String>) -> StateDbError {
    StateDbError::Damaged { reason: reason.into() }
}

pub(crate) fn number(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

pub(crate) fn read_number(what: &str, bytes: &[u8]) -> Result<u64, StateDbError> {
    let bytes = bytes.try_into().map_err(|_| damaged(format!("{what}: {} bytes, expected 8", bytes.len())))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Everything of one kind under an address.
pub(crate) fn account_prefix(address: &Address, kind: Kind) -> Vec<u8> {
    let mut bytes = address.0.to_vec();
    bytes.push(kind as u8);
    bytes
}

/// The place of a key, without version.
pub(crate) fn value_prefix(key: &StateKey) -> Vec<u8> {
    let (address, kind, name) = match key {
        StateKey::Module(module) => (&module.address, Kind::Module, encode(&module.name)),
        StateKey::Resource { address, tag } => (address, Kind::Resource, encode(tag)),
        StateKey::TableItem { handle, key } => (handle, Kind::TableItem, encode(key)),
    };
    let mut bytes = account_prefix(address, kind);
    bytes.extend(name);
    bytes
}

/// The place of a key's value at a version. Newer versions come first.
pub(crate) fn value_key(prefix: &[u8], version: Version) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(prefix.len() + VERSION_BYTES);
    bytes.extend_from_slice(prefix);
    bytes.extend_from_slice(&(!version.0).to_be_bytes());
    bytes
}

/// Splits the place of a value into prefix and version.
pub(crate) fn split_value_key(key: &[u8]) -> Result<(&[u8], Version), StateDbError> {
    let (prefix, version) =
        key.split_last_chunk().ok_or_else(|| damaged(format!("value key of {} bytes", key.len())))?;
    Ok((prefix, Version(!u64::from_be_bytes(*version))))
}

/// The name after address and kind.
pub(crate) fn name_of(prefix: &[u8]) -> Result<&[u8], StateDbError> {
    prefix.get(NAME_AT..).ok_or_else(|| damaged(format!("value prefix of {} bytes", prefix.len())))
}

pub(crate) fn value_record(value: Option<&Bytes>) -> Vec<u8> {
    match value {
        Some(bytes) => [&[1], bytes.as_ref()].concat(),
        None => vec![0],
    }
}

pub(crate) fn read_value_record(record: &Bytes) -> Result<Option<Bytes>, StateDbError> {
    match record.first() {
        Some(1) => Ok(Some(record.slice(1..))),
        Some(0) if record.len() == 1 => Ok(None),
        _ => Err(damaged("value with neither a value nor its absence")),
    }
}

pub(crate) fn account_sequence_key(address: &Address, sequence_number: u64) -> Vec<u8> {
    [&address.0[..], &sequence_number.to_be_bytes()].concat()
}

pub(crate) fn event_prefix(key: &EventKey) -> Vec<u8> {
    [&key.account_address.0[..], &key.creation_number.to_be_bytes()].concat()
}

pub(crate) fn event_key(key: &EventKey, sequence_number: u64) -> Vec<u8> {
    [event_prefix(key).as_slice(), &sequence_number.to_be_bytes()].concat()
}

/// Where an event is: its transaction and its position there.
pub(crate) fn event_place(version: Version, position: u64) -> Vec<u8> {
    [version.0.to_be_bytes(), position.to_be_bytes()].concat()
}

pub(crate) fn read_event_place(bytes: &[u8]) -> Result<(Version, u64), StateDbError> {
    match bytes.as_chunks::<8>() {
        ([version, position], []) => Ok((Version(u64::from_be_bytes(*version)), u64::from_be_bytes(*position))),
        _ => Err(damaged(format!("event place of {} bytes", bytes.len()))),
    }
}

pub(crate) fn read_tag(name: &[u8]) -> Result<StructTag, StateDbError> {
    decode("resource type", name)
}

#[cfg(test)]
mod tests {
    use noema_types::{Identifier, ModuleId};

    use super::*;

    #[test]
    fn newer_versions_come_first_and_keys_do_not_mix() {
        let item = |key: &[u8]| value_prefix(&StateKey::TableItem { handle: Address::ONE, key: key.to_vec() });
        let mut places = [
            value_key(&item(&[1]), Version(0)),
            value_key(&item(&[1]), Version(u64::MAX)),
            value_key(&item(&[1]), Version(7)),
            value_key(&item(&[1, 255]), Version(3)),
            value_key(&item(&[1, 0]), Version(9)),
            value_key(&item(&[]), Version(1)),
        ];
        places.sort();
        let split: Vec<_> = places
            .iter()
            .map(|place| split_value_key(place).unwrap())
            .map(|(prefix, v)| (prefix.to_vec(), v))
            .collect();
        let of_one: Vec<_> = split.iter().map(|(prefix, _)| *prefix == item(&[1])).collect();
        assert_eq!(of_one, [false, true, true, true, false, false], "the versions of one key lie together");
        assert_eq!(split[1..4].iter().map(|(_, version)| version.0).collect::<Vec<_>>(), [u64::MAX, 7, 0]);
    }

    #[test]
    fn modules_resources_and_items_of_an_address_are_apart() {
        let name = Identifier::new("m").unwrap();
        let module = value_prefix(&StateKey::Module(ModuleId::new(Address::ONE, name.clone())));
        assert!(module.starts_with(&account_prefix(&Address::ONE, Kind::Module)));
        assert_eq!(name_of(&module).unwrap(), encode(&name));
        assert!(!module.starts_with(&account_prefix(&Address::ONE, Kind::Resource)));
    }

    #[test]
    fn records_tell_absence_from_emptiness() {
        for value in [None, Some(Bytes::new()), Some(Bytes::from_static(&[0]))] {
            let record = Bytes::from(value_record(value.as_ref()));
            assert_eq!(read_value_record(&record), Ok(value));
        }
        assert!(read_value_record(&Bytes::new()).is_err());
        assert!(read_value_record(&Bytes::from_static(&[0, 1])).is_err());
    }
}
