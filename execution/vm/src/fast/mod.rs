//! The fast interpreter: register code on plain memory.
//!
//! Bytecode that passed every pass of the verifier is lowered once per function and type arguments (`lower`), and runs in
//! a dispatch loop (`machine`) over words in a stack and an arena (`mem`, the only unsafe code). It agrees with the
//! reference interpreter on values, gas, status, sub-status, location, write set and events: whatever either of them
//! decides, the other must decide alike.
//!
//! | module | what |
//! | --- | --- |
//! | `mem` | stack, arena, typed loads and stores; who guarantees what |
//! | `layout` | how values of closed types lie in memory |
//! | `values` | deep copies, drops, comparisons, BCS |
//! | `code` | the instructions |
//! | `lower` | from bytecode to instructions |
//! | `check` | what must hold of lowered code |
//! | `machine`, `slow`, `wide` | the dispatch loop; what is out of line; u128 and u256 |
//! | `globals`, `host` | global values; what natives see |
//! | `world` | lowered code, shared between sessions |

mod check;
mod code;
mod globals;
mod host;
mod layout;
mod lower;
mod machine;
mod mem;
mod slow;
mod values;
mod wide;
mod world;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use noema_execution_api::{GasMeter, NativeEnvironment, NativeState, Root, Value};
use noema_types::{ModuleId, TypeTag};

use crate::error::{ExecError, Result, fail, invariant};
use crate::loader::Loader;
use crate::reference::Run;
use code::Ty;
use machine::{Machine, parts};
use mem::{Lease, WORD};
use values::{from_value, slot_block, to_value};

pub(crate) use globals::{Globals, Saved};
pub(crate) use world::{World, Worlds};

/// What a session of the fast interpreter holds.
#[derive(Debug)]
pub(crate) struct State {
    memory: Lease,
    pub(crate) globals: Globals,
    world: Option<Arc<World>>,
    /// Modules whose closure was compared with the world.
    admitted: Vec<ModuleId>,
    metered: bool,
}

/// What a run needs of its session.
pub(crate) struct Context<'s, 'a> {
    pub(crate) loader: &'s mut Loader<'a>,
    pub(crate) natives: &'s mut NativeState,
    pub(crate) environment: NativeEnvironment<'s>,
    pub(crate) gas: &'s mut GasMeter,
    /// What the session has made and not taken apart again.
    pub(crate) made: &'s mut u64,
    pub(crate) instructions: &'s mut u64,
    pub(crate) worlds: &'s Worlds,
}

impl State {
    pub(crate) fn new(metered: bool) -> Self {
        Self { memory: Lease::new(), globals: Globals::default(), world: None, admitted: Vec::new(), metered }
    }

    /// Forgets which code the session runs: the modules that it sees have changed.
    pub(crate) fn forget_code(&mut self) {
        self.world = None;
        self.admitted.clear();
    }

    /// Goes back to a savepoint.
    pub(crate) fn restore(&mut self, saved: &Saved) -> Result<()> {
        self.globals.restore(saved, &mut self.memory.arena)
    }

    /// The world that a call runs in.
    fn world(&mut self, loader: &mut Loader<'_>, worlds: &Worlds, run: &Run) -> Result<Arc<World>> {
        let loaded = Arc::clone(loader.module(run.callee.module));
        let mut roots = Vec::new();
        if loaded.is_script {
            roots.extend(loaded.module.immediate_dependencies());
        } else {
            roots.push(loaded.id.clone());
        }
        run.type_args.tags.iter().for_each(|tag| modules_of(tag, &mut roots));
        if let Some(world) = &self.world
            && !loaded.is_script
        {
            roots.retain(|root| !self.admitted.contains(root));
            if roots.is_empty() || world.admits(loader, &roots)? {
                self.admitted.extend(roots);
                return Ok(Arc::clone(world));
            }
        }
        // What a session published itself, and scripts, belong to no other session.
        let is_private = loaded.is_script || !loader.published.is_empty();
        let world = if is_private {
            let world = Arc::new(World::new());
            world.admits(loader, &roots)?;
            world
        } else {
            worlds.find(loader, &roots)?
        };
        if !loaded.is_script {
            self.admitted = roots;
            self.world = Some(Arc::clone(&world));
        }
        Ok(world)
    }

    /// Runs a function; gives its results, or what those refer to.
    pub(crate) fn run(&mut self, context: Context<'_, '_>, run: Run) -> Result<Vec<Value>, ExecError> {
        let Context { loader, natives, environment, gas, made, instructions, worlds } = context;
        let world = self.world(loader, worlds, &run).map_err(|failure| failure.nowhere())?;
        let limits = loader.limits();
        let (arena, stack) = parts(&mut self.memory);
        let mut machine = Machine {
            world: &world,
            loader,
            globals: &mut self.globals,
            arena,
            stack,
            natives,
            environment,
            gas,
            costs: &environment.schedule.dynamic,
            made,
            made_max: limits.memory_bytes,
            limits,
            instructions: 0,
            frames: Vec::new(),
            here: None,
            native: None,
        };
        let outcome = machine.call_from_outside(run, self.metered);
        *instructions += machine.instructions;
        outcome.map_err(|failure| {
            *instructions -= machine.not_reached().min(*instructions);
            machine.locate(*failure)
        })
    }
}

impl Machine<'_, '_, '_> {
    fn call_from_outside(&mut self, run: Run, metered: bool) -> Result<Vec<Value>> {
        let Run { callee, type_args, args, places } = run;
        let size = places.iter().chain(&args).map(Value::memory_size).sum();
        self.allocate(size)?;
        let world = self.world;
        let function = world.function(self.loader, callee, &type_args)?;
        if self.limits.frames == 0 || function.operands > self.limits.operands {
            return Err(fail(noema_execution_api::StatusCode::EXECUTION_STACK_OVERFLOW));
        }
        self.place_arguments(function, args, &places)?;
        match (function.native, metered) {
            (Some(_), _) => self.call_native(function, self.stack.0)?,
            (None, true) => self.run::<true>(function)?,
            (None, false) => self.run::<false>(function)?,
        }
        let mut at = self.stack.0;
        let mut results = Vec::with_capacity(function.results.len());
        for ty in &function.results {
            results.push(match ty {
                Ty::Value(layout) => to_value(layout, at),
                Ty::Ref(layout, _) => to_value(layout, slot_block(at)),
            });
            at = at.slot(ty.words());
        }
        Ok(results)
    }

    /// Writes arguments into the first slots; values that some refer to go into the arena.
    fn place_arguments(&mut self, function: &code::Function, args: Vec<Value>, places: &[Value]) -> Result<()> {
        let wrong = || invariant("an argument of another type");
        let mut at = self.stack.0;
        for (ty, value) in function.parameters.iter().zip(args) {
            match (ty, value) {
                (Ty::Ref(layout, _), Value::Reference(reference)) => {
                    let Root::Local(slot) = reference.root() else { return Err(wrong()) };
                    let value = places.get(slot as usize).ok_or_else(wrong)?;
                    let place = self.arena.allocate(usize::from(layout.words) * WORD);
                    from_value(self.arena, layout, value, place).map_err(|_| wrong())?;
                    at.set_u64(place.word());
                }
                (Ty::Value(layout), value) => from_value(self.arena, layout, &value, at).map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
            at = at.slot(ty.words());
        }
        Ok(())
    }
}

/// Modules that define the types in a closed type.
fn modules_of(tag: &TypeTag, modules: &mut Vec<ModuleId>) {
    match tag {
        TypeTag::Vector(element) => modules_of(element, modules),
        TypeTag::Struct(tag) => {
            let id = tag.module_id();
            if !modules.contains(&id) {
                modules.push(id);
            }
            tag.type_args.iter().for_each(|arg| modules_of(arg, modules));
        }
        _ => {}
    }
}
