//! Checks types and writes out what the source leaves implicit.
//!
//! Guaranteed of the result if no error was reported: every expression has a closed type over the function's own type
//! parameters; borrows, freezes and dereferences are explicit; literals fit their types; abilities that a use needs are
//! there. What depends on the flow of control (locals without a value, values without `drop` left over, conflicting
//! borrows) is decided later, on the lowered code.

mod call;
mod check;
mod constants;
mod control;
mod declarations;
mod exp;
mod hir;
mod infer;
mod macros;
mod matching;
mod pattern;
mod place;
mod role;
mod ty;

use std::collections::BTreeMap;

pub(crate) use constants::fold;
pub use exp::CODELESS_ABORT;
pub use hir::{
    Arm, Body, Builtin, Exp, ExpKind, FieldRef, FieldsOf, For, JumpId, LValue, Lambda, Local, LocalId, Match, Pat,
    Stmt, Usage, Value,
};
pub use ty::{ConstId, DataId, FunId, Int, ModId, Ty};

use crate::diagnostics::{Diagnostic, Diagnostics, Span, codes};
use crate::expand::ast::{Annotated, Program};
use crate::name::{FunKind, Globals, Scope};
use crate::parse::ast;

use check::Checker;

/// The bodies of all functions that have one.
pub type Bodies = BTreeMap<FunId, Body>;

/// Checks declarations, computes constants, checks bodies.
pub fn check(program: &Program, globals: &mut Globals, diagnostics: &mut Diagnostics) -> Bodies {
    prepare(program, globals, diagnostics);
    check_bodies(program, globals, &|_| true, diagnostics)
}

/// Checks declarations and computes constants.
pub(crate) fn prepare(program: &Program, globals: &mut Globals, diagnostics: &mut Diagnostics) {
    declarations::check(globals, diagnostics);
    constants::compute(program, globals, diagnostics);
}

/// Checks the bodies of `wanted` modules, and of all functions that are expanded at their calls.
pub(crate) fn check_bodies(
    program: &Program,
    globals: &Globals,
    wanted: &dyn Fn(ModId) -> bool,
    diagnostics: &mut Diagnostics,
) -> Bodies {
    let mut bodies = Bodies::new();
    for position in 0..globals.functions.len() {
        let id = FunId(u32::try_from(position).expect("functions are fewer than 2^32"));
        let info = globals.function(id);
        if matches!(info.kind, FunKind::Native | FunKind::Macro) {
            continue;
        }
        if info.kind == FunKind::Plain && !wanted(info.module) {
            continue;
        }
        let function = &function_ast(program, globals, id).item;
        if let Some(body) = check_function(program, globals, diagnostics, id, function, None) {
            bodies.insert(id, body);
        }
    }
    bodies
}

/// The types of everything in one function's body, as far as they are known: also of a body with errors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Expressions, those inside macros with the spans of the macro's body.
    pub(crate) types: Vec<(Span, Ty)>,
    /// Locals.
    pub(crate) locals: Vec<Local>,
}

/// Checks declarations, constants and the functions that `wanted` picks, and keeps what is known of their types.
pub(crate) fn check_traced(
    program: &Program,
    globals: &mut Globals,
    diagnostics: &mut Diagnostics,
    wanted: &dyn Fn(&Globals, FunId) -> bool,
) -> BTreeMap<FunId, Trace> {
    declarations::check(globals, diagnostics);
    constants::compute(program, globals, diagnostics);
    let mut traces = BTreeMap::new();
    for position in 0..globals.functions.len() {
        let id = FunId(u32::try_from(position).expect("functions are fewer than 2^32"));
        if matches!(globals.function(id).kind, FunKind::Native | FunKind::Macro) || !wanted(globals, id) {
            continue;
        }
        let function = &function_ast(program, globals, id).item;
        let mut trace = Trace::default();
        check_function(program, globals, diagnostics, id, function, Some(&mut trace));
        traces.insert(id, trace);
    }
    traces
}

/// The members of a module or script as parsed.
fn members<'p>(program: &'p Program, globals: &Globals, module: ModId) -> Members<'p> {
    let info = globals.module(module);
    if info.is_script {
        let script = &program.scripts[module.0 as usize - program.modules.len()];
        return Members { functions: std::slice::from_ref(&script.function), constants: &script.constants };
    }
    let module = &program.modules[&info.ident];
    Members { functions: &module.functions, constants: &module.constants }
}

struct Members<'p> {
    functions: &'p [Annotated<ast::Function>],
    constants: &'p [Annotated<ast::Constant>],
}

fn function_ast<'p>(program: &'p Program, globals: &Globals, id: FunId) -> &'p Annotated<ast::Function> {
    let info = globals.function(id);
    &members(program, globals, info.module).functions[info.position]
}

fn check_function(
    program: &Program,
    globals: &Globals,
    diagnostics: &mut Diagnostics,
    id: FunId,
    function: &ast::Function,
    trace: Option<&mut Trace>,
) -> Option<Body> {
    let ast::FunctionBody::Block(block) = &function.body else { return None };
    let info = globals.function(id);
    let scope = Scope::new(info.module, info.type_param_names());
    let errors_before = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let mut checker = Checker::new(program, globals, diagnostics, scope, info.result.clone());
    checker.param_abilities = info.constraints();
    checker.trace = trace.is_some().then(Vec::new);
    checker.is_inline = info.kind == FunKind::Inline;
    for (param, (name, ty)) in function.params.iter().zip(&info.params) {
        let known = checker.lookup(&name.value).map(|id| checker.locals[id.0 as usize].span);
        if let (Some(first), false) = (known, name.value == "_") {
            checker.push(
                Diagnostic::new(
                    codes::DUPLICATE_PARAMETER,
                    name.span,
                    format!("the parameter `{}` is declared twice", name.value),
                )
                .secondary(first, "first declared here"),
            );
        }
        let local = checker.declare(name, ty.clone(), param.mutable.is_some());
        checker.locals[local.0 as usize].is_given = true;
    }
    let body = checker.block(None, block, Some(&info.result), block.span);
    let mut body = if body.ty == Ty::Never {
        body
    } else if matches!(&body.kind, ExpKind::Block(_, _, Some(_))) {
        coerce_result(&mut checker, body, &info.result, function.result.span)
    } else {
        checker.coerce(body, &info.result, &role::BODY.because(function.result.span, "is the declared result"))
    };
    checker.finish(&mut body);
    let locals = std::mem::take(&mut checker.locals);
    if let (Some(out), Some(types)) = (trace, checker.trace.take()) {
        out.types = types.into_iter().map(|(span, ty)| (span, checker.infer.deep(&ty))).collect();
        out.locals.clone_from(&locals);
    }
    let module = globals.module(info.module);
    if module.is_target {
        for (position, local) in locals.iter().enumerate() {
            let is_param = position < function.params.len();
            if local.is_mut && local.is_given && local.is_used && !local.is_changed && !local.name.starts_with('_') {
                diagnostics.push(
                    Diagnostic::new(
                        codes::UNUSED_MUT,
                        local.span,
                        format!("`{}` is declared with `mut` and never changed", local.name),
                    )
                    .help("leave `mut` out"),
                );
            }
            if !local.is_used {
                let (what, code) = match is_param {
                    true => ("parameter", codes::UNUSED_PARAMETER),
                    false => ("local", codes::UNUSED_LOCAL),
                };
                diagnostics.push(
                    Diagnostic::new(code, local.span, format!("the {what} `{}` is never used", local.name))
                        .help(format!("name it `_{}` or remove it", local.name)),
                );
            }
        }
    }
    declarations::check_body_types(globals, diagnostics, id, &locals);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    (errors == errors_before).then_some(Body { params: function.params.len(), locals, exp: body })
}

/// Fits the last expression of a body to the result type, so that messages point at it and not at the whole body.
fn coerce_result(checker: &mut Checker<'_>, body: Exp, result: &Ty, declared: Span) -> Exp {
    let Exp { kind: ExpKind::Block(label, statements, Some(last)), span, .. } = body else { return body };
    let last = checker.coerce(*last, result, &role::RESULT.because(declared, "is the declared result"));
    Exp::new(ExpKind::Block(label, statements, Some(Box::new(last))), result.clone(), span)
}
