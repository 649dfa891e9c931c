//! The members of all modules, numbered.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::AbilitySet;

use crate::diagnostics::{Name, Span, Symbol};
use crate::expand::ast::{Attributes, Edition, ModuleIdent, NamedAddresses};
use crate::typing::{ConstId, DataId, FunId, Int, ModId, Ty, Value};

use super::scope::Aliases;

/// All modules of the program and their members.
#[derive(Clone, Debug, Default)]
pub struct Globals {
    /// By [`ModId`], in the order of their identities.
    pub modules: Vec<ModuleInfo>,
    /// The number of a module.
    pub module_ids: BTreeMap<ModuleIdent, ModId>,
    /// Modules that say `#[defines_primitive(name)]`, by that name.
    pub primitive_homes: BTreeMap<Symbol, ModId>,
    /// By [`DataId`].
    pub datatypes: Vec<DataInfo>,
    /// By [`FunId`].
    pub functions: Vec<FunInfo>,
    /// By [`ConstId`].
    pub constants: Vec<ConstInfo>,
    /// The `macro fun` of the same module and name beside another function.
    pub macro_twins: BTreeMap<FunId, FunId>,
}

/// A module.
#[derive(Clone, Debug)]
pub struct ModuleInfo {
    /// Its identity.
    pub ident: ModuleIdent,
    /// Its name as written.
    pub name: Name,
    /// Its package.
    pub package: Symbol,
    /// Whether it belongs to the package that is compiled, not to a dependency.
    pub is_target: bool,
    /// Whether it stands for a script.
    pub is_script: bool,
    /// Lints in force.
    pub edition: Edition,
    /// Named addresses in force.
    pub addresses: Arc<NamedAddresses>,
    /// Doc comment.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Attributes,
    /// Members by name.
    pub members: BTreeMap<Symbol, Member>,
    /// Structs and enums in source order.
    pub datatypes: Vec<DataId>,
    /// Functions in source order.
    pub functions: Vec<FunId>,
    /// Constants in source order.
    pub constants: Vec<ConstId>,
    /// Names brought in by its uses.
    pub(crate) aliases: Aliases,
    /// Methods that `public use fun` gives to the module's types, open to everyone.
    pub open_methods: BTreeMap<(TypeHead, Symbol), FunId>,
    /// Declared friends.
    pub friends: Vec<(ModuleIdent, Span)>,
    /// The whole module.
    pub span: Span,
}

/// What a name of a module stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A struct or enum.
    Data(DataId),
    /// A function.
    Fun(FunId),
    /// A constant.
    Const(ConstId),
}

/// A type parameter.
#[derive(Clone, Debug)]
pub struct TypeParamInfo {
    /// Its name.
    pub name: Name,
    /// Abilities an argument must have.
    pub constraints: AbilitySet,
    /// Whether it is phantom.
    pub is_phantom: bool,
}

/// A struct or enum.
#[derive(Clone, Debug)]
pub struct DataInfo {
    /// Its module.
    pub module: ModId,
    /// Its name.
    pub name: Name,
    /// Type parameters.
    pub type_params: Vec<TypeParamInfo>,
    /// Declared abilities.
    pub abilities: AbilitySet,
    /// Fields or variants.
    pub kind: DataKind,
    /// Doc comment.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Attributes,
    /// The declaration.
    pub span: Span,
}

/// What a datatype is made of.
#[derive(Clone, Debug)]
pub enum DataKind {
    /// A struct.
    Struct(Vec<FieldInfo>),
    /// A struct whose fields only the VM knows.
    Native,
    /// An enum.
    Enum(Vec<VariantInfo>),
}

/// A variant.
#[derive(Clone, Debug)]
pub struct VariantInfo {
    /// Its name.
    pub name: Name,
    /// Its fields.
    pub fields: Vec<FieldInfo>,
    /// Whether it was declared with parentheses.
    pub is_positional: bool,
}

/// A field.
#[derive(Clone, Debug)]
pub struct FieldInfo {
    /// Its name; `pos0`, `pos1` for positional ones.
    pub name: Name,
    /// Its type.
    pub ty: Ty,
    /// Doc comment.
    pub docs: Option<Symbol>,
}

/// Who may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vis {
    /// Its module.
    Private,
    /// Everyone.
    Public,
    /// Declared friends.
    Friend,
    /// Modules of the same package and address.
    Package,
}

/// How calls are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunKind {
    /// With a body.
    Plain,
    /// Given by the VM.
    Native,
    /// Expanded at the call, arguments by value.
    Inline,
    /// Expanded at the call, arguments by name.
    Macro,
}

/// A function.
#[derive(Clone, Debug)]
pub struct FunInfo {
    /// Its module.
    pub module: ModId,
    /// Its position in the expanded module.
    pub position: usize,
    /// Its name.
    pub name: Name,
    /// Who may call it.
    pub vis: Vis,
    /// Where `entry` was written.
    pub entry: Option<Span>,
    /// How calls are compiled.
    pub kind: FunKind,
    /// Type parameters.
    pub type_params: Vec<TypeParamInfo>,
    /// How many types of a macro's signature are left open with `_`: type parameters behind the written ones.
    pub open_types: usize,
    /// Parameters.
    pub params: Vec<(Name, Ty)>,
    /// Result.
    pub result: Ty,
    /// Structs in the `acquires` list, if written.
    pub acquires: Option<Vec<(DataId, Span)>>,
    /// Doc comment.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Attributes,
    /// The declaration's head.
    pub span: Span,
}

/// A constant.
#[derive(Clone, Debug)]
pub struct ConstInfo {
    /// Its module.
    pub module: ModId,
    /// Its position in the expanded module.
    pub position: usize,
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Ty,
    /// Its value once computed.
    pub value: Option<Value>,
    /// Doc comment.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Attributes,
    /// The declaration.
    pub span: Span,
}

/// The outermost constructor of a type, by which methods are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants are those of `Ty`")]
pub enum TypeHead {
    Bool,
    Int(Int),
    Address,
    Signer,
    Vector,
    Data(DataId),
}

impl TypeHead {
    /// The head of a type that is not a reference.
    #[must_use]
    pub fn of(ty: &Ty) -> Option<Self> {
        Some(match ty {
            Ty::Bool => Self::Bool,
            Ty::Int(int) => Self::Int(*int),
            Ty::Address => Self::Address,
            Ty::Signer => Self::Signer,
            Ty::Vector(_) => Self::Vector,
            Ty::Data(id, _) => Self::Data(*id),
            _ => return None,
        })
    }
}

impl Globals {
    /// The module called `id`.
    #[must_use]
    pub fn module(&self, id: ModId) -> &ModuleInfo {
        &self.modules[id.0 as usize]
    }

    /// The datatype called `id`.
    #[must_use]
    pub fn datatype(&self, id: DataId) -> &DataInfo {
        &self.datatypes[id.0 as usize]
    }

    /// The function called `id`.
    #[must_use]
    pub fn function(&self, id: FunId) -> &FunInfo {
        &self.functions[id.0 as usize]
    }

    /// The constant called `id`.
    #[must_use]
    pub fn constant(&self, id: ConstId) -> &ConstInfo {
        &self.constants[id.0 as usize]
    }

    /// The number of the module `address::name` for an address of one byte.
    #[must_use]
    pub fn system_module(&self, name: &str) -> Option<ModId> {
        let ident = ModuleIdent { address: noema_types::Address::from_u8(1), name: name.into() };
        self.module_ids.get(&ident).copied()
    }

    /// A member of a module of 0x1.
    #[must_use]
    pub fn system_member(&self, module: &str, member: &str) -> Option<Member> {
        self.module(self.system_module(module)?).members.get(member).copied()
    }

    /// The datatype `0x1::module::name`.
    #[must_use]
    pub fn system_datatype(&self, module: &str, name: &str) -> Option<DataId> {
        match self.system_member(module, name)? {
            Member::Data(id) => Some(id),
            _ => None,
        }
    }

    /// The name of a function with its module.
    #[must_use]
    pub fn function_path(&self, id: FunId) -> String {
        let info = self.function(id);
        format!("{}::{}", self.module(info.module).ident.name, info.name.value)
    }

    /// Where a member is declared.
    #[must_use]
    pub fn member_span(&self, member: Member) -> Span {
        match member {
            Member::Data(id) => self.datatype(id).name.span,
            Member::Fun(id) => self.function(id).name.span,
            Member::Const(id) => self.constant(id).name.span,
        }
    }
}

impl DataInfo {
    /// The fields of a struct; none for enums and native structs.
    #[must_use]
    pub fn fields(&self) -> &[FieldInfo] {
        match &self.kind {
            DataKind::Struct(fields) => fields,
            DataKind::Native | DataKind::Enum(_) => &[],
        }
    }

    /// The fields of a struct, or of one of an enum's variants.
    #[must_use]
    pub fn fields_of(&self, variant: Option<usize>) -> &[FieldInfo] {
        match (&self.kind, variant) {
            (DataKind::Enum(variants), Some(variant)) => variants.get(variant).map_or(&[], |variant| &variant.fields),
            _ => self.fields(),
        }
    }

    /// How many values the instructions that build or take apart the struct or variant work on: binaries have no
    /// structs without fields, such a struct gets a hidden `bool`.
    #[must_use]
    pub fn packed_values(&self, variant: Option<usize>) -> usize {
        let fields = self.fields_of(variant).len();
        if variant.is_none() { fields.max(1) } else { fields }
    }

    /// The variants of an enum.
    #[must_use]
    pub fn variants(&self) -> &[VariantInfo] {
        match &self.kind {
            DataKind::Enum(variants) => variants,
            DataKind::Native | DataKind::Struct(_) => &[],
        }
    }

    /// Whether it is an enum.
    #[must_use]
    pub const fn is_enum(&self) -> bool {
        matches!(self.kind, DataKind::Enum(_))
    }
}

impl FunInfo {
    /// The constraints of the type parameters.
    #[must_use]
    pub fn constraints(&self) -> Vec<AbilitySet> {
        self.type_params.iter().map(|param| param.constraints).collect()
    }

    /// The names of the type parameters.
    #[must_use]
    pub fn type_param_names(&self) -> Vec<Symbol> {
        self.type_params.iter().map(|param| param.name.value.clone()).collect()
    }
}
