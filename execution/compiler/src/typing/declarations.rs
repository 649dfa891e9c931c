//! Rules of structs, enums and signatures.

use std::collections::BTreeSet;

use noema_bytecode::{Ability, AbilitySet};

use crate::diagnostics::{Diagnostic, Diagnostics, Span, Symbol, codes};
use crate::name::{DataKind, FieldInfo, FunKind, Globals, TypeParamInfo};

use super::check::missing_ability;
use super::hir::Local;
use super::ty::{DataId, FunId, Ty};

/// Checks all datatypes and signatures.
pub(super) fn check(globals: &Globals, diagnostics: &mut Diagnostics) {
    for position in 0..globals.datatypes.len() {
        check_datatype(globals, diagnostics, DataId(u32::try_from(position).expect("datatypes are few")));
    }
    // What a macro's signature says holds where it is expanded.
    for info in globals.functions.iter().filter(|info| info.kind != FunKind::Macro) {
        let (names, abilities) = (info.type_param_names(), info.constraints());
        for (name, ty) in &info.params {
            check_mentions(globals, diagnostics, ty, name.span, &names, &abilities);
        }
        check_mentions(globals, diagnostics, &info.result, info.span, &names, &abilities);
    }
}

/// Checks the types of a body's locals.
pub(super) fn check_body_types(globals: &Globals, diagnostics: &mut Diagnostics, id: FunId, locals: &[Local]) {
    let info = globals.function(id);
    let (names, abilities) = (info.type_param_names(), info.constraints());
    for local in &locals[info.params.len().min(locals.len())..] {
        check_mentions(globals, diagnostics, &local.ty, local.span, &names, &abilities);
    }
}

fn check_datatype(globals: &Globals, diagnostics: &mut Diagnostics, id: DataId) {
    let info = globals.datatype(id);
    let names: Vec<Symbol> = info.type_params.iter().map(|param| param.name.value.clone()).collect();
    let constraints: Vec<AbilitySet> = info.type_params.iter().map(|param| param.constraints).collect();
    let fields: Vec<&FieldInfo> = match &info.kind {
        DataKind::Struct(fields) => fields.iter().collect(),
        DataKind::Enum(variants) => variants.iter().flat_map(|variant| &variant.fields).collect(),
        DataKind::Native => Vec::new(),
    };
    let everything = vec![AbilitySet::ALL; names.len()];
    for field in &fields {
        for ability in info.abilities.iter() {
            let wanted = ability.requires();
            if let Some(culprit) = field.ty.culprit(wanted, globals, &everything) {
                let reason =
                    format!("`{}` has `{}`, so its fields need `{}`", info.name.value, ability.name(), wanted.name());
                let shown = field.ty.display(globals, &names);
                let place = field.name.span;
                let culprit = (&culprit.0, culprit.1);
                let mut diagnostic = missing_ability(globals, &names, &shown, culprit, wanted, place, &reason);
                diagnostic.code = codes::FIELD_ABILITY;
                diagnostics.push(diagnostic);
            }
        }
        check_mentions(globals, diagnostics, &field.ty, field.name.span, &names, &constraints);
        check_phantom(globals, diagnostics, &field.ty, field.name.span, &info.type_params, false);
        if mentions(globals, &field.ty, id, &mut BTreeSet::new()) {
            diagnostics.push(
                Diagnostic::new(
                    codes::RECURSIVE_TYPE,
                    field.name.span,
                    format!("`{}` contains itself", info.name.value),
                )
                .secondary(info.name.span, "declared here")
                .help("keep the other values in a vector beside it and refer to them by position, or in a table"),
            );
            break;
        }
    }
    if info.abilities.has(Ability::Key) && info.is_enum() {
        diagnostics.push(Diagnostic::new(codes::ENUM_WITH_KEY, info.name.span, "an enum cannot have `key`"));
    }
}

/// Whether a value of type `ty` may contain a `wanted`.
fn mentions(globals: &Globals, ty: &Ty, wanted: DataId, seen: &mut BTreeSet<DataId>) -> bool {
    match ty {
        Ty::Vector(inner) | Ty::Ref(_, inner) => mentions(globals, inner, wanted, seen),
        Ty::Data(id, args) => {
            if *id == wanted {
                return true;
            }
            if args.iter().any(|arg| mentions(globals, arg, wanted, seen)) {
                return true;
            }
            if !seen.insert(*id) {
                return false;
            }
            let info = globals.datatype(*id);
            let mut fields: Vec<Ty> = info.fields().iter().map(|field| field.ty.clone()).collect();
            fields.extend(info.variants().iter().flat_map(|variant| &variant.fields).map(|field| field.ty.clone()));
            fields.iter().any(|field| mentions(globals, field, wanted, seen))
        }
        _ => false,
    }
}

fn check_phantom(
    globals: &Globals,
    diagnostics: &mut Diagnostics,
    ty: &Ty,
    span: Span,
    params: &[TypeParamInfo],
    in_phantom: bool,
) {
    match ty {
        Ty::Param(position) => {
            let param = &params[usize::from(*position)];
            if param.is_phantom && !in_phantom {
                diagnostics.push(
                    Diagnostic::new(
                        codes::PHANTOM_MISUSE,
                        span,
                        format!("the phantom parameter `{}` is used by a field", param.name.value),
                    )
                    .secondary(param.name.span, "declared phantom here")
                    .help("remove `phantom`"),
                );
            }
        }
        Ty::Vector(inner) | Ty::Ref(_, inner) => check_phantom(globals, diagnostics, inner, span, params, false),
        Ty::Data(id, args) => {
            for (arg, param) in args.iter().zip(&globals.datatype(*id).type_params) {
                check_phantom(globals, diagnostics, arg, span, params, param.is_phantom);
            }
        }
        _ => {}
    }
}

/// Every mention of a generic type must meet the bounds of its parameters.
fn check_mentions(
    globals: &Globals,
    diagnostics: &mut Diagnostics,
    ty: &Ty,
    span: Span,
    names: &[Symbol],
    abilities: &[AbilitySet],
) {
    match ty {
        Ty::Vector(inner) | Ty::Ref(_, inner) => check_mentions(globals, diagnostics, inner, span, names, abilities),
        Ty::Tuple(parts) => {
            for part in parts.iter() {
                check_mentions(globals, diagnostics, part, span, names, abilities);
            }
        }
        Ty::Data(id, args) => {
            let info = globals.datatype(*id);
            for (arg, param) in args.iter().zip(&info.type_params) {
                for ability in param.constraints.iter() {
                    if let Some(culprit) = arg.culprit(ability, globals, abilities) {
                        let reason = format!("`{}` of `{}` requires it", param.name.value, info.name.value);
                        let shown = arg.display(globals, names);
                        diagnostics.push(missing_ability(
                            globals,
                            names,
                            &shown,
                            (&culprit.0, culprit.1),
                            ability,
                            span,
                            &reason,
                        ));
                    }
                }
                check_mentions(globals, diagnostics, arg, span, names, abilities);
            }
        }
        _ => {}
    }
}
