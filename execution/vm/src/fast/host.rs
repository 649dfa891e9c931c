//! What natives see of the fast machine.
//!
//! Natives are those of the reference machine: they take and give values. References they take are numbered by the call;
//! what they lead to becomes a value when a native reads it.

use std::sync::Arc;

use noema_execution_api::{
    GasMeter, GasSchedule, MoveTypeLayout, NativeError, NativeHost, NativeResult, Reference, Root, TableKey, Value,
};
use noema_types::{Address, StructTag, TypeTag};

use super::globals::{Access, Globals};
use super::layout::{Kind, Layout};
use super::mem::{Arena, Ptr, WORD};
use super::values::{discard, elements, from_value, inside, slot_block, store_element, to_value, vector_len};
use super::world::World;
use crate::error::{Result, invariant};
use crate::loader::Loader;

pub(super) struct Host<'h, 'a> {
    pub(super) world: &'h World,
    pub(super) loader: &'h mut Loader<'a>,
    pub(super) globals: &'h mut Globals,
    pub(super) arena: &'h mut Arena,
    pub(super) schedule: &'h GasSchedule,
    /// What the references among the arguments lead to.
    pub(super) references: Vec<(Ptr, Arc<Layout>)>,
    /// Holds what a native reads.
    pub(super) value: Value,
}

#[cold]
fn dangling() -> Box<crate::error::Failure> {
    invariant("reference leads nowhere")
}

impl Host<'_, '_> {
    /// Where a reference leads.
    pub(super) fn resolve(&mut self, reference: &Reference) -> Result<(Ptr, Arc<Layout>)> {
        let (mut at, mut layout) = match reference.root() {
            Root::Local(slot) => self.references.get(slot as usize).cloned().ok_or_else(dangling)?,
            Root::Global(slot) => {
                self.globals.get(slot).map(|(at, layout)| (at, Arc::clone(layout))).ok_or_else(dangling)?
            }
        };
        for step in reference.steps() {
            let step = *step as usize;
            let inside = inside(&layout, at);
            let field = |fields: &super::layout::Fields| {
                let (word, field) = fields.at.get(step).ok_or_else(dangling)?;
                Ok::<_, Box<crate::error::Failure>>((inside.slot(*word), Arc::clone(field)))
            };
            (at, layout) = match &layout.kind {
                Kind::Struct(fields) => field(fields)?,
                Kind::Enum(variants) => field(variants.all.get(inside.u64() as usize).ok_or_else(dangling)?)?,
                Kind::Vector(element) => {
                    let block = slot_block(at);
                    if step as u64 >= vector_len(block) {
                        return Err(dangling());
                    }
                    (elements(block).offset(step * element.stride()), Arc::clone(element))
                }
                Kind::Signer if step == 0 => (at, self.world.layout(self.loader, &TypeTag::Address)?),
                _ => return Err(dangling()),
            };
        }
        Ok((at, layout))
    }
}

/// Borrows the parts that global values need beside the table of them.
macro_rules! with_globals {
    ($host:ident, $gas:ident, |$globals:ident, $access:ident| $body:expr) => {{
        let $globals = &mut *$host.globals;
        let mut access = Access {
            world: $host.world,
            loader: &mut *$host.loader,
            arena: &mut *$host.arena,
            schedule: $host.schedule,
            gas: $gas,
        };
        let $access = &mut access;
        $body
    }};
}

impl NativeHost for Host<'_, '_> {
    fn read(&mut self, reference: &Reference) -> NativeResult<&Value> {
        let (at, layout) = self.resolve(reference)?;
        self.value = to_value(&layout, at);
        Ok(&self.value)
    }

    fn write(&mut self, reference: &Reference, value: Value) -> NativeResult<()> {
        if !reference.is_mutable() {
            return Err(NativeError::invariant("write through an immutable reference"));
        }
        let (at, layout) = self.resolve(reference)?;
        let bytes = usize::from(layout.words) * WORD;
        let slot = self.arena.allocate(bytes);
        from_value(self.arena, &layout, &value, slot)
            .map_err(|_| NativeError::invariant("a native writes a value of another type"))?;
        discard(self.arena, &layout, at);
        store_element(&layout, at, slot);
        self.arena.release(slot, bytes);
        Ok(())
    }

    fn layout(&mut self, tag: &TypeTag, gas: &mut GasMeter) -> NativeResult<Arc<MoveTypeLayout>> {
        Ok(self.loader.charged_layout(tag, self.schedule, gas)?)
    }

    fn resource_exists(&mut self, address: Address, tag: &StructTag, gas: &mut GasMeter) -> NativeResult<bool> {
        with_globals!(self, gas, |globals, access| {
            let slot = globals.resource_of(address, tag, access)?;
            Ok(globals.exists(slot))
        })
    }

    fn table_contains(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> NativeResult<bool> {
        with_globals!(self, gas, |globals, access| {
            let slot = globals.item(item, access)?;
            Ok(globals.exists(slot))
        })
    }

    fn table_insert(&mut self, item: TableKey<'_>, value: Value, gas: &mut GasMeter) -> NativeResult<bool> {
        with_globals!(self, gas, |globals, access| {
            let slot = globals.item(item, access)?;
            let Some((at, layout)) = globals.put(slot) else { return Ok(false) };
            from_value(access.arena, layout, &value, at)
                .map_err(|_| NativeError::invariant("a table item of another type"))?;
            Ok(true)
        })
    }

    fn table_borrow(
        &mut self,
        item: TableKey<'_>,
        mutable: bool,
        gas: &mut GasMeter,
    ) -> NativeResult<Option<Reference>> {
        with_globals!(self, gas, |globals, access| {
            let slot = globals.item(item, access)?;
            let found = if mutable { globals.get_mut(slot).is_some() } else { globals.exists(slot) };
            Ok(found.then(|| Reference::to_root(Root::Global(slot), mutable)))
        })
    }

    fn table_remove(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> NativeResult<Option<Value>> {
        with_globals!(self, gas, |globals, access| {
            let slot = globals.item(item, access)?;
            let Some((at, layout)) = globals.take(slot) else { return Ok(None) };
            let value = to_value(layout, at);
            discard(access.arena, layout, at);
            Ok(Some(value))
        })
    }
}

/// A native's argument: values are taken out of the machine's memory.
pub(super) fn take_argument(arena: &mut Arena, layout: &Layout, at: Ptr) -> Value {
    let value = to_value(layout, at);
    discard(arena, layout, at);
    value
}
