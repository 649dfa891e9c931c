//! `noema validator status`: a stake pool, the committee, and how the node sees the network.

use noema_sdk::Client;
use noema_types::Address;
use serde_json::{Value, json};

use super::{Epoch, as_number, view_number};
use crate::genesis::format_time;
use crate::output::{CliError, CliResult, Output, paint};

/// What the API says of who is in no set.
const NO_INDEX: u64 = u64::MAX;

/// A stake pool as the chain has it.
#[derive(Debug)]
struct Pool {
    address: Address,
    state: u64,
    stake: [u64; 4],
    unbonding: (u64, u64),
    locked_until_secs: u64,
    jailed_through: u64,
    voting_power: u64,
    proposals: Option<(u64, u64)>,
    network_address: String,
}

/// Runs the command.
pub(crate) fn run(output: Output, client: &Client, address: Option<Address>) -> CliResult {
    let pool = address.map(|address| read_pool(client, address)).transpose()?;
    let epoch = Epoch::read(client)?;
    let set: Value = client.get("/accounts/0x1/resource/0x1::stake::ValidatorSet")?;
    let committee = committee(&set["data"]);
    let node: Value = client.get("/noema/status")?;
    output.result(
        || {
            let mut text = String::new();
            if let Some(pool) = &pool {
                text.push_str(&pool_lines(pool));
            }
            text.push_str(&format!("{epoch}\n"));
            text.push_str(&committee_lines(&committee, &node));
            text.push_str(&node_line(&node));
            text
        },
        || {
            json!({
                "validator": pool.as_ref().map(pool_json),
                "epoch": epoch.json(),
                "committee": committee.iter().map(Validator::json).collect::<Vec<_>>(),
                "node": node,
            })
        },
    );
    Ok(())
}

/// What a state of `0x1::stake` means.
pub(crate) fn state_name(state: u64) -> &'static str {
    match state {
        1 => "joins at the end of the epoch",
        2 => "serves",
        3 => "serves and leaves at the end of the epoch",
        4 => "does not serve",
        _ => "is in a state unknown to this program",
    }
}

fn read_pool(client: &Client, address: Address) -> CliResult<Pool> {
    let argument = [json!(address.to_string())];
    let exists = client.view("0x1::stake::stake_pool_exists", &[], &argument)?;
    if exists.first() != Some(&Value::Bool(true)) {
        return Err(CliError::verdict(format!("{address} has no stake pool")).hint("`noema validator join` makes one"));
    }
    let view = |function: &str| client.view(&format!("0x1::stake::{function}"), &[], &argument);
    let numbers = |function: &str, count: usize| -> CliResult<Vec<u64>> {
        let numbers: Option<Vec<u64>> = view(function)?.iter().map(as_number).collect();
        let numbers = numbers.filter(|numbers| numbers.len() == count);
        numbers.ok_or_else(|| CliError::fault(format!("0x1::stake::{function} answers something unexpected")))
    };
    let stake = numbers("get_stake", 4)?;
    let unbonding = numbers("get_unbonding", 2)?;
    let index = numbers("get_validator_index", 1)?[0];
    let state = numbers("get_validator_state", 1)?[0];
    let proposals = if index == NO_INDEX || !(2..=3).contains(&state) {
        None
    } else {
        let counts = client.view("0x1::stake::get_current_epoch_proposal_counts", &[], &[json!(index.to_string())])?;
        counts.first().and_then(as_number).zip(counts.get(1).and_then(as_number))
    };
    let config = view("get_validator_config")?;
    let argument = &argument;
    Ok(Pool {
        address,
        state,
        stake: [stake[0], stake[1], stake[2], stake[3]],
        unbonding: (unbonding[0], unbonding[1]),
        locked_until_secs: view_number(client, "0x1::stake::get_lockup_secs", argument)?,
        jailed_through: view_number(client, "0x1::stake::get_jailed_through_epoch", argument)?,
        voting_power: view_number(client, "0x1::stake::get_current_epoch_voting_power", argument)?,
        proposals,
        network_address: config.get(3).map_or_else(String::new, text_of_bytes),
    })
}

/// A committee member as the chain names it.
#[derive(Debug, PartialEq, Eq)]
struct Validator {
    address: String,
    stake: u64,
    network_address: String,
    index: u64,
    is_leaving: bool,
}

impl Validator {
    fn json(&self) -> Value {
        json!({
            "address": self.address,
            "stake": self.stake.to_string(),
            "network_address": self.network_address,
            "author": self.index,
            "leaving": self.is_leaving,
        })
    }
}

/// Members of the committee in their order, from `0x1::stake::ValidatorSet` as JSON.
fn committee(set: &Value) -> Vec<Validator> {
    let members = |field: &'static str, is_leaving: bool| {
        let entries = set[field].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(move |entry| Validator {
            address: entry["addr"].as_str().unwrap_or("?").to_owned(),
            stake: as_number(&entry["voting_power"]).unwrap_or(0),
            network_address: text_of_bytes(&entry["config"]["network_addresses"]),
            index: as_number(&entry["config"]["validator_index"]).unwrap_or(NO_INDEX),
            is_leaving,
        })
    };
    let mut all: Vec<Validator> =
        members("active_validators", false).chain(members("pending_inactive", true)).collect();
    all.sort_by_key(|validator| validator.index);
    all
}

/// Text that the API shows as hexadecimal bytes.
fn text_of_bytes(value: &Value) -> String {
    let digits = value.as_str().unwrap_or_default();
    let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn pool_lines(pool: &Pool) -> String {
    let [active, inactive, pending_active, pending_inactive] = pool.stake;
    let mut text = format!(
        "{}  {} {}\naddress    {}\nstake      {active} active, {pending_active} from the next epoch on, {pending_inactive} \
         unlocked, {inactive} free\nvotes      {} this epoch\nlockup     until {}\n",
        paint("validator", "32;1"),
        pool.address,
        state_name(pool.state),
        pool.network_address,
        pool.voting_power,
        format_time(pool.locked_until_secs),
    );
    if pool.unbonding.0 > 0 {
        text.push_str(&format!("unbonding  {}, free at {}\n", pool.unbonding.0, format_time(pool.unbonding.1)));
    }
    if pool.jailed_through > 0 {
        text.push_str(&format!("punished   out through epoch {}\n", pool.jailed_through));
    }
    if let Some((led, failed)) = pool.proposals {
        text.push_str(&format!("led        {led} blocks this epoch, failed to lead {failed}\n"));
    }
    text
}

fn committee_lines(committee: &[Validator], node: &Value) -> String {
    let total: u64 = committee.iter().map(|validator| validator.stake).sum();
    let mut text = format!("committee  {} validators, {total} stake\n", committee.len());
    // The API names the own place in words only; a node has no connection to itself.
    let own = node["detail"].as_str().unwrap_or_default();
    for validator in committee {
        let seen = node["validators"].as_array().into_iter().flatten();
        let seen = seen.into_iter().find(|one| one["address"] == validator.address.as_str());
        let connected = match seen.map(|one| &one["connected"]) {
            _ if own == format!("place {} of the committee", validator.index) => "this node",
            Some(Value::Bool(true)) => "connected",
            Some(Value::Bool(false)) => "not connected",
            _ => "",
        };
        text.push_str(&format!(
            "  {:3} {} stake {} at {} {}{connected}\n",
            validator.index,
            validator.address,
            validator.stake,
            validator.network_address,
            if validator.is_leaving { "leaving " } else { "" },
        ));
    }
    text
}

fn node_line(node: &Value) -> String {
    let number = |field: &str| as_number(&node[field]).map_or("?".to_owned(), |number| number.to_string());
    let mut text = format!(
        "node       {}{} in epoch {}, round {}: ordered {}, executed {}, certified {}",
        node["role"].as_str().unwrap_or("?"),
        node["detail"].as_str().map(|detail| format!(" ({detail})")).unwrap_or_default(),
        number("epoch"),
        number("round"),
        number("ordered_height"),
        number("executed_height"),
        number("certified_height"),
    );
    if node["throttled"] == true {
        text.push_str(", throttled");
    }
    text
}

fn pool_json(pool: &Pool) -> Value {
    let [active, inactive, pending_active, pending_inactive] = pool.stake.map(|amount| amount.to_string());
    json!({
        "address": pool.address,
        "state": state_name(pool.state),
        "network_address": pool.network_address,
        "voting_power": pool.voting_power.to_string(),
        "stake": {
            "active": active,
            "inactive": inactive,
            "pending_active": pending_active,
            "pending_inactive": pending_inactive,
        },
        "unbonding": { "amount": pool.unbonding.0.to_string(), "free_at": format_time(pool.unbonding.1) },
        "locked_until": format_time(pool.locked_until_secs),
        "jailed_through_epoch": pool.jailed_through.to_string(),
        "proposals": pool.proposals.map(|(led, failed)| json!({ "led": led, "failed": failed })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committee_has_those_that_leave_in_their_place() {
        let entry = |addr: &str, index: u64| {
            json!({
                "addr": addr,
                "voting_power": "10",
                "config": { "network_addresses": "0x613a31", "validator_index": index.to_string() },
            })
        };
        let set = json!({
            "active_validators": [entry("0xc", 2), entry("0xa", 0)],
            "pending_inactive": [entry("0xb", 1)],
            "pending_active": [entry("0xd", 3)],
        });
        let committee = committee(&set);
        let order: Vec<&str> = committee.iter().map(|validator| validator.address.as_str()).collect();
        assert_eq!(order, ["0xa", "0xb", "0xc"]);
        assert!(committee[1].is_leaving && !committee[2].is_leaving);
        assert_eq!(committee[0].network_address, "a:1");
        let node = json!({ "validators": [{ "address": "0xb", "connected": false }, { "address": "0xa", "connected": true }] });
        let lines = committee_lines(&committee, &node);
        assert!(lines.contains("0xb stake 10 at a:1 leaving not connected"), "{lines}");
        assert!(lines.contains("3 validators, 30 stake"), "{lines}");
    }

    #[test]
    fn nothing_known_is_no_panic() {
        assert!(committee(&Value::Null).is_empty());
        assert!(node_line(&Value::Null).contains("epoch ?"));
        assert_eq!(text_of_bytes(&json!("0xzz")), "");
    }
}
