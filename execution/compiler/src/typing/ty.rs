//! Types as the checker sees them.

use std::sync::Arc;

use noema_bytecode::{Ability, AbilitySet};

use crate::name::Globals;

/// A struct or enum of the program, by position in [`Globals::datatypes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataId(pub u32);

/// A function of the program, by position in [`Globals::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunId(pub u32);

/// A constant of the program, by position in [`Globals::constants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstId(pub u32);

/// A module of the program, by position in [`Globals::modules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModId(pub u32);

/// An unsigned integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Move's own type names")]
pub enum Int {
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
}

impl Int {
    /// Width.
    #[must_use]
    pub const fn bits(self) -> usize {
        match self {
            Self::U8 => 8,
            Self::U16 => 16,
            Self::U32 => 32,
            Self::U64 => 64,
            Self::U128 => 128,
            Self::U256 => 256,
        }
    }

    /// The type's keyword.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U128 => "u128",
            Self::U256 => "u256",
        }
    }
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    /// `bool`
    Bool,
    /// `u8` to `u256`
    Int(Int),
    /// `address`
    Address,
    /// `signer`
    Signer,
    /// `vector<T>`
    Vector(Arc<Ty>),
    /// A struct or enum and its type arguments.
    Data(DataId, Arc<[Ty]>),
    /// `&T` and, if `true`, `&mut T`
    Ref(bool, Arc<Ty>),
    /// A type parameter by position.
    Param(u16),
    /// Several values, or none: the unit type.
    Tuple(Arc<[Ty]>),
    /// A lambda, only as parameter of an inline function.
    Fun(Arc<[Ty]>, Arc<Ty>),
    /// Not known yet.
    Var(u32),
    /// Of expressions that never yield a value; fits every type.
    Never,
    /// Of what was reported already; fits every type.
    Error,
}

impl Ty {
    /// `()`
    #[must_use]
    pub fn unit() -> Self {
        Self::Tuple(Arc::from([]))
    }

    /// `vector<u8>`
    #[must_use]
    pub fn bytes() -> Self {
        Self::Vector(Arc::new(Self::Int(Int::U8)))
    }

    /// `u64`
    #[must_use]
    pub const fn u64() -> Self {
        Self::Int(Int::U64)
    }

    /// `&inner` or `&mut inner`
    #[must_use]
    pub fn reference(mutable: bool, inner: Self) -> Self {
        Self::Ref(mutable, Arc::new(inner))
    }

    /// `vector<element>`
    #[must_use]
    pub fn vector(element: Self) -> Self {
        Self::Vector(Arc::new(element))
    }

    /// Whether it is `()`.
    #[must_use]
    pub fn is_unit(&self) -> bool {
        matches!(self, Self::Tuple(parts) if parts.is_empty())
    }

    /// Whether it is a reference.
    #[must_use]
    pub const fn is_ref(&self) -> bool {
        matches!(self, Self::Ref(..))
    }

    /// The type behind a reference, or itself.
    #[must_use]
    pub fn pointee(&self) -> &Self {
        match self {
            Self::Ref(_, inner) => inner,
            other => other,
        }
    }

    /// Replaces type parameters by `args`; parameters past its end stay.
    #[must_use]
    pub fn subst(&self, args: &[Self]) -> Self {
        if args.is_empty() {
            return self.clone();
        }
        match self {
            Self::Param(index) => args.get(usize::from(*index)).cloned().unwrap_or_else(|| self.clone()),
            other => other.map_children(|child| child.subst(args)),
        }
    }

    /// Rebuilds the type with every direct part replaced.
    #[must_use]
    pub fn map_children(&self, mut function: impl FnMut(&Self) -> Self) -> Self {
        match self {
            Self::Vector(element) => Self::Vector(Arc::new(function(element))),
            Self::Data(id, args) if !args.is_empty() => Self::Data(*id, args.iter().map(function).collect()),
            Self::Ref(mutable, inner) => Self::Ref(*mutable, Arc::new(function(inner))),
            Self::Tuple(parts) if !parts.is_empty() => Self::Tuple(parts.iter().map(function).collect()),
            Self::Fun(params, result) => {
                let params = params.iter().map(&mut function).collect();
                Self::Fun(params, Arc::new(function(result)))
            }
            other => other.clone(),
        }
    }

    /// Whether `test` holds for the type or any part of it.
    pub fn any(&self, test: &mut impl FnMut(&Self) -> bool) -> bool {
        if test(self) {
            return true;
        }
        match self {
            Self::Vector(inner) | Self::Ref(_, inner) => inner.any(test),
            Self::Data(_, parts) | Self::Tuple(parts) => parts.iter().any(|part| part.any(test)),
            Self::Fun(params, result) => params.iter().any(|part| part.any(test)) || result.any(test),
            _ => false,
        }
    }

    /// The abilities of the type where type parameters have `params`.
    #[must_use]
    pub fn abilities(&self, globals: &Globals, params: &[AbilitySet]) -> AbilitySet {
        match self {
            Self::Bool | Self::Int(_) | Self::Address => AbilitySet::PRIMITIVES,
            Self::Signer => AbilitySet::SIGNER,
            Self::Ref(..) => AbilitySet::REFERENCES,
            Self::Vector(element) => {
                AbilitySet::of_instance(AbilitySet::VECTOR, [(element.abilities(globals, params), false)])
            }
            Self::Data(id, args) => {
                let data = globals.datatype(*id);
                AbilitySet::of_instance(
                    data.abilities,
                    args.iter()
                        .zip(&data.type_params)
                        .map(|(arg, param)| (arg.abilities(globals, params), param.is_phantom)),
                )
            }
            Self::Param(index) => params.get(usize::from(*index)).copied().unwrap_or_default(),
            Self::Tuple(parts) => {
                parts.iter().fold(AbilitySet::ALL, |kept, part| kept.intersect(part.abilities(globals, params)))
            }
            Self::Fun(..) => AbilitySet::REFERENCES,
            Self::Var(_) | Self::Never | Self::Error => AbilitySet::ALL,
        }
    }

    /// Why the type lacks `ability`: the innermost part that does.
    #[must_use]
    pub fn culprit(&self, ability: Ability, globals: &Globals, params: &[AbilitySet]) -> Option<(Self, Ability)> {
        if self.abilities(globals, params).has(ability) {
            return None;
        }
        let inner = ability.requires();
        let deeper = match self {
            Self::Vector(element) if ability != Ability::Key => element.culprit(inner, globals, params),
            Self::Data(id, args) => {
                let data = globals.datatype(*id);
                if data.abilities.has(ability) {
                    args.iter()
                        .zip(&data.type_params)
                        .filter(|(_, param)| !param.is_phantom)
                        .find_map(|(arg, _)| arg.culprit(inner, globals, params))
                } else {
                    None
                }
            }
            _ => None,
        };
        Some(deeper.unwrap_or_else(|| (self.clone(), ability)))
    }

    /// As people write it; `names` are those of the type parameters.
    #[must_use]
    pub fn display(&self, globals: &Globals, names: &[crate::diagnostics::Symbol]) -> String {
        let list =
            |parts: &[Self]| parts.iter().map(|part| part.display(globals, names)).collect::<Vec<_>>().join(", ");
        match self {
            Self::Bool => "bool".into(),
            Self::Int(int) => int.name().into(),
            Self::Address => "address".into(),
            Self::Signer => "signer".into(),
            Self::Vector(element) => format!("vector<{}>", element.display(globals, names)),
            Self::Data(id, args) => {
                let data = globals.datatype(*id);
                let module = &globals.module(data.module).ident.name;
                if args.is_empty() {
                    format!("{module}::{}", data.name.value)
                } else {
                    format!("{module}::{}<{}>", data.name.value, list(args))
                }
            }
            Self::Ref(true, inner) => format!("&mut {}", inner.display(globals, names)),
            Self::Ref(false, inner) => format!("&{}", inner.display(globals, names)),
            Self::Param(index) => {
                names.get(usize::from(*index)).map_or_else(|| format!("T{index}"), ToString::to_string)
            }
            Self::Tuple(parts) => format!("({})", list(parts)),
            Self::Fun(params, result) => format!("|{}| {}", list(params), result.display(globals, names)),
            Self::Var(_) | Self::Error => "_".into(),
            Self::Never => "!".into(),
        }
    }
}
