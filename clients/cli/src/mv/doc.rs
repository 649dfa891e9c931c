//! `noema move doc`: Markdown pages.

use noema_move_tools::doc::{DocOptions, INDEX, document};
use serde_json::json;

use super::package::{Mode, Source, load_package, report};
use crate::args::DocArgs;
use crate::output::{CliError, CliResult, Context, Output, paint, use_color};

/// Runs the command.
pub(super) fn run(output: Output, args: &DocArgs) -> CliResult {
    let loaded = load_package(output, Source::Folder(&args.package.dir), &args.package.named_addresses, Mode::Dev)?;
    let documents = document(&loaded, DocOptions { dependencies: args.dependencies }).map_err(|diagnostics| {
        report(output, &diagnostics.render(&loaded.files, use_color()), diagnostics.to_json(&loaded.files));
        CliError::verdict("the package does not parse")
    })?;
    let folder = args.out.clone().unwrap_or_else(|| args.package.dir.join("doc"));
    std::fs::create_dir_all(&folder).context(format!("cannot make {}", folder.display()))?;
    for document in &documents {
        let path = folder.join(&document.file);
        std::fs::write(&path, &document.text).context(format!("cannot write {}", path.display()))?;
    }
    let index = folder.join(INDEX);
    output.result(
        || format!("{} {} pages, begin with {}", paint("wrote", "32"), documents.len(), index.display()),
        || json!({ "folder": folder, "files": documents.iter().map(|one| &one.file).collect::<Vec<_>>() }),
    );
    Ok(())
}
