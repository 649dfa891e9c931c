//! The tables of a Move binary.

use std::fmt;

use noema_types::{Address, Identifier, ModuleId};

use crate::Bytecode;

macro_rules! table_index {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u16);

        impl $name {
            /// Wraps a table position.
            ///
            /// # Panics
            /// If the position does not fit 16 bits; tables are limited to that.
            #[must_use]
            pub fn new(position: usize) -> Self {
                Self(u16::try_from(position).expect("tables hold at most 65,535 entries"))
            }

            /// The position in the table.
            #[must_use]
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

table_index! {
    /// Into [`CompiledModule::module_handles`].
    ModuleHandleIndex;
    /// Into [`CompiledModule::datatype_handles`].
    DatatypeHandleIndex;
    /// Into [`CompiledModule::function_handles`].
    FunctionHandleIndex;
    /// Into [`CompiledModule::field_handles`].
    FieldHandleIndex;
    /// Into [`CompiledModule::struct_def_instantiations`].
    StructDefInstantiationIndex;
    /// Into [`CompiledModule::function_instantiations`].
    FunctionInstantiationIndex;
    /// Into [`CompiledModule::field_instantiations`].
    FieldInstantiationIndex;
    /// Into [`CompiledModule::signatures`].
    SignatureIndex;
    /// Into [`CompiledModule::identifiers`].
    IdentifierIndex;
    /// Into [`CompiledModule::address_identifiers`].
    AddressIdentifierIndex;
    /// Into [`CompiledModule::constants`].
    ConstantIndex;
    /// Into [`CompiledModule::struct_defs`].
    StructDefIndex;
    /// Into [`CompiledModule::function_defs`].
    FunctionDefIndex;
    /// Into [`CompiledModule::enum_defs`].
    EnumDefIndex;
    /// Into [`CompiledModule::enum_def_instantiations`].
    EnumDefInstantiationIndex;
    /// Into [`CompiledModule::variant_handles`].
    VariantHandleIndex;
    /// Into [`CompiledModule::variant_instantiation_handles`].
    VariantInstantiationHandleIndex;
    /// Into [`CodeUnit::jump_tables`].
    VariantJumpTableIndex;
}

/// Position of a local: parameters first.
pub type LocalIndex = u8;
/// Position of an instruction in its function.
pub type CodeOffset = u16;
/// Position of a type parameter.
pub type TypeParameterIndex = u16;
/// Position of a field in its struct.
pub type MemberCount = u16;
/// Position of a variant in its enum.
pub type VariantTag = u16;

/// Version word of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Plain version 5.
    V5,
    /// Plain version 6.
    V6,
    /// Sui's version 7 (enums), word 0x05000007.
    Sui7,
}

/// One of copy, drop, store, key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Ability {
    /// Values may be duplicated.
    Copy = 0x1,
    /// Values may be discarded.
    Drop = 0x2,
    /// Values may be inside others in global storage.
    Store = 0x4,
    /// Values may be keys of global storage.
    Key = 0x8,
}

/// A set of abilities.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AbilitySet(u8);

impl Ability {
    /// All four, in the order of their bits.
    pub const ALL: [Self; 4] = [Self::Copy, Self::Drop, Self::Store, Self::Key];

    /// The ability that a type's arguments need so that the type has this one: `store` for `key`, else itself.
    #[must_use]
    pub fn requires(self) -> Self {
        if self == Self::Key { Self::Store } else { self }
    }

    /// Its keyword.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Drop => "drop",
            Self::Store => "store",
            Self::Key => "key",
        }
    }
}

impl AbilitySet {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// Of numbers, bool and address: copy, drop, store.
    pub const PRIMITIVES: Self = Self(0x7);
    /// Of references: copy, drop.
    pub const REFERENCES: Self = Self(0x3);
    /// Of signer: drop.
    pub const SIGNER: Self = Self(0x2);
    /// Of vectors before looking at the element: copy, drop, store.
    pub const VECTOR: Self = Self(0x7);
    /// All four.
    pub const ALL: Self = Self(0xF);

    /// Reads the bits; `None` if an unknown one is set.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !0xF == 0).then_some(Self(bits))
    }

    /// The bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether it holds `ability`.
    #[must_use]
    pub fn has(self, ability: Ability) -> bool {
        self.0 & ability as u8 != 0
    }

    /// With `ability` too.
    #[must_use]
    pub fn with(self, ability: Ability) -> Self {
        Self(self.0 | ability as u8)
    }

    /// Without `ability`.
    #[must_use]
    pub fn without(self, ability: Ability) -> Self {
        Self(self.0 & !(ability as u8))
    }

    /// Held by either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Held by both.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of these are in `other`.
    #[must_use]
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The abilities, in the order of their bits.
    pub fn iter(self) -> impl Iterator<Item = Ability> {
        Ability::ALL.into_iter().filter(move |ability| self.has(*ability))
    }

    /// Abilities of an instantiated type: those `declared` whose requirement every non-phantom argument meets.
    pub fn of_instance(declared: Self, args: impl IntoIterator<Item = (Self, bool)>) -> Self {
        args.into_iter().filter(|(_, is_phantom)| !is_phantom).fold(declared, |kept, (arg, _)| {
            kept.iter().filter(|ability| arg.has(ability.requires())).fold(Self::EMPTY, Self::with)
        })
    }
}

impl FromIterator<Ability> for AbilitySet {
    fn from_iter<I: IntoIterator<Item = Ability>>(abilities: I) -> Self {
        abilities.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for AbilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Who may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Visibility {
    /// Its module only.
    #[default]
    Private = 0x0,
    /// Everyone.
    Public = 0x1,
    /// Its module and the module's friends.
    Friend = 0x3,
}

/// Names a module; entry 0 need not be the module itself, [`CompiledModule::self_module_handle`] says which is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleHandle {
    /// Address.
    pub address: AddressIdentifierIndex,
    /// Name.
    pub name: IdentifierIndex,
}

/// A type parameter of a datatype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatatypeTypeParameter {
    /// Abilities an argument must have.
    pub constraints: AbilitySet,
    /// Whether the parameter is phantom.
    pub is_phantom: bool,
}

/// Names a struct or enum, of this module or another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatatypeHandle {
    /// Module that defines it.
    pub module: ModuleHandleIndex,
    /// Name.
    pub name: IdentifierIndex,
    /// Declared abilities.
    pub abilities: AbilitySet,
    /// Type parameters.
    pub type_parameters: Vec<DatatypeTypeParameter>,
}

/// Names a function, of this module or another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionHandle {
    /// Module that defines it.
    pub module: ModuleHandleIndex,
    /// Name.
    pub name: IdentifierIndex,
    /// Types of the parameters.
    pub parameters: SignatureIndex,
    /// Types of the results.
    pub return_: SignatureIndex,
    /// Constraints of the type parameters.
    pub type_parameters: Vec<AbilitySet>,
}

/// Names a field of a struct of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldHandle {
    /// Struct.
    pub owner: StructDefIndex,
    /// Position of the field.
    pub field: MemberCount,
}

/// A struct of this module with type arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StructDefInstantiation {
    /// Struct.
    pub def: StructDefIndex,
    /// Type arguments.
    pub type_parameters: SignatureIndex,
}

/// A function with type arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionInstantiation {
    /// Function.
    pub handle: FunctionHandleIndex,
    /// Type arguments.
    pub type_parameters: SignatureIndex,
}

/// A field of a struct with type arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldInstantiation {
    /// Field.
    pub handle: FieldHandleIndex,
    /// Type arguments.
    pub type_parameters: SignatureIndex,
}

/// An enum of this module with type arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnumDefInstantiation {
    /// Enum.
    pub def: EnumDefIndex,
    /// Type arguments.
    pub type_parameters: SignatureIndex,
}

/// Names a variant of an enum of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantHandle {
    /// Enum.
    pub enum_def: EnumDefIndex,
    /// Position of the variant.
    pub variant: VariantTag,
}

/// Names a variant of an enum with type arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantInstantiationHandle {
    /// Enum with its type arguments.
    pub enum_def: EnumDefInstantiationIndex,
    /// Position of the variant.
    pub variant: VariantTag,
}

/// A type in a signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Move's own type names")]
pub enum SignatureToken {
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Address,
    Signer,
    Vector(Box<SignatureToken>),
    Datatype(DatatypeHandleIndex),
    DatatypeInstantiation(Box<(DatatypeHandleIndex, Vec<SignatureToken>)>),
    Reference(Box<SignatureToken>),
    MutableReference(Box<SignatureToken>),
    TypeParameter(TypeParameterIndex),
}

/// A list of types.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Signature(pub Vec<SignatureToken>);

/// A constant: a type and the BCS of its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constant {
    /// Type.
    pub type_: SignatureToken,
    /// BCS of the value.
    pub data: Vec<u8>,
}

/// One entry of the metadata table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metadata {
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
}

/// A field's declaration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldDefinition {
    /// Name.
    pub name: IdentifierIndex,
    /// Type.
    pub signature: SignatureToken,
}

/// Fields of a struct.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StructFieldInformation {
    /// The struct is native.
    Native,
    /// Declared fields.
    Declared(Vec<FieldDefinition>),
}

/// A struct of this module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StructDefinition {
    /// Its name and abilities.
    pub handle: DatatypeHandleIndex,
    /// Its fields.
    pub fields: StructFieldInformation,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantDefinition {
    /// Name.
    pub name: IdentifierIndex,
    /// Fields.
    pub fields: Vec<FieldDefinition>,
}

/// An enum of this module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnumDefinition {
    /// Its name and abilities.
    pub handle: DatatypeHandleIndex,
    /// Its variants.
    pub variants: Vec<VariantDefinition>,
}

/// A function of this module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionDefinition {
    /// Its name and types.
    pub function: FunctionHandleIndex,
    /// Who may call it.
    pub visibility: Visibility,
    /// Whether a transaction may call it.
    pub is_entry: bool,
    /// Structs of this module whose global values it may borrow mutably or move out.
    pub acquires: Vec<StructDefIndex>,
    /// Its body; `None` when native.
    pub code: Option<CodeUnit>,
}

/// Jumps of a `VariantSwitch`: one target per variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantJumpTable {
    /// Enum it switches over.
    pub head_enum: EnumDefIndex,
    /// Target for each variant, in the order of the enum.
    pub targets: Vec<CodeOffset>,
}

/// A function's body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CodeUnit {
    /// Types of the locals that are not parameters.
    pub locals: SignatureIndex,
    /// Instructions.
    pub code: Vec<Bytecode>,
    /// Jump tables (Sui version 7).
    pub jump_tables: Vec<VariantJumpTable>,
}

/// A module's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each table is named after its entries")]
pub struct CompiledModule {
    pub version: Version,
    pub self_module_handle: ModuleHandleIndex,
    pub module_handles: Vec<ModuleHandle>,
    pub datatype_handles: Vec<DatatypeHandle>,
    pub function_handles: Vec<FunctionHandle>,
    pub field_handles: Vec<FieldHandle>,
    pub friend_decls: Vec<ModuleHandle>,
    pub struct_def_instantiations: Vec<StructDefInstantiation>,
    pub function_instantiations: Vec<FunctionInstantiation>,
    pub field_instantiations: Vec<FieldInstantiation>,
    pub signatures: Vec<Signature>,
    pub identifiers: Vec<Identifier>,
    pub address_identifiers: Vec<Address>,
    pub constants: Vec<Constant>,
    pub metadata: Vec<Metadata>,
    pub struct_defs: Vec<StructDefinition>,
    pub function_defs: Vec<FunctionDefinition>,
    pub enum_defs: Vec<EnumDefinition>,
    pub enum_def_instantiations: Vec<EnumDefInstantiation>,
    pub variant_handles: Vec<VariantHandle>,
    pub variant_instantiation_handles: Vec<VariantInstantiationHandle>,
}

/// A script: a module without definitions, and one nameless function.
///
/// `module` holds the tables; its definition tables are empty and its self handle names the pseudo-module
/// `0x0::<SELF>`, which is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledScript {
    /// The tables.
    pub module: CompiledModule,
    /// Constraints of the type parameters.
    pub type_parameters: Vec<AbilitySet>,
    /// Types of the parameters.
    pub parameters: SignatureIndex,
    /// The body.
    pub code: CodeUnit,
}

impl CompiledModule {
    /// A module with every table empty but for its own handle.
    #[must_use]
    pub fn empty(id: &ModuleId) -> Self {
        Self {
            version: Version::V6,
            self_module_handle: ModuleHandleIndex(0),
            module_handles: vec![ModuleHandle { address: AddressIdentifierIndex(0), name: IdentifierIndex(0) }],
            datatype_handles: Vec::new(),
            function_handles: Vec::new(),
            field_handles: Vec::new(),
            friend_decls: Vec::new(),
            struct_def_instantiations: Vec::new(),
            function_instantiations: Vec::new(),
            field_instantiations: Vec::new(),
            signatures: Vec::new(),
            identifiers: vec![id.name.clone()],
            address_identifiers: vec![id.address],
            constants: Vec::new(),
            metadata: Vec::new(),
            struct_defs: Vec::new(),
            function_defs: Vec::new(),
            enum_defs: Vec::new(),
            enum_def_instantiations: Vec::new(),
            variant_handles: Vec::new(),
            variant_instantiation_handles: Vec::new(),
        }
    }

    /// Identity of the module a handle names. Indices must be in bounds (the reader checks them).
    #[must_use]
    pub fn module_id_of(&self, handle: &ModuleHandle) -> ModuleId {
        ModuleId::new(self.address_at(handle.address), self.identifier_at(handle.name).clone())
    }

    /// The module's own identity.
    #[must_use]
    pub fn self_id(&self) -> ModuleId {
        self.module_id_of(self.module_handle_at(self.self_module_handle))
    }

    /// The identifier at `index`.
    #[must_use]
    pub fn identifier_at(&self, index: IdentifierIndex) -> &Identifier {
        &self.identifiers[index.index()]
    }

    /// The address at `index`.
    #[must_use]
    pub fn address_at(&self, index: AddressIdentifierIndex) -> Address {
        self.address_identifiers[index.index()]
    }

    /// The module handle at `index`.
    #[must_use]
    pub fn module_handle_at(&self, index: ModuleHandleIndex) -> &ModuleHandle {
        &self.module_handles[index.index()]
    }

    /// The datatype handle at `index`.
    #[must_use]
    pub fn datatype_handle_at(&self, index: DatatypeHandleIndex) -> &DatatypeHandle {
        &self.datatype_handles[index.index()]
    }

    /// The function handle at `index`.
    #[must_use]
    pub fn function_handle_at(&self, index: FunctionHandleIndex) -> &FunctionHandle {
        &self.function_handles[index.index()]
    }

    /// The types at `index`.
    #[must_use]
    pub fn signature_at(&self, index: SignatureIndex) -> &[SignatureToken] {
        &self.signatures[index.index()].0
    }

    /// The struct at `index`.
    #[must_use]
    pub fn struct_def_at(&self, index: StructDefIndex) -> &StructDefinition {
        &self.struct_defs[index.index()]
    }

    /// The function at `index`.
    #[must_use]
    pub fn function_def_at(&self, index: FunctionDefIndex) -> &FunctionDefinition {
        &self.function_defs[index.index()]
    }

    /// Name of the function at `index`.
    #[must_use]
    pub fn function_name(&self, index: FunctionDefIndex) -> &Identifier {
        self.identifier_at(self.function_handle_at(self.function_def_at(index).function).name)
    }

    /// The function of this module with this name.
    #[must_use]
    pub fn find_function(&self, name: &str) -> Option<(FunctionDefIndex, &FunctionDefinition)> {
        self.function_defs
            .iter()
            .enumerate()
            .find(|(_, def)| self.identifier_at(self.function_handle_at(def.function).name).as_str() == name)
            .map(|(position, def)| (FunctionDefIndex::new(position), def))
    }

    /// Modules this one calls or takes types from, itself excluded, in table order.
    pub fn immediate_dependencies(&self) -> impl Iterator<Item = ModuleId> + '_ {
        let own = self.self_module_handle.index();
        self.module_handles
            .iter()
            .enumerate()
            .filter(move |(position, _)| *position != own)
            .map(|(_, handle)| self.module_id_of(handle))
    }

    /// Modules this one names as friends.
    pub fn immediate_friends(&self) -> impl Iterator<Item = ModuleId> + '_ {
        self.friend_decls.iter().map(|handle| self.module_id_of(handle))
    }

    /// The value of a metadata entry.
    #[must_use]
    pub fn metadata_value(&self, key: &[u8]) -> Option<&[u8]> {
        self.metadata.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_slice())
    }
}

impl StructDefinition {
    /// Its declared fields; `None` when native.
    #[must_use]
    pub fn declared_fields(&self) -> Option<&[FieldDefinition]> {
        match &self.fields {
            StructFieldInformation::Native => None,
            StructFieldInformation::Declared(fields) => Some(fields),
        }
    }
}
