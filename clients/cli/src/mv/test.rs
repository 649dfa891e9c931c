//! `noema move test`: runs unit tests in memory and says what went how.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use noema_compiler::expand::ast::ModuleIdent;
use noema_compiler::expand::test_plan::{FailureKind, FailurePattern, Outcome, TestCase};
use noema_execution_api::{GasMeter, GasSchedule, InternalGas, MemoryState, NoAnswers, StatusCode, TransactionContext};
use noema_framework::test_natives;
use noema_types::{Address, CodeLocation, Gas, Hash, ModuleId, StateKey};
use noema_vm::{ExecError, Vm, VmError, VmLimits};
use serde_json::json;

use super::package::{Package, Source, compile};
use crate::args::PackageArgs;
use crate::output::{CliError, CliResult, Output, paint};

/// What became of one test.
struct Ran {
    name: String,
    /// Why it failed, if it did.
    failure: Option<String>,
    gas: InternalGas,
    /// What it showed with `0x1::debug`.
    printed: Vec<String>,
    elapsed: Duration,
}

/// Runs the command.
pub(super) fn run(output: Output, args: &PackageArgs, filter: Option<&str>, gas: bool, gas_limit: u64) -> CliResult {
    let package = compile(output, Source::Folder(&args.dir), &args.named_addresses, true)?;
    let mut state = MemoryState::new();
    for unit in &package.program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    let vm = Vm::new(test_natives(), GasSchedule::default(), VmLimits::default());
    let mut ran = Vec::new();
    let empty = BTreeMap::new();
    let plan = package.program.test_plan.as_ref().map_or(&empty, |plan| &plan.modules);
    for (module, cases) in plan {
        for case in cases {
            let name = format!("{}::{}", module.name, case.name);
            if filter.is_none_or(|filter| name.contains(filter)) {
                let one = run_one(&vm, &state, &package, module, case, name, gas_limit)?;
                if !output.json {
                    output.note(line(&one, gas));
                    one.printed.iter().for_each(|text| output.note(format!("[debug] {text}")));
                }
                ran.push(one);
            }
        }
    }
    finish(output, &package, filter, &ran)
}

fn run_one(
    vm: &Vm,
    state: &MemoryState,
    package: &Package,
    module: &ModuleIdent,
    case: &TestCase,
    name: String,
    gas_limit: u64,
) -> CliResult<Ran> {
    let id = module_id(module)?;
    let context = TransactionContext {
        hash: Hash::sha3(&[name.as_bytes()]),
        sender: Address::ZERO,
        chain_id: 4,
        gas_unit_price: 1,
        gas_units_max: gas_limit,
    };
    let mut gas = GasMeter::new(vm.schedule().from_units(Gas(gas_limit)));
    let mut session = vm.session(state, &NoAnswers, context);
    let signers = case.signers.iter().map(|address| address.0.to_vec()).collect();
    let start = Instant::now();
    let result = session.execute_function(&id, &case.name, Vec::new(), signers, &mut gas);
    let elapsed = start.elapsed();
    let printed = session.printed().to_vec();
    let failure = match result {
        Ok(_) => match &case.outcome {
            Outcome::Pass => None,
            Outcome::AnyFailure => Some("it passed, but a failure is expected".to_owned()),
            Outcome::Failure(pattern) => Some(format!("it passed, but it is expected to fail with {}", wanted(pattern))),
        },
        Err(ExecError::Program(error)) => judge(package, &case.outcome, &error),
        Err(ExecError::Pending(_)) => Some(
            "it asks a model; hint: script the answer with 0x1::inference::script_text_for_test or script_choice_for_test"
                .to_owned(),
        ),
        Err(ExecError::Fault(fault)) => return Err(CliError::fault(fault)),
    };
    Ok(Ran { name, failure, gas: gas.used(), printed, elapsed })
}

fn module_id(module: &ModuleIdent) -> CliResult<ModuleId> {
    Ok(ModuleId::new(module.address, module.name.parse().map_err(CliError::fault)?))
}

/// `None` if the failure is the one that was expected.
fn judge(package: &Package, outcome: &Outcome, error: &VmError) -> Option<String> {
    let trace = || {
        let callers: String = error.callers.iter().map(|frame| format!("\n    called from {frame}")).collect();
        format!("{error}{}{callers}", place(package, error))
    };
    let pattern = match outcome {
        Outcome::Pass => return Some(trace()),
        Outcome::AnyFailure => return None,
        Outcome::Failure(pattern) => pattern,
    };
    let is_kind = match &pattern.kind {
        FailureKind::Abort(code) => error.abort_code() == Some(*code),
        FailureKind::ErrorConstant { module, name } => {
            error.abort_code().is_some_and(|code| error_name(package, module, code) == Some(name.as_str()))
        }
        FailureKind::Arithmetic => error.status == StatusCode::ARITHMETIC_ERROR,
        FailureKind::Vector(minor) => {
            error.status == StatusCode::VECTOR_OPERATION_ERROR
                && minor.is_none_or(|minor| error.sub_status == Some(minor))
        }
        FailureKind::OutOfGas => error.status == StatusCode::OUT_OF_GAS,
        FailureKind::Status { major, minor } => {
            error.status.number() == *major && minor.is_none_or(|minor| error.sub_status == Some(minor))
        }
    };
    let is_place = pattern.location.as_ref().is_none_or(|wanted| {
        error.at.as_ref().is_some_and(|at| match &at.location {
            CodeLocation::Module(id) => id.address == wanted.address && id.name.as_str() == wanted.name.as_str(),
            CodeLocation::Script => false,
        })
    });
    (!(is_kind && is_place)).then(|| format!("expected {}, got {}", wanted(pattern), trace()))
}

/// Name of the `#[error]` constant that an abort code `0xC0kk_LLLL_IIII_CCCC` points to: `IIII` is its place among the
/// module's identifiers.
fn error_name<'a>(package: &'a Package, module: &ModuleIdent, code: u64) -> Option<&'a str> {
    if code >> 56 != 0xC0 {
        return None;
    }
    let is_module = |id: &ModuleId| id.address == module.address && id.name.as_str() == module.name.as_str();
    let unit = package.program.modules.iter().find(|unit| is_module(&unit.module.self_id()))?;
    let position = usize::from(u16::try_from((code >> 16) & 0xFFFF).ok()?);
    unit.module.identifiers.get(position).map(|name| name.as_str())
}

fn wanted(pattern: &FailurePattern) -> String {
    let kind = match &pattern.kind {
        FailureKind::Abort(code) => format!("abort code {code} ({code:#x})"),
        FailureKind::ErrorConstant { module, name } => format!("error {module}::{name}"),
        FailureKind::Arithmetic => "an arithmetic error".to_owned(),
        FailureKind::Vector(Some(minor)) => format!("a vector error {minor}"),
        FailureKind::Vector(None) => "a vector error".to_owned(),
        FailureKind::OutOfGas => "out of gas".to_owned(),
        FailureKind::Status { major, minor: Some(minor) } => format!("status {major}, {minor}"),
        FailureKind::Status { major, minor: None } => format!("status {major}"),
    };
    pattern.location.as_ref().map_or_else(|| kind.clone(), |module| format!("{kind} in {module}"))
}

/// File and line of the instruction that failed, where the source map is at hand.
fn place(package: &Package, error: &VmError) -> String {
    let found = error.at.as_ref().and_then(|at| {
        let CodeLocation::Module(id) = &at.location else { return None };
        let unit = package.program.modules.iter().find(|unit| unit.module.self_id() == *id)?;
        let span = unit.source_map.span(usize::from(at.function), usize::from(at.code_offset))?;
        let (line, column) = package.program.files.line_column(span.file, span.start);
        Some(format!("\n    at {}:{line}:{column}", package.program.files.path(span.file)))
    });
    found.unwrap_or_default()
}

fn line(ran: &Ran, gas: bool) -> String {
    let verdict = if ran.failure.is_none() { paint("PASS", "32") } else { paint("FAIL", "31;1") };
    let cost = if gas { format!("  {} gas, {} \u{b5}s", ran.gas.0, ran.elapsed.as_micros()) } else { String::new() };
    let why = ran.failure.as_ref().map(|why| format!("\n  {why}")).unwrap_or_default();
    format!("[ {verdict} ] {}{cost}{why}", ran.name)
}

fn finish(output: Output, package: &Package, filter: Option<&str>, ran: &[Ran]) -> CliResult {
    let failed = ran.iter().filter(|one| one.failure.is_some()).count();
    let passed = ran.len() - failed;
    let name = package.loaded.root().name.to_string();
    output.result(
        || format!("{name}: {passed} passed, {failed} failed"),
        || {
            json!({
                "package": name,
                "passed": passed,
                "failed": failed,
                "tests": ran
                    .iter()
                    .map(|one| json!({
                        "name": one.name,
                        "passed": one.failure.is_none(),
                        "failure": one.failure,
                        "gas": one.gas.0.to_string(),
                        "time_us": one.elapsed.as_micros().to_string(),
                    }))
                    .collect::<Vec<_>>(),
            })
        },
    );
    if ran.is_empty() {
        let message =
            format!("{name} has no test{}", filter.map_or(String::new(), |text| format!(" whose name holds `{text}`")));
        return Err(CliError::verdict(message).hint("mark functions with #[test]"));
    }
    if failed > 0 {
        return Err(CliError::verdict(format!("{failed} of {} tests failed", ran.len())));
    }
    Ok(())
}
