//! The pool itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use noema_types::{Address, Hash};

use crate::admission::check_accounts;
use crate::limits::{BYTES_MAX, SENDER_TRANSACTIONS_MAX, SEQUENCE_AHEAD_MAX, TRANSACTIONS_MAX, WAIT_SECONDS_MAX};
use crate::{LedgerView, Rejection, UnixSeconds, VerifiedTransaction};

/// How much the pool holds, at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Transactions.
    pub transactions_max: usize,
    /// Bytes over all transactions.
    pub bytes_max: usize,
    /// Transactions of one sender.
    pub sender_transactions_max: usize,
    /// How far a sequence number may be ahead.
    pub sequence_ahead_max: u64,
    /// Seconds a transaction may wait.
    pub wait_seconds_max: u64,
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self {
            transactions_max: TRANSACTIONS_MAX,
            bytes_max: BYTES_MAX,
            sender_transactions_max: SENDER_TRANSACTIONS_MAX,
            sequence_ahead_max: SEQUENCE_AHEAD_MAX,
            wait_seconds_max: WAIT_SECONDS_MAX,
        }
    }
}

/// An admitted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its name.
    pub hash: Hash,
    /// The transaction whose place it took.
    pub replaced: Option<Hash>,
    /// Whether it waits for lower sequence numbers.
    pub parked: bool,
}

/// What the pool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSize {
    /// Transactions.
    pub transactions: usize,
    /// Bytes over all transactions.
    pub bytes: usize,
    /// Transactions handed out and not yet committed.
    pub proposed: usize,
    /// Senders.
    pub senders: usize,
}

#[derive(Debug)]
struct Entry {
    transaction: VerifiedTransaction,
    arrival: u64,
    expires_at: u64,
    proposed: bool,
}

#[derive(Debug, Default)]
struct Sender {
    /// Next sequence number on chain, as far as known.
    sequence_number: u64,
    /// Next sequence number to hand out: everything from `sequence_number` up to it is proposed.
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

/// Order in which heads of senders go out.
type Place = (Reverse<u64>, u64, Address);

/// Transactions that wait to be ordered. See the crate's guarantees.
#[derive(Debug, Default)]
pub struct Mempool {
    config: MempoolConfig,
    senders: BTreeMap<Address, Sender>,
    by_hash: BTreeMap<Hash, (Address, u64)>,
    /// The next transaction of each sender that has one without a gap before it.
    heads: BTreeSet<Place>,
    by_expiry: BTreeSet<(u64, Address, u64)>,
    bytes: usize,
    proposed: usize,
    proposed_bytes: usize,
    arrivals: u64,
}

impl Sender {
    fn head(&self, address: Address) -> Option<Place> {
        self.entries.get(&self.next).map(|entry| entry.place(address))
    }
}

impl Sender {
    /// The last transaction, if it comes after `number`, which is next, and is not proposed.
    fn last_after(&self, number: u64) -> Option<Hash> {
        let (last, entry) = self.entries.last_key_value()?;
        (number == self.next && *last > number && !entry.proposed).then(|| entry.transaction.hash())
    }
}

impl Entry {
    fn place(&self, address: Address) -> Place {
        (Reverse(self.transaction.price()), self.arrival, address)
    }
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new(config: MempoolConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Admits a transaction that passed [`crate::verify`]. Admitting a known one again changes nothing.
    ///
    /// # Errors
    /// [`Rejection`], with the limit or account state that speaks against it.
    pub fn admit(
        &mut self,
        transaction: VerifiedTransaction,
        now: UnixSeconds,
        view: &dyn LedgerView,
    ) -> Result<Admitted, Rejection> {
        let hash = transaction.hash();
        if let Some((address, sequence_number)) = self.by_hash.get(&hash) {
            let parked = self.senders.get(address).is_some_and(|sender| self.is_parked(sender, *sequence_number));
            return Ok(Admitted { hash, replaced: None, parked });
        }
        let raw = &transaction.transaction().raw;
        if raw.expiration_timestamp_secs <= now.0 {
            return Err(Rejection::Expired { expired_at: raw.expiration_timestamp_secs, now: now.0 });
        }
        let account = check_accounts(transaction.transaction(), view)?;
        self.committed(transaction.sender(), account.sequence_number);
        let replaced = self.check_place(&transaction, account.sequence_number)?;
        if let Some(old) = replaced {
            self.remove(&old);
        }
        let parked = self.insert(transaction, account.sequence_number, now);
        Ok(Admitted { hash, replaced, parked })
    }

    fn is_parked(&self, sender: &Sender, sequence_number: u64) -> bool {
        (sender.next..sequence_number).any(|number| !sender.entries.contains_key(&number))
    }

    /// The transaction to replace, if there is one and this one may.
    fn check_place(&self, transaction: &VerifiedTransaction, on_chain: u64) -> Result<Option<Hash>, Rejection> {
        let (address, got) = (transaction.sender(), transaction.sequence_number());
        let sender = self.senders.get(&address);
        let current = sender.map_or(on_chain, |sender| sender.sequence_number);
        let ahead_max = self.config.sequence_ahead_max;
        if got < current {
            return Err(Rejection::SequenceNumberTooOld { sender: address, current, got });
        }
        if got - current > ahead_max {
            return Err(Rejection::SequenceNumberTooNew { sender: address, current, got, ahead_max });
        }
        if let Some(old) = sender.and_then(|sender| sender.entries.get(&got)) {
            let invalid = |reason| Err(Rejection::InvalidUpdate { sender: address, sequence_number: got, reason });
            if old.proposed {
                return invalid(format!("transaction {} is already proposed", old.transaction.hash()));
            }
            if transaction.price() <= old.transaction.price() {
                let (hash, price) = (old.transaction.hash(), old.transaction.price());
                return invalid(format!("transaction {hash} pays {price} per unit of gas, not less than this one"));
            }
            return Ok(Some(old.transaction.hash()));
        }
        let full = |what, count, limit| Err(Rejection::Full { what, count, limit });
        let held = sender.map_or(0, |sender| sender.entries.len());
        if held >= self.config.sender_transactions_max {
            // The one that all the sender's others wait for takes the place of the one that waits longest.
            return match sender.and_then(|sender| sender.last_after(got)) {
                Some(last) => Ok(Some(last)),
                None => full("the sender", held, self.config.sender_transactions_max),
            };
        }
        if self.by_hash.len() >= self.config.transactions_max {
            return full("the pool", self.by_hash.len(), self.config.transactions_max);
        }
        if self.bytes + transaction.bytes().len() > self.config.bytes_max {
            return full("the pool's bytes", self.bytes, self.config.bytes_max);
        }
        Ok(None)
    }

    fn insert(&mut self, transaction: VerifiedTransaction, on_chain: u64, now: UnixSeconds) -> bool {
        let (address, number) = (transaction.sender(), transaction.sequence_number());
        let wait_end = now.0.saturating_add(self.config.wait_seconds_max);
        let expires_at = transaction.transaction().raw.expiration_timestamp_secs.min(wait_end);
        self.by_hash.insert(transaction.hash(), (address, number));
        self.by_expiry.insert((expires_at, address, number));
        self.bytes += transaction.bytes().len();
        let sender = self.senders.entry(address).or_insert_with(|| Sender {
            sequence_number: on_chain,
            next: on_chain,
            entries: BTreeMap::new(),
        });
        let entry = Entry { transaction, arrival: self.arrivals, expires_at, proposed: false };
        self.arrivals += 1;
        if number == sender.next {
            self.heads.insert(entry.place(address));
        }
        sender.entries.insert(number, entry);
        let sender = &self.senders[&address];
        self.is_parked(sender, number)
    }

    /// Hands out transactions: the best first, each sender's in order, none twice, at most this many and this large.
    ///
    /// A transaction that does not fit ends the batch, so that a large one is not starved by small ones.
    pub fn next_batch(&mut self, transactions_max: usize, bytes_max: usize) -> Vec<VerifiedTransaction> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        // Heads of senders already drawn from; all others are in `heads`.
        let mut drawn: BinaryHeap<Reverse<Place>> = BinaryHeap::new();
        while batch.len() < transactions_max {
            let Some(place) = self.best(&drawn) else { break };
            let address = place.2;
            let Some(sender) = self.senders.get_mut(&address) else { break };
            let Some(entry) = sender.entries.get_mut(&sender.next) else { break };
            if bytes + entry.transaction.bytes().len() > bytes_max {
                break;
            }
            bytes += entry.transaction.bytes().len();
            entry.proposed = true;
            batch.push(entry.transaction.clone());
            self.proposed += 1;
            self.proposed_bytes += entry.transaction.bytes().len();
            sender.next += 1;
            if !self.heads.remove(&place) {
                drawn.pop();
            }
            drawn.extend(sender.head(address).map(Reverse));
        }
        self.heads.extend(drawn.into_iter().map(|Reverse(place)| place));
        batch
    }

    fn best(&self, drawn: &BinaryHeap<Reverse<Place>>) -> Option<Place> {
        match (self.heads.first().copied(), drawn.peek().map(|Reverse(place)| *place)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Notes that the chain's next sequence number of `address` is now `sequence_number`; what is below it goes.
    pub fn committed(&mut self, address: Address, sequence_number: u64) {
        let Some(sender) = self.senders.get_mut(&address) else { return };
        if sequence_number <= sender.sequence_number {
            return;
        }
        if let Some(place) = sender.head(address) {
            self.heads.remove(&place);
        }
        sender.sequence_number = sequence_number;
        sender.next = sender.next.max(sequence_number);
        let kept = sender.entries.split_off(&sequence_number);
        let gone = std::mem::replace(&mut sender.entries, kept);
        self.heads.extend(sender.head(address));
        let is_empty = sender.entries.is_empty();
        for (number, entry) in gone {
            self.forget(address, number, &entry);
        }
        if is_empty {
            self.senders.remove(&address);
        }
    }

    /// Removes a transaction that execution discarded, or that expired. Later ones of the sender wait for another.
    pub fn remove(&mut self, hash: &Hash) -> Option<VerifiedTransaction> {
        let (address, number) = *self.by_hash.get(hash)?;
        let sender = self.senders.get_mut(&address)?;
        if let Some(place) = sender.head(address) {
            self.heads.remove(&place);
        }
        let entry = sender.entries.remove(&number)?;
        sender.next = sender.next.min(number).max(sender.sequence_number);
        // What was handed out beyond the gap cannot be committed without it: it is handed out again in its turn.
        for (_, later) in sender.entries.range_mut(sender.next..) {
            if std::mem::take(&mut later.proposed) {
                self.proposed -= 1;
                self.proposed_bytes -= later.transaction.bytes().len();
            }
        }
        self.heads.extend(sender.head(address));
        if sender.entries.is_empty() {
            self.senders.remove(&address);
        }
        self.forget(address, number, &entry);
        Some(entry.transaction)
    }

    /// Takes back a transaction that was handed out and did not become part of the chain, for another batch.
    pub fn release(&mut self, hash: &Hash) {
        let Some((address, number)) = self.by_hash.get(hash).copied() else { return };
        let Some(sender) = self.senders.get_mut(&address) else { return };
        if let Some(place) = sender.head(address) {
            self.heads.remove(&place);
        }
        sender.next = sender.next.min(number).max(sender.sequence_number);
        for (_, later) in sender.entries.range_mut(sender.next..) {
            if std::mem::take(&mut later.proposed) {
                self.proposed -= 1;
                self.proposed_bytes -= later.transaction.bytes().len();
            }
        }
        self.heads.extend(sender.head(address));
    }

    fn forget(&mut self, address: Address, number: u64, entry: &Entry) {
        self.by_hash.remove(&entry.transaction.hash());
        self.by_expiry.remove(&(entry.expires_at, address, number));
        self.bytes -= entry.transaction.bytes().len();
        if entry.proposed {
            self.proposed -= 1;
            self.proposed_bytes -= entry.transaction.bytes().len();
        }
    }

    /// Removes what expired or waited too long and returns it. What is handed out stays until its fate is known.
    pub fn expire(&mut self, now: UnixSeconds) -> Vec<Hash> {
        let late: Vec<Hash> = self
            .by_expiry
            .iter()
            .take_while(|(expires_at, ..)| *expires_at <= now.0)
            .filter_map(|(_, address, number)| self.senders.get(address)?.entries.get(number))
            .filter(|entry| !entry.proposed)
            .map(|entry| entry.transaction.hash())
            .collect();
        for hash in &late {
            self.remove(hash);
        }
        late
    }

    /// The transaction with this hash.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<&VerifiedTransaction> {
        let (address, number) = self.by_hash.get(hash)?;
        self.senders.get(address)?.entries.get(number).map(|entry| &entry.transaction)
    }

    /// The sender's transactions, by sequence number.
    pub fn of_sender(&self, address: Address) -> impl Iterator<Item = &VerifiedTransaction> {
        self.senders
            .get(&address)
            .into_iter()
            .flat_map(|sender| sender.entries.values())
            .map(|entry| &entry.transaction)
    }

    /// Whether a batch would hold anything.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.heads.is_empty()
    }

    /// Bytes that batches could hold now, about: what waits for a gap to close counts too, unless everything does.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        if self.heads.is_empty() { 0 } else { self.bytes - self.proposed_bytes }
    }

    /// What the pool holds.
    #[must_use]
    pub fn size(&self) -> PoolSize {
        PoolSize {
            transactions: self.by_hash.len(),
            bytes: self.bytes,
            proposed: self.proposed,
            senders: self.senders.len(),
        }
    }
}

#[cfg(test)]
mod tests;
