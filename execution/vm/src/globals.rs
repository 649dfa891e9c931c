//! Global values of one session: resources and table items.
//!
//! A value is read from the view at its first use and lives in a slot from then on; references into global storage name
//! the slot. At the end, every slot that was written is encoded and compared with the bytes it came from: equal bytes
//! are no change.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_execution_api::{
    BcsError, ChangeSummary, GasMeter, GasSchedule, MoveTypeLayout, StatusCode, TableKey, Value,
};
use noema_types::{Address, StateKey, StructTag, TypeTag, WriteOp, WriteSet};

use crate::error::{Result, fail, fail_because, invariant};
use crate::loader::Loader;

/// Global values by slot. Cloning it is a savepoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Globals {
    slots: Vec<Slot>,
    resources: BTreeMap<Address, BTreeMap<Arc<StructTag>, u32>>,
    items: BTreeMap<Address, BTreeMap<Vec<u8>, Item>>,
    /// What the values that were read take, by [`Value::memory_size`]; it has a limit of its own.
    memory: u64,
}

/// A table item's slot and the type that it is used as.
#[derive(Debug, Clone)]
struct Item {
    slot: u32,
    value_type: TypeTag,
}

#[derive(Debug, Clone)]
struct Slot {
    key: StateKey,
    layout: Arc<MoveTypeLayout>,
    original: Option<Bytes>,
    value: Option<Value>,
    is_written: bool,
}

impl Globals {
    /// The slot of a resource, filled from the view at first use.
    pub(crate) fn resource(
        &mut self,
        address: Address,
        tag: &Arc<StructTag>,
        loader: &mut Loader<'_>,
        schedule: &GasSchedule,
        gas: &mut GasMeter,
    ) -> Result<u32> {
        if let Some(slot) = self.resources.get(&address).and_then(|all| all.get(tag)) {
            return Ok(*slot);
        }
        let key = StateKey::Resource { address, tag: (**tag).clone() };
        let layout = loader.charged_layout(&TypeTag::Struct(Box::new((**tag).clone())), schedule, gas)?;
        let slot = self.fill(key, layout, loader, schedule, gas)?;
        self.resources.entry(address).or_default().insert(Arc::clone(tag), slot);
        Ok(slot)
    }

    /// The slot of a table item, filled from the view at first use.
    pub(crate) fn item(
        &mut self,
        item: TableKey<'_>,
        loader: &mut Loader<'_>,
        schedule: &GasSchedule,
        gas: &mut GasMeter,
    ) -> Result<u32> {
        if let Some(known) = self.items.get(&item.handle).and_then(|keys| keys.get(item.key)) {
            if known.value_type != *item.value_type {
                return Err(invariant(format!("table item used as {}", item.value_type)));
            }
            return Ok(known.slot);
        }
        let layout = loader.charged_layout(item.value_type, schedule, gas)?;
        let key = StateKey::TableItem { handle: item.handle, key: item.key.to_vec() };
        let slot = self.fill(key, layout, loader, schedule, gas)?;
        let known = Item { slot, value_type: item.value_type.clone() };
        self.items.entry(item.handle).or_default().insert(item.key.to_vec(), known);
        Ok(slot)
    }

    fn fill(
        &mut self,
        key: StateKey,
        layout: Arc<MoveTypeLayout>,
        loader: &Loader<'_>,
        schedule: &GasSchedule,
        gas: &mut GasMeter,
    ) -> Result<u32> {
        gas.charge(schedule.dynamic.global_load)?;
        let original = loader.view().get(&key)?;
        let value = match &original {
            None => None,
            Some(bytes) => {
                gas.charge(schedule.dynamic.global_load_byte.times(bytes.len() as u64))?;
                let limit = loader.limits().memory_bytes;
                let (value, memory) = layout.decode_within(bytes, limit - self.memory).map_err(|error| {
                    let status = match error {
                        BcsError::TooLarge => StatusCode::MEMORY_LIMIT_EXCEEDED,
                        _ => StatusCode::FAILED_TO_DESERIALIZE_RESOURCE,
                    };
                    fail_because(status, format!("{key:?} is no {}: {error}", layout.type_tag()))
                })?;
                self.memory += memory;
                Some(value)
            }
        };
        let slot = u32::try_from(self.slots.len()).map_err(|_| fail(StatusCode::MEMORY_LIMIT_EXCEEDED))?;
        self.slots.push(Slot { key, layout, original, value, is_written: false });
        Ok(slot)
    }

    pub(crate) fn exists(&self, slot: u32) -> bool {
        self.get(slot).is_some()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Value> {
        self.slots.get(slot as usize)?.value.as_ref()
    }

    /// Only for values that are written: the slot counts as written from now on.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Value> {
        let slot = self.slots.get_mut(slot as usize)?;
        slot.is_written = true;
        slot.value.as_mut()
    }

    /// Fills an empty slot; false, and nothing done, if it is not.
    pub(crate) fn put(&mut self, slot: u32, value: Value) -> bool {
        let slot = &mut self.slots[slot as usize];
        if slot.value.is_some() {
            return false;
        }
        slot.is_written = true;
        slot.value = Some(value);
        true
    }

    /// Empties a slot.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Value> {
        let slot = &mut self.slots[slot as usize];
        slot.is_written = true;
        slot.value.take()
    }

    /// What differs from the view, added to `writes` and counted in `summary`.
    pub(crate) fn changes(&self, writes: &mut WriteSet, summary: &mut ChangeSummary) -> Result<()> {
        let mut buffer = Vec::new();
        for slot in self.slots.iter().filter(|slot| slot.is_written) {
            let new = match &slot.value {
                None => None,
                Some(value) => {
                    buffer.clear();
                    slot.layout
                        .encode_to(value, &mut buffer)
                        .map_err(|error| invariant(format!("cannot encode {:?}: {error}", slot.key)))?;
                    Some(buffer.as_slice())
                }
            };
            if let Some(op) = change(slot.original.as_deref(), new) {
                count(summary, &slot.key, slot.original.is_some(), &op);
                writes.0.insert(slot.key.clone(), op);
            }
        }
        Ok(())
    }
}

/// The write that leads from one state of a value to another.
pub(crate) fn change(old: Option<&[u8]>, new: Option<&[u8]>) -> Option<WriteOp> {
    match (old, new) {
        (Some(_), None) => Some(WriteOp::Delete),
        (old, Some(new)) if old != Some(new) => Some(WriteOp::Write(Bytes::copy_from_slice(new))),
        _ => None,
    }
}

/// Adds a write to the summary.
pub(crate) fn count(summary: &mut ChangeSummary, key: &StateKey, existed: bool, op: &WriteOp) {
    let key_bytes = match key {
        StateKey::Module(id) => Address::LENGTH + id.name.len(),
        StateKey::Resource { tag, .. } => Address::LENGTH + bcs::serialized_size(tag).unwrap_or(0),
        StateKey::TableItem { key, .. } => Address::LENGTH + key.len(),
    };
    summary.writes += 1;
    summary.write_bytes += (key_bytes + op.bytes().map_or(0, Bytes::len)) as u64;
    match (existed, op) {
        (false, WriteOp::Write(_)) => summary.slots_created += 1,
        (true, WriteOp::Delete) => summary.slots_deleted += 1,
        _ => {}
    }
}
