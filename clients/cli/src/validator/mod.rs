//! `noema validator`: what an operator does to a stake pool and its place among the validators.
//!
//! The account in the validator's folder owns and operates its own pool. Changes of the set, of stake and of keys count
//! from the next epoch on; every command says when that is.

mod status;

use noema_sdk::{Client, entry_function};
use noema_types::{Address, EntryFunction};
use serde_json::{Value, json};

use crate::args::{KeyKind, SignArgs, ValidatorCommand, ValidatorSignArgs};
use crate::genesis::{REGISTRATION_FILE, RegistrationFile, check_url, format_time};
use crate::home::StoredAccount;
use crate::keys::{ACCOUNT_KEY, CHECKPOINT_KEY, CONSENSUS_KEY, NETWORK_KEY, ValidatorKeys};
use crate::output::{CliError, CliResult, Output, paint};
use crate::submit::{Committed, submit_signed};
use noema_framework::is_network_address;

/// Neither joins nor serves.
const STATE_INACTIVE: u64 = 4;
/// Appended to the name of a key file that will replace the one without.
const NEXT_SUFFIX: &str = "next";

/// Runs the command.
pub(crate) fn run(output: Output, command: ValidatorCommand) -> CliResult {
    match command {
        ValidatorCommand::Status { node, dir, address } => {
            let address = match (address, dir) {
                (Some(address), _) => Some(address),
                (None, Some(dir)) => Some(operator(&dir)?.address),
                (None, None) => None,
            };
            status::run(output, &Client::new(node.url), address)
        }
        ValidatorCommand::Join { sign, stake, address, full_node_url } => {
            join(output, &sign, stake, address.as_deref(), full_node_url.as_deref())
        }
        ValidatorCommand::Leave { sign } => {
            let pool = Pool::open(&sign)?;
            let call = pool.call("leave_validator_set", vec![pool.argument()])?;
            pool.submit_one(output, call, "leaves the validators at the end of the epoch; it must serve until then")
        }
        ValidatorCommand::Stake { sign, amount } => {
            let pool = Pool::open(&sign)?;
            pool.exists()?;
            let call = pool.call("add_stake", vec![number(amount)])?;
            pool.submit_one(output, call, "the stake counts from the next epoch on")
        }
        ValidatorCommand::Unlock { sign, amount } => {
            let pool = Pool::open(&sign)?;
            pool.exists()?;
            let call = pool.call("unlock", vec![number(amount)])?;
            pool.submit_one(output, call, "the stake votes until its lockup ends (see `noema validator status`)")
        }
        ValidatorCommand::Withdraw { sign, amount } => {
            let pool = Pool::open(&sign)?;
            pool.exists()?;
            // More than is free means all that is.
            let call = pool.call("withdraw", vec![number(amount.unwrap_or(u64::MAX))])?;
            pool.submit_one(output, call, "free coins are in the account")
        }
        ValidatorCommand::RotateKey { sign, key } => rotate(output, &sign, key),
    }
}

/// A validator's pool, and who signs for it.
#[derive(Debug)]
struct Pool {
    account: StoredAccount,
    client: Client,
    sign: SignArgs,
}

impl Pool {
    fn open(args: &ValidatorSignArgs) -> CliResult<Self> {
        let sign = SignArgs {
            node: args.node.clone(),
            account: String::new(),
            max_gas: args.max_gas,
            gas_price: args.gas_price,
        };
        Ok(Self { account: operator(&args.dir)?, client: Client::new(&args.node.url), sign })
    }

    fn address(&self) -> Address {
        self.account.address
    }

    /// The pool as an argument of a call.
    fn argument(&self) -> Vec<u8> {
        self.address().0.to_vec()
    }

    fn call(&self, function: &str, args: Vec<Vec<u8>>) -> CliResult<EntryFunction> {
        entry_function(&format!("0x1::stake::{function}"), Vec::new(), args).map_err(CliError::fault)
    }

    fn has_pool(&self) -> CliResult<bool> {
        let answer = self.client.view("0x1::stake::stake_pool_exists", &[], &[json!(self.address().to_string())])?;
        answer.first().and_then(Value::as_bool).ok_or_else(|| CliError::fault("the node does not know stake pools"))
    }

    fn exists(&self) -> CliResult {
        if self.has_pool()? {
            return Ok(());
        }
        Err(CliError::verdict(format!("{} has no stake pool", self.address()))
            .hint("`noema validator join` makes one; is --dir the validator's folder?"))
    }

    fn submit(&self, output: Output, call: EntryFunction) -> CliResult<Committed> {
        submit_signed(output, &self.sign, &self.account, call).map_err(explain)
    }

    fn submit_one(&self, output: Output, call: EntryFunction, then: &str) -> CliResult {
        let committed = self.submit(output, call)?;
        let epoch = Epoch::read(&self.client)?;
        output.result(
            || format!("{}\n{} {then}; {epoch}", committed.lines(), self.address()),
            || json!({ "validator": self.address(), "transactions": [committed.0.clone()], "epoch": epoch.json() }),
        );
        Ok(())
    }
}

/// The epoch that runs.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    number: u64,
    end_secs: u64,
}

impl Epoch {
    fn read(client: &Client) -> CliResult<Self> {
        let number = view_number(client, "0x1::reconfiguration::current_epoch", &[])?;
        let end_us = view_number(client, "0x1::reconfiguration::epoch_end_time", &[])?;
        Ok(Self { number, end_secs: end_us / 1_000_000 })
    }

    fn json(self) -> Value {
        json!({ "epoch": self.number.to_string(), "ends": format_time(self.end_secs) })
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {} ends at {}", self.number, format_time(self.end_secs))
    }
}

fn operator(dir: &std::path::Path) -> CliResult<StoredAccount> {
    let path = dir.join(ACCOUNT_KEY);
    if !path.exists() {
        return Err(CliError::fault(format!("there is no {ACCOUNT_KEY} in {}", dir.display()))
            .hint("name the validator's folder with --dir; `noema genesis keys` or `noema node init` makes one"));
    }
    let key = noema_crypto::read_key_file(&path).map_err(CliError::fault)?;
    Ok(StoredAccount { address: noema_sdk::address_of(&key), key })
}

/// The first result of a view, a number.
fn view_number(client: &Client, function: &str, args: &[Value]) -> CliResult<u64> {
    let answer = client.view(function, &[], args)?;
    answer.first().and_then(as_number).ok_or_else(|| CliError::fault(format!("{function} answers no number")))
}

/// A number as the API writes it.
fn as_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

fn number(amount: u64) -> Vec<u8> {
    amount.to_le_bytes().to_vec()
}

fn bytes(value: &[u8]) -> Vec<u8> {
    bcs::to_bytes(value).expect("bytes always serialise")
}

fn join(
    output: Output,
    args: &ValidatorSignArgs,
    stake: Option<u64>,
    address: Option<&str>,
    full_node_url: Option<&str>,
) -> CliResult {
    let pool = Pool::open(args)?;
    let mut done = Vec::new();
    if pool.has_pool()? {
        let argument = json!(pool.address().to_string());
        let state = view_number(&pool.client, "0x1::stake::get_validator_state", &[argument])?;
        if state != STATE_INACTIVE {
            return Err(CliError::verdict(format!("{} {}", pool.address(), status::state_name(state)))
                .hint("add stake with `noema validator stake`; see `noema validator status`"));
        }
    } else {
        let call = initialize(&pool, args, address, full_node_url)?;
        done.push(pool.submit(output, call)?);
    }
    if let Some(stake) = stake {
        done.push(pool.submit(output, pool.call("add_stake", vec![number(stake)])?)?);
    }
    done.push(pool.submit(output, pool.call("join_validator_set", vec![pool.argument()])?)?);
    let epoch = Epoch::read(&pool.client)?;
    output.result(
        || {
            let lines: Vec<String> = done.iter().map(Committed::lines).collect();
            format!(
                "{}\n{} {} joins the validators: it serves from epoch {} on; {epoch}\nits node must run by then",
                lines.join("\n"),
                paint("validator", "32"),
                pool.address(),
                epoch.number + 1,
            )
        },
        || {
            let transactions: Vec<Value> = done.iter().map(|committed| committed.0.clone()).collect();
            json!({
                "validator": pool.address(),
                "transactions": transactions,
                "epoch": epoch.json(),
                "serves_from_epoch": (epoch.number + 1).to_string(),
            })
        },
    );
    Ok(())
}

/// The call that makes a stake pool, with the keys and addresses in the validator's folder.
fn initialize(
    pool: &Pool,
    args: &ValidatorSignArgs,
    address: Option<&str>,
    full_node_url: Option<&str>,
) -> CliResult<EntryFunction> {
    let keys = ValidatorKeys::load(&args.dir)?;
    let path = args.dir.join(REGISTRATION_FILE);
    let registered = path.exists().then(|| RegistrationFile::load(&path, None)).transpose()?;
    let address = match (address, &registered) {
        (Some(address), _) => address.to_owned(),
        (None, Some(file)) => file.registration.network_address.clone(),
        (None, None) => {
            return Err(CliError::fault("where other validators reach this one is not known")
                .hint("say it with --address HOST:PORT"));
        }
    };
    if !is_network_address(&address) {
        return Err(CliError::fault(format!("{address:?} is no network address")).hint("write HOST:PORT"));
    }
    let url = full_node_url.unwrap_or_default();
    check_url(url).map_err(CliError::fault)?;
    pool.call(
        "initialize_validator",
        vec![
            bytes(&keys.consensus.public().0),
            bytes(&keys.network.public().0),
            bytes(&keys.checkpoint.public().0),
            bytes(&keys.checkpoint.proof_of_possession().0),
            bytes(address.as_bytes()),
            bytes(url.as_bytes()),
        ],
    )
}

fn rotate(output: Output, args: &ValidatorSignArgs, kind: KeyKind) -> CliResult {
    let pool = Pool::open(args)?;
    pool.exists()?;
    let name = match kind {
        KeyKind::Consensus => CONSENSUS_KEY,
        KeyKind::Network => NETWORK_KEY,
        KeyKind::Checkpoint => CHECKPOINT_KEY,
    };
    let path = args.dir.join(format!("{name}.{NEXT_SUFFIX}"));
    // On disk before it is announced: a key that the chain expects and nobody has would silence the validator. A key
    // that is there already was announced by a run that was cut off, or not at all: announcing it again is harmless.
    let call = if kind == KeyKind::Checkpoint {
        if !path.exists() {
            noema_crypto::write_bls_key_file(&path, &noema_crypto::BlsKeyPair::generate()).map_err(CliError::fault)?;
        }
        let key = noema_crypto::read_bls_key_file(&path).map_err(CliError::fault)?;
        let proof = key.proof_of_possession();
        pool.call("rotate_checkpoint_key", vec![pool.argument(), bytes(&key.public().0), bytes(&proof.0)])?
    } else {
        if !path.exists() {
            let key = noema_crypto::Ed25519KeyPair::generate();
            noema_crypto::write_key_file(&path, &key).map_err(CliError::fault)?;
        }
        let key = noema_crypto::read_key_file(&path).map_err(CliError::fault)?;
        let function = if kind == KeyKind::Consensus { "rotate_consensus_key" } else { "rotate_network_key" };
        pool.call(function, vec![pool.argument(), bytes(&key.public().0)])?
    };
    let committed = pool.submit(output, call)?;
    let epoch = Epoch::read(&pool.client)?;
    output.result(
        || {
            format!(
                "{}\nthe new key is in {} and counts from epoch {} on; {epoch}\nthen: stop the node, mv {} {}, start it",
                committed.lines(),
                path.display(),
                epoch.number + 1,
                path.display(),
                args.dir.join(name).display(),
            )
        },
        || {
            json!({
                "validator": pool.address(),
                "transactions": [committed.0.clone()],
                "key_file": path,
                "epoch": epoch.json(),
                "serves_from_epoch": (epoch.number + 1).to_string(),
            })
        },
    );
    Ok(())
}

/// Aborts of `0x1::stake` in an operator's words.
fn explain(error: CliError) -> CliError {
    let hint = match abort_name(&error.message) {
        Some("ESTAKE_TOO_LOW") => {
            "add stake: `noema validator join --stake AMOUNT`; 0x1::staking_config holds the minimum"
        }
        Some("ESTAKE_TOO_HIGH" | "ESTAKE_EXCEEDS_MAX") => "a validator may not have so much stake: start another one",
        Some("EALREADY_ACTIVE_VALIDATOR") => "it serves or joins already: see `noema validator status`",
        Some("ENOT_VALIDATOR") => "it neither serves nor joins, or leaves already: see `noema validator status`",
        Some("ELAST_VALIDATOR") => "the last validator cannot leave: the chain would stop",
        Some("EVOTING_POWER_INCREASE_EXCEEDS_LIMIT") => {
            "only a part of all stake may join in one epoch: join with less, add the rest in later epochs"
        }
        Some("EKEY_IN_USE") => "a key never changes hands: make new ones in a new folder",
        Some("EJAILED") => "it was punished: `noema validator status` says until which epoch it must stay out",
        Some("EINVALID_NETWORK_ADDRESS") => "write HOST:PORT",
        Some("EVALIDATOR_SET_TOO_LARGE") => "the set is full: wait until a validator leaves",
        Some("ENO_POST_GENESIS_VALIDATOR_SET_CHANGE_ALLOWED") => "this chain's validators never change",
        Some("EINSUFFICIENT_BALANCE") => "the account has too few coins: `noema account fund`, or ask for a transfer",
        _ => return error,
    };
    CliError { hint: Some(hint.to_owned()), ..error }
}

/// The name of the abort that a status tells of: a word that begins with E and is all capitals.
fn abort_name(message: &str) -> Option<&str> {
    let is_name = |word: &&str| {
        word.len() > 3
            && word.starts_with('E')
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborts_are_explained() {
        let status = "the transaction would fail: Move abort in 0x1::stake: ESTAKE_TOO_LOW(0x30003): The pool has less";
        assert_eq!(abort_name(status), Some("ESTAKE_TOO_LOW"));
        let explained = explain(CliError::verdict(status));
        assert!(explained.is_verdict && explained.hint.is_some_and(|hint| hint.contains("--stake")));
        for text in ["", "Executed successfully", "Out of gas", "EX"] {
            assert_eq!(abort_name(text), None, "{text}");
        }
        let other = CliError::fault("no such node").hint("start it");
        assert_eq!(explain(other).hint.as_deref(), Some("start it"));
    }
}
