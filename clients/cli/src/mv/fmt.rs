//! `noema move fmt`: source files in one layout.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use noema_move_tools::fmt::{FormatError, format};
use serde_json::json;

use crate::args::FmtArgs;
use crate::output::{CliError, CliResult, Context, Output, use_color};

/// Folders of a package that hold sources.
const FOLDERS: &[&str] = &["sources", "tests", "scripts", "examples"];

/// Runs the command.
pub(super) fn run(output: Output, args: &FmtArgs) -> CliResult {
    if args.stdin {
        return from_stdin();
    }
    let files = if args.files.is_empty() { files_of(&args.dir)? } else { args.files.clone() };
    let (mut changed, mut wrong) = (Vec::new(), Vec::new());
    for path in &files {
        let text = std::fs::read_to_string(path).context(format!("cannot read {}", path.display()))?;
        match format(&path.display().to_string(), &text) {
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                if !args.check {
                    std::fs::write(path, formatted).context(format!("cannot write {}", path.display()))?;
                }
                changed.push(path);
            }
            Err(error) => {
                output.note(words(&error));
                wrong.push(path);
            }
        }
    }
    output.result(
        || {
            let verb = if args.check { "would change" } else { "formatted" };
            let names: String = changed.iter().map(|path| format!("{verb} {}\n", path.display())).collect();
            let unchanged = files.len() - changed.len() - wrong.len();
            format!("{names}{} {verb}, {unchanged} as they should be, {} with errors", changed.len(), wrong.len())
        },
        || json!({ "files": files.len(), "changed": changed, "errors": wrong }),
    );
    if !wrong.is_empty() {
        return Err(CliError::verdict(format!("{} of {} files do not parse", wrong.len(), files.len())));
    }
    if args.check && !changed.is_empty() {
        return Err(
            CliError::verdict(format!("{} files are not formatted", changed.len())).hint("run `noema move fmt`")
        );
    }
    Ok(())
}

fn words(error: &FormatError) -> String {
    match error {
        FormatError::Syntax { diagnostics, files, .. } => diagnostics.render(files, use_color()).trim_end().to_owned(),
        FormatError::Changed { .. } => error.to_string(),
    }
}

fn from_stdin() -> CliResult {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    let formatted = format("<stdin>", &text).map_err(|error| CliError::verdict(words(&error)))?;
    // The text as it is: not even its last line end is touched.
    std::io::stdout().lock().write_all(formatted.as_bytes()).context("cannot write to standard output")
}

/// The sources of a package, in the order of their paths.
fn files_of(dir: &Path) -> CliResult<Vec<PathBuf>> {
    if !dir.join("Move.toml").is_file() {
        return Err(CliError::fault(format!("{} holds no Move.toml", dir.display()))
            .hint("name a package's folder with -p, or the files to format"));
    }
    let mut files = Vec::new();
    for folder in FOLDERS.iter().map(|name| dir.join(name)).filter(|folder| folder.is_dir()) {
        collect(&folder, &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> CliResult {
    for entry in std::fs::read_dir(folder).context(format!("cannot read {}", folder.display()))? {
        let entry = entry.context(format!("cannot read {}", folder.display()))?;
        let path = entry.path();
        // Links are not followed: they may lead in circles, or out of the package.
        let kind = entry.file_type().context(format!("cannot read {}", path.display()))?;
        if kind.is_dir() {
            collect(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "move") {
            files.push(path);
        }
    }
    Ok(())
}
