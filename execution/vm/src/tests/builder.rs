//! Modules by hand.

use noema_bytecode::{
    AbilitySet, Bytecode, CodeUnit, CompiledModule, Constant, ConstantIndex, DatatypeHandle, DatatypeHandleIndex,
    DatatypeTypeParameter, EnumDefIndex, EnumDefinition, FieldDefinition, FieldHandle, FieldHandleIndex,
    FieldInstantiation, FieldInstantiationIndex, FunctionDefinition, FunctionHandle, FunctionHandleIndex,
    FunctionInstantiation, FunctionInstantiationIndex, IdentifierIndex, ModuleHandle, ModuleHandleIndex, Signature,
    SignatureIndex, SignatureToken, StructDefIndex, StructDefInstantiation, StructDefInstantiationIndex,
    StructDefinition, StructFieldInformation, VariantDefinition, VariantHandle, VariantHandleIndex, VariantJumpTable,
    Visibility,
};
use noema_types::{Identifier, ModuleId};

pub(crate) type T = SignatureToken;

pub(crate) struct Builder {
    pub(crate) module: CompiledModule,
}

/// What a function is, but for its code.
pub(crate) struct Declaration<'a> {
    pub(crate) name: &'a str,
    pub(crate) type_parameters: Vec<AbilitySet>,
    pub(crate) parameters: Vec<T>,
    pub(crate) results: Vec<T>,
}

pub(crate) fn id(text: &str) -> ModuleId {
    text.parse().unwrap()
}

pub(crate) fn declare<'a>(name: &'a str, parameters: &[T], results: &[T]) -> Declaration<'a> {
    Declaration { name, type_parameters: vec![], parameters: parameters.to_vec(), results: results.to_vec() }
}

fn position<E: PartialEq>(table: &mut Vec<E>, entry: E) -> usize {
    table.iter().position(|other| *other == entry).unwrap_or_else(|| {
        table.push(entry);
        table.len() - 1
    })
}

impl Builder {
    pub(crate) fn new(name: &str) -> Self {
        Self { module: CompiledModule::empty(&id(name)) }
    }

    pub(crate) fn identifier(&mut self, text: &str) -> IdentifierIndex {
        IdentifierIndex::new(position(&mut self.module.identifiers, Identifier::new(text).unwrap()))
    }

    pub(crate) fn signature(&mut self, types: &[T]) -> SignatureIndex {
        SignatureIndex::new(position(&mut self.module.signatures, Signature(types.to_vec())))
    }

    pub(crate) fn module_handle(&mut self, module: &str) -> ModuleHandleIndex {
        let module = id(module);
        let address = position(&mut self.module.address_identifiers, module.address);
        let handle = ModuleHandle {
            address: noema_bytecode::AddressIdentifierIndex::new(address),
            name: self.identifier(&module.name),
        };
        ModuleHandleIndex::new(position(&mut self.module.module_handles, handle))
    }

    pub(crate) fn friend(&mut self, module: &str) {
        let handle = self.module_handle(module);
        self.module.friend_decls.push(self.module.module_handles[handle.index()]);
    }

    fn datatype(&mut self, name: &str, abilities: AbilitySet, parameters: usize) -> DatatypeHandleIndex {
        let name = self.identifier(name);
        let parameter = DatatypeTypeParameter { constraints: AbilitySet::EMPTY, is_phantom: false };
        self.module.datatype_handles.push(DatatypeHandle {
            module: self.module.self_module_handle,
            name,
            abilities,
            type_parameters: vec![parameter; parameters],
        });
        DatatypeHandleIndex::new(self.module.datatype_handles.len() - 1)
    }

    fn fields(&mut self, types: &[T]) -> Vec<FieldDefinition> {
        let fields = types.iter().enumerate();
        fields
            .map(|(at, signature)| FieldDefinition {
                name: self.identifier(&format!("f{at}")),
                signature: signature.clone(),
            })
            .collect()
    }

    pub(crate) fn structure(
        &mut self,
        name: &str,
        abilities: AbilitySet,
        parameters: usize,
        fields: &[T],
    ) -> (DatatypeHandleIndex, StructDefIndex) {
        let handle = self.datatype(name, abilities, parameters);
        let fields = StructFieldInformation::Declared(self.fields(fields));
        self.module.struct_defs.push(StructDefinition { handle, fields });
        (handle, StructDefIndex::new(self.module.struct_defs.len() - 1))
    }

    pub(crate) fn enumeration(
        &mut self,
        name: &str,
        abilities: AbilitySet,
        variants: &[&[T]],
    ) -> (DatatypeHandleIndex, Vec<VariantHandleIndex>) {
        let handle = self.datatype(name, abilities, 0);
        let variants: Vec<_> = variants
            .iter()
            .enumerate()
            .map(|(at, fields)| VariantDefinition {
                name: self.identifier(&format!("V{at}")),
                fields: self.fields(fields),
            })
            .collect();
        let count = variants.len();
        self.module.enum_defs.push(EnumDefinition { handle, variants });
        let enum_def = EnumDefIndex::new(self.module.enum_defs.len() - 1);
        let handles = (0..count).map(|variant| {
            self.module.variant_handles.push(VariantHandle { enum_def, variant: variant as u16 });
            VariantHandleIndex::new(self.module.variant_handles.len() - 1)
        });
        (handle, handles.collect())
    }

    pub(crate) fn field(&mut self, owner: StructDefIndex, field: u16) -> FieldHandleIndex {
        FieldHandleIndex::new(position(&mut self.module.field_handles, FieldHandle { owner, field }))
    }

    pub(crate) fn field_instance(&mut self, owner: StructDefIndex, field: u16, types: &[T]) -> FieldInstantiationIndex {
        let entry = FieldInstantiation { handle: self.field(owner, field), type_parameters: self.signature(types) };
        FieldInstantiationIndex::new(position(&mut self.module.field_instantiations, entry))
    }

    pub(crate) fn struct_instance(&mut self, def: StructDefIndex, types: &[T]) -> StructDefInstantiationIndex {
        let entry = StructDefInstantiation { def, type_parameters: self.signature(types) };
        StructDefInstantiationIndex::new(position(&mut self.module.struct_def_instantiations, entry))
    }

    pub(crate) fn function_instance(&mut self, handle: FunctionHandleIndex, types: &[T]) -> FunctionInstantiationIndex {
        let entry = FunctionInstantiation { handle, type_parameters: self.signature(types) };
        FunctionInstantiationIndex::new(position(&mut self.module.function_instantiations, entry))
    }

    pub(crate) fn constant(&mut self, type_: T, data: Vec<u8>) -> ConstantIndex {
        ConstantIndex::new(position(&mut self.module.constants, Constant { type_, data }))
    }

    pub(crate) fn handle(&mut self, module: Option<&str>, declared: &Declaration<'_>) -> FunctionHandleIndex {
        let module = module.map_or(self.module.self_module_handle, |module| self.module_handle(module));
        let handle = FunctionHandle {
            module,
            name: self.identifier(declared.name),
            parameters: self.signature(&declared.parameters),
            return_: self.signature(&declared.results),
            type_parameters: declared.type_parameters.clone(),
        };
        FunctionHandleIndex::new(position(&mut self.module.function_handles, handle))
    }

    fn add(&mut self, declared: &Declaration<'_>, visibility: Visibility, is_entry: bool, code: Option<CodeUnit>) {
        let function = self.handle(None, declared);
        self.module.function_defs.push(FunctionDefinition { function, visibility, is_entry, acquires: vec![], code });
    }

    /// A public function; `acquires` is filled with every struct that has `key`.
    pub(crate) fn function(&mut self, declared: &Declaration<'_>, locals: &[T], code: Vec<Bytecode>) {
        let locals = self.signature(locals);
        self.add(declared, Visibility::Public, false, Some(CodeUnit { locals, code, jump_tables: vec![] }));
    }

    pub(crate) fn acquires(&mut self, structs: &[StructDefIndex]) {
        self.module.function_defs.last_mut().unwrap().acquires = structs.to_vec();
    }

    pub(crate) fn visibility(&mut self, visibility: Visibility, is_entry: bool) {
        let last = self.module.function_defs.last_mut().unwrap();
        last.visibility = visibility;
        last.is_entry = is_entry;
    }

    pub(crate) fn jump_tables(&mut self, tables: Vec<VariantJumpTable>) {
        let last = self.module.function_defs.last_mut().unwrap();
        last.code.as_mut().unwrap().jump_tables = tables;
    }

    pub(crate) fn native(&mut self, declared: &Declaration<'_>) {
        self.add(declared, Visibility::Public, false, None);
    }
}
