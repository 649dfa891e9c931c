//! Runs the passes.

mod borrows;
mod cache;
mod link;
#[cfg(test)]
mod tests;
mod units;
mod unused;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use noema_types::Address;

use crate::diagnostics::{Diagnostics, FileId, Files, Symbol};
use crate::expand::ast::Edition;
use crate::expand::test_plan::TestPlan;
use crate::expand::{PackageUnits, expand};
use crate::package::LoadedProgram;
use crate::parse::parse;

pub use cache::{Cache, FolderCache};
pub use units::{CompiledScriptUnit, CompiledUnit};

/// Stack of the thread that compiles: every pass recurses over the tree, whose depth the parser bounds.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;

/// How to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Keeps tests and what is `#[test_only]`, and makes a test plan.
    pub test: bool,
}

/// A package given as text.
#[derive(Clone, Debug, Default)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Paths and texts of its files.
    pub sources: Vec<(String, String)>,
    /// Values of its named addresses.
    pub addresses: BTreeMap<String, Address>,
}

/// Everything a run produced.
#[derive(Clone, Debug)]
pub struct CompiledProgram {
    /// All modules, dependencies before the modules that use them.
    pub modules: Vec<CompiledUnit>,
    /// Scripts of the target package.
    pub scripts: Vec<CompiledScriptUnit>,
    /// The tests, in test mode.
    pub test_plan: Option<TestPlan>,
    /// The sources, to show messages and stack traces.
    pub files: Files,
    /// Messages that did not stop the run.
    pub warnings: Diagnostics,
}

/// Why a run produced nothing.
#[derive(Clone, Debug)]
pub struct CompileFailure {
    /// The messages, at least one of them an error.
    pub diagnostics: Diagnostics,
    /// The sources they point into.
    pub files: Files,
}

impl std::fmt::Display for CompileFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for diagnostic in self.diagnostics.sorted().into_iter().filter(|diagnostic| diagnostic.is_error()) {
            if let Some(span) = diagnostic.span() {
                let (line, column) = self.files.line_column(span.file, span.start);
                write!(formatter, "{}:{line}:{column}: ", self.files.path(span.file))?;
            }
            write!(formatter, "error[{}]: {}", diagnostic.code, diagnostic.message)?;
            for label in &diagnostic.secondary {
                let (line, _) = self.files.line_column(label.span.file, label.span.start);
                write!(formatter, "; {} (line {line})", label.message)?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileFailure {}

/// Compiles a package given as text, with the packages it depends on.
///
/// # Errors
/// [`CompileFailure`] with every error found.
pub fn compile_sources(
    root: &SourcePackage,
    dependencies: &[SourcePackage],
    options: Options,
) -> Result<CompiledProgram, CompileFailure> {
    on_big_stack(|| {
        let mut files = Files::new();
        let mut diagnostics = Diagnostics::new();
        let mut packages = Vec::new();
        for (package, is_target) in dependencies.iter().map(|package| (package, false)).chain([(root, true)]) {
            let addresses =
                package.addresses.iter().map(|(name, address)| (Symbol::from(name.as_str()), *address)).collect();
            let units = package
                .sources
                .iter()
                .map(|(path, text)| {
                    let file = files.add(path.as_str(), text.as_str());
                    parse(file, text, &mut diagnostics)
                })
                .collect();
            packages.push(PackageUnits {
                name: package.name.as_str().into(),
                is_target,
                edition: Edition::Noema,
                addresses: Arc::new(addresses),
                units,
            });
        }
        compile_units(packages, files, diagnostics, options, None)
    })
}

/// Compiles a loaded package and everything it depends on. Warnings of loading are among the result's.
///
/// # Errors
/// [`CompileFailure`] with every error found.
pub fn compile_package(loaded: &LoadedProgram, options: Options) -> Result<CompiledProgram, CompileFailure> {
    compile_loaded(loaded, options, None)
}

/// The same, but modules that did not change since an earlier run with the same cache are not compiled again. The result
/// is that of [`compile_package`], whatever the cache holds.
///
/// # Errors
/// [`CompileFailure`] with every error found.
pub fn compile_package_with(
    loaded: &LoadedProgram,
    options: Options,
    cache: &(dyn Cache + Sync),
) -> Result<CompiledProgram, CompileFailure> {
    compile_loaded(loaded, options, Some(cache))
}

fn compile_loaded(
    loaded: &LoadedProgram,
    options: Options,
    cache: Option<&(dyn Cache + Sync)>,
) -> Result<CompiledProgram, CompileFailure> {
    on_big_stack(|| {
        let mut diagnostics = loaded.diagnostics.clone();
        let units = loaded.parse(&mut diagnostics);
        let cache = cache.map(|cache| cache as &dyn Cache);
        compile_units(units, loaded.files.clone(), diagnostics, options, cache)
    })
}

/// Runs everything behind the parser.
pub(crate) fn compile_units(
    packages: Vec<PackageUnits>,
    files: Files,
    mut diagnostics: Diagnostics,
    options: Options,
    cache: Option<&dyn Cache>,
) -> Result<CompiledProgram, CompileFailure> {
    let foreign: BTreeSet<FileId> = packages
        .iter()
        .filter(|package| !package.is_target)
        .flat_map(|package| package.units.iter().map(|unit| unit.file))
        .collect();
    let program = expand(packages, options.test, &mut diagnostics);
    let test_plan = options.test.then(|| TestPlan::new(&program, &mut diagnostics));
    let compiled = link::compile(&program, &files, options, cache, &mut diagnostics);
    // Beside errors these would be noise: what is unused may be about to be used.
    if compiled.is_some() {
        unused::report(&program, &files, &mut diagnostics);
    }
    let diagnostics = without_foreign_warnings(unused::without_allowed(&program, diagnostics), &foreign);
    match compiled {
        Some((modules, scripts)) if !diagnostics.has_errors() => {
            Ok(CompiledProgram { modules, scripts, test_plan, files, warnings: diagnostics })
        }
        _ => Err(CompileFailure { diagnostics, files }),
    }
}

/// Warnings about dependencies are their authors' business.
fn without_foreign_warnings(diagnostics: Diagnostics, foreign: &BTreeSet<FileId>) -> Diagnostics {
    let mut kept = Diagnostics::new();
    for diagnostic in diagnostics {
        if diagnostic.is_error() || !diagnostic.span().is_some_and(|span| foreign.contains(&span.file)) {
            kept.push(diagnostic);
        }
    }
    kept
}

/// Runs `work` on a thread whose stack bears the deepest tree the parser lets through.
fn on_big_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("move-compiler".into()).stack_size(STACK_BYTES);
        let handle = thread.spawn_scoped(scope, work).expect("the system can start one more thread");
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
