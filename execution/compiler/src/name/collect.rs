//! Numbers all members and resolves their signatures.

use noema_bytecode::AbilitySet;

use crate::diagnostics::{Diagnostic, Diagnostics, Name, Span, Symbol, codes};
use crate::expand::ast::{
    Annotated, ExpandedModule, ExpandedScript, ExpandedUse, ExpandedUseKind, ModuleIdent, Program,
};
use crate::parse::ast::{self, Fields, FunctionBody, FunctionKind, Visibility};
use crate::typing::{ConstId, DataId, FunId, ModId, Ty};

use super::scope::{Aliases, Scope, Target, find_member, report_missing_module};
use super::{
    ConstInfo, DataInfo, DataKind, FieldInfo, FunInfo, FunKind, Globals, Member, ModuleInfo, TypeParamInfo,
    VariantInfo, Vis,
};

/// Numbers everything. Scripts come as pseudo-modules behind the modules, in their order.
pub fn collect(program: &Program, diagnostics: &mut Diagnostics) -> Globals {
    let mut globals = Globals::default();
    for module in program.modules.values() {
        declare_module(&mut globals, module, diagnostics);
    }
    for (position, script) in program.scripts.iter().enumerate() {
        declare_script(&mut globals, script, position, diagnostics);
    }
    let uses =
        program.modules.values().map(|module| &module.uses).chain(program.scripts.iter().map(|script| &script.uses));
    for (id, uses) in ids(&globals).zip(uses) {
        resolve_uses(&mut globals, id, uses, diagnostics);
    }
    for (id, module) in ids(&globals).zip(program.modules.values()) {
        resolve_datatypes(&mut globals, id, module, diagnostics);
    }
    for (id, module) in ids(&globals).zip(program.modules.values()) {
        resolve_fields(&mut globals, id, module, diagnostics);
    }
    let members =
        program.modules.values().map(|module| (module.functions.as_slice(), module.constants.as_slice())).chain(
            program.scripts.iter().map(|script| (std::slice::from_ref(&script.function), script.constants.as_slice())),
        );
    for (id, (functions, constants)) in ids(&globals).zip(members) {
        resolve_functions(&mut globals, id, functions, constants, diagnostics);
    }
    for (id, module) in ids(&globals).zip(program.modules.values()) {
        resolve_methods(&mut globals, id, &module.uses, diagnostics);
        check_friends(&globals, id, diagnostics);
    }
    globals
}

fn ids(globals: &Globals) -> impl Iterator<Item = ModId> + use<> {
    (0..u32::try_from(globals.modules.len()).expect("modules are few")).map(ModId)
}

fn next_id<T>(table: &[T]) -> u32 {
    u32::try_from(table.len()).expect("members are fewer than 2^32")
}

fn declare_module(globals: &mut Globals, module: &ExpandedModule, diagnostics: &mut Diagnostics) {
    let id = ModId(next_id(&globals.modules));
    globals.module_ids.insert(module.ident.clone(), id);
    globals.modules.push(ModuleInfo {
        ident: module.ident.clone(),
        name: module.name.clone(),
        package: module.package.clone(),
        is_target: module.is_target,
        is_script: false,
        edition: module.edition,
        addresses: module.addresses.clone(),
        docs: module.docs.clone(),
        attributes: module.attributes.clone(),
        members: std::collections::BTreeMap::new(),
        datatypes: Vec::new(),
        functions: Vec::new(),
        constants: Vec::new(),
        aliases: Aliases::default(),
        open_methods: std::collections::BTreeMap::new(),
        friends: module.friends.iter().map(|friend| (friend.module.clone(), friend.span)).collect(),
        span: module.span,
    });
    for attribute in module.attributes.raw.iter().filter(|attribute| attribute.name.value == "defines_primitive") {
        if let ast::AttributeArgs::List(names) = &attribute.args {
            globals.primitive_homes.extend(names.iter().map(|one| (one.name.value.clone(), id)));
        }
    }
    for item in &module.structs {
        let is_upper = item.item.name.value.starts_with(|c: char| c.is_ascii_uppercase());
        let data = DataId(next_id(&globals.datatypes));
        globals.datatypes.push(DataInfo {
            module: id,
            name: item.item.name.clone(),
            type_params: Vec::new(),
            abilities: AbilitySet::EMPTY,
            kind: DataKind::Native,
            docs: item.item.docs.clone(),
            attributes: item.attributes.clone(),
            span: item.item.span,
        });
        declare_datatype(globals, id, data, &item.item.name, is_upper, diagnostics);
    }
    for item in &module.enums {
        let is_upper = item.item.name.value.starts_with(|c: char| c.is_ascii_uppercase());
        let data = DataId(next_id(&globals.datatypes));
        globals.datatypes.push(DataInfo {
            module: id,
            name: item.item.name.clone(),
            type_params: Vec::new(),
            abilities: AbilitySet::EMPTY,
            kind: DataKind::Enum(Vec::new()),
            docs: item.item.docs.clone(),
            attributes: item.attributes.clone(),
            span: item.item.span,
        });
        declare_datatype(globals, id, data, &item.item.name, is_upper, diagnostics);
    }
    declare_constants(globals, id, &module.constants, diagnostics);
    for (position, item) in module.functions.iter().enumerate() {
        declare_function(globals, id, position, item, diagnostics);
    }
}

/// A script becomes a module of its own under a name that no source can spell.
fn declare_script(globals: &mut Globals, script: &ExpandedScript, position: usize, diagnostics: &mut Diagnostics) {
    let id = ModId(next_id(&globals.modules));
    let ident = ModuleIdent {
        address: noema_types::Address::from_u8(0),
        name: format!("<script {position}: {}>", script.function.item.name.value).into(),
    };
    globals.modules.push(ModuleInfo {
        name: Name::new(ident.name.clone(), script.function.item.name.span),
        ident,
        package: script.package.clone(),
        is_target: script.is_target,
        is_script: true,
        edition: script.edition,
        addresses: script.addresses.clone(),
        docs: script.function.item.docs.clone(),
        attributes: script.attributes.clone(),
        members: std::collections::BTreeMap::new(),
        datatypes: Vec::new(),
        functions: Vec::new(),
        constants: Vec::new(),
        aliases: Aliases::default(),
        open_methods: std::collections::BTreeMap::new(),
        friends: Vec::new(),
        span: script.span,
    });
    declare_constants(globals, id, &script.constants, diagnostics);
    declare_function(globals, id, 0, &script.function, diagnostics);
}

fn declare_datatype(
    globals: &mut Globals,
    module: ModId,
    data: DataId,
    name: &Name,
    is_upper: bool,
    diagnostics: &mut Diagnostics,
) {
    if !is_upper {
        diagnostics.push(Diagnostic::new(
            codes::TYPE_NAME,
            name.span,
            format!("the type name `{}` must start with A to Z", name.value),
        ));
    }
    globals.modules[module.0 as usize].datatypes.push(data);
    declare(globals, module, name, Member::Data(data), diagnostics);
}

fn declare_constants(
    globals: &mut Globals,
    module: ModId,
    constants: &[Annotated<ast::Constant>],
    diagnostics: &mut Diagnostics,
) {
    for (position, item) in constants.iter().enumerate() {
        let id = ConstId(next_id(&globals.constants));
        let name = &item.item.name;
        if !name.value.starts_with(|c: char| c.is_ascii_uppercase()) {
            diagnostics.push(Diagnostic::new(
                codes::CONSTANT_NAME,
                name.span,
                format!("the constant name `{}` must start with A to Z", name.value),
            ));
        }
        if let Some(span) = item.item.visibility.span() {
            diagnostics.push(
                Diagnostic::new(codes::BAD_ENTRY, span, "constants are private to their module")
                    .help("offer a public function that returns it"),
            );
        }
        globals.constants.push(ConstInfo {
            module,
            position,
            name: name.clone(),
            ty: Ty::Error,
            value: None,
            docs: item.item.docs.clone(),
            attributes: item.attributes.clone(),
            span: item.item.span,
        });
        globals.modules[module.0 as usize].constants.push(id);
        declare(globals, module, name, Member::Const(id), diagnostics);
    }
}

fn declare_function(
    globals: &mut Globals,
    module: ModId,
    position: usize,
    item: &Annotated<ast::Function>,
    diagnostics: &mut Diagnostics,
) {
    let id = FunId(next_id(&globals.functions));
    let function = &item.item;
    if function.name.value.starts_with('_') {
        diagnostics.push(Diagnostic::new(
            codes::FUNCTION_NAME,
            function.name.span,
            format!("the function name `{}` must start with a letter", function.name.value),
        ));
    }
    let kind = match (function.kind, &function.body) {
        (FunctionKind::Inline, _) => FunKind::Inline,
        (FunctionKind::Macro, _) => FunKind::Macro,
        (FunctionKind::Plain, FunctionBody::Native(_)) => FunKind::Native,
        (FunctionKind::Plain, FunctionBody::Block(_)) => FunKind::Plain,
    };
    let (vis, script_entry) = match function.visibility {
        Visibility::Private => (Vis::Private, None),
        Visibility::Public(_) => (Vis::Public, None),
        Visibility::Friend(_) => (Vis::Friend, None),
        Visibility::Package(_) => (Vis::Package, None),
        Visibility::Script(span) => (Vis::Public, Some(span)),
    };
    let entry = function.entry.or(script_entry);
    if let (Some(span), FunKind::Inline | FunKind::Macro) = (entry, kind) {
        diagnostics.push(Diagnostic::new(codes::BAD_ENTRY, span, "a function that is expanded cannot be `entry`"));
    }
    globals.functions.push(FunInfo {
        module,
        position,
        name: function.name.clone(),
        vis,
        entry,
        kind,
        type_params: Vec::new(),
        open_types: 0,
        params: Vec::new(),
        result: Ty::Error,
        acquires: None,
        docs: function.docs.clone(),
        attributes: item.attributes.clone(),
        span: function.signature_span,
    });
    globals.modules[module.0 as usize].functions.push(id);
    declare(globals, module, &function.name, Member::Fun(id), diagnostics);
}

fn declare(globals: &mut Globals, module: ModId, name: &Name, member: Member, diagnostics: &mut Diagnostics) {
    let previous = globals.module(module).members.get(&name.value).copied();
    if let (Some(Member::Fun(first)), Member::Fun(second)) = (previous, member)
        && declare_twin(globals, module, name, first, second)
    {
        return;
    }
    if let Some(previous) = previous {
        let first = globals.member_span(previous);
        diagnostics.push(
            Diagnostic::new(codes::DUPLICATE_NAME, name.span, format!("the name `{}` is taken", name.value))
                .secondary(first, "first declared here"),
        );
        return;
    }
    globals.modules[module.0 as usize].members.insert(name.value.clone(), member);
}

/// A `macro fun` may share its name with one other function: `f!(..)` and `f(..)` never mean the same. The name stands
/// for the other one, which leads to the macro.
fn declare_twin(globals: &mut Globals, module: ModId, name: &Name, first: FunId, second: FunId) -> bool {
    let is_macro = |id: FunId| globals.function(id).kind == FunKind::Macro;
    let (plain, twin) = match (is_macro(first), is_macro(second)) {
        (false, true) => (first, second),
        (true, false) => (second, first),
        _ => return false,
    };
    if globals.macro_twins.contains_key(&plain) {
        return false;
    }
    globals.macro_twins.insert(plain, twin);
    globals.modules[module.0 as usize].members.insert(name.value.clone(), Member::Fun(plain));
    true
}

fn resolve_uses(globals: &mut Globals, id: ModId, uses: &[ExpandedUse], diagnostics: &mut Diagnostics) {
    let mut aliases = Aliases::default();
    let mut seen: std::collections::BTreeMap<(bool, Symbol), Span> = std::collections::BTreeMap::new();
    for item in uses {
        let (is_module, name) = match &item.kind {
            ExpandedUseKind::Module { module, name } => {
                match globals.module_ids.get(module) {
                    Some(found) => {
                        aliases.modules.insert(name.value.clone(), *found);
                    }
                    None => report_missing_module(globals, diagnostics, module, item.span),
                }
                (true, name)
            }
            ExpandedUseKind::Member { module, member, name } => {
                match globals.module_ids.get(module) {
                    Some(found) => {
                        if let Some(found) = find_member(globals, diagnostics, *found, member) {
                            aliases.members.insert(name.value.clone(), found);
                        }
                    }
                    None => report_missing_module(globals, diagnostics, module, item.span),
                }
                (false, name)
            }
            ExpandedUseKind::Method { .. } => continue,
        };
        if let Some(first) = seen.insert((is_module, name.value.clone()), name.span) {
            diagnostics.push(
                Diagnostic::new(
                    codes::DUPLICATE_USE,
                    name.span,
                    format!("`{}` is brought into scope twice", name.value),
                )
                .secondary(first, "first here"),
            );
        }
        let own = globals.module(id).members.get(&name.value).copied();
        if let (false, Some(member)) = (is_module, own) {
            diagnostics.push(
                Diagnostic::new(
                    codes::USE_OF_OWN_NAME,
                    name.span,
                    format!("`{}` is already a member of this module", name.value),
                )
                .secondary(globals.member_span(member), "declared here"),
            );
        }
    }
    globals.modules[id.0 as usize].aliases = aliases;
}

fn resolve_methods(globals: &mut Globals, id: ModId, uses: &[ExpandedUse], diagnostics: &mut Diagnostics) {
    let scope = Scope::new(id, Vec::new());
    for item in uses {
        if let ExpandedUseKind::Method { function, receiver, method } = &item.kind
            && let Some((head, function)) = scope.method(globals, diagnostics, function, receiver)
        {
            let key = (head, method.value.clone());
            let home = &mut globals.modules[id.0 as usize];
            home.aliases.methods.insert(key.clone(), function);
            if !matches!(item.visibility, Visibility::Private) {
                home.open_methods.insert(key, function);
            }
        }
    }
}

fn abilities(list: &[crate::diagnostics::Spanned<ast::Ability>], diagnostics: &mut Diagnostics) -> AbilitySet {
    let mut set = AbilitySet::EMPTY;
    for item in list {
        let ability = ability(item.value);
        if set.has(ability) {
            diagnostics.push(Diagnostic::new(
                codes::DUPLICATE_NAME,
                item.span,
                format!("the ability `{}` is written twice", item.value),
            ));
        }
        set = set.with(ability);
    }
    set
}

fn ability(ability: ast::Ability) -> noema_bytecode::Ability {
    match ability {
        ast::Ability::Copy => noema_bytecode::Ability::Copy,
        ast::Ability::Drop => noema_bytecode::Ability::Drop,
        ast::Ability::Store => noema_bytecode::Ability::Store,
        ast::Ability::Key => noema_bytecode::Ability::Key,
    }
}

fn type_params(params: &[ast::TypeParam], of_datatype: bool, diagnostics: &mut Diagnostics) -> Vec<TypeParamInfo> {
    let mut resolved: Vec<TypeParamInfo> = Vec::new();
    for param in params {
        if let Some(first) = resolved.iter().find(|known| known.name.value == param.name.value) {
            diagnostics.push(
                Diagnostic::new(
                    codes::DUPLICATE_TYPE_PARAMETER,
                    param.name.span,
                    format!("the type parameter `{}` is declared twice", param.name.value),
                )
                .secondary(first.name.span, "first declared here"),
            );
        }
        if let (Some(span), false) = (param.phantom, of_datatype) {
            diagnostics.push(Diagnostic::new(
                codes::PHANTOM_MISUSE,
                span,
                "only type parameters of structs and enums can be phantom",
            ));
        }
        resolved.push(TypeParamInfo {
            name: param.name.clone(),
            constraints: abilities(&param.constraints, diagnostics),
            is_phantom: param.phantom.is_some(),
        });
    }
    resolved
}

fn names(params: &[ast::TypeParam]) -> Vec<Symbol> {
    params.iter().map(|param| param.name.value.clone()).collect()
}

/// Type parameters and abilities of all datatypes come before any fields: fields mention other datatypes.
fn resolve_datatypes(globals: &mut Globals, id: ModId, module: &ExpandedModule, diagnostics: &mut Diagnostics) {
    let ids = globals.module(id).datatypes.clone();
    let declared = module
        .structs
        .iter()
        .map(|item| (&item.item.type_params, &item.item.abilities))
        .chain(module.enums.iter().map(|item| (&item.item.type_params, &item.item.abilities)));
    for (data, (params, declared)) in ids.iter().zip(declared) {
        let info = &mut globals.datatypes[data.0 as usize];
        info.type_params = type_params(params, true, diagnostics);
        info.abilities = abilities(declared, diagnostics);
    }
}

fn resolve_functions(
    globals: &mut Globals,
    id: ModId,
    functions: &[Annotated<ast::Function>],
    constants: &[Annotated<ast::Constant>],
    diagnostics: &mut Diagnostics,
) {
    let scope = Scope::new(id, Vec::new());
    for (constant, item) in globals.module(id).constants.clone().into_iter().zip(constants) {
        let ty = scope.ty(globals, diagnostics, &mut None, &item.item.ty);
        let allowed =
            !ty.any(&mut |part| !matches!(part, Ty::Bool | Ty::Int(_) | Ty::Address | Ty::Vector(_) | Ty::Error));
        if !allowed {
            diagnostics.push(
                Diagnostic::new(codes::CONSTANT_OF_TYPE, item.item.ty.span, "a constant cannot have this type")
                    .help("constants are numbers, bool, address and vectors of them"),
            );
        }
        globals.constants[constant.0 as usize].ty = ty;
    }
    for (function, item) in globals.module(id).functions.clone().into_iter().zip(functions) {
        let ast = &item.item;
        let scope = Scope::new(id, names(&ast.type_params));
        let type_params = type_params(&ast.type_params, false, diagnostics);
        let mut open_types = 0;
        let mut open = |_| {
            open_types += 1;
            Ty::Param(u16::try_from(type_params.len() + open_types - 1).unwrap_or(u16::MAX))
        };
        let mut written = |ty: &ast::Type, diagnostics: &mut Diagnostics| match ast.kind {
            FunctionKind::Macro => scope.ty(globals, diagnostics, &mut Some(&mut open), ty),
            _ => scope.ty(globals, diagnostics, &mut None, ty),
        };
        let params: Vec<(Name, Ty)> = ast
            .params
            .iter()
            .map(|param| {
                let ty = written(&param.ty, diagnostics);
                if matches!(ty, Ty::Tuple(_)) {
                    diagnostics.push(Diagnostic::new(codes::BAD_TYPE, param.ty.span, "a parameter cannot be a tuple"));
                }
                if let (Ty::Fun(..), FunctionKind::Plain) = (&ty, ast.kind) {
                    diagnostics.push(
                        Diagnostic::new(codes::NOT_COMPILED_YET, param.ty.span, "function values are not compiled yet")
                            .help("parameters of `inline fun` may be functions"),
                    );
                }
                (param.name.clone(), ty)
            })
            .collect();
        let result = written(&ast.result, diagnostics);
        let acquires = ast.acquires.as_ref().map(|paths| {
            paths.iter().filter_map(|path| resolve_acquired(globals, &scope, path, diagnostics)).collect()
        });
        let info = &mut globals.functions[function.0 as usize];
        info.type_params = type_params;
        info.open_types = open_types;
        info.params = params;
        info.result = result;
        info.acquires = acquires;
    }
}

fn resolve_acquired(
    globals: &Globals,
    scope: &Scope,
    path: &ast::Path,
    diagnostics: &mut Diagnostics,
) -> Option<(DataId, Span)> {
    match scope.resolve(globals, diagnostics, path)? {
        Target::Data(id, None, _) if globals.datatype(id).module == scope.module => Some((id, path.span)),
        Target::Data(..) => {
            diagnostics.push(Diagnostic::new(
                codes::BAD_ACQUIRES,
                path.span,
                "only structs of this module can be acquired",
            ));
            None
        }
        _ => {
            diagnostics.push(Diagnostic::new(codes::WRONG_KIND, path.span, format!("`{path}` is not a struct")));
            None
        }
    }
}

/// Resolves the fields of all datatypes. Runs after every module's type parameters are known.
fn resolve_fields(globals: &mut Globals, id: ModId, module: &ExpandedModule, diagnostics: &mut Diagnostics) {
    let ids = globals.module(id).datatypes.clone();
    let (structs, enums) = ids.split_at(module.structs.len());
    for (data, item) in structs.iter().zip(&module.structs) {
        let scope = Scope::new(id, names(&item.item.type_params));
        let kind = match &item.item.fields {
            Fields::Native(_) => DataKind::Native,
            fields => DataKind::Struct(fields_of(globals, &scope, fields, item.item.name.span, diagnostics)),
        };
        globals.datatypes[data.0 as usize].kind = kind;
    }
    for (data, item) in enums.iter().zip(&module.enums) {
        let scope = Scope::new(id, names(&item.item.type_params));
        let mut variants: Vec<VariantInfo> = Vec::new();
        for variant in &item.item.variants {
            if let Some(first) = variants.iter().find(|known| known.name.value == variant.name.value) {
                diagnostics.push(
                    Diagnostic::new(
                        codes::DUPLICATE_VARIANT,
                        variant.name.span,
                        format!("the variant `{}` is declared twice", variant.name.value),
                    )
                    .secondary(first.name.span, "first declared here"),
                );
            }
            variants.push(VariantInfo {
                name: variant.name.clone(),
                fields: fields_of(globals, &scope, &variant.fields, variant.name.span, diagnostics),
                is_positional: matches!(variant.fields, Fields::Positional(_)),
            });
        }
        if variants.is_empty() {
            diagnostics.push(Diagnostic::new(codes::EMPTY_ENUM, item.item.name.span, "an enum needs a variant"));
        }
        globals.datatypes[data.0 as usize].kind = DataKind::Enum(variants);
    }
}

fn fields_of(
    globals: &Globals,
    scope: &Scope,
    fields: &Fields,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<FieldInfo> {
    let mut resolved: Vec<FieldInfo> = Vec::new();
    let mut add = |name: Name, ty: &ast::Type, docs, diagnostics: &mut Diagnostics| {
        if let Some(first) = resolved.iter().find(|known| known.name.value == name.value) {
            diagnostics.push(
                Diagnostic::new(
                    codes::DUPLICATE_FIELD,
                    name.span,
                    format!("the field `{}` is declared twice", name.value),
                )
                .secondary(first.name.span, "first declared here"),
            );
        }
        let resolved_ty = scope.ty(globals, diagnostics, &mut None, ty);
        let resolved_ty = if matches!(resolved_ty, Ty::Ref(..) | Ty::Tuple(_)) {
            diagnostics.push(Diagnostic::new(
                codes::REFERENCE_IN_FIELD,
                ty.span,
                "a field cannot hold a reference or a tuple",
            ));
            Ty::Error
        } else if matches!(resolved_ty, Ty::Fun(..)) {
            diagnostics.push(Diagnostic::new(
                codes::NOT_COMPILED_YET,
                ty.span,
                "stored function values are not compiled yet",
            ));
            Ty::Error
        } else {
            resolved_ty
        };
        resolved.push(FieldInfo { name, ty: resolved_ty, docs });
    };
    match fields {
        Fields::Named(fields) => {
            for field in fields {
                add(field.name.clone(), &field.ty, field.docs.clone(), diagnostics);
            }
        }
        Fields::Positional(types) => {
            for (position, ty) in types.iter().enumerate() {
                add(Name::new(format!("pos{position}").into(), ty.span), ty, None, diagnostics);
            }
        }
        Fields::None => {}
        Fields::Native(_) => {
            diagnostics.push(Diagnostic::new(codes::BAD_FIELDS, span, "a variant cannot be native"));
        }
    }
    resolved
}

fn check_friends(globals: &Globals, id: ModId, diagnostics: &mut Diagnostics) {
    let module = globals.module(id);
    for (friend, span) in &module.friends {
        let problem = if *friend == module.ident {
            Some("a module cannot be its own friend".to_owned())
        } else if friend.address != module.ident.address {
            Some(format!("`{friend}` has another address; friends have the module's own address"))
        } else {
            None
        };
        if let Some(problem) = problem {
            diagnostics.push(Diagnostic::new(codes::BAD_FRIEND, *span, problem));
        } else if !globals.module_ids.contains_key(friend) {
            report_missing_module(globals, diagnostics, friend, *span);
        }
    }
}
