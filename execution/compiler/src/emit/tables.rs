//! The tables of a module under construction; every entry is entered once.

use std::collections::BTreeMap;

use noema_bytecode::limits::TABLE_ENTRIES_MAX;
use noema_bytecode::{
    AddressIdentifierIndex, CompiledModule, Constant, ConstantIndex, DatatypeHandle, DatatypeHandleIndex,
    DatatypeTypeParameter, EnumDefIndex, EnumDefInstantiation, EnumDefInstantiationIndex, FieldHandle,
    FieldHandleIndex, FieldInstantiation, FieldInstantiationIndex, FunctionHandle, FunctionHandleIndex,
    FunctionInstantiation, FunctionInstantiationIndex, IdentifierIndex, ModuleHandle, ModuleHandleIndex, Signature,
    SignatureIndex, SignatureToken, StructDefIndex, StructDefInstantiation, StructDefInstantiationIndex, VariantHandle,
    VariantHandleIndex, VariantInstantiationHandle, VariantInstantiationHandleIndex,
};
use noema_types::{Address, Identifier};

use crate::diagnostics::Files;
use crate::expand::ast::ModuleIdent;
use crate::name::Globals;
use crate::typing::{DataId, FunId, Int, ModId, Ty};

/// A table with the positions of its entries.
#[derive(Debug)]
struct Interned<T> {
    entries: Vec<T>,
    positions: BTreeMap<T, u16>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), positions: BTreeMap::new() }
    }
}

impl<T: Clone + Ord> Interned<T> {
    /// The position of `entry`, new or old; position 0 and `overflow` when the table is full.
    fn intern(&mut self, entry: T, overflow: &mut bool) -> u16 {
        if let Some(position) = self.positions.get(&entry) {
            return *position;
        }
        if self.entries.len() >= TABLE_ENTRIES_MAX {
            *overflow = true;
            return 0;
        }
        let position = u16::try_from(self.entries.len()).expect("checked against the limit");
        self.entries.push(entry.clone());
        self.positions.insert(entry, position);
        position
    }
}

/// The tables.
#[derive(Debug)]
pub(super) struct Tables<'a> {
    pub(super) globals: &'a Globals,
    pub(super) files: &'a Files,
    /// Whether a table is full.
    pub(super) overflow: bool,
    identifiers: Interned<Identifier>,
    addresses: Interned<Address>,
    modules: Interned<ModuleHandle>,
    datatypes: Interned<DatatypeHandle>,
    functions: Interned<FunctionHandle>,
    signatures: Interned<Signature>,
    constants: Interned<Constant>,
    fields: Interned<FieldHandle>,
    struct_instances: Interned<StructDefInstantiation>,
    function_instances: Interned<FunctionInstantiation>,
    field_instances: Interned<FieldInstantiation>,
    enum_instances: Interned<EnumDefInstantiation>,
    variants: Interned<VariantHandle>,
    variant_instances: Interned<VariantInstantiationHandle>,
    /// Positions of the module's own datatypes among the struct or enum definitions.
    pub(super) own_structs: BTreeMap<DataId, StructDefIndex>,
    pub(super) own_enums: BTreeMap<DataId, EnumDefIndex>,
    datatype_cache: BTreeMap<DataId, DatatypeHandleIndex>,
    function_cache: BTreeMap<FunId, FunctionHandleIndex>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(globals: &'a Globals, files: &'a Files) -> Self {
        Self {
            globals,
            files,
            overflow: false,
            identifiers: Interned::default(),
            addresses: Interned::default(),
            modules: Interned::default(),
            datatypes: Interned::default(),
            functions: Interned::default(),
            signatures: Interned::default(),
            constants: Interned::default(),
            fields: Interned::default(),
            struct_instances: Interned::default(),
            function_instances: Interned::default(),
            field_instances: Interned::default(),
            enum_instances: Interned::default(),
            variants: Interned::default(),
            variant_instances: Interned::default(),
            own_structs: BTreeMap::new(),
            own_enums: BTreeMap::new(),
            datatype_cache: BTreeMap::new(),
            function_cache: BTreeMap::new(),
        }
    }

    pub(super) fn identifier(&mut self, text: &str) -> IdentifierIndex {
        // The lexer only lets identifiers through; longer ones than the format holds count as too large.
        let identifier = Identifier::new(text).unwrap_or_else(|_| {
            self.overflow = true;
            Identifier::new("x").expect("a letter is an identifier")
        });
        IdentifierIndex(self.identifiers.intern(identifier, &mut self.overflow))
    }

    pub(super) fn module_handle(&mut self, ident: &ModuleIdent) -> ModuleHandleIndex {
        let address = AddressIdentifierIndex(self.addresses.intern(ident.address, &mut self.overflow));
        let name = self.identifier(&ident.name);
        ModuleHandleIndex(self.modules.intern(ModuleHandle { address, name }, &mut self.overflow))
    }

    /// A friend's name, without making it a dependency.
    pub(super) fn friend(&mut self, ident: &ModuleIdent) -> ModuleHandle {
        let address = AddressIdentifierIndex(self.addresses.intern(ident.address, &mut self.overflow));
        ModuleHandle { address, name: self.identifier(&ident.name) }
    }

    /// The handle of the module that declares something.
    fn owner(&mut self, module: ModId) -> ModuleHandleIndex {
        let ident = self.self_ident(module);
        self.module_handle(&ident)
    }

    /// A script's pseudo-module has a name of its own.
    pub(super) fn self_ident(&self, module: ModId) -> ModuleIdent {
        let info = self.globals.module(module);
        if info.is_script {
            return ModuleIdent { address: Address::from_u8(0), name: "<SELF>".into() };
        }
        info.ident.clone()
    }

    pub(super) fn datatype(&mut self, id: DataId) -> DatatypeHandleIndex {
        if let Some(known) = self.datatype_cache.get(&id) {
            return *known;
        }
        let info = self.globals.datatype(id);
        let handle = DatatypeHandle {
            module: self.owner(info.module),
            name: self.identifier(&info.name.value),
            abilities: info.abilities,
            type_parameters: info
                .type_params
                .iter()
                .map(|param| DatatypeTypeParameter { constraints: param.constraints, is_phantom: param.is_phantom })
                .collect(),
        };
        let index = DatatypeHandleIndex(self.datatypes.intern(handle, &mut self.overflow));
        self.datatype_cache.insert(id, index);
        index
    }

    pub(super) fn function(&mut self, id: FunId) -> FunctionHandleIndex {
        if let Some(known) = self.function_cache.get(&id) {
            return *known;
        }
        let info = self.globals.function(id);
        let params: Vec<Ty> = info.params.iter().map(|(_, ty)| ty.clone()).collect();
        let handle = FunctionHandle {
            module: self.owner(info.module),
            name: self.identifier(&info.name.value),
            parameters: self.signature(&params),
            return_: self.result(&info.result),
            type_parameters: info.constraints(),
        };
        let index = FunctionHandleIndex(self.functions.intern(handle, &mut self.overflow));
        self.function_cache.insert(id, index);
        index
    }

    pub(super) fn result(&mut self, ty: &Ty) -> SignatureIndex {
        match ty {
            Ty::Tuple(parts) => self.signature(parts),
            Ty::Never => self.signature(&[]),
            other => self.signature(std::slice::from_ref(other)),
        }
    }

    pub(super) fn token(&mut self, ty: &Ty) -> SignatureToken {
        match ty {
            Ty::Bool => SignatureToken::Bool,
            Ty::Int(Int::U8) => SignatureToken::U8,
            Ty::Int(Int::U16) => SignatureToken::U16,
            Ty::Int(Int::U32) => SignatureToken::U32,
            Ty::Int(Int::U64) => SignatureToken::U64,
            Ty::Int(Int::U128) => SignatureToken::U128,
            Ty::Int(Int::U256) => SignatureToken::U256,
            Ty::Address => SignatureToken::Address,
            Ty::Signer => SignatureToken::Signer,
            Ty::Vector(element) => SignatureToken::Vector(Box::new(self.token(element))),
            Ty::Data(id, args) => {
                let handle = self.datatype(*id);
                if args.is_empty() {
                    SignatureToken::Datatype(handle)
                } else {
                    let args = args.iter().map(|arg| self.token(arg)).collect();
                    SignatureToken::DatatypeInstantiation(Box::new((handle, args)))
                }
            }
            Ty::Ref(true, inner) => SignatureToken::MutableReference(Box::new(self.token(inner))),
            Ty::Ref(false, inner) => SignatureToken::Reference(Box::new(self.token(inner))),
            Ty::Param(position) => SignatureToken::TypeParameter(*position),
            // These are gone or reported before code is emitted.
            Ty::Tuple(_) | Ty::Fun(..) | Ty::Var(_) | Ty::Never | Ty::Error => SignatureToken::Bool,
        }
    }

    pub(super) fn signature(&mut self, types: &[Ty]) -> SignatureIndex {
        let tokens = types.iter().map(|ty| self.token(ty)).collect();
        SignatureIndex(self.signatures.intern(Signature(tokens), &mut self.overflow))
    }

    pub(super) fn constant(&mut self, ty: &Ty, data: &[u8]) -> ConstantIndex {
        let type_ = self.token(ty);
        ConstantIndex(self.constants.intern(Constant { type_, data: data.to_vec() }, &mut self.overflow))
    }

    pub(super) fn struct_def(&self, id: DataId) -> StructDefIndex {
        self.own_structs.get(&id).copied().unwrap_or_default()
    }

    fn enum_def(&self, id: DataId) -> EnumDefIndex {
        self.own_enums.get(&id).copied().unwrap_or_default()
    }

    pub(super) fn enum_of(&self, id: DataId) -> EnumDefIndex {
        self.enum_def(id)
    }

    pub(super) fn struct_instance(&mut self, id: DataId, args: &[Ty]) -> StructDefInstantiationIndex {
        let entry = StructDefInstantiation { def: self.struct_def(id), type_parameters: self.signature(args) };
        StructDefInstantiationIndex(self.struct_instances.intern(entry, &mut self.overflow))
    }

    pub(super) fn function_instance(&mut self, id: FunId, args: &[Ty]) -> FunctionInstantiationIndex {
        let entry = FunctionInstantiation { handle: self.function(id), type_parameters: self.signature(args) };
        FunctionInstantiationIndex(self.function_instances.intern(entry, &mut self.overflow))
    }

    pub(super) fn field(&mut self, id: DataId, field: usize) -> FieldHandleIndex {
        let field = u16::try_from(field).unwrap_or_else(|_| {
            self.overflow = true;
            0
        });
        let entry = FieldHandle { owner: self.struct_def(id), field };
        FieldHandleIndex(self.fields.intern(entry, &mut self.overflow))
    }

    pub(super) fn field_instance(&mut self, id: DataId, args: &[Ty], field: usize) -> FieldInstantiationIndex {
        let entry = FieldInstantiation { handle: self.field(id, field), type_parameters: self.signature(args) };
        FieldInstantiationIndex(self.field_instances.intern(entry, &mut self.overflow))
    }

    pub(super) fn variant(&mut self, id: DataId, variant: usize) -> VariantHandleIndex {
        let variant = u16::try_from(variant).unwrap_or_default();
        let entry = VariantHandle { enum_def: self.enum_def(id), variant };
        VariantHandleIndex(self.variants.intern(entry, &mut self.overflow))
    }

    pub(super) fn variant_instance(
        &mut self,
        id: DataId,
        args: &[Ty],
        variant: usize,
    ) -> VariantInstantiationHandleIndex {
        let instance = EnumDefInstantiation { def: self.enum_def(id), type_parameters: self.signature(args) };
        let enum_def = EnumDefInstantiationIndex(self.enum_instances.intern(instance, &mut self.overflow));
        let entry = VariantInstantiationHandle { enum_def, variant: u16::try_from(variant).unwrap_or_default() };
        VariantInstantiationHandleIndex(self.variant_instances.intern(entry, &mut self.overflow))
    }

    /// The modules that are named, in table order.
    pub(super) fn fill(self, module: &mut CompiledModule) {
        module.module_handles = self.modules.entries;
        module.datatype_handles = self.datatypes.entries;
        module.function_handles = self.functions.entries;
        module.field_handles = self.fields.entries;
        module.struct_def_instantiations = self.struct_instances.entries;
        module.function_instantiations = self.function_instances.entries;
        module.field_instantiations = self.field_instances.entries;
        module.signatures = self.signatures.entries;
        module.identifiers = self.identifiers.entries;
        module.address_identifiers = self.addresses.entries;
        module.constants = self.constants.entries;
        module.enum_def_instantiations = self.enum_instances.entries;
        module.variant_handles = self.variants.entries;
        module.variant_instantiation_handles = self.variant_instances.entries;
    }
}
