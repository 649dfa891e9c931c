//! What the framework declares `native`.
//!
//! Natives have no effect but through their context: a transaction that runs again from its start repeats exactly.

mod chain;
mod curves;
mod inference;
mod scripted;
mod table;
mod values;

use noema_execution_api::{NativeError, NativeTable, Value};

/// Natives of the standard library and the framework, as nodes run them.
#[must_use]
pub fn natives() -> NativeTable {
    let mut table = shared(noema_move_stdlib::natives());
    inference::add_to(&mut table);
    table
}

/// As [`natives`], with scripted answers instead of models and the natives that only `#[test_only]` code declares.
///
/// For unit tests in Move. Nodes never use it: a script is state like any other.
#[must_use]
pub fn test_natives() -> NativeTable {
    let mut table = shared(noema_move_stdlib::test_natives());
    scripted::add_to(&mut table);
    chain::add_test_only_to(&mut table);
    curves::add_test_only_to(&mut table);
    table
}

fn shared(mut table: NativeTable) -> NativeTable {
    chain::add_to(&mut table);
    curves::add_to(&mut table);
    table::add_to(&mut table);
    values::add_to(&mut table);
    inference::add_accounting_to(&mut table);
    table
}

/// The elements of a `vector<vector<u8>>`.
fn byte_vectors(values: Vec<Value>) -> Result<Vec<Vec<u8>>, NativeError> {
    values
        .into_iter()
        .map(|value| match value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(NativeError::invariant(format!("native expected a vector<vector<u8>>, got {other:?}"))),
        })
        .collect()
}
