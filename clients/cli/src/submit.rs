//! Signing, submitting and waiting, as every command that changes the chain does it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use noema_sdk::{Client, TransactionBuilder};
use noema_types::{ChainId, EntryFunction};
use serde_json::Value;

use crate::args::SignArgs;
use crate::home::{Home, StoredAccount};
use crate::output::{CliError, CliResult, Output, paint};

/// How long a command waits for its transaction.
const WAIT: Duration = Duration::from_secs(120);
/// Gas asked for beyond what the simulation used, in percent.
const GAS_MARGIN_PERCENT: u64 = 50;

/// A committed transaction as the API shows it.
pub(crate) struct Committed(pub(crate) Value);

impl Committed {
    fn number(&self, field: &str) -> u64 {
        self.0[field].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Lines for people.
    pub(crate) fn lines(&self) -> String {
        let (gas, price) = (self.number("gas_used"), self.number("gas_unit_price"));
        let verdict = self.0["vm_status"].as_str().unwrap_or("unknown");
        let style = if self.0["success"] == true { "32" } else { "31" };
        format!(
            "transaction {}\nstatus      {}\nversion     {}\ngas         {gas} units at {price} = {}",
            self.0["hash"].as_str().unwrap_or("?"),
            paint(verdict, style),
            self.0["version"].as_str().unwrap_or("?"),
            gas.saturating_mul(price),
        )
    }
}

/// Signs a call, submits it, waits; a transaction that failed is a verdict of 1.
pub(crate) fn submit(output: Output, args: &SignArgs, home: &Home, call: EntryFunction) -> CliResult<Committed> {
    submit_signed(output, args, &home.account(&args.account)?, call)
}

/// As [`submit`], signed by this account, whatever `args` name.
pub(crate) fn submit_signed(
    output: Output,
    args: &SignArgs,
    account: &StoredAccount,
    call: EntryFunction,
) -> CliResult<Committed> {
    let client = Client::new(&args.node.url);
    let spinner = output.spinner("submitting");
    let committed = submit_as(&client, account, args, call);
    spinner.finish_and_clear();
    let committed = committed?;
    if committed.0["success"] != true {
        let status = committed.0["vm_status"].as_str().unwrap_or("unknown");
        let hash = committed.0["hash"].as_str().unwrap_or("?");
        return Err(CliError::verdict(format!("the transaction failed: {status}\n  transaction {hash}")));
    }
    Ok(committed)
}

fn submit_as(client: &Client, account: &StoredAccount, args: &SignArgs, call: EntryFunction) -> CliResult<Committed> {
    let info = client.ledger_info()?;
    let chain_id = info["chain_id"].as_u64().and_then(|id| u8::try_from(id).ok());
    let chain_id = ChainId(chain_id.ok_or_else(|| CliError::fault("the node says no chain id"))?);
    let sequence_number = client.sequence_number(account.address)?;
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let price = match args.gas_price {
        Some(price) => price,
        None => estimate_price(client)?,
    };
    let builder = TransactionBuilder::new(account.address, sequence_number, chain_id, now_secs, call);
    let max_gas = match args.max_gas {
        Some(gas) => gas,
        None => estimate_gas(client, account, builder.clone(), price)?,
    };
    let hash = client.submit(&builder.gas(max_gas, price).sign(&account.key))?;
    Ok(Committed(client.wait(&hash, WAIT)?))
}

fn estimate_price(client: &Client) -> CliResult<u64> {
    let estimate: Value = client.get("/estimate_gas_price")?;
    estimate["gas_estimate"].as_u64().ok_or_else(|| CliError::fault("the node says no gas price"))
}

/// Simulates with all the account can pay; a call that would fail is refused before it costs a fee. Then finds a limit
/// near what was used: a question to a model needs room for its bound, most of which is given back.
fn estimate_gas(client: &Client, account: &StoredAccount, builder: TransactionBuilder, price: u64) -> CliResult<u64> {
    let simulate = |gas: u64| client.simulate(&builder.clone().gas(gas, price).unsigned(&account.key));
    let simulated = simulate(0)?;
    if simulated["success"] != true {
        let status = simulated["vm_status"].as_str().unwrap_or("unknown");
        return Err(CliError::verdict(format!("the transaction would fail: {status}"))
            .hint("nothing was submitted; force it with --max-gas"));
    }
    let number = |field: &str| simulated[field].as_str().and_then(|text| text.parse::<u64>().ok());
    let (used, bound) = (number("gas_used").unwrap_or(0), number("max_gas_amount").unwrap_or(u64::MAX));
    let mut limit = used.saturating_add(used.saturating_mul(GAS_MARGIN_PERCENT) / 100).max(1);
    while limit < bound {
        if simulate(limit)?["success"] == true {
            return Ok(limit);
        }
        limit = limit.saturating_mul(2);
    }
    Ok(bound)
}
