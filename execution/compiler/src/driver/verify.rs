//! Every result passes the verifier.
//!
//! The compiler itself checks everything but borrows, limits and endless instantiation: a rejection for one of those is
//! an error in the source and shown there, any other is reported as a fault of the compiler.

use noema_bytecode::{Bytecode, CodeUnit, CompiledModule};
use noema_execution_api::StatusCode;
use noema_verifier::{Limits, VerifyError, verify_module, verify_script};

use crate::diagnostics::{Code, Diagnostic, Diagnostics, Span, codes};
use crate::emit::SourceMap;

use super::{CompiledScriptUnit, CompiledUnit, borrows};

/// How many functions of a module are looked at once one is wrong.
const FAULTY_FUNCTIONS_MAX: usize = 50;

pub(super) fn verify(modules: &[CompiledUnit], scripts: &[CompiledScriptUnit], diagnostics: &mut Diagnostics) {
    let limits = Limits::default();
    for unit in modules {
        verify_unit(unit, &limits, diagnostics);
    }
    for unit in scripts {
        if let Err(error) = verify_script(&unit.script, &limits) {
            diagnostics.push(explain(
                &error,
                &format!("script `{}`", unit.name),
                &unit.script.module,
                &unit.source_map,
            ));
        }
    }
}

/// Verifies a module; what is wrong in one function does not hide what is wrong in the next.
fn verify_unit(unit: &CompiledUnit, limits: &Limits, diagnostics: &mut Diagnostics) {
    let Err(mut error) = verify_module(&unit.module, limits) else { return };
    let mut rest = unit.module.clone();
    for _ in 0..FAULTY_FUNCTIONS_MAX {
        diagnostics.push(explain(&error, &unit.ident.to_string(), &unit.module, &unit.source_map));
        let Some((index, _)) = &error.location.function else { return };
        if borrow_message(error.status).is_none() {
            return;
        }
        let Some(code) = rest.function_defs.get_mut(index.index()).and_then(|function| function.code.as_mut()) else {
            return;
        };
        let idle = vec![Bytecode::LdU64(0), Bytecode::Abort];
        if code.code == idle {
            return;
        }
        *code = CodeUnit { code: idle, jump_tables: Vec::new(), locals: code.locals };
        match verify_module(&rest, limits) {
            Err(next) if borrow_message(next.status).is_some() => error = next,
            _ => return,
        }
    }
}

/// What a rejection for conflicting borrows means in the source.
fn borrow_message(status: StatusCode) -> Option<(&'static str, &'static str)> {
    let read_help = "end the use of the other reference before this";
    Some(match status {
        StatusCode::BORROWFIELD_EXISTS_MUTABLE_BORROW_ERROR => {
            ("this field is borrowed while a `&mut` reference to it is still in use", read_help)
        }
        StatusCode::BORROWLOC_EXISTS_BORROW_ERROR => {
            ("this local is borrowed while another reference to it is still in use", read_help)
        }
        StatusCode::CALL_BORROWED_MUTABLE_REFERENCE_ERROR => (
            "a `&mut` argument is still borrowed: another argument or a live reference points into it",
            "compute the other arguments first and bind them with `let`",
        ),
        StatusCode::COPYLOC_EXISTS_BORROW_ERROR => {
            ("this local is read while a `&mut` reference to it is still in use", read_help)
        }
        StatusCode::FREEZEREF_EXISTS_MUTABLE_BORROW_ERROR => {
            ("this reference becomes `&` while a `&mut` reference derived from it is still in use", read_help)
        }
        StatusCode::GLOBAL_REFERENCE_ERROR => (
            "this resource is used while a reference to a value of its type in global storage is still in use",
            "read what you need from the first reference before this",
        ),
        StatusCode::MOVELOC_EXISTS_BORROW_ERROR => {
            ("this local is moved out while a reference to it is still in use", read_help)
        }
        StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR => {
            ("this value is read while a `&mut` reference into it is still in use", read_help)
        }
        StatusCode::RET_BORROWED_MUTABLE_REFERENCE_ERROR => {
            ("a returned `&mut` reference is still borrowed by another one", "return only one of them")
        }
        StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR => {
            ("this local is assigned while a reference to its old value is still in use", read_help)
        }
        StatusCode::UNSAFE_RET_LOCAL_OR_RESOURCE_STILL_BORROWED => (
            "the returned reference points to a local or into global storage, which ends with the function",
            "return the value itself",
        ),
        StatusCode::VEC_BORROW_ELEMENT_EXISTS_MUTABLE_BORROW_ERROR => {
            ("an element is borrowed while another reference into the vector is still in use", read_help)
        }
        StatusCode::VEC_UPDATE_EXISTS_MUTABLE_BORROW_ERROR => {
            ("the vector is changed while a reference into it is still in use", read_help)
        }
        StatusCode::WRITEREF_EXISTS_BORROW_ERROR => {
            ("this value is assigned while a reference into it is still in use", read_help)
        }
        _ => return None,
    })
}

/// The code of a rejection for conflicting borrows.
fn borrow_code(status: StatusCode) -> Code {
    use StatusCode as S;
    match status {
        S::BORROWFIELD_EXISTS_MUTABLE_BORROW_ERROR
        | S::BORROWLOC_EXISTS_BORROW_ERROR
        | S::FREEZEREF_EXISTS_MUTABLE_BORROW_ERROR
        | S::VEC_BORROW_ELEMENT_EXISTS_MUTABLE_BORROW_ERROR => codes::BORROWED_TWICE,
        S::CALL_BORROWED_MUTABLE_REFERENCE_ERROR => codes::ARGUMENT_BORROWED,
        S::COPYLOC_EXISTS_BORROW_ERROR | S::READREF_EXISTS_MUTABLE_BORROW_ERROR => codes::READ_WHILE_BORROWED,
        S::GLOBAL_REFERENCE_ERROR => codes::GLOBAL_BORROWED,
        S::MOVELOC_EXISTS_BORROW_ERROR => codes::MOVED_WHILE_BORROWED,
        S::RET_BORROWED_MUTABLE_REFERENCE_ERROR => codes::RETURNED_TWICE,
        S::STLOC_UNSAFE_TO_DESTROY_ERROR => codes::ASSIGNED_WHILE_BORROWED,
        S::UNSAFE_RET_LOCAL_OR_RESOURCE_STILL_BORROWED => codes::RETURNED_LOCAL,
        S::VEC_UPDATE_EXISTS_MUTABLE_BORROW_ERROR | S::WRITEREF_EXISTS_BORROW_ERROR => codes::CHANGED_WHILE_BORROWED,
        _ => codes::BORROW_CONFLICT,
    }
}

/// What a rejection for a limit or a rule about whole modules means in the source.
fn limit_message(status: StatusCode) -> Option<&'static str> {
    Some(match status {
        StatusCode::LOOP_MAX_DEPTH_REACHED => "loops are nested too deep",
        StatusCode::TOO_MANY_BASIC_BLOCKS => "the function has too many branches",
        StatusCode::TOO_MANY_PARAMETERS => "the function has too many parameters",
        StatusCode::TOO_MANY_TYPE_PARAMETERS => "there are too many type parameters",
        StatusCode::TOO_MANY_TYPE_NODES => "a type is too large",
        StatusCode::VALUE_STACK_PUSH_OVERFLOW | StatusCode::VALUE_STACK_OVERFLOW => "an expression is too large",
        StatusCode::MAX_FIELD_DEFINITIONS_REACHED => "a struct has too many fields",
        StatusCode::MAX_FUNCTION_DEFINITIONS_REACHED => "the module has too many functions",
        StatusCode::MAX_STRUCT_DEFINITIONS_REACHED => "the module has too many structs",
        StatusCode::MAX_VARIANTS_REACHED => "an enum has too many variants",
        StatusCode::IDENTIFIER_TOO_LONG => "a name is too long",
        StatusCode::PROGRAM_TOO_COMPLEX => "the code is too complex to verify",
        StatusCode::LOOP_IN_INSTANTIATION_GRAPH => {
            "functions call each other with ever larger type arguments, which never ends"
        }
        _ => return None,
    })
}

fn explain(error: &VerifyError, name: &str, module: &CompiledModule, map: &SourceMap) -> Diagnostic {
    let position = error.location.function.as_ref().map_or(0, |(index, _)| index.index());
    let function = map.functions.get(position);
    let offset = error.location.offset.map(usize::from);
    let span = error
        .location
        .function
        .as_ref()
        .and(function)
        .map(|function| offset.and_then(|offset| function.code.get(offset)).copied().unwrap_or(function.span));
    if let Some((message, help)) = borrow_message(error.status) {
        let diagnostic = at(borrow_code(error.status), span, message).help(help);
        return point_at_borrow(diagnostic, module, map, position, offset);
    }
    if let Some(message) = limit_message(error.status) {
        let code = if error.status == StatusCode::LOOP_IN_INSTANTIATION_GRAPH {
            codes::ENDLESS_INSTANTIATION
        } else {
            codes::TOO_LARGE
        };
        return at(code, span, message).note(format!("the verifier says: {}", error.message));
    }
    at(codes::COMPILER_BUG, span, &format!("the code compiled for {name} does not verify"))
        .note(error.to_string())
        .help("this is a fault of the compiler: please report it with the module's source")
}

fn at(code: Code, span: Option<Span>, message: &str) -> Diagnostic {
    match span {
        Some(span) => Diagnostic::new(code, span, message),
        None => Diagnostic::without_place(code, message),
    }
}

/// Points at both ends of a conflict: where the reference in the way was made, and where it is used later.
fn point_at_borrow(
    mut diagnostic: Diagnostic,
    module: &CompiledModule,
    map: &SourceMap,
    position: usize,
    offset: Option<usize>,
) -> Diagnostic {
    let (Some(function), Some(offset)) = (map.functions.get(position), offset) else { return diagnostic };
    let Some(culprit) = borrows::culprit(module, position, function, offset) else { return diagnostic };
    let conflict = diagnostic.span();
    let whose = culprit.name.map_or_else(|| "the reference".to_owned(), |name| format!("the reference `{name}`"));
    if let Some(place) = culprit.place {
        diagnostic = diagnostic.label(format!("`{place}` is in conflict here"));
    }
    if let Some(made) = culprit.made.filter(|made| Some(*made) != conflict) {
        diagnostic = diagnostic.secondary(made, format!("{whose} is made here"));
    }
    match culprit.used {
        Some(used) if Some(used) == conflict => diagnostic,
        Some(used) if culprit.made == Some(used) => diagnostic,
        Some(used) => diagnostic.secondary(used, format!("{whose} is used later, here")),
        None => diagnostic,
    }
}
