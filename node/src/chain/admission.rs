//! Admission: submissions that arrive together have their signatures verified in one batch.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Weak};

use noema_mempool::{Rejection, SignatureVerifier, UnixSeconds, verify};
use noema_types::SignedTransaction;
use parking_lot::Mutex;

use super::Chain;
use super::submit::PoolView;
use crate::NodeError;
use crate::api::{ApiError, ApiResult};

/// Submissions that are verified together, at most.
const BATCH_MAX: usize = 512;
/// Submissions that wait for verification, at most: the API's own threads bound them below this.
const QUEUE_MAX: usize = 4_096;

struct Request {
    transaction: SignedTransaction,
    answer: Sender<Result<(), Rejection>>,
}

/// The queue to the thread that admits.
#[derive(Debug)]
pub(super) struct Admission {
    sender: SyncSender<Request>,
    receiver: Mutex<Option<Receiver<Request>>>,
}

struct Signatures<'a>(&'a Chain);

impl SignatureVerifier for Signatures<'_> {
    fn verify_batch(&self, transactions: &[&SignedTransaction]) -> Vec<Result<(), String>> {
        self.0.signatures.check_batch(transactions)
    }
}

impl Admission {
    /// A queue that nobody empties yet.
    pub(super) fn new() -> Self {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Starts the thread; it ends with the chain.
    pub(super) fn start(&self, chain: &Arc<Chain>) -> Result<(), NodeError> {
        let Some(receiver) = self.receiver.lock().take() else { return Ok(()) };
        let chain = Arc::downgrade(chain);
        let thread = std::thread::Builder::new().name("noema-admit".to_owned());
        let thread = thread.spawn(move || run(&chain, &receiver));
        thread.map(drop).map_err(|error| NodeError::System(error.to_string()))
    }

    /// Admits a transaction, or says why not.
    pub(super) fn admit(&self, transaction: SignedTransaction) -> ApiResult<()> {
        let (answer, answered) = channel();
        let stopped = || ApiError::unavailable("the node is stopping");
        self.sender.send(Request { transaction, answer }).map_err(|_| stopped())?;
        Ok(answered.recv().map_err(|_| stopped())??)
    }
}

fn run(chain: &Weak<Chain>, requests: &Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let mut batch = vec![first];
        batch.extend(requests.try_iter().take(BATCH_MAX - 1));
        let Some(chain) = chain.upgrade() else { return };
        let (transactions, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| (request.transaction, request.answer)).unzip();
        for (answer, verdict) in answers.into_iter().zip(admit_all(&chain, transactions)) {
            // Who asked may be gone; the transaction is admitted all the same.
            let _ = answer.send(verdict);
        }
    }
}

fn admit_all(chain: &Chain, transactions: Vec<SignedTransaction>) -> Vec<Result<(), Rejection>> {
    let now = UnixSeconds(crate::clock::unix_now().0 / 1_000);
    let verdicts = verify(transactions, &chain.rules, now, &Signatures(chain));
    // The lock first: a block certified in between would leave the pool behind the accounts.
    let mut mempool = chain.mempool.lock();
    let view = chain.db().latest_view();
    let results: Vec<Result<(), Rejection>> =
        verdicts.into_iter().map(|verdict| mempool.admit(verdict?, now, &PoolView(&view)).map(drop)).collect();
    drop(mempool);
    for result in &results {
        let label = if result.is_ok() { "admitted" } else { "rejected" };
        chain.metrics.submissions.with_label_values(&[label]).inc();
    }
    if results.iter().any(Result::is_ok) {
        chain.arrivals.send_modify(|count| *count += 1);
    }
    results
}
