//! Computes constants. A computation that would fail at run time is an error here.

use noema_types::U256;

use crate::diagnostics::{Diagnostic, Diagnostics, Span, codes};
use crate::expand::ast::Program;
use crate::name::{Globals, Scope};
use crate::parse::ast::BinaryOp;

use super::check::Checker;
use super::hir::{Exp, ExpKind, Stmt, Value};
use super::members;
use super::role;
use super::ty::{ConstId, Int, Ty};

/// Checks and computes every constant of the program.
pub(super) fn compute(program: &Program, globals: &mut Globals, diagnostics: &mut Diagnostics) {
    let mut expressions: Vec<Option<Exp>> = Vec::new();
    for info in &globals.constants {
        let constant = &members(program, globals, info.module).constants[info.position].item;
        let errors_before = diagnostics.len();
        let mut checker = Checker::new(program, globals, diagnostics, Scope::new(info.module, Vec::new()), Ty::unit());
        checker.in_constant = true;
        let mut exp = checker.exp_as(&constant.value, &info.ty, &role::CONSTANT);
        checker.finish(&mut exp);
        let is_fine = diagnostics.iter().skip(errors_before).all(|diagnostic| !diagnostic.is_error());
        expressions.push(is_fine.then_some(exp));
    }
    let mut folder =
        Folder { globals, diagnostics, expressions: &expressions, state: vec![State::New; expressions.len()] };
    let values: Vec<Option<Value>> = (0..expressions.len()).map(|position| folder.constant(position, None)).collect();
    for (info, value) in globals.constants.iter_mut().zip(values) {
        info.value = value;
    }
}

#[derive(Clone)]
enum State {
    New,
    Running,
    Done(Option<Value>),
}

struct Folder<'a> {
    globals: &'a Globals,
    diagnostics: &'a mut Diagnostics,
    expressions: &'a [Option<Exp>],
    state: Vec<State>,
}

impl Folder<'_> {
    fn constant(&mut self, position: usize, used_at: Option<Span>) -> Option<Value> {
        match &self.state[position] {
            State::Done(value) => return value.clone(),
            State::Running => {
                let name = &self.globals.constants[position].name;
                let diagnostic = Diagnostic::new(
                    codes::CONSTANT_CYCLE,
                    used_at.unwrap_or(name.span),
                    format!("the constant `{}` depends on itself", name.value),
                );
                self.diagnostics.push(diagnostic.secondary(name.span, "declared here"));
                return None;
            }
            State::New => {}
        }
        self.state[position] = State::Running;
        let value = self.expressions[position].as_ref().and_then(|exp| self.fold(exp));
        self.state[position] = State::Done(value.clone());
        value
    }

    fn fold(&mut self, exp: &Exp) -> Option<Value> {
        match &exp.kind {
            ExpKind::Value(value) => Some(value.clone()),
            ExpKind::Const(ConstId(id)) => self.constant(*id as usize, Some(exp.span)),
            ExpKind::Vector(element, parts) => {
                let values: Vec<Value> = parts.iter().map(|part| self.fold(part)).collect::<Option<_>>()?;
                Some(vector_value(element, values))
            }
            ExpKind::Not(inner) => match self.fold(inner)? {
                Value::Bool(value) => Some(Value::Bool(!value)),
                _ => None,
            },
            ExpKind::Cast(inner) => match (self.fold(inner)?, &exp.ty) {
                (Value::Number(number), Ty::Int(int)) if number.bit_len() <= int.bits() => Some(Value::Number(number)),
                (Value::Number(number), Ty::Int(int)) => {
                    self.fails(exp.span, &format!("`{number}` does not fit {}", int.name()));
                    None
                }
                _ => None,
            },
            ExpKind::Binary(op, left, right) => {
                let (left_value, right_value) = (self.fold(left)?, self.fold(right)?);
                match binary(*op, &left_value, &right_value, &left.ty) {
                    Ok(value) => Some(value),
                    Err(problem) => {
                        self.fails(exp.span, problem);
                        None
                    }
                }
            }
            ExpKind::Block(None, statements, Some(result)) if statements.is_empty() => self.fold(result),
            ExpKind::Block(None, statements, _) if statements.iter().any(|s| matches!(s, Stmt::Let(..))) => {
                self.not_constant(exp.span)
            }
            _ => self.not_constant(exp.span),
        }
    }

    fn not_constant(&mut self, span: Span) -> Option<Value> {
        self.diagnostics.push(
            Diagnostic::new(codes::NOT_CONSTANT, span, "this is not computable by the compiler")
                .help("constants are built from literals, operators, casts, vectors and other constants"),
        );
        None
    }

    fn fails(&mut self, span: Span, problem: &str) {
        self.diagnostics.push(Diagnostic::new(
            codes::CONSTANT_FAILS,
            span,
            format!("computing this constant fails: {problem}"),
        ));
    }
}

/// The value of an expression in a function if the compiler can compute it. What would fail at run time has none: it
/// must fail there. `ty` gives the type that an expression's type stands for where the function is expanded.
pub(crate) fn fold(globals: &Globals, exp: &Exp, ty: &dyn Fn(&Ty) -> Ty) -> Option<Value> {
    match &exp.kind {
        ExpKind::Value(value) => Some(value.clone()),
        ExpKind::Const(id) => globals.constant(*id).value.clone(),
        ExpKind::Not(inner) => match fold(globals, inner, ty)? {
            Value::Bool(value) => Some(Value::Bool(!value)),
            _ => None,
        },
        ExpKind::Cast(inner) => match (fold(globals, inner, ty)?, ty(&exp.ty)) {
            (Value::Number(number), Ty::Int(int)) if number.bit_len() <= int.bits() => Some(Value::Number(number)),
            _ => None,
        },
        ExpKind::Binary(op, left, right) => {
            let (left_value, right_value) = (fold(globals, left, ty)?, fold(globals, right, ty)?);
            binary(*op, &left_value, &right_value, &ty(&left.ty)).ok()
        }
        _ => None,
    }
}

/// A vector's value; bytes have a form of their own.
fn vector_value(element: &Ty, values: Vec<Value>) -> Value {
    if *element != Ty::Int(Int::U8) {
        return Value::Vector(values);
    }
    let bytes = values
        .into_iter()
        .map(|value| match value {
            Value::Number(number) => number.to::<u8>(),
            _ => 0,
        })
        .collect();
    Value::Bytes(bytes)
}

fn binary(op: BinaryOp, left: &Value, right: &Value, ty: &Ty) -> Result<Value, &'static str> {
    use BinaryOp as Op;
    match (op, left, right) {
        (Op::Eq, _, _) => Ok(Value::Bool(left == right)),
        (Op::Neq, _, _) => Ok(Value::Bool(left != right)),
        (Op::And, Value::Bool(a), Value::Bool(b)) => Ok(Value::Bool(*a && *b)),
        (Op::Or, Value::Bool(a), Value::Bool(b)) => Ok(Value::Bool(*a || *b)),
        (_, Value::Number(a), Value::Number(b)) => {
            let Ty::Int(int) = ty else { return Err("the operands are not integers") };
            arithmetic(op, *a, *b, int.bits())
        }
        _ => Err("the operands are not numbers"),
    }
}

fn arithmetic(op: BinaryOp, a: U256, b: U256, bits: usize) -> Result<Value, &'static str> {
    use BinaryOp as Op;
    let overflow = "the result does not fit the type";
    let number = match op {
        Op::Lt => return Ok(Value::Bool(a < b)),
        Op::Gt => return Ok(Value::Bool(a > b)),
        Op::Le => return Ok(Value::Bool(a <= b)),
        Op::Ge => return Ok(Value::Bool(a >= b)),
        Op::Add => a.checked_add(b).ok_or(overflow)?,
        Op::Sub => a.checked_sub(b).ok_or(overflow)?,
        Op::Mul => a.checked_mul(b).ok_or(overflow)?,
        Op::Div => a.checked_div(b).ok_or("division by zero")?,
        Op::Mod => a.checked_rem(b).ok_or("division by zero")?,
        Op::BitAnd => a & b,
        Op::BitOr => a | b,
        Op::BitXor => a ^ b,
        Op::Shl | Op::Shr => {
            let amount = b.to::<usize>();
            if amount >= bits {
                return Err("the shift amount is not less than the width");
            }
            let shifted = if op == Op::Shl { a << amount } else { a >> amount };
            let mask = if bits == 256 { U256::MAX } else { (U256::from(1) << bits) - U256::from(1) };
            return Ok(Value::Number(shifted & mask));
        }
        Op::And | Op::Or | Op::Eq | Op::Neq => return Err("the operands are not booleans"),
    };
    if number.bit_len() > bits { Err(overflow) } else { Ok(Value::Number(number)) }
}
