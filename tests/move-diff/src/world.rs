//! Types and functions that generated modules share, independent of any one module's tables.

use std::collections::BTreeMap;

use noema_bytecode::{AbilitySet, CompiledModule, DatatypeTypeParameter, SignatureToken, Visibility};
use noema_types::{Identifier, ModuleId, StructTag, TypeTag};

/// Position in [`World::datatypes`].
pub type DataId = usize;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Move's own type names")]
pub enum Ty {
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Address,
    Signer,
    Vector(Box<Ty>),
    Data(DataId, Vec<Ty>),
    Ref(Box<Ty>),
    MutRef(Box<Ty>),
    Param(u16),
}

/// Integer types.
pub const INTEGERS: [Ty; 6] = [Ty::U8, Ty::U16, Ty::U32, Ty::U64, Ty::U128, Ty::U256];

/// What a datatype is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Types of the fields.
    Struct(Vec<Ty>),
    /// Types of the fields of each variant.
    Enum(Vec<Vec<Ty>>),
}

/// A struct or an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datatype {
    /// Module that defines it.
    pub module: ModuleId,
    /// Name.
    pub name: Identifier,
    /// Declared abilities.
    pub abilities: AbilitySet,
    /// Type parameters.
    pub params: Vec<DatatypeTypeParameter>,
    /// Fields.
    pub shape: Shape,
}

/// A function that may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Module that defines it.
    pub module: ModuleId,
    /// Name.
    pub name: Identifier,
    /// Constraints of the type parameters.
    pub type_params: Vec<AbilitySet>,
    /// Types of the parameters.
    pub params: Vec<Ty>,
    /// Types of the results.
    pub results: Vec<Ty>,
    /// Whether its first parameter bounds how often it calls itself.
    pub is_recursive: bool,
}

/// All datatypes and functions.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Datatypes, those of dependencies first.
    pub datatypes: Vec<Datatype>,
    /// Functions, callees first.
    pub functions: Vec<Function>,
}

impl Ty {
    /// `vector<self>`.
    #[must_use]
    pub fn vector(self) -> Self {
        Self::Vector(Box::new(self))
    }

    /// `&self`, or `&mut self`.
    #[must_use]
    pub fn borrowed(self, is_mutable: bool) -> Self {
        if is_mutable { Self::MutRef(Box::new(self)) } else { Self::Ref(Box::new(self)) }
    }

    /// Whether it is a reference.
    #[must_use]
    pub fn is_ref(&self) -> bool {
        matches!(self, Self::Ref(_) | Self::MutRef(_))
    }

    /// Width of an integer type; 0 of anything else.
    #[must_use]
    pub fn bits(&self) -> u32 {
        match self {
            Self::U8 => 8,
            Self::U16 => 16,
            Self::U32 => 32,
            Self::U64 => 64,
            Self::U128 => 128,
            Self::U256 => 256,
            _ => 0,
        }
    }

    /// The type with parameters replaced.
    #[must_use]
    pub fn substitute(&self, arguments: &[Self]) -> Self {
        let all = |types: &[Self]| types.iter().map(|one| one.substitute(arguments)).collect();
        match self {
            Self::Param(index) => arguments.get(usize::from(*index)).unwrap_or(self).clone(),
            Self::Vector(inner) => Self::Vector(Box::new(inner.substitute(arguments))),
            Self::Ref(inner) => Self::Ref(Box::new(inner.substitute(arguments))),
            Self::MutRef(inner) => Self::MutRef(Box::new(inner.substitute(arguments))),
            Self::Data(id, types) => Self::Data(*id, all(types)),
            _ => self.clone(),
        }
    }

    /// The type and all inside it.
    pub fn nodes(&self) -> usize {
        match self {
            Self::Vector(inner) | Self::Ref(inner) | Self::MutRef(inner) => 1 + inner.nodes(),
            Self::Data(_, types) => 1 + types.iter().map(Self::nodes).sum::<usize>(),
            _ => 1,
        }
    }
}

impl World {
    /// Abilities of a type where parameters have these.
    #[must_use]
    pub fn abilities(&self, ty: &Ty, constraints: &[AbilitySet]) -> AbilitySet {
        match ty {
            Ty::Signer => AbilitySet::SIGNER,
            Ty::Ref(_) | Ty::MutRef(_) => AbilitySet::REFERENCES,
            Ty::Param(index) => constraints.get(usize::from(*index)).copied().unwrap_or_default(),
            Ty::Vector(inner) => {
                AbilitySet::of_instance(AbilitySet::VECTOR, [(self.abilities(inner, constraints), false)])
            }
            Ty::Data(id, types) => {
                let data = &self.datatypes[*id];
                let given = types.iter().zip(&data.params);
                let given = given.map(|(one, param)| (self.abilities(one, constraints), param.is_phantom));
                AbilitySet::of_instance(data.abilities, given)
            }
            _ => AbilitySet::PRIMITIVES,
        }
    }

    /// Nodes of a value's shape, counted as a tree; saturates.
    #[must_use]
    pub fn weight(&self, ty: &Ty) -> usize {
        match ty {
            Ty::Vector(inner) | Ty::Ref(inner) | Ty::MutRef(inner) => 1 + self.weight(inner),
            Ty::Data(id, types) => {
                let sum = |fields: &[Ty]| {
                    fields.iter().fold(0usize, |sum, one| sum.saturating_add(self.weight(&one.substitute(types))))
                };
                match &self.datatypes[*id].shape {
                    Shape::Struct(fields) => 1 + sum(fields),
                    Shape::Enum(variants) => 1 + variants.iter().map(|fields| 1 + sum(fields)).sum::<usize>(),
                }
            }
            _ => 1,
        }
    }

    /// The closed type as the chain names it.
    ///
    /// # Panics
    /// If it has references or parameters.
    #[must_use]
    pub fn tag(&self, ty: &Ty) -> TypeTag {
        match ty {
            Ty::Bool => TypeTag::Bool,
            Ty::U8 => TypeTag::U8,
            Ty::U16 => TypeTag::U16,
            Ty::U32 => TypeTag::U32,
            Ty::U64 => TypeTag::U64,
            Ty::U128 => TypeTag::U128,
            Ty::U256 => TypeTag::U256,
            Ty::Address => TypeTag::Address,
            Ty::Signer => TypeTag::Signer,
            Ty::Vector(inner) => TypeTag::Vector(Box::new(self.tag(inner))),
            Ty::Data(id, types) => {
                let data = &self.datatypes[*id];
                TypeTag::Struct(Box::new(StructTag {
                    address: data.module.address,
                    module: data.module.name.clone(),
                    name: data.name.clone(),
                    type_args: types.iter().map(|one| self.tag(one)).collect(),
                }))
            }
            Ty::Ref(_) | Ty::MutRef(_) | Ty::Param(_) => panic!("not a closed type of values: {ty:?}"),
        }
    }

    /// Takes in a compiled module: its datatypes, and the public functions that generated code may call. Its
    /// dependencies must be in already.
    pub fn import(&mut self, module: &CompiledModule) {
        let id = module.self_id();
        let mut known: BTreeMap<(ModuleId, Identifier), DataId> = self
            .datatypes
            .iter()
            .enumerate()
            .map(|(position, data)| ((data.module.clone(), data.name.clone()), position))
            .collect();
        let own = |handle: noema_bytecode::DatatypeHandleIndex| module.datatype_handle_at(handle);
        let handles =
            module.struct_defs.iter().map(|def| def.handle).chain(module.enum_defs.iter().map(|def| def.handle));
        let first = self.datatypes.len();
        for handle in handles {
            let handle = own(handle);
            let name = module.identifier_at(handle.name).clone();
            known.insert((id.clone(), name.clone()), self.datatypes.len());
            self.datatypes.push(Datatype {
                module: id.clone(),
                name,
                abilities: handle.abilities,
                params: handle.type_parameters.clone(),
                shape: Shape::Struct(Vec::new()),
            });
        }
        let ty = |token: &SignatureToken| import_type(module, &known, token);
        let fields = |fields: &[noema_bytecode::FieldDefinition]| fields.iter().map(|one| ty(&one.signature)).collect();
        let structs =
            module.struct_defs.iter().map(|def| Shape::Struct(fields(def.declared_fields().unwrap_or_default())));
        let enums = module.enum_defs.iter();
        let enums = enums.map(|def| Shape::Enum(def.variants.iter().map(|one| fields(&one.fields)).collect()));
        for (position, shape) in structs.chain(enums).enumerate() {
            self.datatypes[first + position].shape = shape;
        }
        for def in &module.function_defs {
            let is_instruction = def.code.is_none() && id.name.as_str() == "vector";
            if def.visibility != Visibility::Public || is_instruction {
                continue;
            }
            let handle = module.function_handle_at(def.function);
            let types = |index| module.signature_at(index).iter().map(ty).collect();
            self.functions.push(Function {
                module: id.clone(),
                name: module.identifier_at(handle.name).clone(),
                type_params: handle.type_parameters.clone(),
                params: types(handle.parameters),
                results: types(handle.return_),
                is_recursive: false,
            });
        }
    }
}

fn import_type(
    module: &CompiledModule,
    known: &BTreeMap<(ModuleId, Identifier), DataId>,
    token: &SignatureToken,
) -> Ty {
    let ty = |token: &SignatureToken| import_type(module, known, token);
    match token {
        SignatureToken::Bool => Ty::Bool,
        SignatureToken::U8 => Ty::U8,
        SignatureToken::U16 => Ty::U16,
        SignatureToken::U32 => Ty::U32,
        SignatureToken::U64 => Ty::U64,
        SignatureToken::U128 => Ty::U128,
        SignatureToken::U256 => Ty::U256,
        SignatureToken::Address => Ty::Address,
        SignatureToken::Signer => Ty::Signer,
        SignatureToken::Vector(inner) => Ty::Vector(Box::new(ty(inner))),
        SignatureToken::Reference(inner) => Ty::Ref(Box::new(ty(inner))),
        SignatureToken::MutableReference(inner) => Ty::MutRef(Box::new(ty(inner))),
        SignatureToken::TypeParameter(index) => Ty::Param(*index),
        SignatureToken::Datatype(_) | SignatureToken::DatatypeInstantiation(_) => {
            let (handle, types) = token.as_datatype().expect("it is a datatype");
            let handle = module.datatype_handle_at(handle);
            let owner = module.module_id_of(module.module_handle_at(handle.module));
            let name = module.identifier_at(handle.name).clone();
            let id = known[&(owner, name)];
            Ty::Data(id, types.iter().map(ty).collect())
        }
    }
}
