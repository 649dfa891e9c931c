//! Modules and scripts.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::{
    AddressIdentifierIndex, CodeUnit, CompiledModule, CompiledScript, EnumDefIndex, EnumDefinition, FieldDefinition,
    FunctionDefinition, IdentifierIndex, ModuleHandle, ModuleHandleIndex, SignatureIndex, SignatureToken,
    StructDefIndex, StructDefinition, StructFieldInformation, VariantDefinition, Version, Visibility,
};
use noema_types::{Identifier, ModuleId};

use crate::diagnostics::{Diagnostic, Diagnostics, Files, codes};
use crate::expand::ast::ModuleIdent;
use crate::lower::{Codes, vector_instruction};
use crate::name::{DataKind, FieldInfo, FunInfo, FunKind, Globals, Vis};
use crate::typing::{DataId, FunId, ModId};

use super::source_map::SourceMap;
use super::tables::Tables;

/// The field of a struct that is declared without any: binaries have no empty structs.
const HIDDEN_FIELD: &str = "dummy_field";

/// What emitting a module takes from the whole program.
pub(crate) struct Link<'a> {
    pub(crate) globals: &'a Globals,
    /// The sources, for line numbers in abort codes.
    pub(crate) files: &'a Files,
    pub(crate) codes: &'a Codes,
    /// The structs each function acquires.
    pub(crate) acquires: &'a BTreeMap<FunId, BTreeSet<DataId>>,
    /// For each module with `public(package)` functions the modules that call them.
    pub(crate) package_callers: &'a BTreeMap<ModId, BTreeSet<ModuleIdent>>,
}

/// Emits a module. Its metadata table is empty.
pub(crate) fn emit_module(link: &Link<'_>, id: ModId, diagnostics: &mut Diagnostics) -> (CompiledModule, SourceMap) {
    let info = link.globals.module(id);
    let mut tables = Tables::new(link.globals, link.files);
    let mut module = empty(&info.ident);
    module.self_module_handle = tables.module_handle(&info.ident);
    number_datatypes(link.globals, id, &mut tables);
    define_datatypes(link.globals, id, &mut tables, &mut module);
    let mut source_map = SourceMap::default();
    for function in &info.functions {
        let function_info = link.globals.function(*function);
        let has_code = match function_info.kind {
            FunKind::Plain => true,
            FunKind::Native => vector_instruction(link.globals, *function).is_none(),
            FunKind::Inline | FunKind::Macro => false,
        };
        if has_code {
            define_function(link, *function, function_info, &mut tables, &mut module, &mut source_map, diagnostics);
        }
    }
    let mut friends: BTreeSet<ModuleIdent> = info.friends.iter().map(|(friend, _)| friend.clone()).collect();
    friends.extend(link.package_callers.get(&id).into_iter().flatten().cloned());
    module.friend_decls = friends.iter().map(|friend| tables.friend(friend)).collect();
    if !module.enum_defs.is_empty() {
        module.version = Version::Sui7;
    }
    report_overflow(&tables, info.name.span, diagnostics);
    tables.fill(&mut module);
    (module, source_map)
}

/// Emits a script.
pub(crate) fn emit_script(
    link: &Link<'_>,
    id: ModId,
    diagnostics: &mut Diagnostics,
) -> Option<(CompiledScript, SourceMap)> {
    let info = link.globals.module(id);
    let function = *info.functions.first()?;
    let function_info = link.globals.function(function);
    let mut tables = Tables::new(link.globals, link.files);
    let ident = tables.self_ident(id);
    let mut module = empty(&ident);
    let params: Vec<_> = function_info.params.iter().map(|(_, ty)| ty.clone()).collect();
    let parameters: SignatureIndex = tables.signature(&params);
    let (code, map) = super::code::emit(&mut tables, function_info, link.codes.get(&function)?, diagnostics);
    report_overflow(&tables, info.name.span, diagnostics);
    tables.fill(&mut module);
    // The pseudo-module is not written; its entries stand last, whatever else has the same name or address.
    module.identifiers.push(script_name());
    module.address_identifiers.push(ident.address);
    module.module_handles.push(ModuleHandle {
        address: AddressIdentifierIndex::new(module.address_identifiers.len() - 1),
        name: IdentifierIndex::new(module.identifiers.len() - 1),
    });
    module.self_module_handle = ModuleHandleIndex::new(module.module_handles.len() - 1);
    let script = CompiledScript { module, type_parameters: function_info.constraints(), parameters, code };
    Some((script, SourceMap { functions: vec![map] }))
}

fn script_name() -> Identifier {
    Identifier::new("<SELF>").expect("the pseudo-module's name is an identifier")
}

fn empty(ident: &ModuleIdent) -> CompiledModule {
    let name = Identifier::new(ident.name.as_str())
        .unwrap_or_else(|_| Identifier::new("x").expect("a letter is an identifier"));
    let mut module = CompiledModule::empty(&ModuleId::new(ident.address, name));
    module.self_module_handle = ModuleHandleIndex(0);
    module
}

fn report_overflow(tables: &Tables<'_>, span: crate::diagnostics::Span, diagnostics: &mut Diagnostics) {
    if tables.overflow {
        diagnostics.push(
            Diagnostic::new(codes::TOO_LARGE, span, "this module exceeds a table of the binary format")
                .help("split the module, and keep names shorter than 128 bytes"),
        );
    }
}

fn number_datatypes(globals: &Globals, id: ModId, tables: &mut Tables<'_>) {
    for data in &globals.module(id).datatypes {
        if globals.datatype(*data).is_enum() {
            let index = EnumDefIndex::new(tables.own_enums.len());
            tables.own_enums.insert(*data, index);
        } else {
            let index = StructDefIndex::new(tables.own_structs.len());
            tables.own_structs.insert(*data, index);
        }
    }
}

fn define_datatypes(globals: &Globals, id: ModId, tables: &mut Tables<'_>, module: &mut CompiledModule) {
    for data in &globals.module(id).datatypes {
        let info = globals.datatype(*data);
        let handle = tables.datatype(*data);
        match &info.kind {
            DataKind::Native => {
                module.struct_defs.push(StructDefinition { handle, fields: StructFieldInformation::Native });
            }
            DataKind::Struct(fields) if fields.is_empty() => {
                let hidden = FieldDefinition { name: tables.identifier(HIDDEN_FIELD), signature: SignatureToken::Bool };
                let fields = StructFieldInformation::Declared(vec![hidden]);
                module.struct_defs.push(StructDefinition { handle, fields });
            }
            DataKind::Struct(fields) => {
                let fields = StructFieldInformation::Declared(define_fields(tables, fields));
                module.struct_defs.push(StructDefinition { handle, fields });
            }
            DataKind::Enum(variants) => {
                let variants = variants
                    .iter()
                    .map(|variant| VariantDefinition {
                        name: tables.identifier(&variant.name.value),
                        fields: define_fields(tables, &variant.fields),
                    })
                    .collect();
                module.enum_defs.push(EnumDefinition { handle, variants });
            }
        }
    }
}

fn define_fields(tables: &mut Tables<'_>, fields: &[FieldInfo]) -> Vec<FieldDefinition> {
    fields
        .iter()
        .map(|field| FieldDefinition { name: tables.identifier(&field.name.value), signature: tables.token(&field.ty) })
        .collect()
}

fn define_function(
    link: &Link<'_>,
    id: FunId,
    info: &FunInfo,
    tables: &mut Tables<'_>,
    module: &mut CompiledModule,
    source_map: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) {
    let function = tables.function(id);
    let (code, map) = match info.kind {
        FunKind::Native => (None, super::code::native_map(info)),
        _ => match link.codes.get(&id) {
            Some(code) => {
                let (code, map) = super::code::emit(tables, info, code, diagnostics);
                (Some(code), map)
            }
            None => (Some(CodeUnit::default()), super::code::native_map(info)),
        },
    };
    let acquires = link.acquires.get(&id).into_iter().flatten().map(|data| tables.struct_def(*data)).collect();
    module.function_defs.push(FunctionDefinition {
        function,
        visibility: match info.vis {
            Vis::Private => Visibility::Private,
            Vis::Public => Visibility::Public,
            Vis::Friend | Vis::Package => Visibility::Friend,
        },
        is_entry: info.entry.is_some(),
        acquires,
        code,
    });
    source_map.functions.push(map);
}
