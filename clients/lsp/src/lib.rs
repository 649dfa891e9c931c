//! Serves Move to editors over the language server protocol.
//!
//! [`serve`] runs a server on any pair of streams, [`serve_stdio`] on those of the process. Guaranteed: a request is answered
//! for the text of all edits that came before it; messages about a package follow when edits pause; nothing a client sends
//! ends the server but `exit` and the end of its stream.

#![allow(clippy::mutable_key_type, reason = "a `Uri` keeps what it has parsed; its order and equality are its text's")]

mod answers;
mod convert;
mod edits;
pub mod limits;
mod server;
mod text;
mod tokens;
mod transport;
mod uri;
mod worker;
mod workspace;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;

use noema_compiler::package::EmbeddedPackages;
use noema_types::Address;

/// Formats a source; an error says why it cannot be.
pub type Formatter = fn(&str) -> Result<String, String>;

/// What the program that runs the server gives it.
#[derive(Debug)]
pub struct Config {
    /// Packages inside the program.
    pub embedded: EmbeddedPackages,
    /// Values of named addresses, over those of the manifests.
    pub named_addresses: BTreeMap<String, Address>,
    /// A folder for readable copies of embedded sources; without one they cannot be opened.
    pub cache: Option<PathBuf>,
    /// Formats documents, if anything does.
    pub formatter: Option<Formatter>,
    /// The server's version as clients show it.
    pub version: String,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `shutdown`, then `exit`: as the protocol wants it.
    Clean,
    /// `exit` without `shutdown`, or the stream ended.
    Cut,
}

/// The server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A thread did not start.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Serves until the client leaves.
///
/// # Errors
/// The system starts no more threads.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    config: Config,
) -> Result<Ending, ServeError> {
    server::run(BufReader::new(input), output, config)
}

/// Serves on stdin and stdout.
///
/// # Errors
/// As [`serve`].
pub fn serve_stdio(config: Config) -> Result<Ending, ServeError> {
    serve(std::io::stdin(), std::io::stdout(), config)
}
