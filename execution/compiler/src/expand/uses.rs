//! Addresses and uses by value.

use super::ast::{ExpandedUse, ExpandedUseKind, ModuleIdent, NamedAddresses};
use crate::diagnostics::{Diagnostic, Diagnostics, codes};
use crate::parse::ast::{Address, AddressSpecifier, ModuleName, Spanned, Use, UseItem};

/// The value of an address as written; an unknown name is reported.
pub fn resolve_address(
    address: &Spanned<AddressSpecifier>,
    addresses: &NamedAddresses,
    diagnostics: &mut Diagnostics,
) -> Option<Address> {
    let name = match &address.value {
        AddressSpecifier::Numeric(value) => return Some(*value),
        AddressSpecifier::Named(name) => name,
    };
    if let Some(value) = addresses.get(name) {
        return Some(*value);
    }
    let known: Vec<&str> = addresses.keys().map(|known| known.as_str()).collect();
    let mut diagnostic =
        Diagnostic::new(codes::ADDRESS_UNASSIGNED, address.span, format!("the named address `{name}` has no value"))
            .label("not assigned")
            .help(format!(
                "add `{name} = \"0x..\"` to [addresses] in Move.toml, or pass --named-addresses {name}=0x.."
            ));
    if !known.is_empty() {
        diagnostic = diagnostic.note(format!("assigned are: {}", known.join(", ")));
    }
    diagnostics.push(diagnostic);
    None
}

/// The names a `use` brings into scope, of a module or a block. Items whose address has no value are reported and left
/// out.
pub fn expand_use(declaration: &Use, addresses: &NamedAddresses, diagnostics: &mut Diagnostics) -> Vec<ExpandedUse> {
    let mut expanded = Vec::with_capacity(declaration.items.len());
    let mut ident = |module: &ModuleName| {
        let address = resolve_address(&module.address, addresses, diagnostics)?;
        Some(ModuleIdent { address, name: module.name.value.clone() })
    };
    for item in &declaration.items {
        let (kind, span) = match item {
            UseItem::Module { module, alias } => {
                let Some(resolved) = ident(module) else { continue };
                let name = alias.as_ref().unwrap_or(&module.name).clone();
                let span = module.span.to(name.span);
                (ExpandedUseKind::Module { module: resolved, name }, span)
            }
            UseItem::Member { module, member, alias } => {
                let Some(resolved) = ident(module) else { continue };
                let name = alias.as_ref().unwrap_or(member).clone();
                let span = member.span.to(name.span);
                let kind = ExpandedUseKind::Member { module: resolved, member: member.clone(), name };
                (kind, span)
            }
            UseItem::Method { function, receiver, method } => (
                ExpandedUseKind::Method {
                    function: function.clone(),
                    receiver: receiver.clone(),
                    method: method.clone(),
                },
                function.span.to(method.span),
            ),
        };
        expanded.push(ExpandedUse { visibility: declaration.visibility, kind, span });
    }
    expanded
}
