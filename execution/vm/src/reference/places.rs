//! Following references.
//!
//! A reference names a root and steps. Every step is checked: a reference that leads nowhere cannot come from verified
//! code, and ends the run instead of reading something else.

use noema_execution_api::{Reference, Root, Value};

use crate::error::{Result, invariant};
use crate::globals::Globals;

/// What a reference leads to.
pub(crate) enum Place<'a> {
    Value(&'a Value),
    /// An element of a `vector<u8>`.
    Byte(u8),
}

/// What a reference leads to, to be changed.
pub(crate) enum PlaceMut<'a> {
    Value(&'a mut Value),
    Byte(&'a mut u8),
}

/// The locals of all frames.
pub(crate) type Locals = Vec<Option<Value>>;

#[inline]
pub(crate) fn follow<'a>(locals: &'a Locals, globals: &'a Globals, reference: &Reference) -> Result<Place<'a>> {
    let root = match reference.root() {
        Root::Local(slot) => locals.get(slot as usize).and_then(Option::as_ref),
        Root::Global(slot) => globals.get(slot),
    };
    let mut value = root.ok_or_else(dangling)?;
    for step in reference.steps() {
        let step = *step as usize;
        value = match value {
            Value::Bytes(bytes) => return bytes.get(step).map(|byte| Place::Byte(*byte)).ok_or_else(dangling),
            value => value.child(step).ok_or_else(dangling)?,
        };
    }
    Ok(Place::Value(value))
}

#[inline]
pub(crate) fn follow_mut<'a>(
    locals: &'a mut Locals,
    globals: &'a mut Globals,
    reference: &Reference,
) -> Result<PlaceMut<'a>> {
    if !reference.is_mutable() {
        return Err(invariant("write through an immutable reference"));
    }
    let root = match reference.root() {
        Root::Local(slot) => locals.get_mut(slot as usize).and_then(Option::as_mut),
        Root::Global(slot) => globals.get_mut(slot),
    };
    let mut value = root.ok_or_else(dangling)?;
    for step in reference.steps() {
        let step = *step as usize;
        value = match value {
            Value::Bytes(bytes) => return bytes.get_mut(step).map(PlaceMut::Byte).ok_or_else(dangling),
            value => value.child_mut(step).ok_or_else(dangling)?,
        };
    }
    Ok(PlaceMut::Value(value))
}

/// A place that is not a byte of a `vector<u8>`.
#[inline]
pub(crate) fn follow_value<'a>(locals: &'a Locals, globals: &'a Globals, reference: &Reference) -> Result<&'a Value> {
    match follow(locals, globals, reference)? {
        Place::Value(value) => Ok(value),
        Place::Byte(_) => Err(invariant("reference to a byte used as one to a larger value")),
    }
}

/// A place that is not a byte of a `vector<u8>`, to be changed.
#[inline]
pub(crate) fn follow_value_mut<'a>(
    locals: &'a mut Locals,
    globals: &'a mut Globals,
    reference: &Reference,
) -> Result<&'a mut Value> {
    match follow_mut(locals, globals, reference)? {
        PlaceMut::Value(value) => Ok(value),
        PlaceMut::Byte(_) => Err(invariant("reference to a byte used as one to a larger value")),
    }
}

#[cold]
fn dangling() -> Box<crate::error::Failure> {
    invariant("reference leads nowhere")
}
