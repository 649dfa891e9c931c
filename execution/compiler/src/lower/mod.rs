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

use crate::diagnostics::{Diagnostic, Diagnostics, codes};
use crate::name::{FunKind, Globals, Vis};
use crate::typing::{Bodies, Builtin, DataId, FunId, ModId};

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
        check_home(globals, *id, &code, diagnostics);
        let code = flow::finish(globals, globals.function(*id), code, diagnostics);
        if errors(diagnostics) == before {
            codes.insert(*id, code);
        }
    }
    codes
}

/// An inline function expanded in another module must not do there what only its own module may.
fn check_home(globals: &Globals, id: FunId, code: &Code, diagnostics: &mut Diagnostics) {
    let home = globals.function(id).module;
    for ins in &code.ops {
        let foreign = match &ins.op {
            Op::Pack(data, ..)
            | Op::Unpack(data, ..)
            | Op::UnpackRef(_, data, ..)
            | Op::BorrowField(_, data, ..)
            | Op::Global(_, data, _)
            | Op::Switch(data, _) => {
                let info = globals.datatype(*data);
                (info.module != home).then(|| (codes::PRIVATE_FIELDS, format!("`{}`", info.name.value)))
            }
            Op::Call(function, _) => {
                let info = globals.function(*function);
                let hidden = info.module != home && !is_visible(globals, *function, home);
                hidden.then(|| (codes::NOT_VISIBLE, format!("`{}`", globals.function_path(*function))))
            }
            Op::LdErrorCode(constant) => {
                let info = globals.constant(*constant);
                (info.module != home).then(|| (codes::NOT_VISIBLE, format!("`{}`", info.name.value)))
            }
            _ => None,
        };
        if let Some((code, what)) = foreign {
            let module = &globals.module(home).ident;
            diagnostics.push(
                Diagnostic::new(code, ins.span, format!("this is expanded in `{module}`, where {what} is private"))
                    .secondary(globals.function(id).name.span, "expanded in this function")
                    .help("what an inline function uses must be open to all its callers"),
            );
        }
    }
}

/// Whether code of `module` may call a function.
fn is_visible(globals: &Globals, function: FunId, module: ModId) -> bool {
    let info = globals.function(function);
    let (callee, caller) = (globals.module(info.module), globals.module(module));
    match info.vis {
        Vis::Public => true,
        Vis::Private => false,
        Vis::Friend => callee.friends.iter().any(|(friend, _)| *friend == caller.ident),
        Vis::Package => callee.package == caller.package && callee.ident.address == caller.ident.address,
    }
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
