//! Loading and compiling packages for every command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use noema_bytecode::CompiledModule;
use noema_compiler::package::{EmbeddedPackages, LoadFailure, LoadOptions, LoadedProgram, load, load_files};
use noema_compiler::{CompiledProgram, CompiledUnit, FolderCache, Options, compile_package, compile_package_with};
use noema_types::Address;
use serde_json::Value;

use crate::home::Home;
use crate::output::{CliError, CliResult, Output, use_color};

/// A compiled package and what its manifest says.
pub(super) struct Package {
    /// What was loaded.
    pub(super) loaded: LoadedProgram,
    /// What came out.
    pub(super) program: CompiledProgram,
}

impl Package {
    /// Modules of the package itself, in dependency order.
    pub(super) fn targets(&self) -> impl Iterator<Item = &CompiledUnit> {
        self.program.modules.iter().filter(|unit| unit.is_target)
    }
}

/// The standard library and the framework inside this binary, also under the names that Aptos packages use.
pub(super) fn embedded() -> EmbeddedPackages {
    let (library, framework) = (noema_move_stdlib::package(), noema_framework::package());
    let mut packages = EmbeddedPackages::new();
    for package in [&library, &framework] {
        packages.add(package.name, package.manifest, package.sources.iter().copied());
    }
    for name in ["AptosStdlib", "AptosFramework"] {
        packages.alias(name, framework.name);
    }
    packages
}

/// Parses `NAME=ADDRESS`; a stored account's name stands for its address.
pub(super) fn named_addresses(pairs: &[String]) -> CliResult<BTreeMap<String, Address>> {
    let mut addresses = BTreeMap::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            CliError::fault(format!("`{pair}` is no named address")).hint("write NAME=ADDRESS, for example a=0x1")
        })?;
        let address = match value.parse() {
            Ok(address) if value.starts_with("0x") => address,
            _ => Home::find()?.resolve(value)?,
        };
        addresses.insert(name.to_owned(), address);
    }
    Ok(addresses)
}

/// What to compile.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// A package's folder.
    Folder(&'a Path),
    /// Loose files, as one package.
    Files(&'a [PathBuf]),
}

/// What of a package is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is published.
    Plain,
    /// The same, with `[dev-addresses]`.
    Dev,
    /// Tests too.
    Test,
}

/// Reads a package and all it depends on; diagnostics as in [`compile`].
pub(super) fn load_package(
    output: Output,
    source: Source<'_>,
    pairs: &[String],
    mode: Mode,
) -> CliResult<LoadedProgram> {
    let named_addresses = named_addresses(pairs)?;
    let options = LoadOptions { test: mode == Mode::Test, dev: mode != Mode::Plain, named_addresses };
    let loaded = match source {
        Source::Folder(dir) => load(dir, &embedded(), &options),
        Source::Files(files) => load_files(files, &embedded(), &options),
    };
    loaded.map_err(|failure| {
        let LoadFailure { files, diagnostics } = *failure;
        report(output, &diagnostics.render(&files, use_color()), diagnostics.to_json(&files));
        CliError::verdict("the package cannot be loaded")
    })
}

/// Compiles; diagnostics go to stderr, or into the JSON document.
pub(super) fn compile(output: Output, source: Source<'_>, pairs: &[String], test: bool) -> CliResult<Package> {
    let mode = if test { Mode::Test } else { Mode::Plain };
    let loaded = load_package(output, source, pairs, mode)?;
    let name = loaded.root().name.to_string();
    let spinner = output.spinner(format!("compiling {name}"));
    let result = match source {
        // What did not change since the last time is not compiled again.
        Source::Folder(dir) => {
            compile_package_with(&loaded, Options { test }, &FolderCache::new(dir.join("build").join(".cache")))
        }
        Source::Files(_) => compile_package(&loaded, Options { test }),
    };
    spinner.finish_and_clear();
    match result {
        Ok(program) => {
            if !program.warnings.is_empty() && !output.json {
                output.note(program.warnings.render(&program.files, use_color()).trim_end());
            }
            Ok(Package { loaded, program })
        }
        Err(failure) => {
            let text = failure.diagnostics.render(&failure.files, use_color());
            report(output, &text, failure.diagnostics.to_json(&failure.files));
            let errors = failure.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
            Err(CliError::verdict(format!("{name} does not compile: {errors} error(s)")))
        }
    }
}

pub(super) fn report(output: Output, text: &str, json: Value) {
    if output.json {
        output.result(String::new, || json);
    } else {
        output.note(text.trim_end());
    }
}

/// The framework's modules, compiled from the sources inside this binary.
pub(super) fn embedded_modules(output: Output) -> CliResult<Vec<(CompiledModule, Vec<u8>)>> {
    let failed = |why: String| CliError::fault(format!("the embedded framework does not compile:\n{why}"));
    // Loose files may use every embedded package: none at all compiles just those.
    let nothing: [(&str, &str); 0] = [];
    let loaded = noema_compiler::package::load_texts(nothing, &embedded(), &LoadOptions::default());
    let loaded = loaded.map_err(|failure| failed(failure.to_string()))?;
    let spinner = output.spinner("compiling the framework");
    let program = compile_package(&loaded, Options { test: false });
    spinner.finish_and_clear();
    let program = program.map_err(|failure| failed(failure.to_string()))?;
    Ok(program.modules.into_iter().map(|unit| (unit.module, unit.bytes)).collect())
}
