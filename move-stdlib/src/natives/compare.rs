//! The native of `0x1::cmp`.

use std::cmp::Ordering;

use noema_execution_api::{NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, Value};
use noema_types::Address;

pub(super) fn add_to(table: &mut NativeTable) {
    table.add(Address::ONE, "cmp", "compare_values", compare_values);
}

/// `native fun compare_values<T>(first: &T, second: &T): u8;`
fn compare_values(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (first, second) = (args.reference()?, args.reference()?);
    let size = context.read(&first)?.abstract_size();
    let size = size.saturating_add(context.read(&second)?.abstract_size());
    context.charge_bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
    let first = context.read(&first)?.clone();
    let order = compare(&first, context.read(&second)?)?;
    Ok(vec![Value::U8(match order {
        Ordering::Less => 0,
        Ordering::Equal => 1,
        Ordering::Greater => 2,
    })])
}

/// The order of two values of one type.
fn compare(first: &Value, second: &Value) -> NativeResult<Ordering> {
    Ok(match (first, second) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::U8(a), Value::U8(b)) => a.cmp(b),
        (Value::U16(a), Value::U16(b)) => a.cmp(b),
        (Value::U32(a), Value::U32(b)) => a.cmp(b),
        (Value::U64(a), Value::U64(b)) => a.cmp(b),
        (Value::U128(a), Value::U128(b)) => a.cmp(b),
        (Value::U256(a), Value::U256(b)) => a.cmp(b),
        (Value::Address(a), Value::Address(b)) => a.0.cmp(&b.0),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Vector(a), Value::Vector(b)) | (Value::Struct(a), Value::Struct(b)) => compare_all(a, b)?,
        (Value::Variant(a, first), Value::Variant(b, second)) => match a.cmp(b) {
            Ordering::Equal => compare_all(first, second)?,
            order => order,
        },
        _ => return Err(NativeError::invariant("values of two types were compared")),
    })
}

fn compare_all(first: &[Value], second: &[Value]) -> NativeResult<Ordering> {
    for (a, b) in first.iter().zip(second) {
        match compare(a, b)? {
            Ordering::Equal => {}
            order => return Ok(order),
        }
    }
    Ok(first.len().cmp(&second.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_two_types_have_no_order() {
        assert!(compare(&Value::U8(1), &Value::U16(1)).is_err());
        assert!(compare(&Value::Vector(vec![Value::Bool(true)]), &Value::Vector(vec![Value::U8(1)])).is_err());
    }

    #[test]
    fn variants_come_before_fields() {
        let variant = |tag, number| Value::Variant(tag, vec![Value::U64(number)]);
        assert_eq!(compare(&variant(0, 9), &variant(1, 0)), Ok(Ordering::Less));
        assert_eq!(compare(&variant(1, 9), &variant(1, 0)), Ok(Ordering::Greater));
        assert_eq!(compare(&variant(1, 9), &variant(1, 9)), Ok(Ordering::Equal));
    }
}
