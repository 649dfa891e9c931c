//! Compiles the embedded packages.

use std::collections::BTreeMap;

use noema_compiler::{CompileFailure, Options, SourcePackage, compile_sources};
use noema_move_stdlib::EmbeddedPackage;
use noema_types::Address;

use crate::genesis::GenesisPackage;
use crate::package_metadata::{PackageMetadata, UpgradePolicy};

/// Named addresses of the packages at 0x1, as their manifests have them.
const ADDRESSES: [(&str, Address); 5] = [
    ("std", Address::ONE),
    ("aptos_std", Address::ONE),
    ("aptos_framework", Address::ONE),
    ("noema", Address::ONE),
    ("vm_reserved", Address::ZERO),
];

/// A package as the compiler takes it.
#[must_use]
pub fn source_package(package: EmbeddedPackage) -> SourcePackage {
    SourcePackage {
        name: package.name.to_owned(),
        sources: package
            .sources
            .iter()
            .map(|(path, text)| (format!("{}/{path}", package.name), (*text).to_owned()))
            .collect(),
        addresses: ADDRESSES.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect::<BTreeMap<_, _>>(),
    }
}

/// Compiles the standard library and the framework: two packages, each with its modules in an order that puts
/// dependencies first.
///
/// # Errors
/// [`CompileFailure`] if the embedded sources do not compile: this software is at fault.
pub fn compile_packages() -> Result<Vec<GenesisPackage>, CompileFailure> {
    let (stdlib, framework) = (noema_move_stdlib::package(), crate::package());
    let program = compile_sources(&source_package(framework), &[source_package(stdlib)], Options::default())?;
    let packages = [stdlib.name, framework.name].map(|name| {
        let units = program.modules.iter().filter(|unit| unit.package.as_ref() == name);
        let (names, modules) = units.map(|unit| (unit.module.self_id().name.to_string(), unit.bytes.clone())).unzip();
        let names: Vec<String> = names;
        GenesisPackage { metadata: PackageMetadata::new(name, UpgradePolicy::COMPATIBLE, names), modules }
    });
    Ok(packages.to_vec())
}
