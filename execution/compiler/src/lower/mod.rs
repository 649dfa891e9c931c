//! From the typed tree to stack code.
//!
//! Guaranteed: operands are evaluated strictly from left to right and keep the value they had when evaluated; where a
//! later operand contains control flow, earlier ones wait in temporaries, because the stack is empty at every jump.
//! Assignments evaluate the value, then the place. Inline functions and their lambdas are expanded here, each argument
//! evaluated once. [`flow`] then decides on the finished code which reads are moves, releases references as soon as
//! they are dead, and reports locals that are read without a value and values without `drop` that are left over.

mod exp;
mod expand;
mod flow;
mod ir;
mod jumps;
mod matching;
mod stores;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use exp::{constant_bytes, vector_instruction};
pub(crate) use ir::{Code, Label, Op, VecOp};

use crate::diagnostics::Diagnostics;
use crate::name::{FunKind, Globals};
use crate::typing::{Bodies, Builtin, DataId, FunId};

/// The code of all functions that get any.
pub(crate) type Codes = BTreeMap<FunId, Code>;

/// Lowers every function with a body that is not expanded at its calls.
pub(crate) fn lower(globals: &Globals, bodies: &Bodies, diagnostics: &mut Diagnostics) -> Codes {
    let mut codes = Codes::new();
    for (id, body) in bodies {
        if globals.function(*id).kind != FunKind::Plain {
            continue;
        }
        let errors = |diagnostics: &Diagnostics| diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let before = errors(diagnostics);
        let code = exp::lower_function(globals, bodies, diagnostics, *id, body);
        let code = flow::finish(globals, globals.function(*id), code, diagnostics);
        if errors(diagnostics) == before {
            codes.insert(*id, code);
        }
    }
    codes
}

/// The structs whose global values each function may reach: a fixpoint over the calls inside a module.
pub(crate) fn acquires(globals: &Globals, codes: &Codes) -> BTreeMap<FunId, BTreeSet<DataId>> {
    let mut sets: BTreeMap<FunId, BTreeSet<DataId>> = BTreeMap::new();
    let mut callers: BTreeMap<FunId, BTreeSet<FunId>> = BTreeMap::new();
    for (id, code) in codes {
        let own = sets.entry(*id).or_default();
        for ins in &code.ops {
            match &ins.op {
                Op::Global(Builtin::BorrowGlobal(_) | Builtin::MoveFrom, data, _) => {
                    own.insert(*data);
                }
                Op::Call(callee, _) if globals.function(*callee).module == globals.function(*id).module => {
                    callers.entry(*callee).or_default().insert(*id);
                }
                _ => {}
            }
        }
    }
    let mut work: Vec<FunId> = sets.keys().copied().collect();
    while let Some(callee) = work.pop() {
        let reached = sets.get(&callee).cloned().unwrap_or_default();
        for caller in callers.get(&callee).into_iter().flatten() {
            let set = sets.entry(*caller).or_default();
            let before = set.len();
            set.extend(&reached);
            if set.len() > before {
                work.push(*caller);
            }
        }
    }
    sets
}
