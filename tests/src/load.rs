//! Transfers from many accounts through whichever validator answers, and what became of each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use noema_crypto::Ed25519KeyPair;
use noema_sdk::{Client, TransactionBuilder, address_of, entry_function};
use noema_types::{Address, ChainId, SignedTransaction};
use serde_json::Value;

use crate::chain::now_secs;

/// Where the money goes.
pub const RECEIVER: Address = Address([0x77; 32]);
/// Before a transaction that is not committed is sent through another validator.
const RESUBMIT: Duration = Duration::from_secs(2);
const FUNDS: u64 = 100_000_000_000;

/// What the load saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Version of each transaction that a node said is committed, and by which sender and sequence number it was.
    pub committed: BTreeMap<String, (u64, usize, u64)>,
    /// Latency of each, from the first submission to the answer.
    pub latencies: Vec<Duration>,
    /// Times that a transaction was sent again through another validator.
    pub resubmitted: u64,
    /// Submissions that were refused for a reason other than the validator being away.
    pub refused: Vec<String>,
}

/// Senders that transfer one unit after the other, each waiting for its transfer before the next.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<u64>>,
}

struct Sender {
    place: usize,
    key: Ed25519KeyPair,
    clients: Vec<Client>,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    sent: Arc<AtomicU64>,
    pause: Duration,
}

impl Load {
    /// Funds `senders` accounts and starts them, through these validators.
    ///
    /// # Panics
    /// If the faucet does not pay.
    #[must_use]
    pub fn start(faucet: &Client, clients: &[Client], senders: usize, pause: Duration) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let sent = Arc::new(AtomicU64::new(0));
        let threads = (0..senders).map(|place| {
            let key = Ed25519KeyPair::generate();
            let hash = faucet.fund(address_of(&key), FUNDS).expect("the faucet pays");
            clients[0].wait(&hash, Duration::from_secs(60)).expect("the funding is committed");
            let (stop, seen, sent) = (Arc::clone(&stop), Arc::clone(&seen), Arc::clone(&sent));
            Sender { place, key, clients: clients.to_vec(), stop, seen, sent, pause }
        });
        let threads: Vec<Sender> = threads.collect();
        let threads = threads.into_iter().map(|sender| std::thread::spawn(move || sender.run())).collect();
        Self { stop, seen, sent, threads }
    }

    /// Transactions committed so far.
    ///
    /// # Panics
    /// If a sender panicked.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.seen.lock().expect("no sender panicked").committed.len()
    }

    /// Different transactions sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends the senders, each after its last transaction is committed: how many each had committed, and what was seen.
    ///
    /// # Panics
    /// If a sender panicked.
    #[must_use]
    pub fn finish(self) -> (Vec<u64>, Seen) {
        self.stop.store(true, Ordering::Relaxed);
        let counts = self.threads.into_iter().map(|thread| thread.join().expect("no sender panicked")).collect();
        let seen = std::mem::take(&mut *self.seen.lock().expect("no sender panicked"));
        (counts, seen)
    }
}

impl Sender {
    fn transfer(&self, sequence: u64) -> SignedTransaction {
        let args = vec![RECEIVER.0.to_vec(), 1u64.to_le_bytes().to_vec()];
        let call = entry_function("0x1::aptos_account::transfer", Vec::new(), args).expect("a function");
        let builder = TransactionBuilder::new(address_of(&self.key), sequence, ChainId(4), now_secs(), call);
        builder.gas(200_000, 100).sign(&self.key)
    }

    fn run(self) -> u64 {
        let mut sequence = 0;
        let mut through = self.place;
        while !self.stop.load(Ordering::Relaxed) {
            let transaction = self.transfer(sequence);
            self.sent.fetch_add(1, Ordering::Relaxed);
            let start = Instant::now();
            let version = self.commit(&transaction, &mut through, start);
            let mut seen = self.seen.lock().expect("no sender panicked");
            seen.latencies.push(start.elapsed());
            seen.committed.insert(transaction.hash().to_string(), (version, self.place, sequence));
            drop(seen);
            sequence += 1;
            std::thread::sleep(self.pause);
        }
        sequence
    }

    /// Sends a transaction until a validator says that it is committed.
    fn commit(&self, transaction: &SignedTransaction, through: &mut usize, start: Instant) -> u64 {
        let hash = transaction.hash().to_string();
        loop {
            let client = &self.clients[*through % self.clients.len()];
            let submitted = Instant::now();
            if let Err(error) = client.submit(transaction) {
                let text = error.to_string();
                // Committed already, or the validator has not seen the funding yet: it is behind.
                let expected = ["SEQUENCE_NUMBER_TOO_OLD", "SENDING_ACCOUNT_DOES_NOT_EXIST", "INSUFFICIENT_BALANCE"];
                if text.contains("Invalid transaction") && !expected.iter().any(|code| text.contains(code)) {
                    self.seen.lock().expect("no sender panicked").refused.push(text);
                }
            }
            while submitted.elapsed() < RESUBMIT {
                for client in [client, &self.clients[(*through + 1) % self.clients.len()]] {
                    let found: Result<Value, _> = client.get(&format!("/transactions/by_hash/{hash}"));
                    if let Ok(found) = found
                        && found["type"] == "user_transaction"
                    {
                        assert_eq!(found["success"], true, "{found}");
                        return found["version"].as_str().and_then(|text| text.parse().ok()).expect("a version");
                    }
                }
                std::thread::sleep(Duration::from_millis(15));
            }
            *through += 1;
            self.seen.lock().expect("no sender panicked").resubmitted += 1;
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(240), "{hash} is not committed after {waited:?}");
        }
    }
}
