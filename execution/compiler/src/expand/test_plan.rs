//! What a test run has to do: every `#[test]` function with its signers and how it is meant to end.

use std::collections::BTreeMap;

use super::ast::{AbortCode, ExpectedFailure, ModuleIdent, Program};
use super::constants;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, Symbol, codes};
use crate::parse::ast::Address;

/// All tests of the target packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestPlan {
    /// Tests by module, in the order written.
    pub modules: BTreeMap<ModuleIdent, Vec<TestCase>>,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCase {
    /// The function's name.
    pub name: Symbol,
    /// One address per parameter, in the order of the parameters: the signer to pass, or a reference to it.
    pub signers: Vec<Address>,
    /// How it must end.
    pub outcome: Outcome,
    /// Where it is written.
    pub span: Span,
}

/// How a test must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returns.
    Pass,
    /// It fails, however.
    AnyFailure,
    /// It fails as described.
    Failure(FailurePattern),
}

/// A failure a test wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePattern {
    /// What goes wrong.
    pub kind: FailureKind,
    /// The module in which it goes wrong; any when absent.
    pub location: Option<ModuleIdent>,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// An abort with this code.
    Abort(u64),
    /// An abort with a clever code that names this `#[error]` constant of this module.
    ErrorConstant {
        /// The module.
        module: ModuleIdent,
        /// The constant.
        name: Symbol,
    },
    /// Overflow, division by zero and the like.
    Arithmetic,
    /// A vector operation out of range; its sub-status if wanted.
    Vector(Option<u64>),
    /// Gas used up.
    OutOfGas,
    /// The numbered status code, with its sub-status if wanted.
    Status {
        /// The code.
        major: u64,
        /// The sub-status.
        minor: Option<u64>,
    },
}

impl TestPlan {
    /// The tests of every target module of `program`, which must have been expanded in test mode. Codes given by names
    /// that are no integer constants are reported.
    #[must_use]
    pub fn new(program: &Program, diagnostics: &mut Diagnostics) -> Self {
        let mut plan = Self::default();
        for (ident, module) in program.modules.iter().filter(|(_, module)| module.is_target) {
            let mut cases = Vec::new();
            for function in &module.functions {
                let Some(test) = &function.attributes.test else { continue };
                let signers = function
                    .item
                    .params
                    .iter()
                    .filter_map(|param| test.signers.iter().find(|(name, _)| name.value == param.name.value))
                    .map(|(_, address)| *address)
                    .collect();
                let outcome = match &function.attributes.expected_failure {
                    None => Some(Outcome::Pass),
                    Some((failure, span)) => outcome(program, failure, *span, diagnostics),
                };
                let Some(outcome) = outcome else { continue };
                cases.push(TestCase {
                    name: function.item.name.value.clone(),
                    signers,
                    outcome,
                    span: function.item.name.span,
                });
            }
            if !cases.is_empty() {
                plan.modules.insert(ident.clone(), cases);
            }
        }
        plan
    }

    /// How many tests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.modules.values().map(Vec::len).sum()
    }

    /// `true` if there are no tests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

fn outcome(program: &Program, failure: &ExpectedFailure, span: Span, diagnostics: &mut Diagnostics) -> Option<Outcome> {
    let mut number = |code: &AbortCode| match code {
        AbortCode::Number(number) => Some(*number),
        AbortCode::Constant { module, name } => {
            let value = constants::value(program, module, &name.value).and_then(|value| u64::try_from(value).ok());
            if value.is_none() {
                diagnostics.push(
                    Diagnostic::new(
                        codes::BAD_TEST,
                        span,
                        format!("`{}` is no integer constant of module `{module}`", name.value),
                    )
                    .help("give the code as a number and `location = ..`"),
                );
            }
            value
        }
    };
    let mut optional = |code: &Option<AbortCode>| match code {
        Some(code) => number(code).map(Some),
        None => Some(None),
    };
    let (kind, location) = match failure {
        ExpectedFailure::Any => return Some(Outcome::AnyFailure),
        ExpectedFailure::Abort { code, location } => (abort(program, code, &mut number)?, location),
        ExpectedFailure::Arithmetic { location } => (FailureKind::Arithmetic, location),
        ExpectedFailure::Vector { minor_status, location } => (FailureKind::Vector(optional(minor_status)?), location),
        ExpectedFailure::OutOfGas { location } => (FailureKind::OutOfGas, location),
        ExpectedFailure::Status { major, minor_status, location } => {
            let minor = optional(minor_status)?;
            (FailureKind::Status { major: *major, minor }, location)
        }
    };
    Some(Outcome::Failure(FailurePattern { kind, location: location.clone() }))
}

fn abort(
    program: &Program,
    code: &AbortCode,
    number: &mut dyn FnMut(&AbortCode) -> Option<u64>,
) -> Option<FailureKind> {
    if let AbortCode::Constant { module, name } = code {
        let constants = program.modules.get(module).map(|module| module.constants.as_slice());
        let is_error = constants
            .unwrap_or_default()
            .iter()
            .any(|one| one.item.name.value == name.value && one.attributes.error.is_some());
        if is_error {
            return Some(FailureKind::ErrorConstant { module: module.clone(), name: name.value.clone() });
        }
    }
    number(code).map(FailureKind::Abort)
}
