//! The list of traps as cases: source text and the verdict that our compiler and machines, and the official ones, give.

use std::collections::BTreeMap;

use noema_bytecode::CompiledModule;
use noema_compiler::{CompileFailure, Options, SourcePackage, compile_sources};
use noema_types::{Address, Identifier};

use crate::compiler_peer::{Compiled, OfficialCompiler};
use crate::generate::{Call, Program};
use crate::official::{Answer, Official, Question};
use crate::run::{Bench, End, Which};

/// What becomes of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It compiles and `run` returns these bytes.
    Is(Vec<u8>),
    /// It compiles and `run` fails: status and sub-status.
    Fails(String, Option<u64>),
    /// It compiles.
    Compiles,
    /// It is refused.
    Refused,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Number of the entry.
    pub number: u32,
    /// What it is about.
    pub name: String,
    /// Source text.
    pub text: String,
    /// What ours must say.
    pub ours: Verdict,
    /// What the official ones must say; `None` if they are not asked.
    pub official: Option<Verdict>,
}

const CASES: &str = include_str!("../tests/traps.txt");

/// All cases.
///
/// # Panics
/// If the file is not written as its head says.
#[must_use]
pub fn cases() -> Vec<Case> {
    CASES.split("\n=== ").skip(1).map(case).collect()
}

fn case(text: &str) -> Case {
    let (head, body) = text.split_once('\n').expect("a head and a body");
    let mut parts = head.split(" | ");
    let (number, name) = parts.next().and_then(|title| title.split_once(' ')).expect("NUMBER name");
    let ours = verdict(parts.next().expect("a verdict"));
    let official = match parts.next() {
        None => Some(ours.clone()),
        Some("-") => None,
        Some(text) => Some(verdict(text)),
    };
    let text = if body.starts_with("module ") { body.to_owned() } else { format!("module c::m {{\n{body}\n}}\n") };
    Case { number: number.parse().expect("a number"), name: name.to_owned(), text, ours, official }
}

fn number(text: &str) -> u128 {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn verdict(text: &str) -> Verdict {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["ok"] => Verdict::Compiles,
        ["no"] => Verdict::Refused,
        ["is", "bool", value] => Verdict::Is(vec![u8::from(*value == "true")]),
        ["is", ty, value] => {
            let bits: usize = ty.trim_start_matches('u').parse().expect("an integer type");
            Verdict::Is(number(value).to_le_bytes()[..bits / 8].to_vec())
        }
        ["fails", status] => Verdict::Fails((*status).to_owned(), None),
        ["fails", status, code] => Verdict::Fails((*status).to_owned(), u64::try_from(number(code)).ok()),
        _ => panic!("not a verdict: {text}"),
    }
}

/// Compiles a text with our compiler; `c` is 0x42.
///
/// # Errors
/// Its messages.
pub fn compile(text: &str) -> Result<Vec<CompiledModule>, Box<CompileFailure>> {
    let std = noema_framework::source_package(noema_move_stdlib::package());
    let mut address = [0; 32];
    address[31] = 0x42;
    let addresses: BTreeMap<String, Address> =
        [("std".to_owned(), Address::ONE), ("c".to_owned(), Address(address))].into();
    let root =
        SourcePackage { name: "case".to_owned(), sources: vec![("case.move".to_owned(), text.to_owned())], addresses };
    let program = compile_sources(&root, &[std], Options::default()).map_err(Box::new)?;
    Ok(program.modules.into_iter().filter(|unit| unit.is_target).map(|unit| unit.module).collect())
}

/// What our compiler and a machine of ours make of a case.
#[must_use]
pub fn ours(bench: &Bench, which: Which, case: &Case) -> Verdict {
    match compile(&case.text) {
        Ok(modules) => run_ours(bench, which, modules, &case.ours),
        Err(_) => Verdict::Refused,
    }
}

/// Runs `run` of module `m`, if a verdict about that is wanted.
///
/// # Panics
/// If there is no such module.
#[must_use]
pub fn run_ours(bench: &Bench, which: Which, modules: Vec<CompiledModule>, wanted: &Verdict) -> Verdict {
    if matches!(wanted, Verdict::Compiles | Verdict::Refused) {
        return Verdict::Compiles;
    }
    let module = modules.iter().map(CompiledModule::self_id).find(|id| id.name.as_str() == "m").expect("a module m");
    let function = Identifier::new("run").expect("a word");
    let call = Call { module, function, type_args: vec![], args: vec![] };
    let outcome = bench.run(which, &Program { modules, state: vec![], calls: vec![call] }, &[1_000_000_000]);
    match outcome.calls.into_iter().next().map(|call| call.end) {
        Some(End::Results(results)) => Verdict::Is(results.into_iter().flat_map(|(_, bytes)| bytes).collect()),
        Some(End::Failure { status, sub_status, .. }) => Verdict::Fails(status.name().to_owned(), sub_status),
        other => Verdict::Fails(format!("{other:?}"), None),
    }
}

/// What the official compiler and machine make of a case; `None` if one gave no verdict. The machine runs what each
/// compiler made, and ours runs what the official compiler made: all that run must come to the same.
///
/// # Errors
/// What came out differently.
pub fn official(
    bench: &Bench,
    compiler: &mut OfficialCompiler,
    machine: &mut Official,
    text: &str,
    wanted: &Verdict,
) -> Result<Option<Verdict>, String> {
    let modules = match compiler.compile(text) {
        Compiled::Refused(_) => return Ok(Some(Verdict::Refused)),
        Compiled::None(_) => return Ok(None),
        Compiled::Modules(modules) => modules,
    };
    let read = |bytes: &Vec<u8>| CompiledModule::deserialize(bytes).map_err(|error| error.to_string());
    let read: Vec<CompiledModule> = modules.iter().map(read).collect::<Result<_, _>>()?;
    let own = |module: &CompiledModule| module.self_id().name.as_str() != "vector";
    let (bytes, read): (Vec<_>, Vec<_>) = modules.into_iter().zip(read).filter(|(_, module)| own(module)).unzip();
    if matches!(wanted, Verdict::Compiles | Verdict::Refused) {
        return Ok(Some(Verdict::Compiles));
    }
    let Some(theirs) = run_official(machine, "0x0", &bytes) else { return Ok(None) };
    for which in crate::run::ALL {
        let here = run_ours(bench, *which, read.clone(), wanted);
        if here != theirs {
            return Err(format!("compiled by the official compiler: {which:?} {here:?}, official {theirs:?}"));
        }
    }
    Ok(Some(theirs))
}

/// Runs `run` of module `m` on the official machine; `None` if it gave no verdict.
pub fn run_official(machine: &mut Official, address: &str, modules: &[Vec<u8>]) -> Option<Verdict> {
    let question = Question { address, module: "m", function: "run", args: &[], modules };
    Some(match machine.ask(&question) {
        Answer::Results(results) => Verdict::Is(results.concat()),
        Answer::Failure { status, sub_status, .. } => Verdict::Fails(status, sub_status),
        Answer::Rejected(status) => Verdict::Fails(format!("rejected: {status}"), None),
        Answer::Unreadable => Verdict::Fails("unreadable".to_owned(), None),
        Answer::None(_) => return None,
    })
}
