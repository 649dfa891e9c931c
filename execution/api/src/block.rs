//! Blocks in, outputs out.

use noema_types::{Address, ChainId, Epoch, Event, Hash, Height, Round, Transaction, WriteSet};

use crate::{DiscardReason, StateView, TransactionOutput, VmFault};

/// Where in the chain a block stands. Equal on every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockContext {
    /// The chain's number.
    pub chain_id: ChainId,
    /// Epoch of the block.
    pub epoch: Epoch,
    /// Consensus round of the block.
    pub round: Round,
    /// Height of the block; genesis has 0.
    pub height: Height,
    /// The block's time, microseconds since the Unix epoch.
    pub timestamp_us: u64,
    /// Account of the validator that proposed it.
    pub proposer: Address,
}

/// Ordered transactions of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionBlock {
    /// Where it stands.
    pub context: BlockContext,
    /// What to run, in this order.
    pub transactions: Vec<Transaction>,
}

/// What became of one transaction of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionResult {
    /// It is part of the chain.
    Executed(Box<TransactionOutput>),
    /// It left no trace.
    Discarded(DiscardReason),
}

/// How much work a block was. Differs between nodes and runs; never reaches a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockWork {
    /// Runs of transactions whose reads were final.
    pub runs: u64,
    /// Runs that only looked for jobs.
    pub speculative_runs: u64,
    /// Times the executor waited for an answer.
    pub waits: u64,
}

/// What a block came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockOutput {
    /// One result per transaction, in order.
    pub results: Vec<TransactionResult>,
    /// Work done.
    pub work: BlockWork,
}

impl TransactionResult {
    /// The output, if the transaction is part of the chain.
    #[must_use]
    pub fn output(&self) -> Option<&TransactionOutput> {
        match self {
            Self::Executed(output) => Some(output),
            Self::Discarded(_) => None,
        }
    }
}

impl BlockOutput {
    /// All changes of the block, later ones over earlier ones.
    #[must_use]
    pub fn write_set(&self) -> WriteSet {
        let mut all = WriteSet::default();
        for output in self.results.iter().filter_map(TransactionResult::output) {
            all.0.extend(output.write_set.0.iter().map(|(key, op)| (key.clone(), op.clone())));
        }
        all
    }

    /// All events of the block, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.results.iter().filter_map(TransactionResult::output).flat_map(|output| &output.events)
    }
}

/// Why a block has no output: the node's own fault, never the block's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorFault {
    /// A run failed through no fault of its transaction.
    #[error("transaction {index} of block {height}: {fault}")]
    Vm {
        /// The block.
        height: Height,
        /// The transaction's place in it.
        index: usize,
        /// What failed.
        fault: VmFault,
    },
    /// The virtual machine panicked outside the transaction's own program.
    #[error("transaction {index} of block {height} made the virtual machine panic: {message}")]
    Panic {
        /// The block.
        height: Height,
        /// The transaction's place in it.
        index: usize,
        /// What the panic said.
        message: String,
    },
    /// This node cannot answer a job: it is not ready.
    #[error("job {job} has no answer here: {reason}")]
    Engine {
        /// The job.
        job: Hash,
        /// What the engine said.
        reason: String,
    },
    /// A run asked for something that is not a job, or for an answer that it already had.
    #[error("transaction {index} of block {height} asked for job {job}: {reason}")]
    BadJob {
        /// The block.
        height: Height,
        /// The transaction's place in it.
        index: usize,
        /// The job.
        job: Hash,
        /// What is wrong with it.
        reason: String,
    },
}

/// Runs the transactions of a block.
///
/// The results are those of running them one after the other, each seeing the changes of all before it. How that is
/// done (in parallel, speculatively, waiting or not) does not show. `base` is the state before the block and is not
/// changed: the caller applies the output.
pub trait BlockExecutor: Send + Sync {
    /// Runs `block` on `base`.
    ///
    /// # Errors
    /// [`ExecutorFault`] for the node's own faults. Nothing of the block may be recorded then.
    fn execute(&self, base: &dyn StateView, block: &ExecutionBlock) -> Result<BlockOutput, ExecutorFault>;
}
