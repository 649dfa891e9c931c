//! A module ready to run: its tables, and what the interpreter would otherwise look up again and again.
//!
//! A [`LoadedModule`] depends on its bytes, the natives and the gas schedule only, so it is shared between sessions. What
//! depends on other modules (callees, layouts, value depths) is found per session by the loader.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::{
    AbilitySet, Bytecode, CompiledModule, CompiledScript, FunctionDefIndex, FunctionDefinition, FunctionHandle,
    FunctionHandleIndex, IdentifierIndex, SignatureIndex, SignatureToken, StructDefIndex, Visibility,
};
use noema_execution_api::{GasSchedule, MoveTypeLayout, NativeFunction, NativeTable, StatusCode, Value};
use noema_types::{CodeLocation, Identifier, ModuleId, StructTag};

use crate::cost::{Block, blocks, operands_max};
use crate::error::{Result, TraceFrame, fail_because};

/// A module ready to run.
#[derive(Debug)]
pub(crate) struct LoadedModule {
    pub(crate) id: ModuleId,
    pub(crate) is_script: bool,
    pub(crate) module: Arc<CompiledModule>,
    /// By position of the definition.
    pub(crate) functions: Vec<LoadedFunction>,
    functions_by_name: BTreeMap<Identifier, u16>,
    datatypes_by_name: BTreeMap<Identifier, DatatypeDef>,
    /// Tags of structs without type parameters, by position of the definition.
    pub(crate) struct_tags: Vec<Option<Arc<StructTag>>>,
    /// Numbers of fields, by position of the definition.
    pub(crate) struct_fields: Vec<usize>,
    pub(crate) constants: Vec<Value>,
}

/// A function ready to run.
#[derive(Debug)]
pub(crate) struct LoadedFunction {
    pub(crate) name: Identifier,
    pub(crate) index: u16,
    pub(crate) visibility: Visibility,
    pub(crate) is_entry: bool,
    pub(crate) parameters: Vec<SignatureToken>,
    pub(crate) results: Vec<SignatureToken>,
    pub(crate) constraints: Vec<AbilitySet>,
    pub(crate) body: Body,
}

/// What a call of a function runs.
#[derive(Debug)]
pub(crate) enum Body {
    Code {
        code: Vec<Bytecode>,
        /// The basic block that starts at each instruction.
        blocks: Vec<Block>,
        /// Locals, parameters included.
        locals: usize,
        /// Types of the locals that are no parameters.
        local_types: Vec<SignatureToken>,
        /// Operands on the stack, at most.
        operands: usize,
        /// Targets of each variant switch.
        jump_tables: Vec<Vec<u16>>,
    },
    Native(NativeFunction),
    MissingNative,
}

/// A struct or enum of the module.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DatatypeDef {
    Struct(usize),
    Enum(usize),
}

impl LoadedModule {
    pub(crate) fn new(module: CompiledModule, natives: &NativeTable, schedule: &GasSchedule) -> Result<Self> {
        let id = module.self_id();
        let positions = 0..module.function_defs.len();
        let functions: Vec<_> = positions.map(|at| load_function(&module, &id, at, natives, schedule)).collect();
        let functions_by_name = functions.iter().map(|function| (function.name.clone(), function.index)).collect();
        let constants = module.constants.iter().map(|constant| {
            let value = constant_layout(&constant.type_).and_then(|layout| layout.decode(&constant.data).ok());
            value.ok_or_else(|| fail_because(StatusCode::MALFORMED_CONSTANT_DATA, format!("a constant of {id}")))
        });
        Ok(Self {
            constants: constants.collect::<Result<_>>()?,
            datatypes_by_name: datatypes(&module),
            struct_tags: struct_tags(&module, &id),
            struct_fields: module.struct_defs.iter().map(|def| def.declared_fields().map_or(0, <[_]>::len)).collect(),
            functions,
            functions_by_name,
            is_script: false,
            module: Arc::new(module),
            id,
        })
    }

    /// A script as a module whose only function is position 0.
    pub(crate) fn from_script(script: CompiledScript, schedule: &GasSchedule) -> Result<Self> {
        let mut module = script.module;
        let name = IdentifierIndex::new(module.identifiers.len());
        module.identifiers.push(Identifier::new("<SELF>").expect("the pseudo-module's name is an identifier"));
        let return_ = SignatureIndex::new(module.signatures.len());
        module.signatures.push(noema_bytecode::Signature::default());
        let function = FunctionHandleIndex::new(module.function_handles.len());
        module.function_handles.push(FunctionHandle {
            module: module.self_module_handle,
            name,
            parameters: script.parameters,
            return_,
            type_parameters: script.type_parameters,
        });
        module.function_defs.push(FunctionDefinition {
            function,
            visibility: Visibility::Public,
            is_entry: true,
            acquires: Vec::new(),
            code: Some(script.code),
        });
        Ok(Self { is_script: true, ..Self::new(module, &NativeTable::new(), schedule)? })
    }

    pub(crate) fn function(&self, name: &str) -> Option<u16> {
        self.functions_by_name.get(name).copied()
    }

    pub(crate) fn datatype(&self, name: &str) -> Option<DatatypeDef> {
        self.datatypes_by_name.get(name).copied()
    }

    pub(crate) fn location(&self) -> CodeLocation {
        if self.is_script { CodeLocation::Script } else { CodeLocation::Module(self.id.clone()) }
    }

    /// The start of a function.
    pub(crate) fn trace_frame(&self, function: u16) -> TraceFrame {
        let name = self.functions[usize::from(function)].name.clone();
        TraceFrame { location: self.location(), function, name, code_offset: 0 }
    }

    /// Whether functions with friend visibility may be called from `caller`.
    pub(crate) fn is_friend(&self, caller: &ModuleId) -> bool {
        self.module.immediate_friends().any(|friend| friend == *caller)
    }

    /// Name and declared abilities of a datatype, with which of its type parameters are phantom.
    pub(crate) fn datatype_handle(&self, def: DatatypeDef) -> &noema_bytecode::DatatypeHandle {
        let handle = match def {
            DatatypeDef::Struct(at) => self.module.struct_defs[at].handle,
            DatatypeDef::Enum(at) => self.module.enum_defs[at].handle,
        };
        self.module.datatype_handle_at(handle)
    }

    /// Types of the fields of every variant; a struct has one variant.
    pub(crate) fn field_types(&self, def: DatatypeDef) -> Vec<&SignatureToken> {
        let fields: Vec<_> = match def {
            DatatypeDef::Struct(at) => self.module.struct_defs[at].declared_fields().into_iter().flatten().collect(),
            DatatypeDef::Enum(at) => {
                self.module.enum_defs[at].variants.iter().flat_map(|variant| &variant.fields).collect()
            }
        };
        fields.into_iter().map(|field| &field.signature).collect()
    }
}

fn load_function(
    module: &CompiledModule,
    id: &ModuleId,
    position: usize,
    natives: &NativeTable,
    schedule: &GasSchedule,
) -> LoadedFunction {
    let index = FunctionDefIndex::new(position);
    let def = module.function_def_at(index);
    let handle = module.function_handle_at(def.function);
    let name = module.identifier_at(handle.name).clone();
    let parameters = module.signature_at(handle.parameters).to_vec();
    let body = match &def.code {
        Some(unit) => Body::Code {
            blocks: blocks(module, unit, &schedule.instructions),
            operands: operands_max(module, unit),
            local_types: module.signature_at(unit.locals).to_vec(),
            code: unit.code.clone(),
            locals: parameters.len() + module.signature_at(unit.locals).len(),
            jump_tables: unit.jump_tables.iter().map(|table| table.targets.clone()).collect(),
        },
        None => natives.get(id.address, &id.name, &name).map_or(Body::MissingNative, Body::Native),
    };
    LoadedFunction {
        name,
        index: index.0,
        visibility: def.visibility,
        is_entry: def.is_entry,
        parameters,
        results: module.signature_at(handle.return_).to_vec(),
        constraints: handle.type_parameters.clone(),
        body,
    }
}

fn datatypes(module: &CompiledModule) -> BTreeMap<Identifier, DatatypeDef> {
    let structs = module.struct_defs.iter().enumerate().map(|(at, def)| (def.handle, DatatypeDef::Struct(at)));
    let enums = module.enum_defs.iter().enumerate().map(|(at, def)| (def.handle, DatatypeDef::Enum(at)));
    structs.chain(enums).map(|(handle, def)| (module.datatype_name(handle).clone(), def)).collect()
}

fn struct_tags(module: &CompiledModule, id: &ModuleId) -> Vec<Option<Arc<StructTag>>> {
    let tag = |at| {
        let handle = module.datatype_handle_at(module.struct_def_at(StructDefIndex::new(at)).handle);
        handle.type_parameters.is_empty().then(|| {
            let name = module.identifier_at(handle.name).clone();
            Arc::new(StructTag { address: id.address, module: id.name.clone(), name, type_args: Vec::new() })
        })
    };
    (0..module.struct_defs.len()).map(tag).collect()
}

fn constant_layout(token: &SignatureToken) -> Option<MoveTypeLayout> {
    Some(match token {
        SignatureToken::Bool => MoveTypeLayout::Bool,
        SignatureToken::U8 => MoveTypeLayout::U8,
        SignatureToken::U16 => MoveTypeLayout::U16,
        SignatureToken::U32 => MoveTypeLayout::U32,
        SignatureToken::U64 => MoveTypeLayout::U64,
        SignatureToken::U128 => MoveTypeLayout::U128,
        SignatureToken::U256 => MoveTypeLayout::U256,
        SignatureToken::Address => MoveTypeLayout::Address,
        SignatureToken::Vector(element) => MoveTypeLayout::Vector(Arc::new(constant_layout(element)?)),
        _ => return None,
    })
}
