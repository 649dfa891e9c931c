//! `noema move run`: a function in memory, with gas, instructions and time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use noema_bytecode::CompiledModule;
use noema_execution_api::{
    AnnotatedValue, GasMeter, GasSchedule, InternalGas, MemoryState, NativeTable, NoAnswers, TransactionContext,
};
use noema_framework::natives;
use noema_types::{Address, Hash, Identifier, ModuleId, StateKey, TypeTag};
use noema_vm::{ExecError, Interpreter, Session, Vm, VmLimits};
use serde_json::{Value, json};

use super::binaries::read_module;
use super::package::{Package, Source, compile, embedded_modules};
use crate::args::RunArgs;
use crate::home::Home;
use crate::output::{CliError, CliResult, Output};
use crate::values;

/// What one run gave.
struct Ran {
    results: Vec<Value>,
    gas: InternalGas,
    instructions: u64,
    elapsed: Duration,
    events: usize,
    writes: usize,
}

/// Runs the command.
pub(super) fn run(output: Output, args: &RunArgs) -> CliResult {
    let (function, files) = args.files_and_function.split_last().expect("clap wants at least one");
    let (module, name) = parse_function(function)?;
    let type_args = args.type_args.iter().map(|text| text.parse()).collect::<Result<Vec<TypeTag>, _>>();
    let type_args = type_args.map_err(CliError::fault)?;
    let home = Home::find()?;
    let resolve = |text: &str| home.resolve(text);
    let mut arguments = Vec::new();
    for signer in &args.signers {
        arguments.push(home.resolve(signer)?.0.to_vec());
    }
    for text in &args.args {
        arguments.push(values::parse(text, &resolve)?.bytes);
    }
    let (state, package) = state(output, args, files)?;
    let vm = machine(natives(), &args.vm);
    let mut best: Option<Ran> = None;
    for _ in 0..args.repeat.max(1) {
        let ran = run_once(&vm, &state, args, &module, &name, &type_args, &arguments);
        let ran = ran.map_err(|error| failure(&error, package.as_ref()))?;
        if best.as_ref().is_none_or(|best| ran.elapsed < best.elapsed) {
            best = Some(ran);
        }
    }
    show(output, &best.expect("at least one run"), args.repeat);
    Ok(())
}

/// A machine that runs code as `--vm` says.
pub(super) fn machine(natives: NativeTable, vm: &str) -> Vm {
    let machine = Vm::new(natives, GasSchedule::default(), VmLimits::default());
    match vm {
        "fast" => machine.with_interpreter(Interpreter::Fast),
        "paranoid" => machine.paranoid(),
        _ => machine.with_interpreter(Interpreter::Reference),
    }
}

/// Splits `ADDRESS::MODULE::NAME`.
fn parse_function(text: &str) -> CliResult<(ModuleId, Identifier)> {
    let wrong = || CliError::fault(format!("`{text}` is no function")).hint("write ADDRESS::MODULE::NAME");
    let (module, name) = text.rsplit_once("::").ok_or_else(wrong)?;
    Ok((module.parse().map_err(|_| wrong())?, Identifier::new(name).map_err(|_| wrong())?))
}

/// State with every module that the call may need: the package's or the files', and the framework.
fn state(output: Output, args: &RunArgs, files: &[String]) -> CliResult<(MemoryState, Option<Package>)> {
    let mut state = MemoryState::new();
    let mut compiled = None;
    let mut put = |module: &CompiledModule, bytes: Vec<u8>| state.insert(StateKey::Module(module.self_id()), bytes);
    if let Some(dir) = &args.dir {
        let package = compile(output, Source::Folder(dir), &args.named_addresses, false)?;
        for unit in &package.program.modules {
            put(&unit.module, unit.bytes.clone());
        }
        compiled = Some(package);
    } else {
        for (module, bytes) in embedded_modules(output)? {
            put(&module, bytes);
        }
    }
    for file in files {
        let path = PathBuf::from(file);
        if !file.ends_with(".mv") {
            return Err(CliError::fault(format!("`{file}` is no binary"))
                .hint("give .mv files, then the function as the last argument; a package goes with -p"));
        }
        let module = read_module(&path)?;
        let bytes = std::fs::read(&path).map_err(|error| CliError::fault(format!("cannot read {file}: {error}")))?;
        put(&module, bytes);
    }
    Ok((state, compiled))
}

fn run_once(
    vm: &Vm,
    state: &MemoryState,
    args: &RunArgs,
    module: &ModuleId,
    name: &Identifier,
    type_args: &[TypeTag],
    arguments: &[Vec<u8>],
) -> Result<Ran, ExecError> {
    let context = TransactionContext {
        hash: Hash::ZERO,
        sender: Address::ZERO,
        chain_id: 4,
        gas_unit_price: 1,
        gas_units_max: args.gas_limit,
    };
    let limit = vm.schedule().from_units(noema_types::Gas(args.gas_limit));
    let mut gas = GasMeter::new(limit);
    let mut session = vm.session(state, &NoAnswers, context);
    let start = Instant::now();
    let result = session.execute_function(module, name, type_args.to_vec(), arguments.to_vec(), &mut gas);
    let elapsed = start.elapsed();
    let results = result?.iter().map(|(bytes, tag)| value_json(&mut session, tag, bytes)).collect();
    let instructions = session.instructions();
    let done = session.finish()?;
    Ok(Ran {
        results,
        gas: gas.used(),
        instructions,
        elapsed,
        events: done.events.len(),
        writes: done.write_set.0.len(),
    })
}

/// A failed run in words: status, place, callers; with their source if it was compiled here.
fn failure(error: &ExecError, package: Option<&Package>) -> CliError {
    match error {
        ExecError::Program(error) => {
            let text = package.map_or_else(
                || {
                    let callers: String =
                        error.callers.iter().map(|frame| format!("\n  called from {frame}")).collect();
                    format!("{error}{callers}")
                },
                |package| noema_move_tools::trace::render(&package.program, error),
            );
            CliError::verdict(format!("the function failed: {text}"))
        }
        ExecError::Pending(job) => CliError::verdict(format!("the function asks a model (job {})", job.id))
            .hint("models answer on a network: `noema localnet`, then `noema move call`"),
        ExecError::Fault(fault) => CliError::fault(fault),
    }
}

fn value_json(session: &mut Session<'_>, tag: &TypeTag, bytes: &[u8]) -> Value {
    let decoded = session.type_layout(tag).ok().and_then(|layout| layout.decode_annotated(bytes).ok());
    decoded.map_or_else(|| json!(format!("0x{}", hex::encode(bytes))), |value| annotated_json(&value))
}

fn annotated_json(value: &AnnotatedValue) -> Value {
    match value {
        AnnotatedValue::Bool(value) => json!(value),
        AnnotatedValue::U8(number) => json!(number.to_string()),
        AnnotatedValue::U16(number) => json!(number.to_string()),
        AnnotatedValue::U32(number) => json!(number.to_string()),
        AnnotatedValue::U64(number) => json!(number.to_string()),
        AnnotatedValue::U128(number) => json!(number.to_string()),
        AnnotatedValue::U256(number) => json!(number.to_string()),
        AnnotatedValue::Address(address) | AnnotatedValue::Signer(address) => json!(address),
        AnnotatedValue::Bytes(bytes) => json!(format!("0x{}", hex::encode(bytes))),
        AnnotatedValue::Vector(values) => values.iter().map(annotated_json).collect(),
        AnnotatedValue::Struct { fields, .. } => {
            Value::Object(fields.iter().map(|(name, value)| (name.to_string(), annotated_json(value))).collect())
        }
        AnnotatedValue::Variant { name, fields, .. } => {
            let fields = fields.iter().map(|(name, value)| (name.to_string(), annotated_json(value)));
            json!({ name.to_string(): Value::Object(fields.collect()) })
        }
    }
}

fn show(output: Output, ran: &Ran, repeat: u32) {
    let micros = ran.elapsed.as_micros();
    output.result(
        || {
            let results: Vec<String> = ran.results.iter().map(plain).collect();
            let rate = u128::from(ran.instructions).checked_div(micros).unwrap_or(0);
            let best = if repeat > 1 { format!(", best of {repeat}") } else { String::new() };
            format!(
                "results       {}\ngas           {} internal units\ninstructions  {}\ntime          {}.{:03} ms ({rate} instructions/\u{b5}s{best})\nwrites        {}\nevents        {}",
                if results.is_empty() { "none".to_owned() } else { results.join(", ") },
                ran.gas.0,
                ran.instructions,
                micros / 1_000,
                micros % 1_000,
                ran.writes,
                ran.events,
            )
        },
        || {
            json!({
                "results": ran.results,
                "gas": ran.gas.0.to_string(),
                "instructions": ran.instructions.to_string(),
                "time_us": micros.to_string(),
                "writes": ran.writes,
                "events": ran.events,
            })
        },
    );
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
