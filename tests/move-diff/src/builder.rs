//! Tables of a module that is being made: every entry once.

use std::collections::BTreeMap;

use noema_bytecode::{
    AbilitySet, AddressIdentifierIndex, Bytecode, CodeUnit, CompiledModule, Constant, ConstantIndex, DatatypeHandle,
    DatatypeHandleIndex, EnumDefIndex, EnumDefInstantiation, EnumDefInstantiationIndex, EnumDefinition,
    FieldDefinition, FieldHandle, FieldHandleIndex, FieldInstantiation, FieldInstantiationIndex, FunctionDefinition,
    FunctionHandle, FunctionHandleIndex, FunctionInstantiation, FunctionInstantiationIndex, IdentifierIndex,
    ModuleHandle, ModuleHandleIndex, Signature, SignatureIndex, SignatureToken, StructDefIndex, StructDefInstantiation,
    StructDefInstantiationIndex, StructDefinition, StructFieldInformation, VariantDefinition, VariantHandle,
    VariantHandleIndex, VariantInstantiationHandle, VariantInstantiationHandleIndex, VariantJumpTable, Visibility,
};
use noema_types::{Identifier, ModuleId};

use crate::world::{DataId, Function, Shape, Ty, World};

/// Where a datatype of the module is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// As a struct.
    Struct(StructDefIndex),
    /// As an enum.
    Enum(EnumDefIndex),
}

/// A module that is being made.
#[derive(Debug, Clone)]
pub struct Builder {
    /// Its tables so far.
    pub module: CompiledModule,
    defined: BTreeMap<DataId, Defined>,
}

fn position<E: PartialEq>(table: &mut Vec<E>, entry: E) -> usize {
    table.iter().position(|other| *other == entry).unwrap_or_else(|| {
        table.push(entry);
        table.len() - 1
    })
}

impl Builder {
    /// A module without anything.
    #[must_use]
    pub fn new(id: &ModuleId) -> Self {
        Self { module: CompiledModule::empty(id), defined: BTreeMap::new() }
    }

    /// An identifier.
    pub fn identifier(&mut self, name: &Identifier) -> IdentifierIndex {
        IdentifierIndex::new(position(&mut self.module.identifiers, name.clone()))
    }

    /// A list of types.
    pub fn signature(&mut self, world: &World, types: &[Ty]) -> SignatureIndex {
        let tokens = types.iter().map(|one| self.token(world, one)).collect();
        SignatureIndex::new(position(&mut self.module.signatures, Signature(tokens)))
    }

    /// A module.
    pub fn module_handle(&mut self, id: &ModuleId) -> ModuleHandleIndex {
        let address = AddressIdentifierIndex::new(position(&mut self.module.address_identifiers, id.address));
        let name = self.identifier(&id.name);
        ModuleHandleIndex::new(position(&mut self.module.module_handles, ModuleHandle { address, name }))
    }

    /// A datatype.
    pub fn datatype(&mut self, world: &World, id: DataId) -> DatatypeHandleIndex {
        let data = &world.datatypes[id];
        let handle = DatatypeHandle {
            module: self.module_handle(&data.module),
            name: self.identifier(&data.name),
            abilities: data.abilities,
            type_parameters: data.params.clone(),
        };
        DatatypeHandleIndex::new(position(&mut self.module.datatype_handles, handle))
    }

    /// A type as this module writes it.
    pub fn token(&mut self, world: &World, ty: &Ty) -> SignatureToken {
        match ty {
            Ty::Bool => SignatureToken::Bool,
            Ty::U8 => SignatureToken::U8,
            Ty::U16 => SignatureToken::U16,
            Ty::U32 => SignatureToken::U32,
            Ty::U64 => SignatureToken::U64,
            Ty::U128 => SignatureToken::U128,
            Ty::U256 => SignatureToken::U256,
            Ty::Address => SignatureToken::Address,
            Ty::Signer => SignatureToken::Signer,
            Ty::Vector(inner) => SignatureToken::Vector(Box::new(self.token(world, inner))),
            Ty::Ref(inner) => SignatureToken::Reference(Box::new(self.token(world, inner))),
            Ty::MutRef(inner) => SignatureToken::MutableReference(Box::new(self.token(world, inner))),
            Ty::Param(index) => SignatureToken::TypeParameter(*index),
            Ty::Data(id, types) => {
                let handle = self.datatype(world, *id);
                if types.is_empty() {
                    return SignatureToken::Datatype(handle);
                }
                let types = types.iter().map(|one| self.token(world, one)).collect();
                SignatureToken::DatatypeInstantiation(Box::new((handle, types)))
            }
        }
    }

    fn fields(&mut self, world: &World, types: &[Ty]) -> Vec<FieldDefinition> {
        let named = types.iter().enumerate().map(|(at, ty)| {
            let name = Identifier::new(format!("f{at}")).expect("a letter and digits");
            FieldDefinition { name: self.identifier(&name), signature: self.token(world, ty) }
        });
        named.collect()
    }

    /// Defines a datatype of this module.
    pub fn define(&mut self, world: &World, id: DataId) {
        let handle = self.datatype(world, id);
        let defined = match &world.datatypes[id].shape {
            Shape::Struct(fields) => {
                let fields = StructFieldInformation::Declared(self.fields(world, fields));
                self.module.struct_defs.push(StructDefinition { handle, fields });
                Defined::Struct(StructDefIndex::new(self.module.struct_defs.len() - 1))
            }
            Shape::Enum(variants) => {
                let variants = variants.iter().enumerate().map(|(at, fields)| {
                    let name = Identifier::new(format!("V{at}")).expect("a letter and digits");
                    VariantDefinition { name: self.identifier(&name), fields: self.fields(world, fields) }
                });
                let variants = variants.collect();
                self.module.enum_defs.push(EnumDefinition { handle, variants });
                Defined::Enum(EnumDefIndex::new(self.module.enum_defs.len() - 1))
            }
        };
        self.defined.insert(id, defined);
    }

    /// Where a datatype is defined, if it is this module's.
    #[must_use]
    pub fn defined(&self, id: DataId) -> Option<Defined> {
        self.defined.get(&id).copied()
    }

    /// The struct's definition, if it is this module's.
    #[must_use]
    pub fn struct_def(&self, id: DataId) -> Option<StructDefIndex> {
        if let Some(Defined::Struct(def)) = self.defined(id) { Some(def) } else { None }
    }

    /// The enum's definition, if it is this module's.
    #[must_use]
    pub fn enum_def(&self, id: DataId) -> Option<EnumDefIndex> {
        if let Some(Defined::Enum(def)) = self.defined(id) { Some(def) } else { None }
    }

    /// A field of a struct of this module.
    pub fn field(&mut self, owner: StructDefIndex, field: u16) -> FieldHandleIndex {
        FieldHandleIndex::new(position(&mut self.module.field_handles, FieldHandle { owner, field }))
    }

    /// A field of a struct with type arguments.
    pub fn field_of(
        &mut self,
        world: &World,
        owner: StructDefIndex,
        field: u16,
        types: &[Ty],
    ) -> FieldInstantiationIndex {
        let entry =
            FieldInstantiation { handle: self.field(owner, field), type_parameters: self.signature(world, types) };
        FieldInstantiationIndex::new(position(&mut self.module.field_instantiations, entry))
    }

    /// A struct with type arguments.
    pub fn struct_of(&mut self, world: &World, def: StructDefIndex, types: &[Ty]) -> StructDefInstantiationIndex {
        let entry = StructDefInstantiation { def, type_parameters: self.signature(world, types) };
        StructDefInstantiationIndex::new(position(&mut self.module.struct_def_instantiations, entry))
    }

    /// A variant of an enum of this module.
    pub fn variant(&mut self, enum_def: EnumDefIndex, variant: u16) -> VariantHandleIndex {
        VariantHandleIndex::new(position(&mut self.module.variant_handles, VariantHandle { enum_def, variant }))
    }

    /// A variant of an enum with type arguments.
    pub fn variant_of(
        &mut self,
        world: &World,
        def: EnumDefIndex,
        variant: u16,
        types: &[Ty],
    ) -> VariantInstantiationHandleIndex {
        let entry = EnumDefInstantiation { def, type_parameters: self.signature(world, types) };
        let enum_def = EnumDefInstantiationIndex::new(position(&mut self.module.enum_def_instantiations, entry));
        let entry = VariantInstantiationHandle { enum_def, variant };
        VariantInstantiationHandleIndex::new(position(&mut self.module.variant_instantiation_handles, entry))
    }

    /// A constant.
    pub fn constant(&mut self, world: &World, ty: &Ty, data: Vec<u8>) -> ConstantIndex {
        let type_ = self.token(world, ty);
        ConstantIndex::new(position(&mut self.module.constants, Constant { type_, data }))
    }

    /// A function, of this module or another.
    pub fn function(&mut self, world: &World, function: &Function) -> FunctionHandleIndex {
        let handle = FunctionHandle {
            module: self.module_handle(&function.module),
            name: self.identifier(&function.name),
            parameters: self.signature(world, &function.params),
            return_: self.signature(world, &function.results),
            type_parameters: function.type_params.clone(),
        };
        FunctionHandleIndex::new(position(&mut self.module.function_handles, handle))
    }

    /// A function with type arguments.
    pub fn function_of(&mut self, world: &World, function: &Function, types: &[Ty]) -> FunctionInstantiationIndex {
        let entry = FunctionInstantiation {
            handle: self.function(world, function),
            type_parameters: self.signature(world, types),
        };
        FunctionInstantiationIndex::new(position(&mut self.module.function_instantiations, entry))
    }

    /// Defines a public function of this module.
    pub fn define_function(&mut self, world: &World, function: &Function, body: &Body) {
        let definition = FunctionDefinition {
            function: self.function(world, function),
            visibility: Visibility::Public,
            is_entry: false,
            acquires: Vec::new(),
            code: Some(self.code_unit(world, body)),
        };
        self.module.function_defs.push(definition);
    }

    /// A body with its locals' types in the tables.
    pub fn code_unit(&mut self, world: &World, body: &Body) -> CodeUnit {
        let locals = self.signature(world, &body.locals);
        CodeUnit { locals, code: body.code.clone(), jump_tables: body.jump_tables.clone() }
    }
}

/// A function's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Types of the locals that are not parameters.
    pub locals: Vec<Ty>,
    /// Instructions.
    pub code: Vec<Bytecode>,
    /// Jump tables.
    pub jump_tables: Vec<VariantJumpTable>,
}

/// The acquires lists that the bodies of a module ask for.
#[must_use]
pub fn acquires(module: &CompiledModule) -> Vec<Vec<StructDefIndex>> {
    use std::collections::BTreeSet;
    let mut lists: Vec<BTreeSet<StructDefIndex>> = vec![BTreeSet::new(); module.function_defs.len()];
    let mut definition_of = BTreeMap::new();
    for (position, def) in module.function_defs.iter().enumerate() {
        definition_of.insert(def.function, position);
    }
    loop {
        let mut has_grown = false;
        for (position, def) in module.function_defs.iter().enumerate() {
            for instruction in def.code.iter().flat_map(|unit| &unit.code) {
                let new: Vec<StructDefIndex> = match instruction {
                    Bytecode::MoveFrom(def) | Bytecode::MutBorrowGlobal(def) | Bytecode::ImmBorrowGlobal(def) => {
                        vec![*def]
                    }
                    Bytecode::MoveFromGeneric(at)
                    | Bytecode::MutBorrowGlobalGeneric(at)
                    | Bytecode::ImmBorrowGlobalGeneric(at) => vec![module.struct_instantiation_at(*at).def],
                    Bytecode::Call(_) | Bytecode::CallGeneric(_) => {
                        let handle = match instruction {
                            Bytecode::Call(handle) => *handle,
                            Bytecode::CallGeneric(at) => module.function_instantiation_at(*at).handle,
                            _ => unreachable!("one of the two above"),
                        };
                        definition_of.get(&handle).map(|at| lists[*at].iter().copied().collect()).unwrap_or_default()
                    }
                    _ => Vec::new(),
                };
                for def in new {
                    has_grown |= lists[position].insert(def);
                }
            }
        }
        if !has_grown {
            return lists.into_iter().map(|list| list.into_iter().collect()).collect();
        }
    }
}

/// No ability but `drop` and `copy`: what generated type parameters ask for.
#[must_use]
pub fn copy_drop() -> AbilitySet {
    AbilitySet::REFERENCES
}
