//! Questions about types in signatures.

use crate::{DatatypeHandleIndex, SignatureToken};

impl SignatureToken {
    /// Whether it is `&T` or `&mut T`.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        matches!(self, Self::Reference(_) | Self::MutableReference(_))
    }

    /// Whether it is `&mut T`.
    #[must_use]
    pub fn is_mutable_reference(&self) -> bool {
        matches!(self, Self::MutableReference(_))
    }

    /// What a reference refers to.
    #[must_use]
    pub fn referent(&self) -> Option<&Self> {
        match self {
            Self::Reference(inner) | Self::MutableReference(inner) => Some(inner),
            _ => None,
        }
    }

    /// Whether it is one of `u8` to `u256`.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::U128 | Self::U256)
    }

    /// Whether a constant may have the type: primitives but signer, and vectors of them.
    #[must_use]
    pub fn is_valid_for_constant(&self) -> bool {
        match self {
            Self::Bool | Self::Address => true,
            Self::Vector(element) => element.is_valid_for_constant(),
            _ => self.is_integer(),
        }
    }

    /// The datatype and its type arguments, if it is one.
    #[must_use]
    pub fn as_datatype(&self) -> Option<(DatatypeHandleIndex, &[Self])> {
        match self {
            Self::Datatype(handle) => Some((*handle, &[])),
            Self::DatatypeInstantiation(instance) => Some((instance.0, &instance.1)),
            _ => None,
        }
    }

    /// The types directly inside it.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Vector(inner) | Self::Reference(inner) | Self::MutableReference(inner) => std::slice::from_ref(inner),
            Self::DatatypeInstantiation(instance) => &instance.1,
            _ => &[],
        }
    }

    /// The type and all types inside it, outermost first, each with its depth (1 for the type itself).
    pub fn preorder(&self) -> impl Iterator<Item = (&Self, usize)> {
        // Most types are one node: nothing is allocated for those.
        let (mut next, mut pending) = (Some((self, 1)), Vec::new());
        std::iter::from_fn(move || {
            let (token, depth) = next.take().or_else(|| pending.pop())?;
            pending.extend(token.children().iter().rev().map(|child| (child, depth + 1)));
            Some((token, depth))
        })
    }

    /// How many types it is, itself and those inside it.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        1 + self.children().iter().map(Self::nodes).sum::<u64>()
    }

    /// The type with type parameters replaced. Parameters beyond `arguments` stay as they are.
    #[must_use]
    pub fn substitute(&self, arguments: &[Self]) -> Self {
        match self {
            Self::TypeParameter(index) => arguments.get(usize::from(*index)).cloned().unwrap_or_else(|| self.clone()),
            Self::Vector(inner) => Self::Vector(Box::new(inner.substitute(arguments))),
            Self::Reference(inner) => Self::Reference(Box::new(inner.substitute(arguments))),
            Self::MutableReference(inner) => Self::MutableReference(Box::new(inner.substitute(arguments))),
            Self::DatatypeInstantiation(instance) => {
                let inner = instance.1.iter().map(|inner| inner.substitute(arguments)).collect();
                Self::DatatypeInstantiation(Box::new((instance.0, inner)))
            }
            _ => self.clone(),
        }
    }
}
