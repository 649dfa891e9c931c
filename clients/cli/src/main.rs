//! The one binary people type.
//!
//! stdout carries results only, `--json` makes them one document, everything else goes to stderr. Exit codes: 0 success,
//! 1 the check says no, 2 wrong use or a fault.

mod account;
mod args;
mod genesis;
mod home;
mod infer;
mod keys;
mod light;
mod localnet;
mod logging;
mod machine;
mod model;
mod mv;
mod node;
mod output;
mod shutdown;
mod submit;
mod validator;
mod values;
mod worker;

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
        Command::Node(command) => node::run(output, &command),
        Command::Genesis(command) => genesis::run(output, &command),
        Command::Validator(command) => validator::run(output, command),
        Command::Light(command) => light::run(output, &command),
        Command::Account(command) => account::run(output, command),
        Command::Move(command) => mv::run(output, command),
        Command::Model(command) => model::run(output, command),
        Command::Infer(args) => infer::run(output, &args),
        Command::Worker(command) => worker::run(output, &command),
    }
}
