//! Natives of `0x1::debug`.
//!
//! On a node they charge gas and do nothing else. In unit tests what they show is kept with the transaction's other
//! effects, so that whoever runs the test decides where it goes.

use noema_execution_api::{NativeArgs, NativeContext, NativeResult, NativeTable};
use noema_types::Address;

use crate::format::{Style, format_at};

/// What marks the place of `print_stack_trace`.
const STACK_MARK: &str = "stack trace asked for here";

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(Address::ONE, "debug", &[("print_value", ignore_value), ("print_stack", ignore_stack)]);
}

/// As [`crate::natives`], for unit tests: what is printed is kept.
#[must_use]
pub fn test_natives() -> NativeTable {
    let mut table = super::shared();
    table.add_module(Address::ONE, "debug", &[("print_value", print_value), ("print_stack", print_stack)]);
    table
}

/// `native fun print_value<T>(x: &T);`
fn ignore_value(_context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    Ok(Vec::new())
}

/// `native fun print_stack();`
fn ignore_stack(_context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    Ok(Vec::new())
}

/// `native fun print_value<T>(x: &T);`
fn print_value(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let text = format_at(context, &args.reference()?, Style::DEBUG)?;
    context.print(text);
    Ok(Vec::new())
}

/// `native fun print_stack();`
fn print_stack(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    context.print(STACK_MARK.to_owned());
    Ok(Vec::new())
}
