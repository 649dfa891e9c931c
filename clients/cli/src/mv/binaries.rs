//! Binaries from any Move compiler: read, verify, print.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noema_bytecode::{CompiledModule, CompiledScript};
use noema_move_tools::disassemble::{SourceLines, script_with_source, with_source};
use noema_types::ModuleId;
use noema_verifier::{Limits, ModuleSource, VerifyError, verify_linked, verify_module, verify_script};
use serde_json::json;

use crate::args::DisassembleArgs;
use crate::output::{CliError, CliResult, Context, Output, paint};

/// Modules by identity.
#[derive(Debug, Default)]
pub(super) struct Modules(pub(super) BTreeMap<ModuleId, Arc<CompiledModule>>);

impl ModuleSource for Modules {
    fn module(&self, id: &ModuleId) -> Option<Arc<CompiledModule>> {
        self.0.get(id).cloned()
    }
}

/// Reads a module; says what is wrong with a file that is none.
pub(super) fn read_module(path: &Path) -> CliResult<CompiledModule> {
    let bytes = std::fs::read(path).context(format!("cannot read {}", path.display()))?;
    CompiledModule::deserialize(&bytes).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &noema_bytecode::ReadError) -> CliError {
    let message = format!("{} is no Move binary: {error}", path.display());
    CliError::verdict(message).hint("versions 5, 6 and Sui's 7 are read; Aptos: build with `--bytecode-version 6`")
}

fn modules_of(folder: &Path) -> CliResult<Modules> {
    let entries = std::fs::read_dir(folder).context(format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mv"));
    paths.sort();
    let mut modules = Modules::default();
    for path in paths {
        let module = read_module(&path)?;
        modules.0.insert(module.self_id(), Arc::new(module));
    }
    Ok(modules)
}

/// `noema move verify`.
pub(super) fn verify(output: Output, file: &Path, deps: Option<&Path>) -> CliResult {
    let bytes = std::fs::read(file).context(format!("cannot read {}", file.display()))?;
    let limits = Limits::default();
    let verdict = match CompiledModule::deserialize(&bytes) {
        Ok(module) => verify_module(&module, &limits).and_then(|()| match deps.map(modules_of).transpose() {
            Ok(Some(mut modules)) => {
                modules.0.insert(module.self_id(), Arc::new(module.clone()));
                verify_linked(&module, &modules, &limits)
            }
            _ => Ok(()),
        }),
        Err(error) => match CompiledScript::deserialize(&bytes) {
            Ok(script) => verify_script(&script, &limits),
            Err(_) => return Err(unreadable(file, &error)),
        },
    };
    if let Some(folder) = deps {
        // A folder that cannot be read is wrong use, not a verdict.
        modules_of(folder)?;
    }
    match verdict {
        Ok(()) => {
            let linked = if deps.is_some() { "accepted, linked" } else { "accepted" };
            output
                .result(|| format!("{} {}", paint(linked, "32"), file.display()), || json!({ "verdict": "accepted" }));
            Ok(())
        }
        Err(error) => Err(rejected(output, file, &error)),
    }
}

fn rejected(output: Output, file: &Path, error: &VerifyError) -> CliError {
    if output.json {
        output.result(String::new, || {
            json!({
                "verdict": "rejected",
                "status": error.status.name(),
                "number": error.status.number(),
                "location": error.location.to_string().trim(),
                "message": error.message,
            })
        });
    }
    CliError::verdict(format!("{} is rejected: {error}", file.display()))
}

/// `noema move disassemble`.
pub(super) fn disassemble(output: Output, args: &DisassembleArgs) -> CliResult {
    let file = &args.file;
    let bytes = std::fs::read(file).context(format!("cannot read {}", file.display()))?;
    let lines = source_lines(args)?;
    let source = |path: &str| find_source(file, path);
    let text = match CompiledModule::deserialize(&bytes) {
        Ok(module) => match &lines {
            Some(lines) => with_source(&module, lines, source),
            None => noema_bytecode::disassemble(&module),
        },
        Err(error) => match (CompiledScript::deserialize(&bytes), &lines) {
            (Ok(script), Some(lines)) => script_with_source(&script, lines, source),
            (Ok(script), None) => noema_bytecode::disassemble_script(&script),
            (Err(_), _) => return Err(unreadable(file, &error)),
        },
    };
    output.result(|| text.clone(), || json!({ "text": text }));
    Ok(())
}

/// The source map that was named, or the one that `noema move build` wrote beside the binary.
fn source_lines(args: &DisassembleArgs) -> CliResult<Option<SourceLines>> {
    let beside = || {
        let build = args.file.parent()?.parent()?;
        Some(build.join("source_maps").join(args.file.file_stem()?).with_extension("json"))
    };
    let path = match &args.source_map {
        Some(path) => path.clone(),
        None => match beside().filter(|path| !args.bare && path.is_file()) {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    let text = std::fs::read_to_string(&path).context(format!("cannot read {}", path.display()))?;
    let document = serde_json::from_str(&text).context(format!("{} is no JSON", path.display()))?;
    SourceLines::from_json(&document).map(Some).context(path.display())
}

/// A source file as the compiler called it, or below the package's folder, which holds `build/NAME/bytecode_modules`.
fn find_source(binary: &Path, path: &str) -> Option<String> {
    let package = binary.ancestors().nth(4);
    let below = package.map(|folder| folder.join(path));
    [Some(PathBuf::from(path)), below].into_iter().flatten().find_map(|path| std::fs::read_to_string(path).ok())
}
