//! Binds names: which module, type, function or constant every name means.
//!
//! [`collect`] gives every member of every module a number, resolves the types of all signatures and fields, and builds
//! the scopes through which the bodies are resolved later, together with their types. Names are looked up from the
//! inside out: uses of enclosing blocks, uses of the module, its own members, at last what is always in scope.

mod collect;
mod globals;
mod scope;
mod suggest;

pub use collect::collect;
pub use globals::{
    ConstInfo, DataInfo, DataKind, FieldInfo, FunInfo, FunKind, Globals, Member, ModuleInfo, TypeHead, TypeParamInfo,
    VariantInfo, Vis,
};
pub(crate) use scope::{Aliases, Scope, Target, int_type, report_arity, signed_integers};
pub(crate) use suggest::closest;
