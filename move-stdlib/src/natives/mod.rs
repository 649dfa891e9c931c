//! What the standard library declares `native`.

mod compare;
mod debug;
mod hash;
mod text;
mod values;

pub use debug::test_natives;
use noema_execution_api::{NativeArgs, NativeContext, NativeResult, NativeTable, Value};
use noema_types::Address;

/// The standard library's natives, as nodes run them.
#[must_use]
pub fn natives() -> NativeTable {
    let mut table = shared();
    debug::add_to(&mut table);
    table
}

fn shared() -> NativeTable {
    let mut table = NativeTable::new();
    compare::add_to(&mut table);
    hash::add_to(&mut table);
    text::add_to(&mut table);
    values::add_to(&mut table);
    table.add(Address::ONE, "signer", "borrow_address", signer_borrow_address);
    table
}

/// `native public fun borrow_address(s: &signer): &address;`
fn signer_borrow_address(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    // A signer is a struct of its address.
    Ok(vec![Value::Reference(args.reference()?.child(0))])
}
