//! What an expression is for: decides how a message about its type begins, its code, and where the expectation came
//! from.

use std::borrow::Cow;

use crate::diagnostics::{Code, Span, codes};

/// The role of an expression whose type is wanted.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// How messages call the expression.
    pub(super) text: Cow<'static, str>,
    /// The code of a mismatch.
    pub(super) code: Code,
    /// What asks for the type.
    pub(super) origin: Option<(Span, Cow<'static, str>)>,
}

impl Role {
    pub(super) const fn new(text: &'static str, code: Code) -> Self {
        Self { text: Cow::Borrowed(text), code, origin: None }
    }

    /// An argument for the parameter `name`.
    pub(super) fn argument(name: &str) -> Self {
        Self { text: format!("the argument `{name}`").into(), ..ARGUMENT }
    }

    /// The value of the field `name`.
    pub(super) fn field(name: &str) -> Self {
        Self { text: format!("the field `{name}`").into(), code: codes::FIELD_TYPE, origin: None }
    }

    /// An operand of the operator `symbol`.
    pub(super) fn operand(symbol: &str) -> Self {
        Self { text: format!("an operand of `{symbol}`").into(), code: codes::OPERAND_TYPE, origin: None }
    }

    /// The same, asked for by what stands at `span`.
    pub(super) fn because(&self, span: Span, why: impl Into<Cow<'static, str>>) -> Self {
        Self { origin: Some((span, why.into())), ..self.clone() }
    }
}

pub(super) const ABORT_CODE: Role = Role::new("the abort code", codes::ABORT_CODE_TYPE);
pub(super) const ADDRESS: Role = Role::new("the address", codes::STORAGE_ARGUMENT_TYPE);
pub(super) const ANNOTATED: Role = Role::new("the annotated expression", codes::ANNOTATED_TYPE);
pub(super) const ARGUMENT: Role = Role::new("the argument", codes::ARGUMENT_TYPE);
pub(super) const ARM: Role = Role::new("this arm", codes::BRANCH_TYPES);
pub(super) const ASSIGNED: Role = Role::new("the assigned value", codes::ASSIGNED_TYPE);
pub(super) const BLOCK: Role = Role::new("the block's value", codes::BREAK_TYPE);
pub(super) const BODY: Role = Role::new("the function's body", codes::RESULT_TYPE);
pub(super) const BRANCH: Role = Role::new("this branch", codes::BRANCH_TYPES);
pub(super) const BREAK: Role = Role::new("the value of this `break`", codes::BREAK_TYPE);
pub(super) const CONDITION: Role = Role::new("the condition", codes::CONDITION_TYPE);
pub(super) const CONSTANT: Role = Role::new("the constant's value", codes::CONSTANT_TYPE);
pub(super) const ELEMENT: Role = Role::new("an element", codes::ELEMENT_TYPE);
pub(super) const GUARD: Role = Role::new("the guard", codes::CONDITION_TYPE);
pub(super) const INDEX: Role = Role::new("the index", codes::INDEX_TYPE);
pub(super) const LAMBDA: Role = Role::new("the lambda's value", codes::LAMBDA_TYPE);
pub(super) const LEFT: Role = Role::new("the left operand", codes::OPERAND_TYPE);
pub(super) const LOOP_BODY: Role = Role::new("the loop's body", codes::LOOP_BODY_TYPE);
pub(super) const MACRO_ARGUMENT: Role = Role::new("the macro's argument", codes::ARGUMENT_TYPE);
pub(super) const MACRO_RESULT: Role = Role::new("the macro's result", codes::RESULT_TYPE);
pub(super) const NOT: Role = Role::new("the operand of `!`", codes::OPERAND_TYPE);
pub(super) const PATTERN: Role = Role::new("the pattern", codes::PATTERN_TYPE);
pub(super) const RECEIVER: Role = Role::new("the receiver", codes::RECEIVER_TYPE);
pub(super) const RESOURCE: Role = Role::new("the resource", codes::STORAGE_ARGUMENT_TYPE);
pub(super) const RESULT: Role = Role::new("the function's result", codes::RESULT_TYPE);
pub(super) const RETURNED: Role = Role::new("the returned value", codes::RESULT_TYPE);
pub(super) const RIGHT: Role = Role::new("the right operand", codes::OPERAND_TYPE);
pub(super) const SHIFT: Role = Role::new("the shift amount", codes::SHIFT_AMOUNT_TYPE);
pub(super) const SIGNER: Role = Role::new("the signer", codes::STORAGE_ARGUMENT_TYPE);
pub(super) const VALUE: Role = Role::new("the value", codes::LET_TYPE);
