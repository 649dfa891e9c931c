//! Locals are read only when they hold a value, and values without `drop` are never lost in them.
//!
//! For each local the pass knows whether it holds a value on *every* path and whether it does on *some* path. Reading
//! needs every; overwriting it or returning while it may hold one needs `drop`. Reading an empty local would read
//! memory that was moved out: a coin could be spent twice.

use noema_bytecode::{Ability, Bytecode, LocalIndex};
use noema_execution_api::StatusCode;

use crate::Result;
use crate::absint::{self, Domain};
use crate::flow_graph::FlowGraph;
use crate::function::Function;
use crate::meter::Meter;

pub(crate) fn check(function: &Function<'_>, graph: &FlowGraph, meter: &mut Meter) -> Result {
    let lacks_drop = |local: &&_| !function.abilities(local).has(Ability::Drop);
    let undroppable = Bits::of(function.locals.iter().map(lacks_drop));
    let parameters = Bits::of((0..function.parameters.len()).map(|_| true));
    let initial = State { always: parameters, maybe: parameters };
    let cost = function.locals.len() as u64;
    absint::run(graph, initial, meter, |state, block, meter| {
        meter.charge(block.range.len() as u64 + cost).map_err(|error| function.too_complex(error))?;
        block.range.clone().try_for_each(|offset| step(function, &undroppable, state, offset))
    })
}

/// One bit per local.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bits([u64; 4]);

impl Bits {
    fn of(bits: impl Iterator<Item = bool>) -> Self {
        let mut result = Self::default();
        for (position, _) in bits.enumerate().filter(|(_, bit)| *bit) {
            result.set(u8::try_from(position).expect("bounds: at most 255 locals"), true);
        }
        result
    }

    fn get(&self, local: LocalIndex) -> bool {
        self.0[usize::from(local / 64)] >> (local % 64) & 1 == 1
    }

    fn set(&mut self, local: LocalIndex, bit: bool) {
        let mask = 1 << (local % 64);
        let word = &mut self.0[usize::from(local / 64)];
        *word = if bit { *word | mask } else { *word & !mask };
    }

    fn zip(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|word| combine(self.0[word], other.0[word])))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// Locals that hold a value on every path.
    always: Bits,
    /// Locals that hold a value on some path.
    maybe: Bits,
}

impl Domain for State {
    fn join(&mut self, other: &Self, _: &mut Meter) -> Result<bool> {
        let joined = Self {
            always: self.always.zip(other.always, |one, other| one & other),
            maybe: self.maybe.zip(other.maybe, |one, other| one | other),
        };
        Ok(std::mem::replace(self, joined) != joined)
    }
}

fn step(function: &Function<'_>, undroppable: &Bits, state: &mut State, offset: usize) -> Result {
    let (local, status) = match &function.code.code[offset] {
        Bytecode::CopyLoc(local) => (*local, StatusCode::COPYLOC_UNAVAILABLE_ERROR),
        Bytecode::MutBorrowLoc(local) | Bytecode::ImmBorrowLoc(local) => {
            (*local, StatusCode::BORROWLOC_UNAVAILABLE_ERROR)
        }
        Bytecode::MoveLoc(local) => (*local, StatusCode::MOVELOC_UNAVAILABLE_ERROR),
        Bytecode::StLoc(local) => return store(function, undroppable, state, offset, *local),
        Bytecode::Ret => return check_return(function, undroppable, state, offset),
        _ => return Ok(()),
    };
    if !state.always.get(local) {
        let when = if state.maybe.get(local) { "may hold no value" } else { "holds no value" };
        return Err(function.error(status, offset, format!("local {local} {when}")));
    }
    if matches!(function.code.code[offset], Bytecode::MoveLoc(_)) {
        state.always.set(local, false);
        state.maybe.set(local, false);
    }
    Ok(())
}

fn store(function: &Function<'_>, undroppable: &Bits, state: &mut State, offset: usize, local: LocalIndex) -> Result {
    if state.maybe.get(local) && undroppable.get(local) {
        let message = format!("the value that local {local} may hold has no drop");
        return Err(function.error(StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR, offset, message));
    }
    state.always.set(local, true);
    state.maybe.set(local, true);
    Ok(())
}

fn check_return(function: &Function<'_>, undroppable: &Bits, state: &State, offset: usize) -> Result {
    let lost = state.maybe.zip(*undroppable, |maybe, undroppable| maybe & undroppable);
    if lost == Bits::default() {
        return Ok(());
    }
    let locals = (0..=u8::MAX).filter(|local| lost.get(*local)).map(|local| local.to_string());
    let locals: Vec<_> = locals.collect();
    let message = format!("values without drop may be left in locals {}", locals.join(", "));
    Err(function.error(StatusCode::UNSAFE_RET_UNUSED_VALUES_WITHOUT_DROP, offset, message))
}
