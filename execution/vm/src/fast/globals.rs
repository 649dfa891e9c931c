//! Global values of one session: resources and table items, in the arena.
//!
//! A value is read from the view and decoded at its first use. At the end, every value that was borrowed mutably, moved
//! out or put in is encoded and compared with the bytes it came from: equal bytes are no change.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_execution_api::{BcsError, ChangeSummary, GasMeter, GasSchedule, StatusCode, TableKey};
use noema_types::{Address, StateKey, StructTag, TypeTag, WriteSet};

use super::code::{Failing, Resource};
use super::layout::Layout;
use super::mem::{Arena, Ptr, WORD};
use super::values::{decode, encode};
use super::world::World;
use crate::error::{Result, fail, fail_because, invariant};
use crate::globals::{change, count};
use crate::loader::Loader;

/// Global values by slot.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    entries: Vec<Entry>,
    resources: BTreeMap<Address, Vec<u32>>,
    items: BTreeMap<Address, BTreeMap<Vec<u8>, u32>>,
    /// What the values that were read take.
    memory: u64,
}

#[derive(Debug)]
struct Entry {
    key: StateKey,
    layout: Arc<Layout>,
    /// The type that a table item is used as.
    item_type: Option<TypeTag>,
    original: Option<Bytes>,
    /// Where the value is, if there is one.
    at: Ptr,
    exists: bool,
    is_written: bool,
}

/// What a savepoint keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Saved {
    /// Of each entry: whether it counts as written, and then its value.
    entries: Vec<(bool, Option<Vec<u8>>)>,
    memory: u64,
}

/// What reading global values needs of the machine.
pub(super) struct Access<'g, 'a> {
    pub(super) world: &'g World,
    pub(super) loader: &'g mut Loader<'a>,
    pub(super) arena: &'g mut Arena,
    pub(super) schedule: &'g GasSchedule,
    pub(super) gas: &'g mut GasMeter,
}

impl Failing {
    pub(super) fn fail(&self) -> Box<crate::error::Failure> {
        match &self.message {
            Some(message) => fail_because(self.status, message.clone()),
            None => fail(self.status),
        }
    }
}

impl Globals {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The slot of a resource, filled from the view at first use.
    pub(super) fn resource(
        &mut self,
        address: Address,
        resource: &Resource,
        access: &mut Access<'_, '_>,
    ) -> Result<u32> {
        let known = self.find(address, &resource.tag);
        if let Some(slot) = known {
            self.check_layout(slot, &resource.layout)?;
            return Ok(slot);
        }
        let nodes = resource.nodes.as_ref().map_err(Failing::fail)?;
        access.gas.charge(access.schedule.dynamic.type_node.times(*nodes))?;
        let key = StateKey::Resource { address, tag: (*resource.tag).clone() };
        let slot = self.fill(key, &resource.layout, None, access)?;
        self.resources.entry(address).or_default().push(slot);
        Ok(slot)
    }

    /// The slot of a resource of any type, for natives.
    pub(super) fn resource_of(
        &mut self,
        address: Address,
        tag: &StructTag,
        access: &mut Access<'_, '_>,
    ) -> Result<u32> {
        if let Some(slot) = self.find(address, tag) {
            return Ok(slot);
        }
        let closed = TypeTag::Struct(Box::new(tag.clone()));
        let nodes = access.loader.count_layout(&closed)?;
        access.gas.charge(access.schedule.dynamic.type_node.times(nodes))?;
        let layout = access.world.layout(access.loader, &closed)?;
        let slot = self.fill(StateKey::Resource { address, tag: tag.clone() }, &layout, None, access)?;
        self.resources.entry(address).or_default().push(slot);
        Ok(slot)
    }

    fn find(&self, address: Address, tag: &StructTag) -> Option<u32> {
        let slots = self.resources.get(&address)?;
        let is_same = |slot: &&u32| match &self.entries[**slot as usize].key {
            StateKey::Resource { tag: known, .. } => known == tag,
            _ => false,
        };
        slots.iter().find(is_same).copied()
    }

    /// Code that was lowered for another content of a module must not touch a value of this one.
    fn check_layout(&self, slot: u32, layout: &Arc<Layout>) -> Result<()> {
        let known = &self.entries[slot as usize].layout;
        if Arc::ptr_eq(known, layout) || known == layout {
            return Ok(());
        }
        Err(invariant("a global value changed its shape within a session"))
    }

    /// The slot of a table item, filled from the view at first use.
    pub(super) fn item(&mut self, item: TableKey<'_>, access: &mut Access<'_, '_>) -> Result<u32> {
        if let Some(slot) = self.items.get(&item.handle).and_then(|keys| keys.get(item.key)) {
            if self.entries[*slot as usize].item_type.as_ref() != Some(item.value_type) {
                return Err(invariant(format!("table item used as {}", item.value_type)));
            }
            return Ok(*slot);
        }
        let nodes = access.loader.count_layout(item.value_type)?;
        access.gas.charge(access.schedule.dynamic.type_node.times(nodes))?;
        let layout = access.world.layout(access.loader, item.value_type)?;
        let key = StateKey::TableItem { handle: item.handle, key: item.key.to_vec() };
        let slot = self.fill(key, &layout, Some(item.value_type.clone()), access)?;
        self.items.entry(item.handle).or_default().insert(item.key.to_vec(), slot);
        Ok(slot)
    }

    fn fill(
        &mut self,
        key: StateKey,
        layout: &Arc<Layout>,
        item_type: Option<TypeTag>,
        access: &mut Access<'_, '_>,
    ) -> Result<u32> {
        let dynamic = &access.schedule.dynamic;
        access.gas.charge(dynamic.global_load)?;
        let original = access.loader.view().get(&key)?;
        let at = access.arena.allocate(usize::from(layout.words) * WORD);
        if let Some(bytes) = &original {
            access.gas.charge(dynamic.global_load_byte.times(bytes.len() as u64))?;
            let left = access.loader.limits().memory_bytes - self.memory;
            let memory = decode(access.arena, layout, bytes, left, at).map_err(|error| {
                let status = match error {
                    BcsError::TooLarge => StatusCode::MEMORY_LIMIT_EXCEEDED,
                    _ => StatusCode::FAILED_TO_DESERIALIZE_RESOURCE,
                };
                fail_because(status, format!("{key:?}: {error}"))
            })?;
            self.memory += memory;
        }
        let slot = u32::try_from(self.entries.len()).map_err(|_| fail(StatusCode::MEMORY_LIMIT_EXCEEDED))?;
        let exists = original.is_some();
        let layout = Arc::clone(layout);
        self.entries.push(Entry { key, layout, item_type, original, at, exists, is_written: false });
        Ok(slot)
    }

    pub(super) fn exists(&self, slot: u32) -> bool {
        self.entries[slot as usize].exists
    }

    /// Where a value is, if there is one, and its layout.
    pub(super) fn get(&self, slot: u32) -> Option<(Ptr, &Arc<Layout>)> {
        let entry = self.entries.get(slot as usize)?;
        entry.exists.then_some((entry.at, &entry.layout))
    }

    /// Only for values that are written: the slot counts as written from now on.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<(Ptr, &Arc<Layout>)> {
        let entry = self.entries.get_mut(slot as usize)?;
        if !entry.exists {
            return None;
        }
        entry.is_written = true;
        Some((entry.at, &entry.layout))
    }

    /// The place for a value that an empty slot is to hold; `None` if it holds one.
    pub(super) fn put(&mut self, slot: u32) -> Option<(Ptr, &Arc<Layout>)> {
        let entry = &mut self.entries[slot as usize];
        if entry.exists {
            return None;
        }
        entry.is_written = true;
        entry.exists = true;
        Some((entry.at, &entry.layout))
    }

    /// Empties a slot; its value stays where it is until the slot is filled again.
    pub(super) fn take(&mut self, slot: u32) -> Option<(Ptr, &Arc<Layout>)> {
        let entry = &mut self.entries[slot as usize];
        entry.is_written = true;
        if !entry.exists {
            return None;
        }
        entry.exists = false;
        Some((entry.at, &entry.layout))
    }

    /// What differs from the view, added to `writes` and counted in `summary`.
    pub(crate) fn changes(&self, writes: &mut WriteSet, summary: &mut ChangeSummary) -> Result<()> {
        let mut buffer = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.is_written) {
            buffer.clear();
            entry.encode(&mut buffer)?;
            let new = entry.exists.then_some(buffer.as_slice());
            if let Some(op) = change(entry.original.as_deref(), new) {
                count(summary, &entry.key, entry.original.is_some(), &op);
                writes.0.insert(entry.key.clone(), op);
            }
        }
        Ok(())
    }

    /// What a rollback needs.
    pub(crate) fn save(&self) -> Saved {
        let save = |entry: &Entry| {
            let mut bytes = Vec::new();
            // Values of the machine encode; one that does not fails at the end of the session, too.
            let is_saved = entry.is_written && entry.exists && entry.encode(&mut bytes).is_ok();
            (entry.is_written, is_saved.then_some(bytes))
        };
        Saved { entries: self.entries.iter().map(save).collect(), memory: self.memory }
    }

    /// Goes back to what `save` saw.
    pub(super) fn restore(&mut self, saved: &Saved, arena: &mut Arena) -> Result<()> {
        let kept = saved.entries.len();
        self.entries.truncate(kept);
        let is_kept = |slot: &u32| (*slot as usize) < kept;
        self.resources.values_mut().for_each(|slots| slots.retain(is_kept));
        self.items.values_mut().for_each(|items| items.retain(|_, slot| is_kept(slot)));
        self.memory = saved.memory;
        for (entry, (was_written, bytes)) in self.entries.iter_mut().zip(&saved.entries) {
            if !entry.is_written {
                continue;
            }
            entry.is_written = *was_written;
            let bytes = if *was_written { bytes.as_deref() } else { entry.original.as_deref() };
            entry.exists = bytes.is_some();
            if let Some(bytes) = bytes {
                decode(arena, &entry.layout, bytes, u64::MAX, entry.at)
                    .map_err(|error| invariant(format!("cannot restore {:?}: {error}", entry.key)))?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        if !self.exists {
            return Ok(());
        }
        encode(&self.layout, self.at, out).map_err(|error| invariant(format!("cannot encode {:?}: {error}", self.key)))
    }
}
