//! `noema genesis build`: verifies registrations and makes the first block of them.
//!
//! Equal inputs in any order give equal bytes: validators and accounts are sorted by address, and the clock is an
//! argument.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use noema_node::{GenesisSpec, GenesisValidator, LOCALNET_FAUCET_BALANCE, StakingParameters};
use noema_types::{Address, ChainId, Transaction, decode};
use serde_json::json;

use super::VALIDATOR_BALANCE;
use super::registration::RegistrationFile;
use crate::args::GenesisBuildArgs;
use crate::home::Home;
use crate::keys::write_new;
use crate::model::find;
use crate::node::explain;
use crate::output::{CliError, CliResult, Output, paint};

/// Runs the command.
pub(crate) fn run(output: Output, args: &GenesisBuildArgs) -> CliResult {
    let home = Home::find()?;
    let chain_id = ChainId(args.chain_id);
    let registrations: CliResult<Vec<RegistrationFile>> =
        args.registrations.iter().map(|path| RegistrationFile::load(path, Some(chain_id))).collect();
    let registrations = distinct(registrations?)?;
    let (faucet, _) = GenesisSpec::localnet_faucet();
    let faucet = args.public_faucet.then_some(faucet);
    let models: CliResult<Vec<PathBuf>> = args.models.iter().map(|name| find(&home, Some(name))).collect();
    let spec = GenesisSpec {
        chain_id,
        timestamp_us: args.time,
        epoch_interval_us: args.epoch_secs.saturating_mul(1_000_000),
        accounts: balances(&args.fund, faucet)?,
        faucet,
        models: models?,
        validators: validators(&registrations, args.stake, &args.stake_of)?,
        staking: staking(args),
        inference_units_per_transaction: args.inference_units,
    };
    let spinner = output.spinner("building genesis");
    let genesis = spec.build();
    spinner.finish_and_clear();
    let genesis = genesis.map_err(explain)?;
    let transaction: Transaction = decode("genesis", &genesis).map_err(CliError::fault)?;
    let chain = transaction.hash();
    let path = write_new(&args.out, &genesis)?;
    output.result(
        || {
            let names = registrations.values().map(|one| format!("  {} {}", one.registration.address, one.name));
            format!(
                "{} {}\nchain {chain}\nvalidators\n{}\nevery operator compares the chain: `noema genesis show {}`",
                paint("genesis", "32"),
                path.display(),
                names.collect::<Vec<_>>().join("\n"),
                path.display(),
            )
        },
        || json!({ "genesis": path, "chain": chain, "chain_id": args.chain_id, "validators": registrations.len() }),
    );
    Ok(())
}

/// By account; a validator counts once, and shares nothing with another.
fn distinct(files: Vec<RegistrationFile>) -> CliResult<BTreeMap<Address, RegistrationFile>> {
    let mut by_account = BTreeMap::new();
    let mut seen: BTreeSet<(&str, String)> = BTreeSet::new();
    for file in files {
        let registration = &file.registration;
        let marks = [
            ("account", registration.address.to_string()),
            ("name", file.name.clone()),
            ("network address", registration.network_address.clone()),
            ("key", registration.account_key.to_string()),
            ("key", registration.consensus_key.to_string()),
            ("key", registration.network_key.to_string()),
            ("checkpoint key", registration.checkpoint_key.to_string()),
        ];
        for mark in marks {
            if let Some((what, value)) = seen.replace(mark) {
                return Err(CliError::verdict(format!("the {what} {value} is registered twice"))
                    .hint("each validator registers once; every key has one use and one owner"));
            }
        }
        by_account.insert(registration.address, file);
    }
    Ok(by_account)
}

/// Validators by account, with their stakes.
fn validators(
    registrations: &BTreeMap<Address, RegistrationFile>,
    stake: u64,
    exceptions: &[(Address, u64)],
) -> CliResult<Vec<GenesisValidator>> {
    let mut stakes: BTreeMap<Address, u64> = registrations.keys().map(|address| (*address, stake)).collect();
    for (address, stake) in exceptions {
        match stakes.get_mut(address) {
            Some(entry) => *entry = *stake,
            None => {
                return Err(CliError::fault(format!("--stake-of {address}: no validator of that account registers"))
                    .hint("the account is in registration.toml"));
            }
        }
    }
    let validator = |(address, file): (&Address, &RegistrationFile)| {
        file.registration.validator(VALIDATOR_BALANCE, stakes[address])
    };
    Ok(registrations.iter().map(validator).collect())
}

fn staking(args: &GenesisBuildArgs) -> StakingParameters {
    let default = StakingParameters::default();
    StakingParameters {
        minimum_stake: args.minimum_stake.unwrap_or(default.minimum_stake),
        recurring_lockup_secs: args.lockup_secs.unwrap_or(default.recurring_lockup_secs),
        // What may be punished must be locked as long.
        evidence_window_secs: args.lockup_secs.unwrap_or(default.evidence_window_secs),
        ..default
    }
}

/// First balances, by address.
fn balances(fund: &[(Address, u64)], faucet: Option<Address>) -> CliResult<Vec<(Address, u64)>> {
    let mut balances = BTreeMap::new();
    for (address, amount) in fund.iter().copied().chain(faucet.map(|faucet| (faucet, LOCALNET_FAUCET_BALANCE))) {
        if balances.insert(address, amount).is_some() {
            return Err(CliError::fault(format!("{address} is funded twice")).hint("name each account once"));
        }
    }
    Ok(balances.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::ValidatorKeys;

    fn registration(name: &str, address: &str) -> RegistrationFile {
        RegistrationFile::sign(&ValidatorKeys::generate(), ChainId(7), name, address).unwrap()
    }

    #[test]
    fn stakes_are_equal_but_for_exceptions() {
        let registrations = distinct(vec![registration("alice", "a:1"), registration("bob", "b:1")]).unwrap();
        let accounts: Vec<Address> = registrations.keys().copied().collect();
        let validators = validators(&registrations, 5, &[(accounts[1], 9)]).unwrap();
        assert_eq!(
            validators.iter().map(|one| (one.address, one.stake)).collect::<Vec<_>>(),
            [(accounts[0], 5), (accounts[1], 9)]
        );
        assert!(super::validators(&registrations, 5, &[(Address::ONE, 9)]).is_err());
    }

    #[test]
    fn validators_share_nothing() {
        let alice = registration("alice", "a:1");
        assert_eq!(distinct(vec![alice.clone(), registration("bob", "b:1")]).unwrap().len(), 2);
        let twice = distinct(vec![alice.clone(), alice.clone()]).unwrap_err();
        assert!(twice.is_verdict && twice.message.contains("account"), "{}", twice.message);
        let name = distinct(vec![alice.clone(), registration("alice", "b:1")]).unwrap_err();
        assert!(name.message.contains("the name alice"), "{}", name.message);
        let address = distinct(vec![alice, registration("bob", "a:1")]).unwrap_err();
        assert!(address.message.contains("network address a:1"), "{}", address.message);
    }

    #[test]
    fn one_key_has_one_use() {
        let mut keys = ValidatorKeys::generate();
        keys.network = noema_crypto::Ed25519KeyPair::from_private_bytes(keys.consensus.private_bytes());
        let registration = RegistrationFile::sign(&keys, ChainId(7), "alice", "a:1").unwrap();
        assert!(distinct(vec![registration]).unwrap_err().message.contains("the key"));
    }

    #[test]
    fn accounts_are_funded_once_and_sorted() {
        let (low, high) = (Address([1; 32]), Address([2; 32]));
        assert_eq!(balances(&[(high, 2), (low, 1)], None).unwrap(), [(low, 1), (high, 2)]);
        assert!(balances(&[(low, 2), (low, 1)], None).is_err());
    }
}
