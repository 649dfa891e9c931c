//! What the reference pass knows at a point of a body, and what each kind of instruction does to it.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::{LocalIndex, SignatureToken, StructDefIndex};
use noema_execution_api::StatusCode;

use super::graph::{BorrowGraph, Label, RefId};
use crate::absint::Domain;
use crate::function::Function;
use crate::meter::Meter;
use crate::{Result, VerifyError};

/// What a local or operand holds: a reference by its name, or a value (or nothing).
pub(super) type Held = Option<RefId>;

/// A broken rule; the caller knows where.
pub(super) type Checked<T = ()> = std::result::Result<T, StatusCode>;

#[derive(Debug, Clone)]
pub(super) struct State<'a> {
    function: &'a Function<'a>,
    locals: Vec<Held>,
    graph: BorrowGraph,
    next: usize,
}

impl<'a> State<'a> {
    /// At entry: parameters that are references borrow from nothing in this function.
    pub(super) fn new(function: &'a Function<'a>) -> Self {
        let count = function.locals.len();
        let mut state = Self { function, locals: vec![None; count], graph: BorrowGraph::default(), next: count + 1 };
        for (position, parameter) in function.parameters.iter().enumerate().filter(|(_, one)| one.is_reference()) {
            state.graph.add(RefId(position), parameter.is_mutable_reference());
            state.locals[position] = Some(RefId(position));
        }
        state.graph.add(state.frame(), true);
        state
    }

    /// The node from which references to locals and globals borrow.
    fn frame(&self) -> RefId {
        RefId(self.locals.len())
    }

    pub(super) fn limit_work(&mut self, work_max: u64) {
        self.graph.limit_work(work_max);
    }

    pub(super) fn take_work(&mut self) -> u64 {
        self.graph.take_work()
    }

    fn new_reference(&mut self, is_mutable: bool) -> RefId {
        let id = RefId(self.next);
        self.next += 1;
        self.graph.add(id, is_mutable);
        id
    }

    pub(super) fn release(&mut self, held: Held) {
        if let Some(id) = held {
            self.graph.release(id);
        }
    }

    /// Whether something borrows from `id`, from `part` of it if given.
    fn is_borrowed(&mut self, id: RefId, part: Option<Label>) -> bool {
        self.graph.is_borrowed(id, part, false)
    }

    /// Whether something borrows mutably from `id`, from `part` of it if given.
    fn is_borrowed_mutably(&mut self, id: RefId, part: Option<Label>) -> bool {
        self.graph.is_borrowed(id, part, true)
    }

    /// Nothing else can see what is written.
    fn is_writable(&mut self, id: RefId) -> bool {
        !self.is_borrowed(id, None)
    }

    /// Nothing else can write what is read.
    fn is_readable(&mut self, id: RefId, part: Option<Label>) -> bool {
        !self.graph.is_mutable(id) || !self.is_borrowed_mutably(id, part)
    }

    fn is_local_borrowed(&mut self, local: LocalIndex) -> bool {
        self.is_borrowed(self.frame(), Some(Label::Local(local)))
    }

    pub(super) fn copy_local(&mut self, local: LocalIndex) -> Checked<Held> {
        let held = self.locals[usize::from(local)];
        match held {
            Some(id) => {
                let copy = self.new_reference(self.graph.is_mutable(id));
                self.graph.borrow_exactly(id, None, copy);
                Ok(Some(copy))
            }
            None if self.is_borrowed_mutably(self.frame(), Some(Label::Local(local))) => {
                Err(StatusCode::COPYLOC_EXISTS_BORROW_ERROR)
            }
            None => Ok(None),
        }
    }

    pub(super) fn move_local(&mut self, local: LocalIndex) -> Checked<Held> {
        match self.locals[usize::from(local)].take() {
            None if self.is_local_borrowed(local) => Err(StatusCode::MOVELOC_EXISTS_BORROW_ERROR),
            held => Ok(held),
        }
    }

    pub(super) fn store_local(&mut self, local: LocalIndex, new: Held) -> Checked {
        match std::mem::replace(&mut self.locals[usize::from(local)], new) {
            None if self.is_local_borrowed(local) => Err(StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR),
            old => {
                self.release(old);
                Ok(())
            }
        }
    }

    pub(super) fn borrow_local(&mut self, local: LocalIndex, is_mutable: bool) -> Checked<Held> {
        let label = Label::Local(local);
        if !is_mutable && self.is_borrowed_mutably(self.frame(), Some(label)) {
            return Err(StatusCode::BORROWLOC_EXISTS_BORROW_ERROR);
        }
        let id = self.new_reference(is_mutable);
        self.graph.borrow_exactly(self.frame(), Some(label), id);
        Ok(Some(id))
    }

    pub(super) fn freeze(&mut self, id: RefId) -> Checked<Held> {
        if self.is_borrowed_mutably(id, None) {
            return Err(StatusCode::FREEZEREF_EXISTS_MUTABLE_BORROW_ERROR);
        }
        let frozen = self.new_reference(false);
        self.graph.borrow_exactly(id, None, frozen);
        self.graph.release(id);
        Ok(Some(frozen))
    }

    pub(super) fn compare(&mut self, left: Held, right: Held) -> Checked {
        for id in [left, right].into_iter().flatten() {
            if !self.is_readable(id, None) {
                return Err(StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR);
            }
        }
        self.release(left);
        self.release(right);
        Ok(())
    }

    pub(super) fn read(&mut self, id: RefId) -> Checked {
        if !self.is_readable(id, None) {
            return Err(StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR);
        }
        self.graph.release(id);
        Ok(())
    }

    pub(super) fn write(&mut self, id: RefId) -> Checked {
        if !self.is_writable(id) {
            return Err(StatusCode::WRITEREF_EXISTS_BORROW_ERROR);
        }
        self.graph.release(id);
        Ok(())
    }

    /// References to parts of what `id` refers to; `id` is used up.
    pub(super) fn borrow_parts(&mut self, id: RefId, parts: &[Label], is_mutable: bool) -> Checked<Vec<Held>> {
        let is_whole_borrowed = is_mutable && self.graph.is_shared_whole(id);
        if is_whole_borrowed || (!is_mutable && parts.iter().any(|part| !self.is_readable(id, Some(*part)))) {
            return Err(StatusCode::BORROWFIELD_EXISTS_MUTABLE_BORROW_ERROR);
        }
        let references = parts
            .iter()
            .map(|part| {
                let reference = self.new_reference(is_mutable);
                self.graph.borrow_exactly(id, Some(*part), reference);
                Some(reference)
            })
            .collect();
        self.graph.release(id);
        Ok(references)
    }

    /// Reads the tag of the enum that `id` refers to.
    pub(super) fn switch(&mut self, id: RefId) -> Checked {
        self.read(id)
    }

    pub(super) fn borrow_global(&mut self, resource: StructDefIndex, is_mutable: bool) -> Checked<Held> {
        let label = Label::Global(resource);
        let frame = self.frame();
        if (is_mutable && self.is_borrowed(frame, Some(label))) || self.is_borrowed_mutably(frame, Some(label)) {
            return Err(StatusCode::GLOBAL_REFERENCE_ERROR);
        }
        let id = self.new_reference(is_mutable);
        self.graph.borrow_somewhere(frame, Some(label), id);
        Ok(Some(id))
    }

    pub(super) fn move_from(&mut self, resource: StructDefIndex) -> Checked {
        if self.is_borrowed(self.frame(), Some(Label::Global(resource))) {
            return Err(StatusCode::GLOBAL_REFERENCE_ERROR);
        }
        Ok(())
    }

    /// An instruction that changes (or only reads) a vector as a whole.
    pub(super) fn use_vector(&mut self, id: RefId, is_mutable: bool) -> Checked {
        if is_mutable && !self.is_writable(id) {
            return Err(StatusCode::VEC_UPDATE_EXISTS_MUTABLE_BORROW_ERROR);
        }
        self.graph.release(id);
        Ok(())
    }

    pub(super) fn borrow_element(&mut self, id: RefId, is_mutable: bool) -> Checked<Held> {
        if is_mutable && !self.is_writable(id) {
            return Err(StatusCode::VEC_BORROW_ELEMENT_EXISTS_MUTABLE_BORROW_ERROR);
        }
        let element = self.new_reference(is_mutable);
        self.graph.borrow_somewhere(id, None, element);
        self.graph.release(id);
        Ok(Some(element))
    }

    /// Mutable arguments must be unshared; results may be anywhere in the arguments they could come from.
    pub(super) fn call(
        &mut self,
        arguments: &[Held],
        acquired: &[StructDefIndex],
        results: &[SignatureToken],
    ) -> Checked<Vec<Held>> {
        for resource in acquired {
            self.move_from(*resource)?;
        }
        let all: BTreeSet<RefId> = arguments.iter().copied().flatten().collect();
        for id in &all {
            if self.graph.is_mutable(*id) && !self.is_writable(*id) {
                return Err(StatusCode::CALL_BORROWED_MUTABLE_REFERENCE_ERROR);
            }
        }
        let mutable: BTreeSet<RefId> = all.iter().copied().filter(|id| self.graph.is_mutable(*id)).collect();
        let returned = results
            .iter()
            .map(|result| {
                let is_mutable = result.is_mutable_reference();
                result.is_reference().then(|| {
                    let id = self.new_reference(is_mutable);
                    let sources = if is_mutable { &mutable } else { &all };
                    sources.iter().for_each(|source| self.graph.borrow_somewhere(*source, None, id));
                    id
                })
            })
            .collect();
        all.into_iter().for_each(|id| self.graph.release(id));
        Ok(returned)
    }

    /// Nothing returned may borrow from the frame, and mutable references returned must be unshared.
    pub(super) fn return_(&mut self, results: &[Held]) -> Checked {
        for local in 0..self.locals.len() {
            let held = self.locals[local].take();
            self.release(held);
        }
        if self.is_borrowed(self.frame(), None) {
            return Err(StatusCode::UNSAFE_RET_LOCAL_OR_RESOURCE_STILL_BORROWED);
        }
        for id in results.iter().copied().flatten() {
            if self.graph.is_mutable(id) && !self.is_writable(id) {
                return Err(StatusCode::RET_BORROWED_MUTABLE_REFERENCE_ERROR);
            }
        }
        Ok(())
    }

    /// Names references after the locals that hold them, so that states of different paths can be compared. To be
    /// called between blocks, where the operand stack is empty.
    pub(super) fn canonicalize(&mut self) {
        let mut names = BTreeMap::new();
        for (position, local) in self.locals.iter_mut().enumerate() {
            if let Some(id) = local {
                names.insert(*id, RefId(position));
                *id = RefId(position);
            }
        }
        self.graph.rename(&names);
        self.next = self.locals.len() + 1;
    }
}

impl Domain for State<'_> {
    /// References that only one path holds are released; edges of both are kept.
    fn join(&mut self, other: &Self, meter: &mut Meter) -> Result<bool> {
        let mut other = other.clone();
        let mut has_changed = false;
        self.limit_work(meter.remaining());
        other.limit_work(meter.remaining());
        for local in 0..self.locals.len() {
            match (self.locals[local], other.locals[local]) {
                (Some(id), None) => {
                    self.graph.release(id);
                    self.locals[local] = None;
                    has_changed = true;
                }
                (None, Some(id)) => {
                    other.graph.release(id);
                    other.locals[local] = None;
                }
                _ => {}
            }
        }
        has_changed |= self.graph.join(&other.graph);
        let work = self.locals.len() as u64 + self.take_work() + other.take_work();
        meter.charge(work).map_err(|error| -> VerifyError { self.function.too_complex(error) })?;
        Ok(has_changed)
    }
}
