//! Publishing, calling and viewing on chain.

use noema_sdk::{Client, entry_function};
use noema_types::{EntryFunction, TypeTag};
use serde_json::json;

use super::build::metadata;
use super::package::{Source, compile};
use crate::args::{CallArgs, NodeArgs, PackageArgs, SignArgs};
use crate::home::Home;
use crate::output::{CliError, CliResult, Output};
use crate::submit::submit;
use crate::values;

/// `noema move publish`.
pub(super) fn publish(output: Output, args: &PackageArgs, sign: &SignArgs) -> CliResult {
    let home = Home::find()?;
    let account = home.account(&sign.account)?;
    let package = compile(output, Source::Folder(&args.dir), &args.named_addresses, false)?;
    let modules: Vec<Vec<u8>> = package.targets().map(|unit| unit.bytes.clone()).collect();
    if let Some(other) = package.targets().find(|unit| unit.module.self_id().address != account.address) {
        let id = other.module.self_id();
        return Err(CliError::fault(format!("module {id} is not under the signer's address, {}", account.address))
            .hint(format!("set the package's address with --named-addresses NAME={}", sign.account)));
    }
    if modules.is_empty() {
        return Err(CliError::fault("the package has no modules"));
    }
    let metadata = metadata(&args.dir, &package)?.to_bytes();
    let args = vec![
        bcs::to_bytes(&metadata).expect("bytes always serialise"),
        bcs::to_bytes(&modules).expect("bytes always serialise"),
    ];
    let call = entry_function("0x1::code::publish_package_txn", Vec::new(), args);
    let committed = submit(output, sign, &home, call.map_err(CliError::fault)?)?;
    let names: Vec<String> = package.targets().map(|unit| unit.module.self_id().to_string()).collect();
    output.result(
        || format!("published   {}\n{}", names.join("\n            "), committed.lines()),
        || json!({ "modules": names, "transaction": committed.0 }),
    );
    Ok(())
}

/// `noema move call`.
pub(super) fn call(output: Output, home: &Home, sign: &SignArgs, args: &CallArgs) -> CliResult {
    let committed = submit(output, sign, home, entry(home, args)?)?;
    output.result(
        || {
            let events = committed.0["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            let shown = events.iter().filter(|event| event["type"] != "0x1::transaction_fee::FeeStatement");
            let shown: String = shown
                .map(|event| format!("\nevent       {} {}", event["type"].as_str().unwrap_or("?"), event["data"]))
                .collect();
            format!("{}{shown}", committed.lines())
        },
        || committed.0.clone(),
    );
    Ok(())
}

fn entry(home: &Home, args: &CallArgs) -> CliResult<EntryFunction> {
    let type_args = args.type_args.iter().map(|text| text.parse()).collect::<Result<Vec<TypeTag>, _>>();
    let resolve = |text: &str| home.resolve(text);
    let values = args.args.iter().map(|text| values::parse(text, &resolve).map(|value| value.bytes));
    let function = match args.function.split_once("::") {
        // A stored account's name stands for its address.
        Some((account, rest)) if !account.starts_with("0x") => format!("{}::{rest}", home.resolve(account)?),
        _ => args.function.clone(),
    };
    entry_function(&function, type_args.map_err(CliError::fault)?, values.collect::<CliResult<_>>()?)
        .map_err(CliError::fault)
}

/// `noema move view`.
pub(super) fn view(output: Output, home: &Home, node: &NodeArgs, args: &CallArgs) -> CliResult {
    let call = entry(home, args)?;
    let results = Client::new(&node.url).view_bcs(&call)?;
    output.result(
        || {
            results
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join("\n")
        },
        || json!(results),
    );
    Ok(())
}
