//! Natives of `0x1::table`: items in state of their own.

use noema_execution_api::{
    Counter, NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, Reference, TableKey, Value,
};
use noema_types::{Address, Hash};

/// `already_exists(100)`.
const EALREADY_EXISTS: u64 = 0x80064;
/// `not_found(101)`.
const ENOT_FOUND: u64 = 0x60065;

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "table",
        &[
            ("new_table_handle", new_table_handle),
            ("add_box", add_box),
            ("borrow_box", borrow_box),
            ("borrow_box_mut", borrow_box_mut),
            ("contains_box", contains_box),
            ("remove_box", remove_box),
        ],
    );
}

/// `native fun new_table_handle<K, V>(): address;`
fn new_table_handle(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let transaction = context.transaction().hash;
    let number = context.next(Counter::TableHandle).to_le_bytes();
    let hash = Hash::sha3(&[b"NOEMA::TableHandle", &transaction.0, &number]);
    Ok(vec![Value::Address(Address(hash.0))])
}

/// `native fun add_box<K, V, B>(table: &mut Table<K, V>, key: K, val: Box<V>);`
fn add_box(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (handle, key) = item(context, &mut args)?;
    let value = args.value()?;
    let item = TableKey { handle, key: &key, value_type: context.type_arg(2)? };
    if context.table_insert(item, value)? { Ok(Vec::new()) } else { Err(NativeError::Abort { code: EALREADY_EXISTS }) }
}

/// `native fun borrow_box<K, V, B>(table: &Table<K, V>, key: K): &Box<V>;`
fn borrow_box(context: &mut NativeContext<'_>, args: NativeArgs) -> NativeResult {
    borrow(context, args, false)
}

/// `native fun borrow_box_mut<K, V, B>(table: &mut Table<K, V>, key: K): &mut Box<V>;`
fn borrow_box_mut(context: &mut NativeContext<'_>, args: NativeArgs) -> NativeResult {
    borrow(context, args, true)
}

fn borrow(context: &mut NativeContext<'_>, mut args: NativeArgs, mutable: bool) -> NativeResult {
    let (handle, key) = item(context, &mut args)?;
    let item = TableKey { handle, key: &key, value_type: context.type_arg(2)? };
    match context.table_borrow(item, mutable)? {
        Some(reference) => Ok(vec![Value::Reference(reference)]),
        None => Err(NativeError::Abort { code: ENOT_FOUND }),
    }
}

/// `native fun contains_box<K, V, B>(table: &Table<K, V>, key: K): bool;`
fn contains_box(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (handle, key) = item(context, &mut args)?;
    let item = TableKey { handle, key: &key, value_type: context.type_arg(2)? };
    Ok(vec![Value::Bool(context.table_contains(item)?)])
}

/// `native fun remove_box<K, V, B>(table: &mut Table<K, V>, key: K): Box<V>;`
fn remove_box(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (handle, key) = item(context, &mut args)?;
    let item = TableKey { handle, key: &key, value_type: context.type_arg(2)? };
    match context.table_remove(item)? {
        Some(value) => Ok(vec![value]),
        None => Err(NativeError::Abort { code: ENOT_FOUND }),
    }
}

/// The table's handle and the key's BCS: every native here starts with these two arguments.
fn item(context: &mut NativeContext<'_>, args: &mut NativeArgs) -> NativeResult<(Address, Vec<u8>)> {
    let handle = handle(context, &args.reference()?)?;
    let key = args.value()?;
    let key = context.serialize(&key, context.type_arg(0)?)?;
    Ok((handle, key))
}

fn handle(context: &mut NativeContext<'_>, table: &Reference) -> NativeResult<Address> {
    let value = context.read(table)?;
    let address = value.as_struct().and_then(|fields| fields.first()).and_then(Value::as_address);
    address.ok_or_else(|| NativeError::invariant("native expected a &Table"))
}
