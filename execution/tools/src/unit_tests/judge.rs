//! Whether a test ended as it should.

use noema_compiler::CompiledProgram;
use noema_compiler::expand::ast::ModuleIdent;
use noema_compiler::expand::test_plan::{FailureKind, FailurePattern, Outcome};
use noema_execution_api::StatusCode;
use noema_types::CodeLocation;
use noema_vm::VmError;

use crate::trace::{clever_name, render};

/// What a test is told that waits for a model.
pub(super) const PENDING: &str = "it asks a model; hint: script the answer with \
    0x1::inference::script_text_for_test, script_choice_for_test, script_score_for_test or script_embedding_for_test";

/// `None` if a test that returns was meant to.
pub(super) fn returned(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Pass => None,
        Outcome::AnyFailure => Some("it passed, but a failure is expected".to_owned()),
        Outcome::Failure(pattern) => Some(format!("it passed, but it is expected to fail with {}", wanted(pattern))),
    }
}

/// `None` if the failure is the one that was expected.
pub(super) fn failed(program: &CompiledProgram, outcome: &Outcome, error: &VmError) -> Option<String> {
    let pattern = match outcome {
        Outcome::Pass if error.status == StatusCode::OUT_OF_GAS => {
            return Some(format!(
                "{}\n  = hint: it may never end; if it does, raise --gas-limit",
                render(program, error)
            ));
        }
        Outcome::Pass => return Some(render(program, error)),
        Outcome::AnyFailure => return None,
        Outcome::Failure(pattern) => pattern,
    };
    let is_kind = match &pattern.kind {
        FailureKind::Abort(code) => error.abort_code() == Some(*code),
        FailureKind::ErrorConstant { module, name } => {
            error.abort_code().is_some_and(|code| error_name(program, module, code) == Some(name.as_str()))
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
    (!(is_kind && is_place)).then(|| format!("expected {}, got {}", wanted(pattern), render(program, error)))
}

/// Name of the `#[error]` constant of a module that an abort code points to.
fn error_name<'p>(program: &'p CompiledProgram, module: &ModuleIdent, code: u64) -> Option<&'p str> {
    let unit = program.modules.iter().find(|unit| unit.ident == *module)?;
    clever_name(unit, code)
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
