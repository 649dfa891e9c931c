//! Synchronisation between validators: certified blocks or a snapshot, then the state of consensus to go on from.
//!
//! Nothing is believed but certificates of committees that the ledger knows, from genesis or its own state on:
//! 1. A few peers are asked for their latest base. Its height is a claim until rule 4.
//! 2. Blocks up to it are fetched from all peers at once, each verified by the certificate of its epoch's committee,
//!    the link to the block before, and by the ledger. Who sends a wrong one is left out for a while.
//! 3. If too many are missing, or nobody has them any more: the ends of epochs on the way, each verified by the
//!    committee before, and then the state after the base's block, chunk by chunk.
//! 4. The base is taken if its block is the ledger's and its state is the one certified with it.
//!
//! The same thread answers the questions of others, within limits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use noema_crypto::verify_certified;
use noema_network::{Channel, Transport};
use noema_types::{CertifiedCheckpoint, Committee, Ed25519PublicKey, Epoch, Hash, Height, TimestampMs};

use crate::driver::{Event, Latest, LatestBase};
use crate::inbox::Inbox;
use crate::limits::{
    SYNC_ANSWER_BYTES_MAX, SYNC_BLAME, SYNC_BLOCKS_BYTES, SYNC_BLOCKS_MAX, SYNC_EPOCHS_MAX, SYNC_PART_BYTES,
    SYNC_PAUSE, SYNC_REQUESTS_MAX, SYNC_SERVED_PER_S, SYNC_TIMEOUT,
};
use crate::log::Base;
use crate::status::Shared;
use crate::wire::{Answer, Question, SyncMessage, decode_answer, encode};
use crate::{Halt, Ledger, NextEpoch, SyncBlock, SyncError, Tip};

/// Peers asked for their base at once.
const BASES_ASKED: usize = 4;

/// What the thread hears.
#[derive(Debug)]
pub(crate) enum SyncEvent {
    /// Bring the ledger to where others are, and find a base. The answer is [`Event::Synced`].
    Go,
    /// From a peer.
    Message { from: Ed25519PublicKey, message: SyncMessage },
    /// A peer is there.
    Connected(Ed25519PublicKey),
    /// A peer is gone.
    Disconnected(Ed25519PublicKey),
    /// Ends the thread.
    Stop,
}

#[derive(Debug)]
struct Request {
    peer: Ed25519PublicKey,
    question: Question,
    parts: Vec<u8>,
    deadline: Instant,
}

/// The synchronising thread.
#[derive(Debug)]
pub(crate) struct Synchroniser {
    pub(crate) chain: Hash,
    pub(crate) snapshot_distance: u64,
    pub(crate) inbox: Arc<Inbox<SyncEvent>>,
    pub(crate) driver: Arc<Inbox<Event>>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: State,
}

/// What the thread keeps.
#[derive(Debug, Default)]
pub(crate) struct State {
    connected: BTreeSet<Ed25519PublicKey>,
    /// Peers left out until then.
    left_out: BTreeMap<Ed25519PublicKey, Instant>,
    requests: BTreeMap<u64, Request>,
    last_id: u64,
    turn: usize,
    wanted: bool,
    /// Questions answered to each peer in the running second.
    served: BTreeMap<Ed25519PublicKey, (Option<Instant>, u32)>,
    /// The last answer that had more than one part.
    long: Option<(Ed25519PublicKey, Question, Bytes)>,
}

/// What became of a request.
struct Outcome {
    id: u64,
    peer: Ed25519PublicKey,
    question: Question,
    answer: Option<Answer>,
}

impl Synchroniser {
    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        loop {
            let event = self.inbox.next(Duration::from_millis(500));
            if let Some(outcome) = event.and_then(|event| self.handle(event)) {
                tracing::debug!(id = outcome.id, "an answer came too late");
            }
            if self.is_over() {
                return;
            }
            if std::mem::take(&mut self.state.wanted) {
                match self.synchronise() {
                    Ok(base) => self.driver.push(Event::Synced(base.map(Box::new))),
                    Err(halt) => {
                        self.shared.halt(&halt.to_string());
                        self.driver.push(Event::Wake);
                    }
                }
                self.state.requests.clear();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopping()
    }

    fn handle(&mut self, event: SyncEvent) -> Option<Outcome> {
        match event {
            SyncEvent::Go => self.state.wanted = true,
            SyncEvent::Connected(peer) => {
                self.state.connected.insert(peer);
            }
            SyncEvent::Disconnected(peer) => {
                self.state.connected.remove(&peer);
                self.state.served.remove(&peer);
                let lost = self.state.requests.iter().find(|(_, request)| request.peer == peer);
                let id = lost.map(|(id, _)| *id)?;
                return self.finish(id, None);
            }
            SyncEvent::Message { from, message: SyncMessage::Ask { id, question, offset } } => {
                self.serve(from, id, question, offset);
            }
            SyncEvent::Message { from, message: SyncMessage::Part { id, offset, total, bytes } } => {
                return self.part(from, id, offset, total, &bytes);
            }
            SyncEvent::Stop => {}
        }
        None
    }

    fn finish(&mut self, id: u64, answer: Option<Answer>) -> Option<Outcome> {
        let Request { peer, question, .. } = self.state.requests.remove(&id)?;
        Some(Outcome { id, peer, question, answer })
    }

    fn part(&mut self, from: Ed25519PublicKey, id: u64, offset: u64, total: u64, bytes: &[u8]) -> Option<Outcome> {
        let request = self.state.requests.get_mut(&id).filter(|request| request.peer == from)?;
        let fits = offset == request.parts.len() as u64
            && total <= SYNC_ANSWER_BYTES_MAX as u64
            && offset + bytes.len() as u64 <= total
            && (!bytes.is_empty() || total == 0);
        if !fits {
            self.blame(from, "a part of an answer that does not fit");
            return self.finish(id, None);
        }
        request.parts.extend_from_slice(bytes);
        request.deadline = Instant::now() + SYNC_TIMEOUT;
        let offset = request.parts.len() as u64;
        if offset < total {
            let question = request.question.clone();
            self.send(&from, &SyncMessage::Ask { id, question, offset });
            return None;
        }
        match decode_answer(&request.parts) {
            Ok(answer) => self.finish(id, Some(answer)),
            Err(error) => {
                self.blame(from, &error.to_string());
                self.finish(id, None)
            }
        }
    }

    fn blame(&mut self, peer: Ed25519PublicKey, reason: &str) {
        tracing::warn!(%peer, reason, "wrong data of a peer; it is not asked for a while");
        self.state.left_out.insert(peer, Instant::now() + SYNC_BLAME);
    }

    fn pause(&mut self, peer: Ed25519PublicKey) {
        self.state.left_out.entry(peer).or_insert_with(|| Instant::now() + SYNC_PAUSE);
    }

    fn send(&self, to: &Ed25519PublicKey, message: &SyncMessage) -> bool {
        let sent = self.transport.send(to, Channel::Sync, encode(message)).is_ok();
        if !sent {
            self.shared.metrics.unsent.with_label_values(&[Channel::Sync.name()]).inc();
        }
        sent
    }

    // Answers.

    fn serve(&mut self, to: Ed25519PublicKey, id: u64, question: Question, offset: u64) {
        if self.shared.is_halted() {
            return;
        }
        let (since, count) = self.state.served.entry(to).or_default();
        if since.is_none_or(|since| since.elapsed() > Duration::from_secs(1)) {
            (*since, *count) = (Some(Instant::now()), 0);
        }
        *count += 1;
        if *count > SYNC_SERVED_PER_S {
            return;
        }
        let kept = self.state.long.as_ref().filter(|(peer, of, _)| offset > 0 && *peer == to && *of == question);
        let answer = match kept {
            Some((_, _, answer)) => answer.clone(),
            None => match self.answer(&question) {
                Ok(answer) => encode(&answer),
                Err(halt) => return self.shared.halt(&halt.to_string()),
            },
        };
        let total = answer.len();
        let Some(start) = usize::try_from(offset).ok().filter(|start| *start <= total) else { return };
        let bytes = answer.slice(start..total.min(start + SYNC_PART_BYTES));
        if total > SYNC_PART_BYTES {
            self.state.long = Some((to, question, answer));
        }
        self.send(&to, &SyncMessage::Part { id, offset, total: total as u64, bytes });
    }

    fn answer(&self, question: &Question) -> Result<Answer, Halt> {
        Ok(match question {
            Question::Base => Answer::Base(self.latest.lock().clone().map(|latest| match latest {
                LatestBase::Base(base) => (*base).clone(),
                LatestBase::Slice(slice, certified) => {
                    Base { height: slice.block.height, certified: Some(certified), state: slice.state.clone() }
                }
            })),
            Question::Blocks { from, count } => {
                let tip = self.ledger.tip()?.height;
                let (mut blocks, mut bytes) = (Vec::new(), 0);
                let mut height = *from;
                while (blocks.len() as u64) < (*count).min(SYNC_BLOCKS_MAX)
                    && height <= tip
                    && bytes < SYNC_BLOCKS_BYTES
                {
                    let Some(block) = self.ledger.block(height)? else { break };
                    bytes += block.content.len();
                    blocks.push(block);
                    height = height.next();
                }
                Answer::Blocks { blocks, tip }
            }
            Question::Epochs { from } => {
                let mut changes = Vec::new();
                let mut epoch = *from;
                while (changes.len() as u64) < SYNC_EPOCHS_MAX {
                    let Some(change) = self.ledger.epoch_change(epoch)? else { break };
                    changes.push(change);
                    epoch = epoch.next();
                }
                Answer::Epochs(changes)
            }
            Question::Chunk { height, from } => Answer::Chunk(self.ledger.snapshot(*height, from.as_deref())?),
        })
    }

    // Questions.

    /// Peers that may be asked, beginning with another each time.
    fn peers(&mut self) -> VecDeque<Ed25519PublicKey> {
        let now = Instant::now();
        self.state.left_out.retain(|_, until| *until > now);
        let left_out = &self.state.left_out;
        let mut peers: VecDeque<_> =
            self.state.connected.iter().filter(|peer| !left_out.contains_key(*peer)).copied().collect();
        if !peers.is_empty() {
            self.state.turn += 1;
            let by = self.state.turn % peers.len();
            peers.rotate_left(by);
        }
        peers
    }

    fn ask(&mut self, peer: Ed25519PublicKey, question: Question) -> Option<u64> {
        self.state.last_id += 1;
        let id = self.state.last_id;
        if !self.send(&peer, &SyncMessage::Ask { id, question: question.clone(), offset: 0 }) {
            self.pause(peer);
            return None;
        }
        let deadline = Instant::now() + SYNC_TIMEOUT;
        self.state.requests.insert(id, Request { peer, question, parts: Vec::new(), deadline });
        Some(id)
    }

    /// Waits until a request has an outcome, or until the time is over.
    fn outcome(&mut self, timeout: Duration) -> Option<Outcome> {
        let end = Instant::now() + timeout;
        while !self.is_over() {
            let now = Instant::now();
            let late = self.state.requests.iter().find(|(_, request)| request.deadline <= now);
            if let Some((id, peer)) = late.map(|(id, request)| (*id, request.peer)) {
                self.blame(peer, "no answer in time");
                return self.finish(id, None);
            }
            if now >= end {
                return None;
            }
            let wait = (end - now).min(Duration::from_millis(100));
            if let Some(outcome) = self.inbox.next(wait).and_then(|event| self.handle(event)) {
                return Some(outcome);
            }
        }
        None
    }

    /// Asks one peer and waits for its answer.
    fn ask_one(&mut self, peer: Ed25519PublicKey, question: Question) -> Option<Answer> {
        let id = self.ask(peer, question)?;
        let end = Instant::now() + 8 * SYNC_TIMEOUT;
        while Instant::now() < end && self.state.requests.contains_key(&id) {
            match self.outcome(SYNC_TIMEOUT) {
                Some(outcome) if outcome.id == id => return outcome.answer,
                _ => {}
            }
            if self.is_over() {
                return None;
            }
        }
        None
    }

    // Synchronising.

    /// Brings the ledger up and returns a base to go on from, if any peer had one.
    fn synchronise(&mut self) -> Result<Option<Base>, Halt> {
        self.state.requests.clear();
        for _ in 0..100 {
            let begun = Instant::now();
            let mut bases = self.bases();
            bases.sort_by_key(|(_, base)| std::cmp::Reverse(base.height));
            let mut found = None;
            for (peer, base) in bases {
                if self.is_over() {
                    return Ok(None);
                }
                if self.reach(peer, &base)? && self.is_certified(&base)? {
                    found = Some(base);
                    break;
                }
            }
            match found {
                // What took long is old by now: once more, for the little that came meanwhile.
                Some(base) if begun.elapsed() < Duration::from_secs(1) => return Ok(Some(base)),
                Some(_) => {}
                None => {
                    self.outcome(SYNC_PAUSE);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn bases(&mut self) -> Vec<(Ed25519PublicKey, Base)> {
        let peers: Vec<_> = self.peers().into_iter().take(BASES_ASKED).collect();
        for peer in peers {
            self.ask(peer, Question::Base);
        }
        let mut bases = Vec::new();
        let mut patience = SYNC_TIMEOUT;
        while !self.state.requests.is_empty() {
            let Some(outcome) = self.outcome(patience) else { break };
            match outcome.answer {
                Some(Answer::Base(Some(base))) if base.state.chain == self.chain => {
                    bases.push((outcome.peer, base));
                    // The others have a moment more.
                    patience = Duration::from_millis(300);
                }
                Some(Answer::Base(None)) | None => self.pause(outcome.peer),
                Some(_) => self.blame(outcome.peer, "an answer to another question"),
            }
        }
        self.state.requests.clear();
        bases
    }

    /// Brings the ledger to the height of a base, at least. Says whether it is there.
    fn reach(&mut self, peer: Ed25519PublicKey, base: &Base) -> Result<bool, Halt> {
        let tip = self.ledger.tip()?;
        if base.height <= tip.height {
            return Ok(true);
        }
        tracing::info!(from = %tip.height, to = %base.height, "fetching certified blocks");
        let far = base.height.0 - tip.height.0 > self.snapshot_distance;
        if far && self.restore(peer, base, &tip)? {
            return Ok(true);
        }
        match self.download(base.height)? {
            Download::Done => Ok(true),
            Download::Pruned => self.restore(peer, base, &tip),
            Download::Stuck => {
                self.pause(peer);
                Ok(false)
            }
        }
    }

    /// Whether a base is of the ledger's chain and certified, and of the epoch that runs after the ledger's end.
    fn is_certified(&mut self, base: &Base) -> Result<bool, Halt> {
        let tip = self.ledger.tip()?;
        let committee = &tip.epoch.committee;
        let Some(certified) = &base.certified else {
            return Ok(tip.height == Height(0) && *base == Base::genesis(self.chain, committee, tip.timestamp));
        };
        if certified.data().height != base.height || base.height > tip.height {
            return Ok(false);
        }
        let known = match &tip.certified {
            Some(own) if tip.height == base.height => Some(own.clone()),
            _ => self.ledger.block(base.height)?.map(|block| block.certified),
        };
        let same = match known {
            Some(own) => own.checkpoint == certified.checkpoint,
            None => verify_certified(committee, certified).is_ok(),
        };
        let fits = if certified.data().next_committee.is_some() {
            *base == Base::after_epoch(self.chain, committee, certified.clone())
        } else {
            base.state.epoch == certified.data().epoch && base.state.state_digest() == certified.data().consensus_state
        };
        Ok(same && fits && base.state.epoch == committee.epoch())
    }

    fn download(&mut self, target: Height) -> Result<Download, Halt> {
        let mut tip = self.ledger.tip()?;
        let mut wanted: VecDeque<(Height, Height)> = VecDeque::new();
        let mut next = tip.height.next();
        let mut held: BTreeMap<Height, (Ed25519PublicKey, SyncBlock)> = BTreeMap::new();
        let mut pruned = BTreeSet::new();
        let mut progress = Instant::now();
        while tip.height < target {
            if self.is_over() || progress.elapsed() > 3 * SYNC_TIMEOUT {
                return Ok(Download::Stuck);
            }
            let window = tip.height.0 + SYNC_BLOCKS_MAX * (SYNC_REQUESTS_MAX as u64 + 2);
            while next <= target && next.0 <= window {
                let last = Height((next.0 + SYNC_BLOCKS_MAX - 1).min(target.0));
                wanted.push_back((next, last));
                next = last.next();
            }
            self.ask_for(&mut wanted);
            if self.state.requests.is_empty() {
                let all_pruned = !pruned.is_empty() && self.state.connected.iter().all(|peer| pruned.contains(peer));
                if all_pruned || self.state.connected.is_empty() {
                    return Ok(if all_pruned { Download::Pruned } else { Download::Stuck });
                }
            }
            let Some(outcome) = self.outcome(SYNC_PAUSE) else { continue };
            let Question::Blocks { from, count } = outcome.question else { continue };
            let last = Height(from.0 + count - 1);
            match outcome.answer {
                Some(Answer::Blocks { blocks, tip: theirs }) => {
                    let in_order =
                        blocks.iter().zip(from.0..=last.0).all(|(block, at)| block.certified.data().height.0 == at);
                    let got = blocks.len() as u64;
                    if !in_order || got > count {
                        self.blame(outcome.peer, "blocks that were not asked for");
                        wanted.push_front((from, last));
                        continue;
                    }
                    if got == 0 {
                        if theirs >= from {
                            pruned.insert(outcome.peer);
                        }
                        self.pause(outcome.peer);
                    }
                    for block in blocks {
                        held.insert(block.certified.data().height, (outcome.peer, block));
                    }
                    if got < count {
                        wanted.push_front((Height(from.0 + got), last));
                    }
                }
                _ => wanted.push_front((from, last)),
            }
            while let Some((peer, block)) = held.remove(&tip.height.next()) {
                match self.append(&tip, block)? {
                    Ok(after) => {
                        (tip, progress) = (after, Instant::now());
                        self.shared.metrics.synced_blocks.inc();
                    }
                    Err(reason) => {
                        self.blame(peer, &reason);
                        held.clear();
                        wanted.clear();
                        self.state.requests.clear();
                        next = tip.height.next();
                    }
                }
            }
        }
        self.state.requests.clear();
        Ok(Download::Done)
    }

    fn ask_for(&mut self, wanted: &mut VecDeque<(Height, Height)>) {
        let mut peers = self.peers();
        while self.state.requests.len() < SYNC_REQUESTS_MAX {
            let Some((from, last)) = wanted.pop_front() else { return };
            let Some(peer) = peers.pop_front() else { return wanted.push_front((from, last)) };
            match self.ask(peer, Question::Blocks { from, count: last.0 - from.0 + 1 }) {
                Some(_) => peers.push_back(peer),
                None => wanted.push_front((from, last)),
            }
        }
    }

    /// Verifies and appends the next block. The inner error is the sender's fault.
    fn append(&mut self, tip: &Tip, block: SyncBlock) -> Result<Result<Tip, String>, Halt> {
        let committee = &tip.epoch.committee;
        let data = block.certified.data();
        let previous = tip.certified.as_ref().map_or(self.chain, |certified| certified.checkpoint.digest());
        if data.chain != self.chain || data.previous != previous || data.height != tip.height.next() {
            return Ok(Err("a block that does not follow the one before".to_owned()));
        }
        if let Err(error) = verify_certified(committee, &block.certified) {
            return Ok(Err(error.to_string()));
        }
        if data.next_committee != block.next_committee.as_ref().map(Committee::hash) {
            return Ok(Err("another committee than the certified one".to_owned()));
        }
        match self.ledger.append(&block) {
            Ok(next) => {
                let epoch = next.unwrap_or_else(|| tip.epoch.clone());
                Ok(Ok(Tip {
                    chain: tip.chain,
                    height: data.height,
                    timestamp: data.timestamp,
                    certified: Some(block.certified),
                    epoch,
                }))
            }
            Err(SyncError::Bad(reason)) => Ok(Err(reason)),
            Err(SyncError::Halt(halt)) => Err(halt),
        }
    }

    /// Fetches the state after a base's block. Says whether it is there.
    fn restore(&mut self, peer: Ed25519PublicKey, base: &Base, tip: &Tip) -> Result<bool, Halt> {
        let Some(certified) = &base.certified else { return Ok(false) };
        let Some((committee, next)) = self.committees(peer, tip.epoch.committee.clone(), certified) else {
            return Ok(false);
        };
        if verify_certified(&committee, certified).is_err() {
            self.blame(peer, "a base whose certificate is wrong");
            return Ok(false);
        }
        tracing::info!(height = %base.height, "fetching a snapshot");
        let next = next.map(|committee| NextEpoch { committee, epoch_end: TimestampMs(0) });
        let mut from = None;
        loop {
            let question = Question::Chunk { height: base.height, from: from.clone() };
            let Some(Answer::Chunk(Some(chunk))) = self.ask_one(peer, question) else {
                self.pause(peer);
                return Ok(false);
            };
            match self.ledger.restore(certified, &chunk, next.as_ref()) {
                Ok(true) => return Ok(true),
                Ok(false) if chunk.next.is_some() && chunk.next != from => from = chunk.next,
                Ok(false) => {
                    self.blame(peer, "a snapshot that does not end");
                    return Ok(false);
                }
                Err(SyncError::Bad(reason)) => {
                    self.blame(peer, &reason);
                    return Ok(false);
                }
                Err(SyncError::Halt(halt)) => return Err(halt),
            }
        }
    }

    /// Follows the ends of epochs to the committee that certifies a checkpoint, and the one after it if that ends.
    fn committees(
        &mut self,
        peer: Ed25519PublicKey,
        mut committee: Committee,
        certified: &CertifiedCheckpoint,
    ) -> Option<(Committee, Option<Committee>)> {
        let target: Epoch = certified.data().epoch;
        let ends = certified.data().next_committee.is_some();
        let mut before = None;
        let last = if ends { target.next() } else { target };
        while committee.epoch() < last {
            let question = Question::Epochs { from: committee.epoch() };
            let Some(Answer::Epochs(changes)) = self
                .ask_one(peer, question)
                .filter(|answer| matches!(answer, Answer::Epochs(changes) if !changes.is_empty()))
            else {
                self.pause(peer);
                return None;
            };
            for change in changes.into_iter().take_while(|change| change.committee.epoch() <= last) {
                let data = change.certified.data();
                let sound = verify_certified(&committee, &change.certified).is_ok()
                    && data.chain == self.chain
                    && data.next_committee == Some(change.committee.hash())
                    && change.committee.epoch() == committee.epoch().next();
                if !sound {
                    self.blame(peer, "an end of an epoch that is not certified");
                    return None;
                }
                before = Some(std::mem::replace(&mut committee, change.committee));
            }
        }
        if ends { Some((before?, Some(committee))) } else { Some((committee, None)) }
    }
}

enum Download {
    Done,
    /// Nobody has the next block any more.
    Pruned,
    Stuck,
}

#[cfg(test)]
#[path = "../tests/toy/mod.rs"]
mod toy;

#[cfg(test)]
mod tests;
