//! The one binary people type.
//!
//! stdout carries results only, `--json` makes them one document, everything else goes to stderr. Exit codes: 0 success,
//! 1 the check says no, 2 wrong use or a fault.

mod account;
mod args;
mod home;
mod infer;
mod localnet;
mod model;
mod mv;
mod output;
mod submit;
mod values;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use output::{CliResult, Output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.json };
    output.finish(run(output, cli.command))
}

fn run(output: Output, command: Command) -> CliResult {
    match command {
        Command::Localnet(args) => localnet::run(output, &args),
        Command::Account(command) => account::run(output, command),
        Command::Move(command) => mv::run(output, command),
        Command::Model(command) => model::run(output, command),
        Command::Infer(args) => infer::run(output, &args),
    }
}
