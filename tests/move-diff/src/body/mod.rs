//! Generates a function's body.
//!
//! The generator keeps what the verifier will ask about: the types on the operand stack, which locals hold values, and
//! which references live and where they may point (by local, parameter or resource: no fields, so it is stricter than
//! the verifier there). A step that turns out impossible is taken back. What slips through the verifier rejects, and
//! the function is generated again.
//!
//! Control is structured: branches, loops with counters, switches over enums, early ends. Within a block operands are
//! pushed, used and stored in any order, so that a value on the stack often comes from a local that changes before the
//! value is used.

mod push;
mod statements;
mod steps;

use std::collections::BTreeSet;

use noema_bytecode::{Ability, AbilitySet, Bytecode, StructDefIndex, VariantJumpTable};

use crate::builder::{self, Builder};
use crate::dice::Dice;
use crate::world::{DataId, Function, Shape, Ty, World};

/// What a step gives; `None` if it cannot be done here.
type Step<T = ()> = Option<T>;

/// What generated code may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Enums, and with them the encoding of Sui's version 7.
    pub enums: bool,
    /// Global storage and signers.
    pub globals: bool,
    /// The standard library, and events.
    pub library: bool,
    /// Calls from outside are only of functions that a transaction of the official VM can call: plain arguments, results
    /// that may be dropped.
    pub plain_calls: bool,
}

/// Where a reference may point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Root {
    Local(u8),
    Param(u8),
    Global(DataId),
}

/// What is known of a reference.
#[derive(Debug, Clone)]
struct Borrow {
    roots: BTreeSet<Root>,
    /// Later references have larger ones.
    stamp: u32,
    is_mutable: bool,
}

#[derive(Debug, Clone)]
struct Operand {
    ty: Ty,
    borrow: Option<Borrow>,
}

#[derive(Debug, Clone)]
struct Local {
    ty: Ty,
    is_full: bool,
    borrow: Option<Borrow>,
    /// Nesting at which it was made or last emptied: values without `drop` and references stay at their own.
    depth: u32,
    /// Counters and bounds: read only.
    is_reserved: bool,
}

/// A body that is being generated.
#[derive(Debug)]
pub(crate) struct Maker<'a> {
    world: &'a World,
    builder: &'a mut Builder,
    function: &'a Function,
    dice: &'a mut Dice,
    features: Features,
    /// Functions that may be called, by position in the world.
    callable: &'a [usize],
    state: State,
}

#[derive(Debug, Clone, Default)]
struct State {
    stack: Vec<Operand>,
    locals: Vec<Local>,
    code: Vec<Bytecode>,
    jump_tables: Vec<VariantJumpTable>,
    depth: u32,
    loops: u32,
    next_stamp: u32,
    calls: u32,
    has_recursed: bool,
    /// Jumps out of the loops around, to be given their targets: one list per loop.
    breaks: Vec<Vec<usize>>,
    /// Locals that held values where the loops around began.
    loop_heads: Vec<Vec<u8>>,
}

const CODE_MAX: usize = 300;
const LOCALS_MAX: usize = 48;
const STACK_MAX: usize = 14;
const CALLS_MAX: u32 = 8;
/// Addresses that generated code uses; the first is every signer's.
pub(crate) const ADDRESSES: [u8; 3] = [0xa1, 0xb2, 0xc3];

/// Generates the body of `function`, which must be of the builder's module.
pub(crate) fn generate(
    world: &World,
    builder: &mut Builder,
    function: &Function,
    dice: &mut Dice,
    features: Features,
    callable: &[usize],
) -> Option<builder::Body> {
    let mut maker = Maker { world, builder, function, dice, features, callable, state: State::default() };
    maker.parameters();
    maker.body()?;
    let State { locals, code, jump_tables, .. } = maker.state;
    let locals = locals[function.params.len()..].iter().map(|local| local.ty.clone()).collect();
    Some(builder::Body { locals, code, jump_tables })
}

impl Maker<'_> {
    fn parameters(&mut self) {
        for (position, ty) in self.function.params.iter().enumerate() {
            let is_mutable = matches!(ty, Ty::MutRef(_));
            let stamp = self.stamp();
            let borrow =
                ty.is_ref().then(|| Borrow { roots: BTreeSet::from([Root::Param(position as u8)]), stamp, is_mutable });
            let is_reserved = self.function.is_recursive && position == 0;
            self.state.locals.push(Local { ty: ty.clone(), is_full: true, borrow, depth: 0, is_reserved });
        }
    }

    fn body(&mut self) -> Step {
        if self.function.is_recursive {
            self.base_case()?;
        }
        let count = self.dice.between(1, 7);
        for _ in 0..count {
            self.statement();
        }
        self.release_references(0);
        self.empty_undroppable()?;
        self.return_()
    }

    /// `if (n == 0) return ..`: what bounds a recursion.
    fn base_case(&mut self) -> Step {
        self.emit(Bytecode::CopyLoc(0));
        self.emit(Bytecode::LdU64(0));
        self.emit(Bytecode::Eq);
        let jump = self.emit(Bytecode::BrFalse(0));
        let before = self.state.clone();
        self.return_()?;
        let (code, next_stamp) = (std::mem::take(&mut self.state.code), self.state.next_stamp);
        let locals = self.state.locals.split_off(before.locals.len());
        self.state = before;
        // Locals of the base case exist, and hold nothing, in the other.
        self.state.locals.extend(locals.into_iter().map(|local| Local { is_full: false, borrow: None, ..local }));
        self.state.code = code;
        self.state.next_stamp = next_stamp;
        self.land(jump);
        Some(())
    }

    fn return_(&mut self) -> Step {
        let results = self.function.results.clone();
        for ty in &results {
            match ty {
                Ty::Ref(inner) | Ty::MutRef(inner) => {
                    let is_mutable = matches!(ty, Ty::MutRef(_));
                    self.push_param_ref(inner, is_mutable)?;
                }
                _ => self.push(ty, 3)?,
            }
        }
        self.emit(Bytecode::Ret);
        let kept = self.state.stack.len().checked_sub(results.len())?;
        self.state.stack.truncate(kept);
        Some(())
    }

    fn stamp(&mut self) -> u32 {
        self.state.next_stamp += 1;
        self.state.next_stamp
    }

    fn abilities(&self, ty: &Ty) -> AbilitySet {
        self.world.abilities(ty, &self.function.type_params)
    }

    fn has(&self, ty: &Ty, ability: Ability) -> bool {
        self.abilities(ty).has(ability)
    }

    /// Appends an instruction; gives its position.
    fn emit(&mut self, instruction: Bytecode) -> usize {
        self.state.code.push(instruction);
        self.state.code.len() - 1
    }

    fn here(&self) -> u16 {
        self.state.code.len() as u16
    }

    /// Gives a jump the next instruction as its target.
    fn land(&mut self, jump: usize) {
        let here = self.here();
        match &mut self.state.code[jump] {
            Bytecode::BrTrue(target) | Bytecode::BrFalse(target) | Bytecode::Branch(target) => *target = here,
            other => unreachable!("not a jump: {other:?}"),
        }
    }

    fn pop(&mut self) -> Step<Operand> {
        self.state.stack.pop()
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Operand>> {
        let kept = self.state.stack.len().checked_sub(count)?;
        Some(self.state.stack.split_off(kept))
    }

    fn push_value_operand(&mut self, ty: Ty) {
        self.state.stack.push(Operand { ty, borrow: None });
    }

    fn push_operand(&mut self, ty: Ty, roots: BTreeSet<Root>) {
        let stamp = self.stamp();
        let is_mutable = matches!(ty, Ty::MutRef(_));
        self.state.stack.push(Operand { ty, borrow: Some(Borrow { roots, stamp, is_mutable }) });
    }

    /// References that live now.
    fn borrows(&self) -> impl Iterator<Item = &Borrow> {
        let stack = self.state.stack.iter().filter_map(|one| one.borrow.as_ref());
        let locals = self.state.locals.iter().filter(|one| one.is_full).filter_map(|one| one.borrow.as_ref());
        stack.chain(locals)
    }

    fn is_borrowed(&self, root: Root) -> bool {
        self.borrows().any(|one| one.roots.contains(&root))
    }

    fn is_borrowed_mutably(&self, root: Root) -> bool {
        self.borrows().any(|one| one.is_mutable && one.roots.contains(&root))
    }

    /// Whether nothing made later from the same places is in the way of using a reference.
    fn is_usable(&self, borrow: &Borrow, to_write: bool) -> bool {
        !self.borrows().any(|other| {
            other.stamp > borrow.stamp && (to_write || other.is_mutable) && !other.roots.is_disjoint(&borrow.roots)
        })
    }

    fn new_local(&mut self, ty: &Ty) -> Step<u8> {
        if self.state.locals.len() >= LOCALS_MAX {
            return None;
        }
        let depth = self.state.depth;
        self.state.locals.push(Local { ty: ty.clone(), is_full: false, borrow: None, depth, is_reserved: false });
        Some((self.state.locals.len() - 1) as u8)
    }

    /// Stores the top operand in a local that can take it.
    fn store_somewhere(&mut self) -> Step {
        let top = self.state.stack.last()?.clone();
        let mut known = self.locals_where(|maker, at, local| local.ty == top.ty && maker.may_store(at));
        if known.len() > 1 && self.dice.percent(50) {
            known = vec![*self.dice.pick(&known)];
        }
        let local = match known.first() {
            Some(local) if self.dice.percent(80) => *local,
            _ => self.new_local(&top.ty)?,
        };
        self.store(local)
    }

    /// Whether a store to the local is allowed now, its type aside.
    fn may_store(&self, at: u8) -> bool {
        let local = &self.state.locals[usize::from(at)];
        let is_kept_at_its_depth = local.ty.is_ref() || !self.has(&local.ty, Ability::Drop);
        if local.is_reserved || (is_kept_at_its_depth && local.depth != self.state.depth) {
            return false;
        }
        !local.is_full || (self.has(&local.ty, Ability::Drop) && !self.is_borrowed(Root::Local(at)))
    }

    fn store(&mut self, at: u8) -> Step {
        if !self.may_store(at) {
            return None;
        }
        let top = self.pop()?;
        self.emit(Bytecode::StLoc(at));
        let local = &mut self.state.locals[usize::from(at)];
        (local.is_full, local.borrow) = (true, top.borrow);
        Some(())
    }

    fn locals_where(&self, wanted: impl Fn(&Self, u8, &Local) -> bool) -> Vec<u8> {
        let all = self.state.locals.iter().enumerate().map(|(at, local)| (at as u8, local));
        all.filter(|(at, local)| wanted(self, *at, local)).map(|(at, _)| at).collect()
    }

    /// Uses up the top operand.
    fn consume(&mut self) -> Step {
        let ty = self.state.stack.last()?.ty.clone();
        if self.has(&ty, Ability::Drop) && self.dice.percent(40) {
            self.emit(Bytecode::Pop);
            self.pop();
            return Some(());
        }
        if !self.has(&ty, Ability::Drop)
            && let Ty::Data(id, types) = &ty
            && let Some(def) = self.builder.struct_def(*id)
        {
            self.pop();
            return self.unpack(*id, def, types);
        }
        if self.store_somewhere().is_some() {
            return Some(());
        }
        if !self.has(&ty, Ability::Drop) {
            return None;
        }
        self.emit(Bytecode::Pop);
        self.pop();
        Some(())
    }

    /// Emits the unpacking of a struct whose operand is already gone from the abstract stack.
    fn unpack(&mut self, id: DataId, def: StructDefIndex, types: &[Ty]) -> Step {
        if types.is_empty() {
            self.emit(Bytecode::Unpack(def));
        } else {
            let at = self.builder.struct_of(self.world, def, types);
            self.emit(Bytecode::UnpackGeneric(at));
        }
        let Shape::Struct(fields) = &self.world.datatypes[id].shape else { return None };
        for field in fields {
            self.push_value_operand(field.substitute(types));
        }
        Some(())
    }

    /// Uses up every operand above the first `keep`.
    fn drain(&mut self, keep: usize) -> Step {
        while self.state.stack.len() > keep {
            self.consume()?;
        }
        Some(())
    }

    /// Empties locals that hold references made at this depth or deeper.
    fn release_references(&mut self, depth: u32) {
        let held = self.locals_where(|_, _, local| local.is_full && local.borrow.is_some() && local.depth >= depth);
        for at in held {
            if usize::from(at) < self.function.params.len() {
                continue;
            }
            self.emit(Bytecode::MoveLoc(at));
            self.emit(Bytecode::Pop);
            let local = &mut self.state.locals[usize::from(at)];
            (local.is_full, local.borrow) = (false, None);
        }
    }

    /// Takes apart values without `drop` that locals of this depth hold.
    fn empty_undroppable(&mut self) -> Step {
        let depth = self.state.depth;
        for _ in 0..100 {
            let lacks = |maker: &Self, _, local: &Local| {
                local.is_full && local.depth >= depth && !maker.has(&local.ty, Ability::Drop)
            };
            let Some(at) = self.locals_where(lacks).first().copied() else { return Some(()) };
            let ty = self.state.locals[usize::from(at)].ty.clone();
            self.emit(Bytecode::MoveLoc(at));
            self.state.locals[usize::from(at)].is_full = false;
            let Ty::Data(id, types) = &ty else { return None };
            let def = self.builder.struct_def(*id)?;
            let height = self.state.stack.len();
            self.unpack(*id, def, types)?;
            self.drain(height)?;
        }
        None
    }

    /// Runs `step`; takes everything back if it cannot be done.
    fn attempt<T>(&mut self, step: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let before = self.state.clone();
        let outcome = step(self);
        if outcome.is_none() || self.state.code.len() > CODE_MAX * 2 {
            self.state = before;
            return None;
        }
        outcome
    }
}
