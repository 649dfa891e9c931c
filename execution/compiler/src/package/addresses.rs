//! Gives every named address of a program its one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::manifest::NamedAddress;
use super::{LoadOptions, Package};
use crate::diagnostics::{Diagnostic, Diagnostics, Span, Symbol, codes};
use crate::expand::ast::NamedAddresses;
use crate::parse::ast::Address;

/// Names that are 0x1 in every program.
const SYSTEM: &[&str] = &["std", "aptos_std", "aptos_framework"];

/// A value and where it was given.
struct Given {
    value: Address,
    /// `None` for the command line and the system's names.
    span: Option<Span>,
}

/// Fills [`Package::named_addresses`]. Two values for one name, or none, are reported.
pub(super) fn assign(
    packages: &mut [Package],
    substitutions: &[(Symbol, NamedAddress)],
    options: &LoadOptions,
    diagnostics: &mut Diagnostics,
) {
    let mut values: BTreeMap<Symbol, Given> = BTreeMap::new();
    for name in SYSTEM {
        let value = Address::ONE;
        values.insert(Symbol::from(*name), Given { value, span: None });
    }
    for (name, value) in &options.named_addresses {
        give(&mut values, &Symbol::from(name.as_str()), *value, None, diagnostics);
    }
    let written = packages.iter().flat_map(|package| &package.manifest.addresses);
    let substituted = substitutions.iter().map(|(name, address)| (name, address));
    for (name, address) in written.chain(substituted) {
        if let Some(value) = address.value {
            give(&mut values, name, value, Some(address.span), diagnostics);
        }
    }
    for manifest in packages.iter().map(|package| &package.manifest).filter(|manifest| manifest.is_plain) {
        if let Some(value) = manifest.published_at {
            values.entry(Symbol::from(manifest.name.as_str())).or_insert(Given { value, span: None });
        }
    }
    if options.test || options.dev {
        let root = packages.last().map(|package| &package.manifest.dev_addresses);
        for (name, address) in root.into_iter().flatten() {
            // What is already given, on the command line above all, stands.
            if let Some(value) = address.value {
                let span = Some(address.span);
                values.entry(name.clone()).or_insert(Given { value, span });
            }
        }
    }
    report_unassigned(packages, &values, diagnostics);
    fill(packages, &values, options);
}

fn give(
    values: &mut BTreeMap<Symbol, Given>,
    name: &Symbol,
    value: Address,
    span: Option<Span>,
    diagnostics: &mut Diagnostics,
) {
    let Some(first) = values.get(name) else {
        values.insert(name.clone(), Given { value, span });
        return;
    };
    if first.value == value {
        return;
    }
    let message = format!(
        "the named address `{name}` is {} here and {} elsewhere",
        value.to_short_hex(),
        first.value.to_short_hex()
    );
    let mut diagnostic = match span {
        Some(span) => Diagnostic::new(codes::ADDRESS_CONFLICT, span, message),
        None => Diagnostic::without_place(codes::ADDRESS_CONFLICT, message),
    };
    diagnostic = match first.span {
        Some(first) => diagnostic.secondary(first, "first given here"),
        None if SYSTEM.contains(&name.as_str()) => diagnostic.note(format!("`{name}` is 0x1 in every program")),
        None => diagnostic.note("the other value was given on the command line"),
    };
    diagnostics.push(diagnostic.help("give the name one value, or write `_` where another package decides"));
}

fn report_unassigned(packages: &[Package], values: &BTreeMap<Symbol, Given>, diagnostics: &mut Diagnostics) {
    let mut reported = std::collections::BTreeSet::new();
    for package in packages {
        let unassigned = package
            .manifest
            .addresses
            .iter()
            .filter(|(name, address)| address.value.is_none() && !values.contains_key(*name));
        for (name, address) in unassigned {
            if !reported.insert(name.clone()) {
                continue;
            }
            let mut diagnostic = Diagnostic::new(
                codes::ADDRESS_UNASSIGNED,
                address.span,
                format!("the named address `{name}` has no value"),
            )
            .label("left open here")
            .help(format!("pass `--named-addresses {name}=0x..`"));
            let dev = packages.last().and_then(|root| root.manifest.dev_addresses.get(name));
            if dev.is_some_and(|dev| dev.value.is_some()) {
                diagnostic = diagnostic.note("[dev-addresses] gives a value, which holds in test and dev mode only");
            }
            diagnostics.push(diagnostic);
        }
    }
}

/// Gives every package its own names, those of all it depends on, the system's and those of the command line.
fn fill(packages: &mut [Package], values: &BTreeMap<Symbol, Given>, options: &LoadOptions) {
    let mut visible: BTreeMap<Symbol, NamedAddresses> = BTreeMap::new();
    for package in packages {
        let dev = package.is_target.then_some(&package.manifest.dev_addresses);
        let named_after = package.manifest.is_plain.then(|| package.name.clone());
        let own = package.manifest.addresses.keys().chain(dev.into_iter().flatten().map(|(name, _)| name));
        let own = own.chain(&named_after);
        let mut names: NamedAddresses = own.filter_map(|name| Some((name.clone(), values.get(name)?.value))).collect();
        for name in SYSTEM {
            names.insert(Symbol::from(*name), Address::ONE);
        }
        if package.is_target {
            let given = options.named_addresses.iter();
            names.extend(given.map(|(name, value)| (Symbol::from(name.as_str()), *value)));
        }
        for dependency in &package.dependencies {
            if let Some(below) = visible.get(dependency) {
                names.extend(below.iter().map(|(name, value)| (name.clone(), *value)));
            }
        }
        visible.insert(package.name.clone(), names.clone());
        package.named_addresses = Arc::new(names);
    }
}
