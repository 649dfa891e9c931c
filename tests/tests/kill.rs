//! kill -9 at any moment: nothing committed is lost, nothing is applied twice, the state root stays.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use noema_crypto::Ed25519KeyPair;
use noema_sdk::{Client, TransactionBuilder, address_of, entry_function};
use noema_tests::localnet::Localnet;
use noema_types::{Address, ChainId, SignedTransaction};
use serde_json::Value;

const KILLS: usize = 20;
const FUNDS: u64 = 10_000_000_000;

struct Sender {
    key: Ed25519KeyPair,
    next: u64,
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn transfer(sender: &Sender, chain_id: ChainId, to: Address, amount: u64, sequence: u64) -> SignedTransaction {
    let args = vec![to.0.to_vec(), amount.to_le_bytes().to_vec()];
    let call = entry_function("0x1::aptos_account::transfer", Vec::new(), args).expect("a function");
    TransactionBuilder::new(address_of(&sender.key), sequence, chain_id, now_secs(), call)
        .gas(200_000, 100)
        .sign(&sender.key)
}

/// Every committed version's hash, and the state root of the last block.
fn ledger(client: &Client) -> (BTreeMap<u64, String>, u64, String) {
    let info = client.ledger_info().expect("the node answers");
    let version: u64 = info["ledger_version"].as_str().and_then(|text| text.parse().ok()).expect("a version");
    let mut hashes = BTreeMap::new();
    let mut start = 0;
    while start <= version {
        let page: Vec<Value> = client.get(&format!("/transactions?start={start}&limit=100")).expect("a page");
        assert!(!page.is_empty(), "versions up to {version} exist");
        for transaction in &page {
            let version = transaction["version"].as_str().and_then(|text| text.parse().ok()).expect("a version");
            hashes.insert(version, transaction["hash"].as_str().expect("a hash").to_owned());
        }
        start += page.len() as u64;
    }
    (hashes, version, info["state_root"].as_str().expect("a root").to_owned())
}

/// Waits until what was ordered before a kill is executed and certified again. What was only admitted is lost with the
/// mempool: senders go on from the chain.
fn settle(net: &Localnet, senders: &mut [Sender]) {
    let client = net.client();
    loop {
        let before: Vec<u64> = senders.iter().map(|sender| sender.next).collect();
        for sender in senders.iter_mut() {
            sender.next = client.sequence_number(address_of(&sender.key)).expect("an account");
        }
        if senders.iter().map(|sender| sender.next).eq(before) {
            return;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn twenty_kills_lose_nothing_and_repeat_nothing() {
    let mut net = Localnet::start(&[]);
    let info = net.client().ledger_info().expect("the node answers");
    let chain_id = ChainId(u8::try_from(info["chain_id"].as_u64().expect("an id")).expect("a small id"));
    let mut senders: Vec<Sender> =
        (1..=4u8).map(|seed| Sender { key: Ed25519KeyPair::from_private_bytes([seed; 32]), next: 0 }).collect();
    for sender in &senders {
        let hash = net.faucet().fund(address_of(&sender.key), FUNDS).expect("the faucet pays");
        net.client().wait(&hash, Duration::from_secs(30)).expect("funded");
    }
    let receiver = Address([0x77; 32]);
    let mut sent: u64 = 0;
    let mut confirmed: BTreeMap<String, u64> = BTreeMap::new();
    let mut moment: u64 = 88_172_645_463_325_252;
    for kill in 0..KILLS {
        // Between 0 and about 300 ms of load, then the cut: before, in and after blocks.
        moment ^= moment << 13;
        moment ^= moment >> 7;
        moment ^= moment << 17;
        let burst = 3 + (moment % 25) as usize;
        let mut hashes = Vec::new();
        for index in 0..burst {
            let sender = &mut senders[index % 4];
            let transaction = transfer(sender, chain_id, receiver, 1, sender.next);
            match net.client().submit(&transaction) {
                Ok(hash) => {
                    hashes.push(hash);
                    sender.next += 1;
                    sent += 1;
                }
                Err(error) => panic!("kill {kill}: submission refused: {error}"),
            }
        }
        std::thread::sleep(Duration::from_millis(moment % 150));
        for hash in &hashes {
            if let Ok(found) = net.client().get::<Value>(&format!("/transactions/by_hash/{hash}"))
                && found["type"] == "user_transaction"
            {
                let version = found["version"].as_str().and_then(|text| text.parse().ok()).expect("a version");
                confirmed.insert(hash.clone(), version);
            }
        }
        let before = ledger(&net.client());
        net.kill();
        net.restart();
        let after = ledger(&net.client());
        assert!(after.1 >= before.1, "kill {kill}: the ledger went back from {} to {}", before.1, after.1);
        for (version, hash) in &before.0 {
            assert_eq!(after.0.get(version), Some(hash), "kill {kill}: version {version} changed");
        }
        for (hash, version) in &confirmed {
            assert_eq!(after.0.get(version), Some(hash), "kill {kill}: a committed transaction is gone");
        }
        let height = before.0.len();
        assert!(height > 0);
        settle(&net, &mut senders);
    }
    let (hashes, ..) = ledger(&net.client());
    let distinct: std::collections::BTreeSet<_> = hashes.values().collect();
    assert_eq!(distinct.len(), hashes.len(), "a transaction is in the ledger twice");
    // Money tells the same story: one unit per transaction that is in the ledger.
    let committed: u64 = senders.iter().map(|sender| sender.next).sum();
    assert_eq!(net.client().balance(receiver).expect("a balance"), committed);
    assert!(committed <= sent && committed > 0, "{committed} of {sent} committed");
    assert!(confirmed.len() > KILLS, "the test saw {} confirmations", confirmed.len());

    // The same root once more, from disk alone.
    let before = net.client().ledger_info().expect("the node answers");
    let height = before["block_height"].as_str().expect("a height").to_owned();
    let block = |client: &Client| -> Value {
        client.get(&format!("/blocks/by_height/{height}?with_transactions=true")).expect("a block")
    };
    let seen = block(&net.client());
    net.kill();
    net.restart();
    assert_eq!(block(&net.client()), seen);
}
