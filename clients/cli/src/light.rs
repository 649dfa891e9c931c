//! `noema light`: verifies what a node says, trusting nothing but the genesis file.

use noema_crypto::certificate_signers;
use noema_sdk::Client;
use noema_sdk::light::{LightClient, LightError};
use noema_types::{Address, CertifiedCheckpoint, Committee, StateKey, StructTag, TypeTag};
use serde_json::{Value, json};

use crate::args::{LightCommand, LightVerifyArgs};
use crate::genesis::format_time;
use crate::output::{CliError, CliResult, Context, Output, paint};

/// Runs the command.
pub(crate) fn run(output: Output, command: &LightCommand) -> CliResult {
    match command {
        LightCommand::Verify(args) => verify(output, args),
    }
}

/// One link of the chain of committees.
#[derive(Debug)]
struct Link {
    epoch: u64,
    committee: String,
    validators: usize,
    stake: u64,
    /// Block whose certificate names it; genesis for the first.
    named_by: Option<u64>,
}

impl Link {
    fn new(committee: &Committee, named_by: Option<u64>) -> Self {
        Self {
            epoch: committee.epoch().0,
            committee: committee.hash().to_string(),
            validators: committee.size(),
            stake: committee.total_stake().0,
            named_by,
        }
    }
}

fn verify(output: Output, args: &LightVerifyArgs) -> CliResult {
    let (address, tag) = parse_resource(&args.resource).map_err(|reason| {
        CliError::fault(format!("{:?} is no resource: {reason}", args.resource))
            .hint("write ADDRESS/TYPE, for example 0x1/0x1::block::BlockResource")
    })?;
    let genesis = std::fs::read(&args.genesis).context(format!("cannot read {}", args.genesis.display()))?;
    let client = Client::new(&args.node.url);
    let key = StateKey::Resource { address, tag };
    let spinner = output.spinner("verifying");
    let verified = follow(&client, &genesis, &key);
    spinner.finish_and_clear();
    let (light, links, certified, value) = verified.map_err(explain)?;
    let data = certified.data();
    // Signed by the committee of its own epoch, which may have ended with it.
    let signers = links.iter().find(|(link, _)| link.epoch == data.epoch.0).and_then(|(_, committee)| {
        let signers = certificate_signers(committee, &certified.certificate).ok()?;
        Some((signers.len(), committee.stake_of(&signers).0, committee.quorum().0))
    });
    let hexadecimal = value.as_ref().map(|value| format!("0x{}", hex::encode(value)));
    let links: Vec<&Link> = links.iter().map(|(link, _)| link).collect();
    output.result(
        || {
            let mut text = format!("{} the value follows from {}\n", paint("verified:", "32;1"), args.genesis.display());
            text.push_str(&format!("chain       {}\n", light.chain()));
            for link in &links {
                let by = link.named_by.map_or("genesis".to_owned(), |height| format!("the certificate of block {height}"));
                text.push_str(&format!(
                    "committee   epoch {}: {} validators, {} stake, {}, named by {by}\n",
                    link.epoch, link.validators, link.stake, link.committee
                ));
            }
            let (count, stake, quorum) = signers.unwrap_or_default();
            text.push_str(&format!(
                "certificate block {}, version {}, at {}: signed by {count} validators with {stake} stake, quorum {quorum}\n\
                 state root  {}\nresource    {}\nvalue       {}",
                data.height,
                data.version,
                format_time(data.timestamp.0 / 1_000),
                data.state_root,
                args.resource,
                hexadecimal.as_deref().unwrap_or("none: verified that there is no such resource"),
            ));
            text
        },
        || {
            let (count, stake, quorum) = signers.unwrap_or_default();
            json!({
                "verified": true,
                "chain": light.chain(),
                "committees": links.iter().map(|link| link_json(link)).collect::<Vec<Value>>(),
                "height": data.height.to_string(),
                "version": data.version.to_string(),
                "timestamp_ms": data.timestamp.0.to_string(),
                "state_root": data.state_root,
                "signers": count,
                "signed_stake": stake.to_string(),
                "quorum": quorum.to_string(),
                "resource": args.resource,
                "value": hexadecimal,
            })
        },
    );
    Ok(())
}

fn link_json(link: &Link) -> Value {
    json!({
        "epoch": link.epoch,
        "hash": link.committee,
        "validators": link.validators,
        "stake": link.stake.to_string(),
        "named_by_block": link.named_by,
    })
}

type Verified = (LightClient, Vec<(Link, Committee)>, CertifiedCheckpoint, Option<Vec<u8>>);

/// Follows the committees from genesis to the node's newest checkpoint and verifies the value there.
fn follow(client: &Client, genesis: &[u8], key: &StateKey) -> Result<Verified, LightError> {
    let mut light = LightClient::from_genesis(genesis)?;
    let mut links = vec![(Link::new(light.committee(), None), light.committee().clone())];
    while let Some(change) = client.epoch_change(light.epoch())? {
        light.advance(&change)?;
        let named_by = change.certified.data().height.0;
        links.push((Link::new(light.committee(), Some(named_by)), light.committee().clone()));
    }
    let value = light.fetch_value(client, key)?;
    if links.last().is_none_or(|(link, _)| link.epoch != light.epoch().0) {
        // The epoch ended meanwhile; the certificate of its last block was verified like the others.
        let named_by = light.newest().map(|newest| newest.data().height.0);
        links.push((Link::new(light.committee(), named_by), light.committee().clone()));
    }
    let newest = light.newest().expect("a verified value has a verified checkpoint").clone();
    Ok((light, links, newest, value.value.map(|value| value.to_vec())))
}

/// A node that cannot be asked is a fault; one whose answer does not hold is a verdict.
fn explain(error: LightError) -> CliError {
    match error {
        LightError::Client(error) => error.into(),
        LightError::Decode(_) | LightError::Genesis { .. } => CliError::verdict(format!("not verified: {error}"))
            .hint("is the genesis file the chain's? compare with `noema genesis show`"),
        error => CliError::verdict(format!("not verified: {error}"))
            .hint("the node says something that its validators did not certify: trust it in nothing, ask another"),
    }
}

/// Parses `ADDRESS/TYPE`.
fn parse_resource(text: &str) -> Result<(Address, StructTag), String> {
    let (address, tag) = text.split_once('/').ok_or("there is no `/` after the address")?;
    let address = address.parse().map_err(|error| format!("{address:?}: {error}"))?;
    match tag.parse::<TypeTag>().map_err(|error| error.to_string())? {
        TypeTag::Struct(tag) => Ok((address, *tag)),
        other => Err(format!("{other} is no struct")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn resources() {
        let (address, tag) = parse_resource("0x1/0x1::coin::CoinStore<0x1::aptos_coin::AptosCoin>").unwrap();
        assert_eq!(
            (address, tag.to_string().as_str()),
            (Address::ONE, "0x1::coin::CoinStore<0x1::aptos_coin::AptosCoin>")
        );
        for text in ["", "0x1", "0x1/u64", "zz/0x1::a::B", "0x1/0x1::a"] {
            assert!(parse_resource(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in ".{0,80}") {
            let _ = parse_resource(&text);
        }
    }
}
