//! Transactions, changes and events as JSON.

use noema_types::{
    Event, ExecutionStatus, Hash, RawTransaction, SignedTransaction, StateKey, Transaction, TransactionInfo, Version,
    WriteOp, WriteSet,
};
use serde_json::{Map, Value, json};

use super::payload::payload_json;
use super::signature::signature_json;
use super::{Renderer, hex_json, module_json};

/// A committed transaction and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct CommittedTransaction {
    /// Position in the ledger.
    pub(crate) version: Version,
    /// The transaction.
    pub(crate) transaction: Transaction,
    /// What became of it.
    pub(crate) info: TransactionInfo,
    /// Its events.
    pub(crate) events: Vec<Event>,
    /// Its changes.
    pub(crate) write_set: WriteSet,
    /// Time of its block, in microseconds.
    pub(crate) timestamp_us: u64,
    /// Accumulated hash of the ledger up to it.
    pub(crate) accumulator: Hash,
}

/// A transaction that waits.
pub(crate) fn pending_json(renderer: &Renderer<'_>, transaction: &SignedTransaction) -> Value {
    let mut json = request_json(renderer, transaction);
    json.insert("type".to_owned(), json!("pending_transaction"));
    json.insert("hash".to_owned(), json!(transaction.hash()));
    Value::Object(json)
}

/// A transaction that is in the ledger.
pub(crate) fn committed_json(renderer: &Renderer<'_>, committed: &CommittedTransaction) -> Value {
    let mut json = Map::new();
    let info = &committed.info;
    let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
    put("version", json!(committed.version.to_string()));
    put("hash", json!(info.transaction_hash));
    put("state_change_hash", json!(info.write_set_hash));
    put("event_root_hash", json!(info.event_root));
    put("state_checkpoint_hash", json!(info.state_root));
    put("gas_used", json!(info.gas_used.to_string()));
    put("success", json!(info.status.is_success()));
    put("vm_status", json!(status_text(renderer, &info.status)));
    put("accumulator_root_hash", json!(committed.accumulator));
    put("changes", changes_json(renderer, &committed.write_set));
    put("events", events_json(renderer, &committed.events));
    put("timestamp", json!(committed.timestamp_us.to_string()));
    match &committed.transaction {
        Transaction::User(transaction) => {
            put("type", json!("user_transaction"));
            json.extend(request_json(renderer, transaction));
        }
        Transaction::Genesis(_) => {
            put("type", json!("genesis_transaction"));
            let changes = changes_json(renderer, &committed.write_set);
            let write_set = json!({ "type": "direct_write_set", "changes": changes, "events": [] });
            put("payload", json!({ "type": "write_set_payload", "write_set": write_set }));
        }
        Transaction::BlockMetadata(block) => {
            put("type", json!("block_metadata_transaction"));
            put("id", json!(block.id));
            put("epoch", json!(block.epoch.to_string()));
            put("round", json!(block.round.to_string()));
            put("proposer", json!(block.proposer));
            put("failed_proposer_indices", json!(block.failed_proposer_indices));
            put("previous_block_votes_bitvec", json!(block.previous_block_votes));
        }
    }
    Value::Object(json)
}

fn request_json(renderer: &Renderer<'_>, transaction: &SignedTransaction) -> Map<String, Value> {
    let RawTransaction {
        sender,
        sequence_number,
        payload,
        max_gas_amount,
        gas_unit_price,
        expiration_timestamp_secs,
        chain_id: _,
    } = &transaction.raw;
    let json = json!({
        "sender": sender,
        "sequence_number": sequence_number.to_string(),
        "max_gas_amount": max_gas_amount.to_string(),
        "gas_unit_price": gas_unit_price.to_string(),
        "expiration_timestamp_secs": expiration_timestamp_secs.to_string(),
        "replay_protection_nonce": payload.replay_protection_nonce().map(|nonce| nonce.to_string()),
        "payload": payload_json(renderer, payload),
        "signature": signature_json(&transaction.authenticator),
    });
    match json {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The `vm_status` text, with names where the status has numbers.
fn status_text(renderer: &Renderer<'_>, status: &ExecutionStatus) -> String {
    match status {
        ExecutionStatus::ExecutionFailure { location, function, code_offset, status } => {
            let function = renderer.function_name(location, *function);
            let name = renderer.status_name(*status);
            format!("Execution failed in {location}::{function} at code offset {code_offset}: {name}")
        }
        ExecutionStatus::MiscellaneousError(status) => renderer.status_name(*status),
        other => other.to_string(),
    }
}

fn changes_json(renderer: &Renderer<'_>, write_set: &WriteSet) -> Value {
    write_set.0.iter().map(|(key, op)| change_json(renderer, key, op)).collect()
}

fn change_json(renderer: &Renderer<'_>, key: &StateKey, op: &WriteOp) -> Value {
    let mut json = match (key, op) {
        (StateKey::Resource { address, tag }, WriteOp::Write(bytes)) => json!({
            "type": "write_resource",
            "address": address,
            "data": { "type": tag.to_string(), "data": renderer.resource(tag, bytes) },
        }),
        (StateKey::Resource { address, tag }, WriteOp::Delete) => {
            json!({ "type": "delete_resource", "address": address, "resource": tag.to_string() })
        }
        (StateKey::Module(id), WriteOp::Write(bytes)) => {
            json!({ "type": "write_module", "address": id.address, "data": module_json(bytes) })
        }
        (StateKey::Module(id), WriteOp::Delete) => {
            json!({ "type": "delete_module", "address": id.address, "module": id.to_string() })
        }
        (StateKey::TableItem { handle, key }, WriteOp::Write(bytes)) => json!({
            "type": "write_table_item",
            "handle": handle,
            "key": hex_json(key),
            "value": hex_json(bytes),
            "data": null,
        }),
        (StateKey::TableItem { handle, key }, WriteOp::Delete) => {
            json!({ "type": "delete_table_item", "handle": handle, "key": hex_json(key), "data": null })
        }
    };
    json["state_key_hash"] = json!(key.hash());
    json
}

/// Events in the order they were emitted.
pub(crate) fn events_json(renderer: &Renderer<'_>, events: &[Event]) -> Value {
    events.iter().map(|event| event_json(renderer, event)).collect()
}

/// One event; module events carry the zero stream.
pub(crate) fn event_json(renderer: &Renderer<'_>, event: &Event) -> Value {
    let (creation_number, account_address, sequence_number) = match event {
        Event::V1 { key, sequence_number, .. } => (key.creation_number, key.account_address, *sequence_number),
        Event::V2 { .. } => (0, noema_types::Address::ZERO, 0),
    };
    json!({
        "guid": { "creation_number": creation_number.to_string(), "account_address": account_address },
        "sequence_number": sequence_number.to_string(),
        "type": event.type_tag().to_string(),
        "data": renderer.value(event.type_tag(), event.data()).unwrap_or_else(|| hex_json(event.data())),
    })
}
