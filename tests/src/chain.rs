//! Accounts, publishing and calls against a running node, as tests need them.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use noema_crypto::Ed25519KeyPair;
use noema_sdk::{Client, TransactionBuilder, address_of, entry_function};
use noema_types::{Address, ChainId, SignedTransaction};
use serde_json::Value;

use crate::localnet::Localnet;
use crate::process::{run_json, run_ok};
use crate::workspace_root;

/// Longest wait for a transaction.
pub const WAIT: Duration = Duration::from_secs(60);

/// Seconds since 1970.
///
/// # Panics
/// If the clock is before that.
#[must_use]
pub fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A small model with random weights, as a canonical file in the test's folder.
///
/// # Panics
/// If it cannot be written.
#[must_use]
pub fn tiny_model(folder: &std::path::Path) -> PathBuf {
    let path = folder.join("tiny.noema");
    std::fs::write(&path, noema_models::synthetic::tiny_llama(7)).expect("the temporary folder takes a file");
    path
}

/// An account with a key and its next sequence number.
#[derive(Debug)]
pub struct Account {
    /// Signs.
    pub key: Ed25519KeyPair,
    /// Next sequence number.
    pub next: u64,
}

impl Account {
    /// A funded account whose key follows from a seed.
    ///
    /// # Panics
    /// If the faucet does not pay.
    #[must_use]
    pub fn funded(net: &Localnet, seed: u8, amount: u64) -> Self {
        let key = Ed25519KeyPair::from_private_bytes([seed; 32]);
        let hash = net.faucet().fund(address_of(&key), amount).expect("the faucet pays");
        net.client().wait(&hash, WAIT).expect("the funding is committed");
        Self { key, next: 0 }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        address_of(&self.key)
    }

    /// A signed call with this sequence number and gas limit.
    ///
    /// # Panics
    /// If `function` is no function.
    #[must_use]
    pub fn call(&self, function: &str, args: Vec<Vec<u8>>, sequence: u64, gas: u64) -> SignedTransaction {
        self.builder(function, args, sequence, ChainId(4)).gas(gas, 100).sign(&self.key)
    }

    /// The same, to be changed before it is signed.
    ///
    /// # Panics
    /// If `function` is no function.
    #[must_use]
    pub fn builder(&self, function: &str, args: Vec<Vec<u8>>, sequence: u64, chain: ChainId) -> TransactionBuilder {
        let call = entry_function(function, Vec::new(), args).expect("a function");
        TransactionBuilder::new(self.address(), sequence, chain, now_secs(), call)
    }

    /// Submits a call and waits for its end.
    ///
    /// # Panics
    /// If it is not committed.
    pub fn execute(&mut self, client: &Client, function: &str, args: Vec<Vec<u8>>, gas: u64) -> Value {
        let transaction = self.call(function, args, self.next, gas);
        let hash = client.submit(&transaction).unwrap_or_else(|error| panic!("{function}: {error}"));
        self.next += 1;
        client.wait(&hash, WAIT).unwrap_or_else(|error| panic!("{function}: {error}"))
    }
}

/// BCS of a string or of bytes.
#[must_use]
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    bcs::to_bytes(text.as_ref()).expect("bytes always serialise")
}

/// Publishes an example under the stored account `default`, which is made and funded; returns its address.
///
/// # Panics
/// If a step fails.
#[must_use]
pub fn publish_example(net: &Localnet, name: &str) -> Address {
    let (url, faucet) = (net.url(), net.faucet_url());
    if !net.home().join("accounts/default.key").exists() {
        let _ = run_ok(net.home(), &["account", "new"]);
        let _ = run_ok(
            net.home(),
            &["account", "fund", "--url", &url, "--faucet-url", &faucet, "--amount", "100000000000"],
        );
    }
    let folder = workspace_root().join("clients/examples").join(name);
    let folder = folder.to_str().expect("a plain path");
    let named = format!("{name}=default");
    let _ = run_ok(net.home(), &["move", "publish", "-p", folder, "--url", &url, "--named-addresses", &named]);
    let shown = run_json(net.home(), &["account", "show", "--url", &url]);
    shown["address"].as_str().and_then(|text| text.parse().ok()).expect("an address")
}

/// The first resident model on chain.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn resident_model(client: &Client) -> Address {
    let models = client.view("0x1::model::resident_models", &[], &[]).expect("the view answers");
    models[0][0].as_str().and_then(|text| text.parse().ok()).expect("a resident model")
}

/// A counter or gauge of the node.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn metric(net: &Localnet, name: &str) -> u64 {
    let mut response = ureq::get(net.metrics_url()).call().expect("metrics are served");
    let text = response.body_mut().read_to_string().expect("metrics are text");
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no metric {name}:\n{text}"));
    line.trim().parse().unwrap_or_else(|error| panic!("{name}: {line}: {error}"))
}
