//! Packages: a folder with `Move.toml`, its sources, and the packages it depends on.
//!
//! [`load`] reads a package and everything below it. Guarantees: packages come after all they depend on, files of a
//! package are in the order of their paths, and every named address has one value for the whole program, so equal
//! folders give equal programs. `MoveStdlib`, `AptosStdlib`, `AptosFramework` and whatever else the caller embeds
//! come from [`EmbeddedPackages`] wherever the manifest says they are; nothing is ever fetched.

mod addresses;
mod graph;
pub mod manifest;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::{Diagnostics, FileId, Files, Symbol};
use crate::expand::PackageUnits;
use crate::expand::ast::{Edition, NamedAddresses};
use crate::parse;
use crate::parse::ast::Address;

pub use manifest::{Dependency, Manifest, UpgradePolicy};

/// The name of a package made of loose files.
pub const LOOSE_PACKAGE: &str = "files";

/// Packages whose text is part of the program that calls the compiler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedPackages {
    packages: BTreeMap<String, EmbeddedPackage>,
    aliases: BTreeMap<String, String>,
}

/// One of [`EmbeddedPackages`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct EmbeddedPackage {
    manifest: String,
    sources: Vec<(String, String)>,
}

impl EmbeddedPackages {
    /// No packages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a package: the text of its `Move.toml`, and path and text of each source.
    pub fn add<'a>(&mut self, name: &str, manifest: &str, sources: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut sources: Vec<(String, String)> =
            sources.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        sources.sort();
        let package = EmbeddedPackage { manifest: manifest.to_owned(), sources };
        self.packages.insert(name.to_owned(), package);
    }

    /// Makes dependencies called `name` mean the embedded package `target`.
    pub fn alias(&mut self, name: &str, target: &str) {
        self.aliases.insert(name.to_owned(), target.to_owned());
    }

    /// The embedded package that a dependency called `name` means.
    fn find(&self, name: &str) -> Option<(&str, &EmbeddedPackage)> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.packages.get_key_value(name).map(|(name, package)| (name.as_str(), package))
    }
}

/// How to load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Test mode: `tests/` is read, `[dev-addresses]` and `[dev-dependencies]` hold.
    pub test: bool,
    /// `[dev-addresses]` and `[dev-dependencies]` hold without test mode.
    pub dev: bool,
    /// Named addresses given on the command line.
    pub named_addresses: BTreeMap<String, Address>,
}

/// A package and everything it depends on.
#[derive(Clone, Debug)]
pub struct LoadedProgram {
    /// The texts, manifests included.
    pub files: Files,
    /// The packages, each behind all it depends on; the one asked for is last.
    pub packages: Vec<Package>,
    /// Warnings.
    pub diagnostics: Diagnostics,
}

/// Loading failed.
#[derive(Clone, Debug)]
pub struct LoadFailure {
    /// The texts that the messages point into.
    pub files: Files,
    /// The messages, at least one of them an error.
    pub diagnostics: Diagnostics,
}

impl std::fmt::Display for LoadFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.diagnostics.render(&self.files, false))
    }
}

impl std::error::Error for LoadFailure {}

/// One package.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: Symbol,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its folder; `None` if it is embedded or made of loose files.
    pub directory: Option<PathBuf>,
    /// `true` for the package asked for.
    pub is_target: bool,
    /// Its source files in the order of their paths.
    pub sources: Vec<FileId>,
    /// Named addresses in force in it: its own and those of all it depends on.
    pub named_addresses: Arc<NamedAddresses>,
    /// Names of the packages it depends on directly.
    pub dependencies: Vec<Symbol>,
}

impl LoadedProgram {
    /// The package asked for.
    #[must_use]
    pub fn root(&self) -> &Package {
        self.packages.last().expect("a loaded program has at least its root package")
    }

    /// Parses every file. The result is what [`crate::expand::expand`] takes.
    #[must_use]
    pub fn parse(&self, diagnostics: &mut Diagnostics) -> Vec<PackageUnits> {
        self.packages
            .iter()
            .map(|package| PackageUnits {
                name: package.name.clone(),
                is_target: package.is_target,
                edition: package.manifest.edition,
                addresses: Arc::clone(&package.named_addresses),
                units: package
                    .sources
                    .iter()
                    .filter_map(|file| Some((*file, self.files.get(*file)?)))
                    .map(|(id, file)| parse::parse(id, &file.text, diagnostics))
                    .collect(),
            })
            .collect()
    }
}

/// Loads the package in `directory` and everything it depends on.
///
/// # Errors
/// A manifest or source cannot be read, a dependency is missing or circular, or a named address has no value or two.
pub fn load(
    directory: &Path,
    embedded: &EmbeddedPackages,
    options: &LoadOptions,
) -> Result<LoadedProgram, Box<LoadFailure>> {
    let mut loader = graph::Loader::new(embedded, options);
    loader.load_root(directory);
    loader.finish()
}

/// Loads loose files as one package that may use every embedded package.
///
/// # Errors
/// A file cannot be read, or a named address has two values.
pub fn load_files(
    files: &[PathBuf],
    embedded: &EmbeddedPackages,
    options: &LoadOptions,
) -> Result<LoadedProgram, Box<LoadFailure>> {
    let mut loader = graph::Loader::new(embedded, options);
    loader.load_loose(files.iter().map(|path| (path.display().to_string(), sources::Text::File(path.clone()))));
    loader.finish()
}

/// Loads texts, each with the path that messages call it by, as one package that may use every embedded package.
///
/// # Errors
/// A named address has two values.
pub fn load_texts<'a>(
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    embedded: &EmbeddedPackages,
    options: &LoadOptions,
) -> Result<LoadedProgram, Box<LoadFailure>> {
    let mut loader = graph::Loader::new(embedded, options);
    loader.load_loose(texts.into_iter().map(|(path, text)| (path.to_owned(), sources::Text::Given(text.to_owned()))));
    loader.finish()
}

/// The edition a manifest names; `None` if it is unknown.
fn edition(name: &str) -> Option<Edition> {
    match name {
        "legacy" => Some(Edition::Legacy),
        "2024" | "2024.alpha" | "2024.beta" | "2024.migration" => Some(Edition::E2024),
        _ => None,
    }
}
