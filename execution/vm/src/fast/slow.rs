//! Instructions whose work outweighs a dispatch, calls of natives, and where a run stands.

use std::sync::Arc;

use noema_execution_api::{NativeArgs, NativeContext, Reference, Root, StatusCode, VALUE_BYTES, Value};
use noema_types::Address;

use super::code::{Function, Op, Resource, Site, Ty};
use super::globals::{Access, Globals};
use super::host::{Host, take_argument};
use super::layout::Layout;
use super::machine::Machine;
use super::mem::{Ptr, WORD};
use super::values::{
    abstract_size, discard, elements, equal, free_block, from_value, load_element, memory_size, new_block, slot_block,
    store_element, unshare, vector_len,
};
use crate::error::{ExecError, Failure, Result, TraceFrame, fail, fail_because, fail_with, invariant};
use crate::limits::TRACE_FRAMES_MAX;
use crate::module::Body;

/// Sub-status: the vector does not have the length that it is taken apart at.
const UNPACK_LENGTH_MISMATCH: u64 = 3;

#[cold]
fn wrong_variant(expected: u16, found: u64) -> Box<Failure> {
    fail_because(StatusCode::VARIANT_TAG_MISMATCH, format!("expected variant {expected}, found {found}"))
}

fn layout(function: &Function, at: u16) -> &Layout {
    &function.layouts[usize::from(at)]
}

impl<'w> Machine<'w, '_, '_> {
    pub(super) fn allocate(&mut self, size: u64) -> Result<()> {
        *self.made = self.made.saturating_add(size);
        if *self.made > self.made_max { Err(fail(StatusCode::MEMORY_LIMIT_EXCEEDED)) } else { Ok(()) }
    }

    fn release(&mut self, size: u64) {
        *self.made = self.made.saturating_sub(size);
    }

    /// The function that a call site means, for this and all later calls from there.
    #[cold]
    #[inline(never)]
    pub(super) fn link(&mut self, caller: &Function, site: &Site) -> Result<&'w Function> {
        let module = self.loader.position(&caller.loaded)?;
        let callee = self.loader.callee(module, site.handle)?;
        let function = self.world.function(self.loader, callee, &site.type_args)?;
        site.link.set(&self.world.functions, function);
        Ok(function)
    }

    /// Runs a native whose arguments are at `base`; its results are there then. Its own place is the location of every
    /// end.
    #[inline(never)]
    pub(super) fn call_native(&mut self, callee: &'w Function, base: Ptr) -> Result<()> {
        let Some(native) = callee.native else { return Err(invariant("a call of no native")) };
        self.native = Some(callee);
        self.gas.charge(self.costs.native_call)?;
        let mut args = Vec::with_capacity(callee.parameters.len());
        let mut references = Vec::new();
        let mut at = base;
        for parameter in &callee.parameters {
            args.push(match parameter {
                Ty::Value(layout) => take_argument(self.arena, layout, at),
                Ty::Ref(layout, mutable) => {
                    let slot = u32::try_from(references.len()).map_err(|_| invariant("too many arguments"))?;
                    references.push((slot_block(at), Arc::clone(layout)));
                    Value::Reference(Reference::to_root(Root::Local(slot), *mutable))
                }
            });
            at = at.slot(parameter.words());
        }
        let mut host = Host {
            world: self.world,
            loader: &mut *self.loader,
            globals: &mut *self.globals,
            arena: &mut *self.arena,
            schedule: self.environment.schedule,
            references,
            value: Value::Bool(false),
        };
        let types = &callee.type_args.tags;
        let mut context = NativeContext::new(&mut host, self.natives, self.environment, self.gas, types);
        let values = native(&mut context, NativeArgs::new(args))?;
        if values.len() != callee.results.len() {
            return Err(invariant("a native gave another number of results than it declares"));
        }
        let mut at = base;
        for (value, ty) in values.into_iter().zip(&callee.results) {
            if !value.is_primitive() {
                let size = value.memory_size();
                *self.made = self.made.saturating_add(size);
                if *self.made > self.made_max {
                    return Err(fail(StatusCode::MEMORY_LIMIT_EXCEEDED));
                }
            }
            match (ty, &value) {
                (Ty::Ref(..), Value::Reference(reference)) => {
                    let (place, _) = host.resolve(reference)?;
                    at.set_u64(place.word());
                }
                (Ty::Value(layout), value) => from_value(host.arena, layout, value, at)
                    .map_err(|_| invariant("a native gave a value of another type than it declares"))?,
                _ => return Err(invariant("a native gave no reference where it declares one")),
            }
            at = at.slot(ty.words());
        }
        self.native = None;
        Ok(())
    }

    fn globals<T>(
        &mut self,
        function: &Function,
        resource: u16,
        then: impl FnOnce(&mut Globals, &Resource, &mut Access<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let resource = &function.resources[usize::from(resource)];
        let mut access = Access {
            world: self.world,
            loader: &mut *self.loader,
            arena: &mut *self.arena,
            schedule: self.environment.schedule,
            gas: &mut *self.gas,
        };
        then(self.globals, resource, &mut access)
    }

    pub(super) fn exists(&mut self, function: &Function, d: Ptr, address: Ptr, resource: u16) -> Result<()> {
        let address = Address(address.array());
        self.globals(function, resource, |globals, resource, access| {
            let slot = globals.resource(address, resource, access)?;
            d.set_u64(u64::from(globals.exists(slot)));
            Ok(())
        })
    }

    pub(super) fn borrow_global(
        &mut self,
        function: &Function,
        d: Ptr,
        address: Ptr,
        resource: u16,
        mutable: bool,
    ) -> Result<()> {
        let address = Address(address.array());
        self.globals(function, resource, |globals, resource, access| {
            let slot = globals.resource(address, resource, access)?;
            let found = if mutable { globals.get_mut(slot) } else { globals.get(slot) };
            let (at, _) = found.ok_or_else(|| missing(resource, address))?;
            d.set_u64(at.word());
            Ok(())
        })
    }

    pub(super) fn move_from(&mut self, function: &Function, d: Ptr, address: Ptr, resource: u16) -> Result<()> {
        let address = Address(address.array());
        self.globals(function, resource, |globals, resource, access| {
            let slot = globals.resource(address, resource, access)?;
            let (at, layout) = globals.take(slot).ok_or_else(|| missing(resource, address))?;
            d.copy_words(at, usize::from(layout.words));
            Ok(())
        })
    }

    pub(super) fn move_to(&mut self, function: &Function, signer: Ptr, value: Ptr, resource: u16) -> Result<()> {
        let address = Address(signer.array());
        self.globals(function, resource, |globals, resource, access| {
            let slot = globals.resource(address, resource, access)?;
            let Some((at, layout)) = globals.put(slot) else {
                let message = format!("{} is at {address} already", resource.tag);
                return Err(fail_because(StatusCode::RESOURCE_ALREADY_EXISTS, message));
            };
            at.copy_words(value, usize::from(layout.words));
            Ok(())
        })
    }

    pub(super) fn copy(&mut self, function: &Function, d: Ptr, from: Ptr, at: u16) -> Result<()> {
        let layout = layout(function, at);
        self.gas.charge(self.costs.copy_byte.times(abstract_size(layout, from)))?;
        self.allocate(memory_size(layout, from))?;
        d.copy_words(from, usize::from(layout.words));
        unshare(self.arena, layout, d);
        Ok(())
    }

    pub(super) fn load_constant(&mut self, function: &Function, d: Ptr, at: u16) -> Result<()> {
        let value = &function.loaded.constants[usize::from(at)];
        let layout = &function.constants[usize::from(at)];
        let layout = layout.as_ref().ok_or_else(|| invariant("a constant without a layout"))?;
        from_value(self.arena, layout, value, d).map_err(|_| invariant("a constant of another type"))
    }

    pub(super) fn discard(&mut self, function: &Function, at: Ptr, index: u16) {
        discard(self.arena, layout(function, index), at);
    }

    pub(super) fn equal_slots(&mut self, function: &Function, left: Ptr, at: u16, wanted: bool) -> Result<()> {
        let layout = layout(function, at);
        let right = left.slot(layout.words);
        let is_equal = self.compare(layout, left, right)?;
        discard(self.arena, layout, left);
        discard(self.arena, layout, right);
        left.set_u64(u64::from(is_equal == wanted));
        Ok(())
    }

    pub(super) fn equal_at(&mut self, function: &Function, pair: Ptr, at: u16, wanted: bool) -> Result<()> {
        let is_equal = self.compare(layout(function, at), pair.at(0), pair.at(1))?;
        pair.set_u64(u64::from(is_equal == wanted));
        Ok(())
    }

    fn compare(&mut self, layout: &Layout, left: Ptr, right: Ptr) -> Result<bool> {
        if !layout.is_primitive() {
            let size = abstract_size(layout, left).max(abstract_size(layout, right));
            self.gas.charge(self.costs.equality_byte.times(size))?;
        }
        Ok(equal(layout, left, right))
    }

    /// Its memory was counted before.
    pub(super) fn vec_pack(&mut self, function: &Function, s: Ptr, count: u16, at: u16) {
        let element = layout(function, at);
        let (count, words, stride) = (usize::from(count), usize::from(element.words), element.stride());
        let block = new_block(self.arena, count as u64, stride);
        for index in 0..count {
            store_element(element, elements(block).offset(index * stride), s.words(index * words));
        }
        block.set_u64(count as u64);
        s.set_u64(block.word());
    }

    pub(super) fn vec_unpack(&mut self, function: &Function, s: Ptr, count: u16, at: u16) -> Result<()> {
        let element = layout(function, at);
        let block = slot_block(s);
        if vector_len(block) != u64::from(count) {
            return Err(fail_with(StatusCode::VECTOR_OPERATION_ERROR, UNPACK_LENGTH_MISMATCH));
        }
        self.release(element.element_memory() * u64::from(count));
        let (words, stride) = (usize::from(element.words), element.stride());
        for index in 0..usize::from(count) {
            load_element(element, s.words(index * words), elements(block).offset(index * stride));
        }
        free_block(self.arena, block, stride);
        Ok(())
    }

    pub(super) fn make_box(&mut self, function: &Function, s: Ptr, at: u16) {
        let bytes = layout(function, at).inner_words() * WORD;
        let block = self.arena.allocate(bytes);
        block.copy_bytes(s, bytes);
        s.set_u64(block.word());
    }

    pub(super) fn open_box(&mut self, function: &Function, s: Ptr, at: u16) {
        let bytes = layout(function, at).inner_words() * WORD;
        let block = slot_block(s);
        s.copy_bytes(block, bytes);
        self.arena.release(block, bytes);
    }

    pub(super) fn pack_variant(&mut self, function: &Function, s: Ptr, at: u16, variant: u16) -> Result<()> {
        let layout = layout(function, at);
        let words = usize::from(layout.variant(variant)?.words) - 1;
        s.words(1).copy_words(s, words);
        s.set_u64(u64::from(variant));
        // What the variant does not use is zero, so that words are never left over from other values.
        s.words(1 + words).zero_words(layout.inner_words() - 1 - words);
        if layout.is_boxed() {
            self.make_box(function, s, at);
        }
        Ok(())
    }

    pub(super) fn unpack_variant(&mut self, function: &Function, s: Ptr, at: u16, variant: u16) -> Result<()> {
        let layout = layout(function, at);
        let found = if layout.is_boxed() { slot_block(s).u64() } else { s.u64() };
        if found != u64::from(variant) {
            return Err(wrong_variant(variant, found));
        }
        let fields = layout.variant(variant)?;
        self.release(VALUE_BYTES * fields.at.len() as u64);
        if layout.is_boxed() {
            self.open_box(function, s, at);
        }
        s.copy_words(s.words(1), usize::from(fields.words) - 1);
        Ok(())
    }

    /// The address of an enum becomes that of its tag.
    pub(super) fn variant_at(&mut self, function: &Function, s: Ptr, at: u16, variant: u16) -> Result<()> {
        let layout = layout(function, at);
        let tag = if layout.is_boxed() { slot_block(slot_block(s)) } else { slot_block(s) };
        if tag.u64() != u64::from(variant) {
            return Err(wrong_variant(variant, tag.u64()));
        }
        s.set_u64(tag.word());
        Ok(())
    }

    /// Instructions in blocks that were entered, but that a failing run did not come to.
    pub(super) fn not_reached(&self) -> u64 {
        let rest = |function: &Function, pc: usize| {
            let body = &function.loaded.functions[usize::from(function.index)].body;
            let (Body::Code { blocks, .. }, Some(at)) = (body, function.offsets.get(pc)) else { return 0 };
            // A block whose charge failed ran nothing; else the instruction that failed ran.
            let is_charge = matches!(function.code.get(pc), Some(Op::Charge(..)));
            let later = blocks.iter().skip(usize::from(*at) + 1).take_while(|block| !block.is_start).count();
            later as u64 + u64::from(is_charge)
        };
        let callers = self.frames.iter().map(|frame| rest(frame.function, frame.call()));
        callers.sum::<u64>() + self.here.map_or(0, |(function, pc)| rest(function, pc))
    }

    /// A failure with the place where the run stands, and where its callers do.
    pub(super) fn locate(&self, failure: Failure) -> ExecError {
        let place = |function: &Function, code_offset: u16| {
            let loaded = &function.loaded.functions[usize::from(function.index)];
            TraceFrame {
                location: function.loaded.location(),
                function: loaded.index,
                name: loaded.name.clone(),
                code_offset,
            }
        };
        let offset = |function: &Function, pc: usize| function.offsets.get(pc).copied().unwrap_or(u16::MAX);
        let native = self.native.map(|native| place(native, 0));
        let here = self.here.map(|(function, pc)| place(function, offset(function, pc)));
        let callers = self.frames.iter().rev();
        // A caller stands after its call.
        let callers = callers.map(|frame| place(frame.function, offset(frame.function, frame.call())));
        let mut places = native.into_iter().chain(here).chain(callers).take(TRACE_FRAMES_MAX + 1);
        let at = places.next();
        failure.at(at, places.collect())
    }
}

#[cold]
fn missing(resource: &Resource, address: Address) -> Box<Failure> {
    fail_because(StatusCode::MISSING_DATA, format!("no {} at {address}", resource.tag))
}
