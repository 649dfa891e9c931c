//! `noema account`: keys on this machine, balances on the chain.

use std::time::Duration;

use noema_crypto::{Ed25519KeyPair, parse_private_key};
use noema_sdk::{Client, address_of, entry_function};
use noema_types::Address;
use serde_json::{Value, json};

use crate::args::AccountCommand;
use crate::home::Home;
use crate::output::{CliError, CliResult, Output};
use crate::submit::submit;

const FUND_WAIT: Duration = Duration::from_secs(60);

/// Runs the command.
pub(crate) fn run(output: Output, command: AccountCommand) -> CliResult {
    let home = Home::find()?;
    match command {
        AccountCommand::New { name, secret_key } => new(output, &home, &name, secret_key.as_deref()),
        AccountCommand::Fund { node, to, amount, faucet_url } => {
            let address = home.resolve(&to)?;
            fund(output, &Client::new(node.url), &Client::new(faucet_url), address, amount)
        }
        AccountCommand::Show { node, account } => show(output, &Client::new(node.url), home.resolve(&account)?),
        AccountCommand::Transfer { sign, to, amount } => {
            let to = home.resolve(&to)?;
            let args = vec![to.0.to_vec(), amount.to_le_bytes().to_vec()];
            let call = entry_function("0x1::aptos_account::transfer", Vec::new(), args).map_err(CliError::fault)?;
            let committed = submit(output, &sign, &home, call)?;
            output.result(|| committed.lines(), || committed.0.clone());
            Ok(())
        }
    }
}

fn new(output: Output, home: &Home, name: &str, secret_key: Option<&str>) -> CliResult {
    let key = match secret_key {
        Some(text) => parse_private_key(text).map_err(CliError::fault)?,
        None => Ed25519KeyPair::generate(),
    };
    let path = home.save_account(name, &key)?;
    let address = address_of(&key);
    output.note(format!("key stored in {} (keep it secret)", path.display()));
    output.result(|| address.to_string(), || json!({ "name": name, "address": address, "key_file": path }));
    Ok(())
}

fn fund(output: Output, client: &Client, faucet: &Client, address: Address, amount: u64) -> CliResult {
    let spinner = output.spinner("asking the faucet");
    let funded = faucet.fund(address, amount).and_then(|hash| client.wait(&hash, FUND_WAIT));
    spinner.finish_and_clear();
    let transaction = funded?;
    let balance = client.balance(address)?;
    output.result(
        || format!("{address} holds {balance}"),
        || json!({ "address": address, "balance": balance.to_string(), "transaction": transaction["hash"] }),
    );
    Ok(())
}

fn show(output: Output, client: &Client, address: Address) -> CliResult {
    let account: Value = client.get(&format!("/accounts/{address}"))?;
    let resources: Vec<Value> = client.get(&format!("/accounts/{address}/resources"))?;
    let balance = client.balance(address)?;
    let types: Vec<&str> = resources.iter().filter_map(|resource| resource["type"].as_str()).collect();
    output.result(
        || {
            format!(
                "address             {address}\nsequence number     {}\nauthentication key  {}\nbalance             {balance}\nresources           {}",
                account["sequence_number"].as_str().unwrap_or("?"),
                account["authentication_key"].as_str().unwrap_or("?"),
                types.join("\n                    "),
            )
        },
        || {
            json!({
                "address": address,
                "sequence_number": account["sequence_number"],
                "authentication_key": account["authentication_key"],
                "balance": balance.to_string(),
                "resources": resources,
            })
        },
    );
    Ok(())
}
