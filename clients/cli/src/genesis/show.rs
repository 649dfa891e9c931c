//! `noema genesis show`: what a first block holds, from its bytes alone.

use std::path::Path;

use noema_types::{
    Address, ChainId, Epoch, Genesis, Hash, StateKey, StructTag, Transaction, TypeTag, ValidatorSet, decode,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::format_time;
use crate::output::{CliError, CliResult, Context, Output, paint};

/// What people want to know of a genesis.
#[derive(Debug)]
struct Summary {
    chain: Hash,
    chain_id: ChainId,
    timestamp_us: u64,
    epoch_secs: u64,
    validators: Vec<Validator>,
    quorum: u64,
    accounts: Vec<(Address, u64)>,
    models: Vec<(Address, Hash)>,
}

#[derive(Debug)]
struct Validator {
    account: Address,
    stake: u64,
    address: String,
    consensus_key: String,
    network_key: String,
    checkpoint_key: String,
}

/// Runs the command.
pub(crate) fn run(output: Output, file: &Path) -> CliResult {
    let bytes = std::fs::read(file).context(format!("cannot read {}", file.display()))?;
    let summary = summarise(&bytes).map_err(|reason| {
        CliError::verdict(format!("{} is no genesis: {reason}", file.display()))
            .hint("`noema genesis build` writes one; it is copied as it is")
    })?;
    output.result(|| text_of(&summary), || json_of(&summary));
    Ok(())
}

/// Time of the block that these bytes are, in microseconds since 1970, if they are a genesis.
pub(crate) fn beginning_us(bytes: &[u8]) -> Option<u64> {
    match decode::<Transaction>("genesis", bytes).ok()? {
        Transaction::Genesis(genesis) => {
            required(&genesis, &framework_key("timestamp", "CurrentTimeMicroseconds")).ok()
        }
        _ => None,
    }
}

/// Reads a genesis; never panics on any bytes.
fn summarise(bytes: &[u8]) -> Result<Summary, String> {
    let transaction: Transaction = decode("genesis", bytes).map_err(|error| error.to_string())?;
    let Transaction::Genesis(genesis) = &transaction else { return Err("it is another kind of transaction".into()) };
    let set: ValidatorSet = required(genesis, &ValidatorSet::state_key())?;
    let committee = set.committee(Epoch(1)).map_err(|error| error.to_string())?;
    let validators = committee.validators().iter().map(|info| Validator {
        account: info.address,
        stake: info.stake.0,
        address: info.network_address.clone(),
        consensus_key: info.consensus_key.to_string(),
        network_key: info.network_key.to_string(),
        checkpoint_key: info.checkpoint_key.to_string(),
    });
    let (_, epoch_interval_us): (u64, u64) = prefix(genesis, &framework_key("block", "BlockResource"))?;
    Ok(Summary {
        chain: transaction.hash(),
        chain_id: ChainId(required(genesis, &framework_key("chain_id", "ChainId"))?),
        timestamp_us: required(genesis, &framework_key("timestamp", "CurrentTimeMicroseconds"))?,
        epoch_secs: epoch_interval_us / 1_000_000,
        validators: validators.collect(),
        quorum: committee.quorum().0,
        accounts: accounts(genesis),
        models: models(genesis)?,
    })
}

fn framework_key(module: &str, name: &str) -> StateKey {
    StateKey::Resource { address: Address::ONE, tag: framework_tag(module, name, Vec::new()) }
}

fn framework_tag(module: &str, name: &str, type_args: Vec<TypeTag>) -> StructTag {
    let identifier = |text: &str| text.parse().expect("a valid identifier");
    StructTag { address: Address::ONE, module: identifier(module), name: identifier(name), type_args }
}

fn value<'a>(genesis: &'a Genesis, key: &StateKey) -> Result<&'a [u8], String> {
    let bytes = genesis.write_set.0.get(key).and_then(|write| write.bytes());
    bytes.map(|bytes| bytes.as_ref()).ok_or_else(|| format!("it has no {}", name_of(key)))
}

fn name_of(key: &StateKey) -> String {
    match key {
        StateKey::Resource { address, tag } => format!("{tag} at {address}"),
        other => format!("{other:?}"),
    }
}

fn required<T: DeserializeOwned>(genesis: &Genesis, key: &StateKey) -> Result<T, String> {
    bcs::from_bytes(value(genesis, key)?).map_err(|error| format!("malformed {}: {error}", name_of(key)))
}

/// Two numbers that a resource begins with.
fn prefix(genesis: &Genesis, key: &StateKey) -> Result<(u64, u64), String> {
    let bytes = value(genesis, key)?;
    let number = |at: usize| bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    number(0).zip(number(8)).ok_or_else(|| format!("malformed {}", name_of(key)))
}

/// Balances that are not zero, by address.
fn accounts(genesis: &Genesis) -> Vec<(Address, u64)> {
    let coin = TypeTag::Struct(Box::new(framework_tag("aptos_coin", "AptosCoin", Vec::new())));
    let store = framework_tag("coin", "CoinStore", vec![coin]);
    let stores = genesis.write_set.0.iter().filter_map(|(key, write)| match key {
        StateKey::Resource { address, tag } if *tag == store => Some((*address, write.bytes()?)),
        _ => None,
    });
    // The store begins with the coins' value.
    let balances = stores.filter_map(|(address, bytes)| Some((address, u64::from_le_bytes(*bytes.first_chunk()?))));
    balances.filter(|(_, balance)| *balance > 0).collect()
}

fn models(genesis: &Genesis) -> Result<Vec<(Address, Hash)>, String> {
    let residents: Vec<Address> = required(genesis, &framework_key("model", "ResidentModels"))?;
    let root = |address: Address| {
        let key = StateKey::Resource { address, tag: framework_tag("model", "Model", Vec::new()) };
        // A model begins with its root, a vector of 32 bytes.
        let root = value(genesis, &key)?.split_first().filter(|(length, _)| **length == 32);
        let root = root.and_then(|(_, rest)| rest.first_chunk()).copied();
        root.map(|root| (address, Hash(root))).ok_or_else(|| format!("malformed {}", name_of(&key)))
    };
    residents.into_iter().map(root).collect()
}

fn text_of(summary: &Summary) -> String {
    let mut text = format!(
        "{}      {}\nchain id   {}\nbegins     {}\nepoch      {} s\nquorum     {} of {} stake\nvalidators",
        paint("chain", "32;1"),
        summary.chain,
        summary.chain_id,
        format_time(summary.timestamp_us / 1_000_000),
        summary.epoch_secs,
        summary.quorum,
        summary.validators.iter().map(|validator| validator.stake).sum::<u64>(),
    );
    for (index, validator) in summary.validators.iter().enumerate() {
        text.push_str(&format!(
            "\n  {index:3} {} stake {} at {}\n      consensus  {}\n      network    {}\n      checkpoint {}",
            validator.account,
            validator.stake,
            validator.address,
            validator.consensus_key,
            validator.network_key,
            validator.checkpoint_key
        ));
    }
    text.push_str("\naccounts");
    for (address, balance) in &summary.accounts {
        text.push_str(&format!("\n  {address} holds {balance}"));
    }
    text.push_str("\nmodels");
    for (address, root) in &summary.models {
        text.push_str(&format!("\n  {root} at {address}"));
    }
    if summary.models.is_empty() {
        text.push_str("\n  none");
    }
    text
}

fn json_of(summary: &Summary) -> Value {
    let validators = summary.validators.iter().map(|validator| {
        json!({
            "account": validator.account,
            "stake": validator.stake.to_string(),
            "network_address": validator.address,
            "consensus_key": validator.consensus_key,
            "network_key": validator.network_key,
            "checkpoint_key": validator.checkpoint_key,
        })
    });
    let accounts = (summary.accounts.iter())
        .map(|(address, balance)| json!({ "address": address, "balance": balance.to_string() }));
    let models = summary.models.iter().map(|(address, root)| json!({ "address": address, "root": root }));
    json!({
        "chain": summary.chain,
        "chain_id": summary.chain_id.0,
        "timestamp_us": summary.timestamp_us.to_string(),
        "epoch_secs": summary.epoch_secs,
        "quorum": summary.quorum.to_string(),
        "validators": validators.collect::<Vec<_>>(),
        "accounts": accounts.collect::<Vec<_>>(),
        "models": models.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_genesis_says_so() {
        let empty = Transaction::Genesis(Genesis { write_set: Default::default(), events: Vec::new() });
        let error = summarise(&bcs::to_bytes(&empty).unwrap()).unwrap_err();
        assert!(error.contains("it has no 0x1::stake::ValidatorSet"), "{error}");
        assert!(summarise(b"").is_err() && summarise(&[7; 40]).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(summarise(&bytes).is_err());
        }
    }
}
