//! `noema move`: the toolchain on the command line.

mod binaries;
mod build;
mod chain;
mod doc;
mod explain;
mod fmt;
mod lsp;
mod new;
mod package;
mod run;
mod test;

use crate::args::MoveCommand;
use crate::home::Home;
use crate::output::{CliResult, Output};

/// Runs the command.
pub(crate) fn run(output: Output, command: MoveCommand) -> CliResult {
    match command {
        MoveCommand::New { name } => new::run(output, &name),
        MoveCommand::Check { paths, named_addresses, test } => build::check(output, &paths, &named_addresses, test),
        MoveCommand::Build { package } => build::build(output, &package),
        MoveCommand::Test(args) => test::run(output, &args),
        MoveCommand::Fmt(args) => fmt::run(output, &args),
        MoveCommand::Doc(args) => doc::run(output, &args),
        MoveCommand::Publish { package, sign } => chain::publish(output, &package, &sign),
        MoveCommand::Run(args) => run::run(output, &args),
        MoveCommand::Call { sign, call } => chain::call(output, &Home::find()?, &sign, &call),
        MoveCommand::View { node, call } => chain::view(output, &Home::find()?, &node, &call),
        MoveCommand::Verify { file, deps } => binaries::verify(output, &file, deps.as_deref()),
        MoveCommand::Explain { code } => explain::run(output, code.as_deref()),
        MoveCommand::Lsp { named_addresses } => lsp::run(&named_addresses),
        MoveCommand::Disassemble(args) => binaries::disassemble(output, &args),
    }
}
