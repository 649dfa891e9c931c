//! Executing and persisting commits.

use std::time::Instant;

use crate::single::{Commit, PayloadLimits, TimestampMs};
use bytes::Bytes;
use noema_execution_api::{BlockContext, BlockOutput, DiscardReason, ExecutionBlock, StatusCode, TransactionResult};
use noema_mempool::UnixSeconds;
use noema_state::{BlockCommit, TransactionCommit};
use noema_types::{Address, BlockMetadata, Height, SignedTransaction, Transaction};

use super::Chain;
use crate::genesis::VALIDATOR_ADDRESS;

impl Chain {
    /// What to order next: called by the ordering thread.
    pub(crate) fn next_payload(&self, now: TimestampMs, limits: PayloadLimits) -> Vec<Bytes> {
        let mut mempool = self.mempool.lock();
        mempool.expire(UnixSeconds(now.0 / 1_000));
        let batch = mempool.next_batch(limits.transactions_max, limits.bytes_max);
        batch.iter().map(|transaction| transaction.bytes().clone()).collect()
    }

    /// Executes a commit and persists it in one atomic batch; called by the execution thread only.
    ///
    /// Bytes that are no transaction and transactions that validation refuses leave no trace.
    ///
    /// # Errors
    /// The node's own fault: nothing was persisted, and nothing more may be.
    pub(crate) fn apply(&self, commit: Commit) -> Result<(), String> {
        let block = execution_block(self, &commit);
        let view = self.db.latest_view();
        let start = Instant::now();
        let output = self.executor.execute(&view, &block).map_err(|fault| fault.to_string())?;
        self.metrics.execute.observe(start.elapsed().as_secs_f64());

        let start = Instant::now();
        let commit = block_commit(&commit, block, output, self);
        let committed = self.db.commit_block(&commit).map_err(|error| error.to_string())?;
        self.metrics.persist.observe(start.elapsed().as_secs_f64());
        self.after_commit(&commit);
        tracing::debug!(height = commit.height.0, root = %committed.state_root, "block committed");
        self.commits.send_replace(committed.info.last_version);
        Ok(())
    }

    fn after_commit(&self, commit: &BlockCommit) {
        let mut mempool = self.mempool.lock();
        for one in &commit.transactions {
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

    fn discard(&self, transaction: &SignedTransaction, reason: &DiscardReason) {
        let hash = transaction.hash();
        let mut mempool = self.mempool.lock();
        if reason.status == StatusCode::SEQUENCE_NUMBER_TOO_NEW {
            // One before it was discarded: it waits for its turn again.
            return mempool.release(&hash);
        }
        tracing::info!(%hash, %reason, "transaction discarded");
        self.metrics.transactions.with_label_values(&["discarded"]).inc();
        mempool.remove(&hash);
    }
}

fn execution_block(chain: &Chain, commit: &Commit) -> ExecutionBlock {
    let height = Height(commit.index.0);
    let timestamp_us = commit.timestamp.0 * 1_000;
    let metadata = BlockMetadata {
        id: commit.digest().0,
        height,
        epoch: commit.epoch,
        round: commit.round,
        proposer: VALIDATOR_ADDRESS,
        failed_proposer_indices: Vec::new(),
        previous_block_votes: Vec::new(),
        timestamp_us,
    };
    let users = commit.transactions.iter().filter_map(|bytes| SignedTransaction::decode(bytes).ok());
    ExecutionBlock {
        context: BlockContext {
            chain_id: chain.chain_id,
            epoch: commit.epoch,
            round: commit.round,
            height,
            timestamp_us,
            proposer: VALIDATOR_ADDRESS,
        },
        transactions: std::iter::once(Transaction::BlockMetadata(metadata))
            .chain(users.map(Transaction::User))
            .collect(),
    }
}

fn block_commit(commit: &Commit, block: ExecutionBlock, output: BlockOutput, chain: &Chain) -> BlockCommit {
    let mut transactions = Vec::with_capacity(output.results.len());
    for (transaction, result) in block.transactions.into_iter().zip(output.results) {
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
                    chain.discard(user, &reason);
                }
            }
        }
    }
    let proposer: Address = block.context.proposer;
    BlockCommit {
        height: block.context.height,
        id: commit.digest().0,
        epoch: commit.epoch,
        round: commit.round,
        proposer,
        timestamp_us: block.context.timestamp_us,
        transactions,
    }
}
