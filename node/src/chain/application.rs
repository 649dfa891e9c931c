//! What consensus asks of the chain: transactions to order, and what ordered ones come to.

use std::time::Instant;

use bytes::Bytes;
use noema_consensus::{Application, ExecutedBlock, Halt, NextEpoch, OrderedBlock};
use noema_dag::{Evidence, PayloadLimits};
use noema_execution_api::{BlockContext, BlockOutput, DiscardReason, ExecutionBlock, StatusCode, TransactionResult};
use noema_mempool::UnixSeconds;
use noema_store::Batch;
use noema_types::{
    BlockCommit, BlockMetadata, CertifiedCheckpoint, Checkpoint, Hash, SignedTransaction, TimestampMs, Transaction,
    TransactionCommit,
};

use super::{Chain, Machine};

/// Keys under which the last divergence is kept.
const DIVERGED: &[u8] = b"diverged";

/// What is to happen when a staged block is certified.
#[derive(Debug, Default)]
pub(super) struct Staged {
    discarded: Vec<(Hash, DiscardReason)>,
    next: Option<NextEpoch>,
}

fn halt(error: impl std::fmt::Display) -> Halt {
    Halt(error.to_string())
}

impl Application for Chain {
    fn payload(&self, now: TimestampMs, limits: PayloadLimits) -> Vec<Bytes> {
        let mut mempool = self.mempool.lock();
        mempool.expire(UnixSeconds(now.0 / 1_000));
        let batch = mempool.next_batch(limits.transactions_max, limits.bytes_max);
        batch.iter().map(|transaction| transaction.bytes().clone()).collect()
    }

    fn waiting_bytes(&self) -> usize {
        self.mempool.lock().ready_bytes()
    }

    fn release(&self, transactions: Vec<Bytes>) {
        let hashes = transactions.iter().filter_map(|bytes| SignedTransaction::decode(bytes).ok());
        let mut mempool = self.mempool.lock();
        for transaction in hashes {
            mempool.release(&transaction.hash());
        }
        drop(mempool);
        self.arrivals.send_modify(|count| *count += 1);
    }

    fn execute(&self, block: &OrderedBlock) -> Result<ExecutedBlock, Halt> {
        let start = Instant::now();
        let db = self.db();
        let execution = execution_block(self, block);
        let users: Vec<&SignedTransaction> = execution.transactions.iter().filter_map(Transaction::user).collect();
        self.signatures.check_new(&users);
        let view = db.staged_view();
        let output = self.machine().executor.execute(&view, &execution).map_err(halt)?;
        self.metrics.execute.observe(start.elapsed().as_secs_f64());
        let (commit, discarded) = block_commit(block, execution, output);
        let staged = db.stage_block(&commit).map_err(halt)?;
        let next = match block.epoch_end {
            true => Some(crate::genesis::next_epoch(&db.staged_view()).map_err(halt)?),
            false => None,
        };
        if let Some(next) = &next
            && next.committee.epoch() != block.epoch.next()
        {
            return Err(Halt(format!(
                "block {} ends epoch {}, but the state says that epoch {} follows",
                block.height,
                block.epoch,
                next.committee.epoch()
            )));
        }
        self.staged.lock().insert(block.height, Staged { discarded, next: next.clone() });
        Ok(ExecutedBlock {
            version: staged.info.last_version,
            state_root: staged.state_root,
            accumulator_root: staged.accumulator_root,
            next,
        })
    }

    fn certify(&self, certified: &CertifiedCheckpoint) -> Result<(), Halt> {
        let start = Instant::now();
        let height = certified.data().height;
        let db = self.db();
        let block = db.staged(height).ok_or_else(|| Halt(format!("block {height} is certified, but not executed")))?;
        let staged = self.staged.lock().remove(&height).unwrap_or_default();
        let committee = staged.next.as_ref().map(|next| &next.committee);
        db.commit_certified(certified, committee, Batch::new()).map_err(halt)?;
        self.metrics.persist.observe(start.elapsed().as_secs_f64());
        self.after_commit(&block);
        self.settle(&staged.discarded);
        tracing::debug!(height = height.0, root = %certified.data().state_root, "block certified");
        Ok(())
    }

    fn roll_back(&self, safe: bool) -> Result<(), Halt> {
        let dropped = self.db().discard_staged();
        self.staged.lock().clear();
        tracing::warn!(dropped, safe, "blocks that are not certified are executed again");
        if safe {
            let inference = crate::engine::start_safe(&self.config).map_err(halt)?;
            *self.machine.write() = Machine::new(&self.vm, inference);
        }
        Ok(())
    }

    fn report(&self, evidence: Evidence) {
        tracing::warn!(author = evidence.first.header.author.0, round = evidence.first.header.round.0, "equivocation");
        self.evidence.lock().push(evidence);
    }

    fn diverged(&self, own: &Checkpoint, certified: &CertifiedCheckpoint) {
        let (own_data, data) = (own.data(), certified.data());
        tracing::error!(
            height = data.height.0,
            own = %own_data.state_root,
            certified = %data.state_root,
            "a quorum certified another state than this machine computed"
        );
        let mut records = Batch::new();
        let record = bcs::to_bytes(&(own, certified)).expect("checkpoints always serialise");
        records.put(noema_state::RECORDS, DIVERGED.to_vec(), record);
        if let Err(error) = self.db().put_records(records) {
            tracing::error!(%error, "the divergence could not be recorded");
        }
    }
}

impl Chain {
    /// Evidence that nobody took to the chain yet.
    pub(crate) fn take_evidence(&self) -> Vec<Evidence> {
        std::mem::take(&mut *self.evidence.lock())
    }

    /// Brings mempool and metrics up to date with a block that became part of the ledger.
    pub(super) fn after_commit(&self, block: &BlockCommit) {
        let mut mempool = self.mempool.lock();
        for one in &block.transactions {
            let Transaction::User(user) = &one.transaction else { continue };
            mempool.committed(user.raw.sender, user.raw.sequence_number + 1);
            let status = if one.status.is_success() { "success" } else { "failure" };
            self.metrics.transactions.with_label_values(&[status]).inc();
            self.metrics.gas.inc_by(one.gas_used.0);
        }
        drop(mempool);
        self.metrics.blocks.inc();
        self.record_end();
    }

    fn settle(&self, discarded: &[(Hash, DiscardReason)]) {
        let mut mempool = self.mempool.lock();
        for (hash, reason) in discarded {
            if reason.status == StatusCode::SEQUENCE_NUMBER_TOO_NEW {
                // One before it is missing: it waits for its turn again.
                mempool.release(hash);
                continue;
            }
            tracing::debug!(%hash, %reason, "transaction discarded");
            self.metrics.transactions.with_label_values(&["discarded"]).inc();
            mempool.remove(hash);
        }
    }
}

fn execution_block(chain: &Chain, block: &OrderedBlock) -> ExecutionBlock {
    let timestamp_us = block.timestamp.0.saturating_mul(1_000);
    let metadata = BlockMetadata {
        id: block.commit_digest.0,
        height: block.height,
        epoch: block.epoch,
        round: block.round,
        proposer: block.proposer,
        failed_proposer_indices: block.failed.iter().map(|author| u32::from(author.0)).collect(),
        previous_block_votes: bitmap(&block.voters),
        timestamp_us,
    };
    let users = block.transactions.iter().filter_map(|bytes| SignedTransaction::decode(bytes).ok());
    ExecutionBlock {
        context: BlockContext {
            chain_id: chain.chain_id,
            epoch: block.epoch,
            round: block.round,
            height: block.height,
            timestamp_us,
            proposer: block.proposer,
        },
        transactions: std::iter::once(Transaction::BlockMetadata(metadata))
            .chain(users.map(Transaction::User))
            .collect(),
    }
}

/// One bit per validator, the lowest bit of the first byte first.
fn bitmap(authors: &[noema_types::Author]) -> Vec<u8> {
    let mut bits = Vec::new();
    for author in authors {
        let (byte, bit) = (usize::from(author.0) / 8, author.0 % 8);
        if bits.len() <= byte {
            bits.resize(byte + 1, 0);
        }
        bits[byte] |= 1 << bit;
    }
    bits
}

type Discarded = Vec<(Hash, DiscardReason)>;

fn block_commit(block: &OrderedBlock, execution: ExecutionBlock, output: BlockOutput) -> (BlockCommit, Discarded) {
    let mut transactions = Vec::with_capacity(output.results.len());
    let mut discarded = Vec::new();
    for (transaction, result) in execution.transactions.into_iter().zip(output.results) {
        match result {
            TransactionResult::Executed(output) => transactions.push(TransactionCommit {
                transaction,
                write_set: output.write_set,
                events: output.events,
                gas_used: output.gas_used,
                status: output.status,
            }),
            TransactionResult::Discarded(reason) => {
                if let Transaction::User(user) = &transaction {
                    discarded.push((user.hash(), reason));
                }
            }
        }
    }
    let commit = BlockCommit {
        height: block.height,
        id: block.commit_digest.0,
        epoch: block.epoch,
        round: block.round,
        proposer: block.proposer,
        timestamp_us: execution.context.timestamp_us,
        transactions,
    };
    (commit, discarded)
}
