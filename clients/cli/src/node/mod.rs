//! `noema node`: one node of a network, from its configuration file.

mod example;
mod init;
mod run;

use crate::args::NodeCommand;
use crate::output::{CliResult, Output};

pub(crate) use run::{explain, serve};

/// Name of the configuration in a node's folder.
pub(crate) const CONFIG_FILE: &str = "node.toml";
/// Name of a node's database in its folder.
pub(crate) const DATA_DIR: &str = "data";
/// Name of the genesis in a node's or a network's folder.
pub(crate) const GENESIS_FILE: &str = "genesis.blob";

/// Runs the command.
pub(crate) fn run(output: Output, command: &NodeCommand) -> CliResult {
    match command {
        NodeCommand::Run(args) => run::run(output, args),
        NodeCommand::Init(args) => init::run(output, args),
        NodeCommand::ConfigExample => {
            output.result(|| example::TEXT.to_owned(), || serde_json::json!({ "node.toml": example::TEXT }));
            Ok(())
        }
    }
}
