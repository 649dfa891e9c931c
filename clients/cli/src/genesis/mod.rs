//! `noema genesis`: how a network begins. Validators make keys and registrations; somebody builds genesis of them;
//! everybody checks that they have the same.

mod build;
mod keys;
mod registration;
mod show;
mod time;

use noema_types::Address;

use crate::args::GenesisCommand;
use crate::output::{CliResult, Output};

pub(crate) use registration::{REGISTRATION_FILE, RegistrationFile, check_url};
pub(crate) use show::beginning_us;
pub(crate) use time::{format_time, parse_time};

/// Balance of a validator's account at genesis, beside its stake: for fees. Ten thousand coins.
pub(crate) const VALIDATOR_BALANCE: u64 = 1_000_000_000_000;

/// Runs the command.
pub(crate) fn run(output: Output, command: &GenesisCommand) -> CliResult {
    match command {
        GenesisCommand::Keys(args) => keys::run(output, args),
        GenesisCommand::Build(args) => build::run(output, args),
        GenesisCommand::Show { file } => show::run(output, file),
    }
}

/// Parses `ADDRESS=AMOUNT`.
pub(crate) fn parse_fund(text: &str) -> Result<(Address, u64), String> {
    let (address, amount) =
        text.split_once('=').ok_or_else(|| format!("{text:?} lacks an amount; write ADDRESS=AMOUNT"))?;
    let address = address.parse().map_err(|error| format!("{address:?}: {error}"))?;
    let amount = amount.replace('_', "").parse().map_err(|_| format!("{amount:?} is no amount"))?;
    Ok((address, amount))
}
