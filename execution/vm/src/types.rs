//! Closing types: signature tokens and the type arguments of a frame become type tags.

use noema_bytecode::{CompiledModule, SignatureToken};
use noema_execution_api::StatusCode;
use noema_types::{StructTag, TypeTag};

use crate::error::{Result, fail, invariant};
use crate::limits::{TYPE_DEPTH_MAX, TYPE_NODES_MAX};

/// Closed type arguments of a function or struct.
#[derive(Debug, Default)]
pub(crate) struct TypeArgs {
    pub(crate) tags: Vec<TypeTag>,
    /// Nesting of values of each.
    pub(crate) depths: Vec<usize>,
    /// Nodes of all.
    pub(crate) nodes: u64,
}

/// Closes `tokens` of `module` over `args`; also says how many nodes they have together.
pub(crate) fn close_all(
    module: &CompiledModule,
    tokens: &[SignatureToken],
    args: &[TypeTag],
) -> Result<(Vec<TypeTag>, u64)> {
    let mut nodes = 0;
    let close = |token| {
        let mut closing = Closing { module, args, nodes_left: TYPE_NODES_MAX };
        let tag = closing.close(token, 1)?;
        nodes += (TYPE_NODES_MAX - closing.nodes_left) as u64;
        Ok(tag)
    };
    let tags = tokens.iter().map(close).collect::<Result<_>>()?;
    Ok((tags, nodes))
}

/// Closes one token; references have no tag.
pub(crate) fn close(module: &CompiledModule, token: &SignatureToken, args: &[TypeTag]) -> Result<TypeTag> {
    Closing { module, args, nodes_left: TYPE_NODES_MAX }.close(token, 1)
}

/// Nodes of a tag, if it is within the limits of closed types.
pub(crate) fn check_tag(tag: &TypeTag) -> Result<u64> {
    let mut nodes_left = TYPE_NODES_MAX;
    walk(tag, 1, &mut nodes_left)?;
    Ok((TYPE_NODES_MAX - nodes_left) as u64)
}

struct Closing<'a> {
    module: &'a CompiledModule,
    args: &'a [TypeTag],
    nodes_left: usize,
}

impl Closing<'_> {
    fn close(&mut self, token: &SignatureToken, depth: usize) -> Result<TypeTag> {
        if let SignatureToken::TypeParameter(index) = token {
            let arg = self.args.get(usize::from(*index)).ok_or_else(|| invariant("type parameter out of range"))?;
            walk(arg, depth, &mut self.nodes_left)?;
            return Ok(arg.clone());
        }
        enter(depth, &mut self.nodes_left)?;
        Ok(match token {
            SignatureToken::Bool => TypeTag::Bool,
            SignatureToken::U8 => TypeTag::U8,
            SignatureToken::U16 => TypeTag::U16,
            SignatureToken::U32 => TypeTag::U32,
            SignatureToken::U64 => TypeTag::U64,
            SignatureToken::U128 => TypeTag::U128,
            SignatureToken::U256 => TypeTag::U256,
            SignatureToken::Address => TypeTag::Address,
            SignatureToken::Signer => TypeTag::Signer,
            SignatureToken::Vector(element) => TypeTag::Vector(Box::new(self.close(element, depth + 1)?)),
            SignatureToken::Datatype(_) | SignatureToken::DatatypeInstantiation(_) => {
                let (handle, arguments) = token.as_datatype().expect("matched as a datatype");
                let handle = self.module.datatype_handle_at(handle);
                let defining = self.module.module_handle_at(handle.module);
                let type_args = arguments.iter().map(|arg| self.close(arg, depth + 1)).collect::<Result<_>>()?;
                TypeTag::Struct(Box::new(StructTag {
                    address: self.module.address_at(defining.address),
                    module: self.module.identifier_at(defining.name).clone(),
                    name: self.module.identifier_at(handle.name).clone(),
                    type_args,
                }))
            }
            SignatureToken::TypeParameter(_) => unreachable!("handled above"),
            SignatureToken::Reference(_) | SignatureToken::MutableReference(_) => {
                return Err(invariant("a reference as a closed type"));
            }
        })
    }
}

fn enter(depth: usize, nodes_left: &mut usize) -> Result<()> {
    if depth > TYPE_DEPTH_MAX {
        return Err(fail(StatusCode::VM_MAX_TYPE_DEPTH_REACHED));
    }
    *nodes_left = nodes_left.checked_sub(1).ok_or_else(|| fail(StatusCode::VM_MAX_TYPE_NODES_REACHED))?;
    Ok(())
}

fn walk(tag: &TypeTag, depth: usize, nodes_left: &mut usize) -> Result<()> {
    enter(depth, nodes_left)?;
    match tag {
        TypeTag::Vector(element) => walk(element, depth + 1, nodes_left),
        TypeTag::Struct(tag) => tag.type_args.iter().try_for_each(|arg| walk(arg, depth + 1, nodes_left)),
        _ => Ok(()),
    }
}
