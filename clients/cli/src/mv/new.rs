//! `noema move new`: a package that compiles and tests as it is.

use std::path::Path;

use noema_move_tools::new_package::files;
use serde_json::json;

use crate::output::{CliError, CliResult, Context, Output};

/// Makes the package.
pub(super) fn run(output: Output, name: &str) -> CliResult {
    let files = files(name).map_err(CliError::fault)?;
    let dir = Path::new(name);
    if dir.exists() {
        return Err(CliError::fault(format!("{} exists already", dir.display())));
    }
    for (path, text) in &files {
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&path, text).context(format!("cannot write {}", path.display()))?;
    }
    output.result(
        || format!("made package {name}\ntry     noema move test -p {name}"),
        || json!({ "package": name, "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>() }),
    );
    Ok(())
}
