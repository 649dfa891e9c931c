//! Measures the Move VM on `tests/bench` beside its yardsticks, interleaved, and prints ratios.
//!
//! The yardsticks are the reference interpreter and the official Sui Move VM (`sui-sandbox`), the latter with the largest
//! sizes that its gas cap allows: its time for a size is that of a call less that of the same call with size 1, which
//! leaves the process and the loading of the module out. Everything is metered; the column `charges` is the share of the
//! fast interpreter's time that goes away when blocks are not charged.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a command that shows times")]

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use noema_compiler::{Options, SourcePackage, compile_sources};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, StateError, StateView, TransactionContext};
use noema_move_diff::official::{Answer, Official, Question};
use noema_types::{Address, ModuleId, StateKey, WriteOp, WriteSet};
use noema_vm::{Interpreter, Vm, VmLimits};

const SOURCE: &str = include_str!("../../../bench/sources/bench.move");
/// Where the part of the source begins that the official VM does not take: global storage.
const STORAGE: &str = "    public fun init_account";
const REPEATS: usize = 5;
const ACCOUNTS: u64 = 2_000;
const TRANSFERS: u64 = 50_000;
/// Name, size, and what the 2024 reference VM needed, in milliseconds, least of two runs on another machine.
const PROGRAMS: [(&str, u64, f64); 5] = [
    ("fib", 27, 248.0),
    ("loop_sum", 2_000_000, 725.0),
    ("sort", 800, 114.0),
    ("points", 100_000, 161.0),
    ("wide", 200_000, 114.0),
];

/// State that answers in one look-up.
#[derive(Default)]
struct HashState(HashMap<StateKey, Bytes>);

impl StateView for HashState {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.get(key).cloned())
    }
}

impl HashState {
    fn apply(&mut self, writes: WriteSet) {
        for (key, op) in writes.0 {
            match op {
                WriteOp::Write(bytes) => drop(self.0.insert(key, bytes)),
                WriteOp::Delete => drop(self.0.remove(&key)),
            }
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let modules = compile(SOURCE)?;
    let state: MemoryState = modules.iter().cloned().fold(MemoryState::new(), |mut state, (id, bytes)| {
        state.insert(StateKey::Module(id), bytes);
        state
    });
    let [fast, free, reference] = [
        machine(Interpreter::Fast),
        machine(Interpreter::Fast).without_block_charges(),
        machine(Interpreter::Reference),
    ];
    let start = SOURCE.find(STORAGE).ok_or("the benchmark has changed")?;
    let pure = SOURCE[..start].replace("struct Balance has key { value: u64, seq: u64 }", "") + "}";
    let pure: Vec<Vec<u8>> = compile(&pure)?
        .into_iter()
        .filter(|(id, _)| id.name.as_str() == "bench")
        .map(|(_, bytes)| bytes.to_vec())
        .collect();
    let mut official = Official::find()?;

    println!("| program | fast | charges | reference | ratio | official | ours | ratio | to the 2024 VM's time |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, size, past) in PROGRAMS {
        let small = official_size(&mut official, &pure, name, size)?;
        let mut best = [Duration::MAX; 6];
        for _ in 0..REPEATS {
            let official_base = ask(&mut official, &pure, name, 1)?;
            let times = [
                time(&fast, &state, name, size)?,
                time(&free, &state, name, size)?,
                time(&reference, &state, name, size)?,
                ask(&mut official, &pure, name, small)?,
                official_base,
                time(&fast, &state, name, small)?,
            ];
            best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
        }
        let [fast, free, reference, whole, base, ours] = best.map(|time| time.as_secs_f64() * 1e3);
        let theirs = whole - base;
        println!(
            "| {name}({size}) | {fast:.2} ms | {:.0} % | {reference:.1} ms | {:.1} x | ({small}) {theirs:.2} ms | \
             {ours:.3} ms | {:.1} x | {:.0} x |",
            (fast - free) / fast * 100.0,
            reference / fast,
            theirs / ours,
            past / fast
        );
    }
    transfers(&fast, &modules, "fast")?;
    transfers(&reference, &modules, "reference")?;
    framework()
}

fn machine(interpreter: Interpreter) -> Vm {
    Vm::new(noema_framework::natives(), GasSchedule::default(), VmLimits::default()).with_interpreter(interpreter)
}

fn compile(source: &str) -> Result<Vec<(ModuleId, Bytes)>, String> {
    let std = noema_framework::source_package(noema_move_stdlib::package());
    let addresses: BTreeMap<String, Address> = [("std".to_owned(), Address::ONE)].into();
    let root = SourcePackage {
        name: "bench".to_owned(),
        sources: vec![("bench.move".to_owned(), source.to_owned())],
        addresses,
    };
    let program = compile_sources(&root, &[std], Options::default()).map_err(|error| error.to_string())?;
    Ok(program.modules.into_iter().map(|unit| (unit.module.self_id(), Bytes::from(unit.bytes))).collect())
}

fn number(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn bench_module() -> ModuleId {
    "0x42::bench".parse().expect("a module's name")
}

fn time(vm: &Vm, state: &dyn StateView, name: &str, size: u64) -> Result<Duration, String> {
    let mut session = vm.session(state, &NoAnswers, TransactionContext::default());
    let mut gas = GasMeter::unlimited();
    let started = Instant::now();
    let result = session.execute_function(&bench_module(), name, vec![], vec![number(size)], &mut gas);
    let taken = started.elapsed();
    result.map(|_| taken).map_err(|error| format!("{name}({size}): {error}"))
}

fn asked(official: &mut Official, modules: &[Vec<u8>], name: &str, size: u64) -> (Answer, Duration) {
    let args = [number(size)];
    let question = Question { address: "0x42", module: "bench", function: name, args: &args, modules };
    let started = Instant::now();
    (official.ask(&question), started.elapsed())
}

fn ask(official: &mut Official, modules: &[Vec<u8>], name: &str, size: u64) -> Result<Duration, String> {
    match asked(official, modules, name, size) {
        (Answer::Results(_), taken) => Ok(taken),
        (other, _) => Err(format!("the official VM at {name}({size}): {other:?}")),
    }
}

/// The largest size, of ours and its parts, that the official VM's gas suffices for.
fn official_size(official: &mut Official, modules: &[Vec<u8>], name: &str, most: u64) -> Result<u64, String> {
    // The cost of fib grows with the power of its size.
    let smaller = |size: u64| if name == "fib" { size - 1 } else { size / 2 };
    let mut size = most;
    while size > 1 {
        if matches!(asked(official, modules, name, size).0, Answer::Results(_)) {
            return Ok(size);
        }
        size = smaller(size);
    }
    Err(format!("the official VM runs {name} with no size"))
}

/// Random transfers among accounts, each a transaction of its own against a view, its writes applied.
fn transfers(vm: &Vm, modules: &[(ModuleId, Bytes)], what: &str) -> Result<(), String> {
    let mut state = HashState::default();
    state.0.extend(modules.iter().map(|(id, bytes)| (StateKey::Module(id.clone()), bytes.clone())));
    let accounts: Vec<Vec<u8>> = (1..=ACCOUNTS)
        .map(|number| {
            let mut address = vec![0u8; 32];
            address[24..].copy_from_slice(&number.to_be_bytes());
            address
        })
        .collect();
    let transact = |state: &mut HashState, function: &str, args: Vec<Vec<u8>>| {
        let mut session = vm.session(&*state, &NoAnswers, TransactionContext::default());
        let result = session.execute_function(&bench_module(), function, vec![], args, &mut GasMeter::unlimited());
        result.map_err(|error| format!("{function}: {error}"))?;
        let output = session.finish().map_err(|error| error.to_string())?;
        state.apply(output.write_set);
        Ok::<_, String>(())
    };
    for account in &accounts {
        transact(&mut state, "init_account", vec![account.clone()])?;
    }
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let mut random = 1u64;
        let started = Instant::now();
        for _ in 0..TRANSFERS {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (from, to) = ((random >> 33) % ACCOUNTS, (random >> 43) % ACCOUNTS);
            let args = vec![accounts[from as usize].clone(), accounts[to as usize].clone(), number(1)];
            transact(&mut state, "transfer", args)?;
        }
        best = best.min(started.elapsed());
    }
    let each = best.as_secs_f64() * 1e6 / TRANSFERS as f64;
    println!("transfer, {what}: {each:.2} us a transaction, state view and write set included (2024 VM: 5.6 us)");
    Ok(())
}

/// Reading, verifying and preparing every module of the framework.
fn framework() -> Result<(), String> {
    let root = noema_framework::source_package(noema_framework::package());
    let std = noema_framework::source_package(noema_move_stdlib::package());
    let started = Instant::now();
    let program = compile_sources(&root, &[std], Options::default()).map_err(|error| error.to_string())?;
    println!("framework: compiled from source, verified, in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let mut state = MemoryState::new();
    let mut size = 0;
    let ids: Vec<ModuleId> = program.modules.iter().map(|unit| unit.module.self_id()).collect();
    for unit in &program.modules {
        size += unit.bytes.len();
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    let (mut verified, mut loaded) = (Duration::MAX, Duration::MAX);
    for _ in 0..REPEATS {
        let started = Instant::now();
        for unit in &program.modules {
            noema_verifier::verify_module(&unit.module, &noema_verifier::Limits::default())
                .map_err(|error| error.to_string())?;
        }
        verified = verified.min(started.elapsed());
        let vm = machine(Interpreter::Fast);
        let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
        let started = Instant::now();
        for id in &ids {
            session.module(id).map_err(|error| error.to_string())?;
        }
        loaded = loaded.min(started.elapsed());
    }
    let megabytes = size as f64 / 1e6;
    println!(
        "framework: {} modules, {:.0} kB of bytecode; verified at {:.1} MB/s; read, verified and prepared in {:.1} ms",
        ids.len(),
        megabytes * 1e3,
        megabytes / verified.as_secs_f64(),
        loaded.as_secs_f64() * 1e3
    );
    Ok(())
}
