//! Natives about the chain: signers, events, publishing, objects, the transaction.

use noema_execution_api::{
    Counter, NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, PublishRequest, Value,
};
use noema_types::{Address, Event, EventKey, Hash, TypeTag};

use super::byte_vectors;

/// Scheme byte of addresses that are unique per call.
const UNIQUE_ADDRESS_SCHEME: u8 = 0xFB;
/// Bytes of an event stream's identity: its creation number and account.
const EVENT_KEY_BYTES: usize = 8 + Address::LENGTH;

pub(super) fn add_to(table: &mut NativeTable) {
    table.add(Address::ONE, "create_signer", "create_signer", create_signer);
    table.add_module(
        Address::ONE,
        "event",
        &[("write_module_event_to_store", write_module_event), ("write_to_event_store", write_handle_event)],
    );
    table.add(Address::ONE, "code", "request_publish", request_publish);
    table.add(Address::ONE, "object", "exists_at", exists_at);
    table.add_module(
        Address::ONE,
        "transaction_context",
        &[("get_transaction_hash", transaction_hash), ("generate_auid_address", unique_address)],
    );
}

pub(super) fn add_test_only_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "event",
        &[("module_events_for_test", module_events), ("handle_events_for_test", handle_events)],
    );
}

/// `public(friend) native fun create_signer(addr: address): signer;`
fn create_signer(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    Ok(vec![Value::signer(args.address()?)])
}

/// `native fun write_module_event_to_store<T>(msg: vector<u8>);`
fn write_module_event(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let type_tag = context.type_arg(0)?.clone();
    context.emit(Event::V2 { type_tag, data: args.bytes()? })?;
    Ok(Vec::new())
}

/// `native fun write_to_event_store<T>(guid: vector<u8>, count: u64, msg: vector<u8>);`
fn write_handle_event(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let type_tag = context.type_arg(0)?.clone();
    let key = event_key(&args.bytes()?)?;
    let sequence_number = args.u64()?;
    context.emit(Event::V1 { key, sequence_number, type_tag, data: args.bytes()? })?;
    Ok(Vec::new())
}

/// Reads the BCS of a `guid::GUID`.
fn event_key(bytes: &[u8]) -> NativeResult<EventKey> {
    let wrong = || NativeError::invariant(format!("a GUID has {EVENT_KEY_BYTES} bytes, got {}", bytes.len()));
    let (number, account) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let account: [u8; Address::LENGTH] = account.try_into().map_err(|_| wrong())?;
    Ok(EventKey { creation_number: u64::from_le_bytes(*number), account_address: Address(account) })
}

/// `native fun request_publish(owner, expected_modules, bundle, policy): bool;`
fn request_publish(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let owner = args.address()?;
    let names = byte_vectors(args.vector()?)?;
    let modules = byte_vectors(args.vector()?)?;
    let policy = args.u8()?;
    context.charge_bytes(modules.iter().map(Vec::len).sum())?;
    let expected_names = names
        .into_iter()
        .map(|name| String::from_utf8(name).map_err(|_| NativeError::invariant("a String is not UTF-8")))
        .collect::<NativeResult<_>>()?;
    let request = PublishRequest { owner, expected_names, allowed_dependencies: None, modules, policy };
    Ok(vec![Value::Bool(context.request_publish(request))])
}

/// `native fun exists_at<T: key>(object: address): bool;`
fn exists_at(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let address = args.address()?;
    match context.type_arg(0)? {
        TypeTag::Struct(tag) => Ok(vec![Value::Bool(context.resource_exists(address, tag)?)]),
        other => Err(NativeError::invariant(format!("{other} has no key"))),
    }
}

/// `native public fun get_transaction_hash(): vector<u8>;`
fn transaction_hash(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    Ok(vec![Value::Bytes(context.transaction().hash.0.to_vec())])
}

/// `native public fun generate_auid_address(): address;`
fn unique_address(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let transaction = context.transaction().hash;
    let number = context.next(Counter::UniqueAddress).to_le_bytes();
    let hash = Hash::sha3(&[&transaction.0, &number, &[UNIQUE_ADDRESS_SCHEME]]);
    Ok(vec![Value::Address(Address(hash.0))])
}

/// `native fun module_events_for_test<T>(): vector<vector<u8>>;`
fn module_events(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let wanted = context.type_arg(0)?;
    let data = context.events().iter().filter_map(|event| match event {
        Event::V2 { type_tag, data } if type_tag == wanted => Some(Value::Bytes(data.clone())),
        _ => None,
    });
    Ok(vec![Value::Vector(data.collect())])
}

/// `native fun handle_events_for_test<T>(guid: vector<u8>): vector<vector<u8>>;`
fn handle_events(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let wanted = context.type_arg(0)?;
    let stream = event_key(&args.bytes()?)?;
    let data = context.events().iter().filter_map(|event| match event {
        Event::V1 { key, type_tag, data, .. } if *key == stream && type_tag == wanted => {
            Some(Value::Bytes(data.clone()))
        }
        _ => None,
    });
    Ok(vec![Value::Vector(data.collect())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_keys_have_one_length() {
        let mut bytes = 5u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(&Address::ONE.0);
        let key = EventKey { creation_number: 5, account_address: Address::ONE };
        assert_eq!(event_key(&bytes), Ok(key));
        assert_eq!(bcs::to_bytes(&key).expect("keys serialise"), bytes);
        assert!(event_key(&bytes[1..]).is_err());
        assert!(event_key(&[]).is_err());
    }
}
