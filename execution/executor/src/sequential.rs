//! Runs a block one transaction after the other.
//!
//! What it guarantees: the results are those of running each transaction to its end before the next one starts. It is
//! the oracle that a parallel executor is compared with.
//!
//! Rules
//! 1. The *head* is the first transaction without result. Everything before it is final, so its reads are final.
//! 2. A head that needs an answer hands its job to the engine with class `Certified`. Before the executor waits, it runs
//!    the transactions after the head *speculatively*: their jobs go to the engine with class `Speculative`, so that the
//!    engine works on all of them together, and everything else about those runs is thrown away.
//! 3. Speculative runs see the final state and the effects of speculative runs before them; one that needs an answer
//!    itself contributes nothing. So a speculative job may be one that nobody asks for in the end: it costs time, never
//!    a result. Each transaction is run speculatively at most once per block, hence at most one such job each.
//! 4. With its answer the head runs again from its start, and so on until it ends.
//! 5. Only the executor's thread waits; the engine has threads of its own.
//!
//! Failure: a fault or panic of the virtual machine at the head is the node's fault, the block has no output. In a
//! speculative run it means nothing, since its reads may be of states that never exist.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use noema_execution_api::{
    BlockContext, BlockExecutor, BlockOutput, BlockWork, ExecutionBlock, ExecutorFault, Outcome, OverlayView,
    PendingJob, StateView, TransactionResult, TransactionVm, VmFault,
};
use noema_inference_api::{Engine, EngineError, JobClass};
use noema_types::{Transaction, WriteSet};

use crate::EngineAnswers;
use crate::answers::AskError;
use crate::limits::{PENDING_RUNS_MAX, SPECULATIVE_RUNS_MAX};

/// Runs blocks one transaction after the other. See the module's rules.
pub struct SequentialExecutor {
    vm: Arc<dyn TransactionVm>,
    engine: Arc<dyn Engine>,
}

impl fmt::Debug for SequentialExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequentialExecutor").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl SequentialExecutor {
    /// Runs transactions on `vm` and asks `engine`.
    #[must_use]
    pub fn new(vm: Arc<dyn TransactionVm>, engine: Arc<dyn Engine>) -> Self {
        Self { vm, engine }
    }
}

impl BlockExecutor for SequentialExecutor {
    fn execute(&self, base: &dyn StateView, block: &ExecutionBlock) -> Result<BlockOutput, ExecutorFault> {
        let mut run = BlockRun {
            vm: &*self.vm,
            answers: EngineAnswers::new(self.engine.clone()),
            base,
            block,
            changes: WriteSet::default(),
            looked_ahead: 0,
            work: BlockWork::default(),
        };
        let mut results = Vec::with_capacity(block.transactions.len());
        for index in 0..block.transactions.len() {
            results.push(run.head(index)?);
        }
        Ok(BlockOutput { results, work: run.work })
    }
}

/// One block on its way.
struct BlockRun<'a> {
    vm: &'a dyn TransactionVm,
    answers: EngineAnswers,
    base: &'a dyn StateView,
    block: &'a ExecutionBlock,
    /// Changes of every transaction before the head.
    changes: WriteSet,
    /// Transactions below this one were run speculatively, or had their turn.
    looked_ahead: usize,
    work: BlockWork,
}

impl BlockRun<'_> {
    /// Runs the transaction at the head to its end.
    fn head(&mut self, index: usize) -> Result<TransactionResult, ExecutorFault> {
        self.looked_ahead = self.looked_ahead.max(index + 1);
        for _ in 0..PENDING_RUNS_MAX {
            self.work.runs += 1;
            let view = OverlayView::new(self.base, &self.changes);
            let outcome =
                run_caught(self.vm, &view, &self.answers, &self.block.context, &self.block.transactions[index]);
            match outcome.map_err(|message| self.panicked(index, message))? {
                Ok(Outcome::Executed(output)) => {
                    apply(&mut self.changes, &output.write_set);
                    return Ok(TransactionResult::Executed(output));
                }
                Ok(Outcome::Discarded(reason)) => return Ok(TransactionResult::Discarded(reason)),
                Ok(Outcome::Pending(job)) => self.wait(index, &job)?,
                Err(fault) => return Err(ExecutorFault::Vm { height: self.block.context.height, index, fault }),
            }
        }
        let fault = VmFault::System(format!("it still asks questions after {PENDING_RUNS_MAX} runs"));
        Err(ExecutorFault::Vm { height: self.block.context.height, index, fault })
    }

    /// Gets the answer that the head needs, and the engine's work on later transactions started.
    fn wait(&mut self, index: usize, job: &PendingJob) -> Result<(), ExecutorFault> {
        let height = self.block.context.height;
        let fault = |error: AskError| match error {
            AskError::BadJob(reason) => ExecutorFault::BadJob { height, index, job: job.id, reason },
            AskError::Engine(error) => ExecutorFault::Engine { job: job.id, reason: error.to_string() },
        };
        match self.answers.submit(job, JobClass::Certified) {
            Ok(_) | Err(AskError::Engine(EngineError::Busy(_))) => {}
            Err(error) => return Err(fault(error)),
        }
        self.look_ahead();
        self.work.waits += 1;
        self.answers.ask(job, JobClass::Certified).map_err(fault)
    }

    /// Runs transactions that were not run yet, only to hand their jobs to the engine.
    fn look_ahead(&mut self) {
        let end = self.block.transactions.len().min(self.looked_ahead.saturating_add(SPECULATIVE_RUNS_MAX));
        let mut changes = self.changes.clone();
        for index in self.looked_ahead..end {
            self.work.speculative_runs += 1;
            let view = OverlayView::new(self.base, &changes);
            let transaction = &self.block.transactions[index];
            match run_caught(self.vm, &view, &self.answers, &self.block.context, transaction) {
                Ok(Ok(Outcome::Executed(output))) => apply(&mut changes, &output.write_set),
                Ok(Ok(Outcome::Pending(job))) => {
                    if let Err(error) = self.answers.submit(&job, JobClass::Speculative) {
                        tracing::debug!(job = %job.id, %error, "a speculative job was not taken");
                    }
                }
                Ok(Ok(Outcome::Discarded(_)) | Err(_)) | Err(_) => {}
            }
        }
        self.looked_ahead = end;
    }

    fn panicked(&self, index: usize, message: String) -> ExecutorFault {
        ExecutorFault::Panic { height: self.block.context.height, index, message }
    }
}

fn apply(changes: &mut WriteSet, more: &WriteSet) {
    changes.0.extend(more.0.iter().map(|(key, op)| (key.clone(), op.clone())));
}

type Caught<T> = Result<T, String>;

/// One run; a panic comes back as its message.
fn run_caught(
    vm: &dyn TransactionVm,
    view: &dyn StateView,
    answers: &EngineAnswers,
    block: &BlockContext,
    transaction: &Transaction,
) -> Caught<Result<Outcome, VmFault>> {
    // A run has no effect outside its outcome, so nothing is left half-done behind a panic.
    catch_unwind(AssertUnwindSafe(|| vm.execute(view, answers, block, transaction)))
        .map_err(|panic| panic_text(&*panic))
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
