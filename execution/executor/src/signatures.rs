//! Signature checks, each made once.

use std::collections::{BTreeSet, VecDeque};

use noema_crypto::{verify_transaction, verify_transactions};
use noema_types::{Hash, SignedTransaction};
use parking_lot::Mutex;

use crate::limits::VERIFIED_SIGNATURES_MAX;

/// Says whether all signatures on a transaction hold. A pure function of the transaction's bytes; implementations differ
/// in speed only.
pub trait SignatureCheck: Send + Sync {
    /// Checks the transaction with this hash.
    ///
    /// # Errors
    /// Which signature does not hold.
    fn check(&self, transaction: &SignedTransaction, hash: Hash) -> Result<(), String>;
}

/// Remembers which transactions passed, so that what the mempool verified is not verified again at execution.
///
/// The hash of a transaction covers its signatures, so a hash that passed once passes always.
#[derive(Debug, Default)]
pub struct VerifiedSignatures {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    hashes: BTreeSet<Hash>,
    order: VecDeque<Hash>,
}

impl VerifiedSignatures {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks transactions in one batch and remembers those that pass.
    #[must_use]
    pub fn check_batch(&self, transactions: &[&SignedTransaction]) -> Vec<Result<(), String>> {
        let verdicts = verify_transactions(transactions);
        let mut seen = self.seen.lock();
        for (transaction, verdict) in transactions.iter().zip(&verdicts) {
            if verdict.is_ok() {
                seen.add(transaction.hash());
            }
        }
        verdicts.into_iter().map(|verdict| verdict.map_err(|error| error.to_string())).collect()
    }
}

impl VerifiedSignatures {
    /// Checks those of `transactions` that were not checked yet, in one batch, and remembers those that pass. The others
    /// are found out again, one by one, when they are executed.
    pub fn check_new(&self, transactions: &[&SignedTransaction]) {
        let new: Vec<&SignedTransaction> = {
            let seen = self.seen.lock();
            transactions.iter().copied().filter(|transaction| !seen.hashes.contains(&transaction.hash())).collect()
        };
        let _ = self.check_batch(&new);
    }
}

impl Seen {
    fn add(&mut self, hash: Hash) {
        if !self.hashes.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > VERIFIED_SIGNATURES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
    }
}

impl SignatureCheck for VerifiedSignatures {
    fn check(&self, transaction: &SignedTransaction, hash: Hash) -> Result<(), String> {
        if self.seen.lock().hashes.contains(&hash) {
            return Ok(());
        }
        verify_transaction(transaction).map_err(|error| error.to_string())?;
        self.seen.lock().add(hash);
        Ok(())
    }
}
