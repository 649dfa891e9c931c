//! `noema move lsp`: the language server on stdin and stdout.

use std::path::PathBuf;

use noema_lsp::{Config, Ending, serve_stdio};
use noema_move_tools::fmt::FormatError;

use super::package;
use crate::output::{CliError, CliResult, Context};

/// Serves until the editor leaves. stdout carries the protocol and nothing else.
pub(super) fn run(pairs: &[String]) -> CliResult {
    let config = Config {
        embedded: package::embedded(),
        named_addresses: package::named_addresses(pairs)?,
        cache: cache(),
        formatter: Some(format),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    match serve_stdio(config).context("the language server")? {
        Ending::Clean => Ok(()),
        Ending::Cut => Err(CliError::verdict("the editor left without `shutdown`")),
    }
}

/// Formats a document; the messages of a text that does not parse are shown already.
fn format(text: &str) -> Result<String, String> {
    noema_move_tools::fmt::format("the document", text).map_err(|error| match error {
        FormatError::Syntax { path, .. } => format!("{path} has syntax errors"),
        other => other.to_string(),
    })
}

/// Where copies of embedded sources go.
fn cache() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = given.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(cache.join("noema/move-sources"))
}
