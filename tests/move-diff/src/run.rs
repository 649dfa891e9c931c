//! Runs programs through the interpreters and writes down all that must be equal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_bytecode::CompiledModule;
use noema_compiler::{Options, compile_sources};
use noema_execution_api::{
    GasMeter, GasSchedule, InternalGas, MemoryState, NoAnswers, StateError, StateView, StatusCode, TransactionContext,
};
use noema_types::{Event, ModuleId, StateKey, WriteSet};
use noema_vm::{ExecError, Interpreter, Vm, VmLimits};

use crate::generate::{Call, Program};
use crate::world::World;

/// A way to run Move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The oracle.
    Reference,
    /// Register code.
    Fast,
}

/// Every way to run Move; the first is the oracle.
pub const ALL: &[Which] = &[Which::Reference, Which::Fast];

/// Gas of a call, at most: a few hundred thousand instructions.
pub const GAS_MAX: u64 = 3_000_000;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With results: type and BCS of each.
    Results(Vec<(String, Vec<u8>)>),
    /// By its own failure.
    Failure {
        /// What failed.
        status: StatusCode,
        /// Abort code, or what exactly failed.
        sub_status: Option<u64>,
        /// Module, function and instruction.
        place: Option<(String, u16, u16)>,
    },
    /// With something that a generated program cannot come to.
    Broken(String),
}

/// What one call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub end: End,
    /// Gas used.
    pub gas: u64,
}

/// What a program came to: all that interpreters must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of each call, in order.
    pub calls: Vec<CallOutcome>,
    /// Changes to state.
    pub writes: WriteSet,
    /// Events.
    pub events: Vec<Event>,
}

/// The library that programs call, and machines that run them.
pub struct Bench {
    /// What generated code may use.
    pub world: World,
    /// The library's modules.
    pub library: BTreeMap<ModuleId, Arc<CompiledModule>>,
    state: MemoryState,
    machines: Vec<(Which, Vm)>,
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("library", &self.library.len()).finish_non_exhaustive()
    }
}

/// The library below a program's modules.
struct Layered<'a> {
    base: &'a MemoryState,
    own: BTreeMap<StateKey, Bytes>,
}

impl StateView for Layered<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        match self.own.get(key) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => self.base.get(key),
        }
    }
}

/// Modules of the library whose functions generated code calls.
const CALLED: [&str; 11] = [
    "vector",
    "option",
    "string",
    "ascii",
    "bcs",
    "hash",
    "signer",
    "bit_vector",
    "fixed_point32",
    "error",
    "type_name",
];

fn machine(which: Which) -> Vm {
    let vm = Vm::new(noema_framework::natives(), GasSchedule::default(), VmLimits::default());
    match which {
        Which::Reference => vm.with_interpreter(Interpreter::Reference),
        Which::Fast => vm.with_interpreter(Interpreter::Fast),
    }
}

impl Bench {
    /// Compiles the library.
    ///
    /// # Panics
    /// If it does not compile, which its own tests exclude.
    #[must_use]
    pub fn new() -> Self {
        let root = noema_framework::source_package(noema_framework::package());
        let std = noema_framework::source_package(noema_move_stdlib::package());
        let program = compile_sources(&root, &[std], Options::default()).unwrap_or_else(|error| panic!("{error}"));
        let mut state = MemoryState::new();
        let (mut world, mut library) = (World::default(), BTreeMap::new());
        let mut is_known = std::collections::BTreeSet::new();
        for unit in program.modules {
            let id = unit.module.self_id();
            let needs_only_known = unit.module.immediate_dependencies().all(|other| is_known.contains(&other));
            if CALLED.contains(&id.name.as_str()) && needs_only_known {
                world.import(&unit.module);
                is_known.insert(id.clone());
            } else if id.name.as_str() == "guid" || id.name.as_str() == "event" {
                let before = world.functions.len();
                world.import(&unit.module);
                // Nothing but what emits an event of any type.
                let kept = world.functions.split_off(before).into_iter().filter(|one| one.name.as_str() == "emit");
                world.functions.extend(kept);
                is_known.insert(id.clone());
            }
            state.insert(StateKey::Module(id.clone()), unit.bytes);
            library.insert(id, Arc::new(unit.module));
        }
        let machines = ALL.iter().map(|which| (*which, machine(*which))).collect();
        Self { world, library, state, machines }
    }

    /// Runs a program with one machine.
    ///
    /// # Panics
    /// If a module cannot be written.
    #[must_use]
    pub fn run(&self, which: Which, program: &Program, limits: &[u64]) -> Outcome {
        let (_, vm) = self.machines.iter().find(|(one, _)| *one == which).expect("every way has its machine");
        let own = program.modules.iter().map(|module| {
            let bytes = module.serialize().expect("generated modules are within the format");
            (StateKey::Module(module.self_id()), Bytes::from(bytes))
        });
        let values = program.state.iter().map(|(key, bytes)| (key.clone(), Bytes::from(bytes.clone())));
        let view = Layered { base: &self.state, own: own.chain(values).collect() };
        let mut session = vm.session(&view, &NoAnswers, TransactionContext::default());
        let mut calls = Vec::new();
        for (position, call) in program.calls.iter().enumerate() {
            let limit = limits.get(position).copied().unwrap_or(GAS_MAX);
            let savepoint = session.savepoint();
            let mut gas = GasMeter::new(InternalGas(limit));
            let Call { module, function, type_args, args } = call;
            let result = session.execute_function(module, function.as_str(), type_args.clone(), args.clone(), &mut gas);
            if result.is_err() {
                session.rollback(savepoint);
            }
            calls.push(CallOutcome { end: end(result), gas: gas.used().0 });
        }
        match session.finish() {
            Ok(output) => Outcome { calls, writes: output.write_set, events: output.events },
            Err(error) => {
                calls.push(CallOutcome { end: End::Broken(error.to_string()), gas: 0 });
                Outcome { calls, writes: WriteSet::default(), events: Vec::new() }
            }
        }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

fn end(result: Result<Vec<(Vec<u8>, noema_types::TypeTag)>, ExecError>) -> End {
    match result {
        Ok(results) => End::Results(results.into_iter().map(|(bytes, tag)| (tag.to_string(), bytes)).collect()),
        Err(ExecError::Program(error)) if is_impossible(error.status) => End::Broken(error.to_string()),
        Err(ExecError::Program(error)) => End::Failure {
            status: error.status,
            sub_status: error.sub_status,
            place: error.at.map(|at| {
                let module = match at.location {
                    noema_types::CodeLocation::Module(id) => id.to_string(),
                    noema_types::CodeLocation::Script => "script".to_owned(),
                };
                (module, at.function, at.code_offset)
            }),
        },
        Err(other) => End::Broken(other.to_string()),
    }
}

/// What verified and linked modules never come to.
fn is_impossible(status: StatusCode) -> bool {
    matches!(status.number(), 1000..4000)
        && !matches!(status, StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT | StatusCode::VARIANT_TAG_MISMATCH)
}

/// Where two machines differ on a program, in words; `None` if nowhere. The machines also run with less gas than the
/// calls need, `cuts` says how much less, in thousandths.
#[must_use]
pub fn difference(bench: &Bench, program: &Program, cuts: &[u64]) -> Option<String> {
    let oracle = bench.run(ALL[0], program, &[]);
    if let Some(broken) = oracle.calls.iter().find_map(|call| match &call.end {
        End::Broken(words) => Some(words),
        _ => None,
    }) {
        return Some(format!("{:?} broke: {broken}", ALL[0]));
    }
    let mut limits: Vec<Vec<u64>> = vec![vec![]];
    limits.extend(cuts.iter().map(|cut| oracle.calls.iter().map(|call| call.gas * cut / 1000).collect()));
    for limits in limits {
        let expected = if limits.is_empty() { oracle.clone() } else { bench.run(ALL[0], program, &limits) };
        for which in &ALL[1..] {
            let found = bench.run(*which, program, &limits);
            if let Some(words) = compare(&expected, &found) {
                return Some(format!("{:?} and {which:?} with gas {limits:?}: {words}", ALL[0]));
            }
        }
    }
    None
}

/// What differs between two outcomes.
#[must_use]
pub fn compare(left: &Outcome, right: &Outcome) -> Option<String> {
    for (position, (one, other)) in left.calls.iter().zip(&right.calls).enumerate() {
        if one != other {
            return Some(format!("call {position}: {one:?} and {other:?}"));
        }
    }
    if left.writes != right.writes {
        return Some(format!("writes {:?} and {:?}", left.writes, right.writes));
    }
    (left.events != right.events).then(|| format!("events {:?} and {:?}", left.events, right.events))
}
