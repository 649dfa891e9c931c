//! A toy machine with scripted reads, writes and questions, an engine that counts, and the plain oracle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use noema_execution_api::{
    AnswerSource, DiscardReason, InferenceUse, MemoryState, StateError, StatusCode, TransactionOutput, VmFault,
};
use noema_inference_api::{
    Answer, EngineError, Generated, Job, JobId, JobKind, ModelManifest, NUMERICS_VERSION, Options, Poll, Stop,
};
use noema_types::{
    Address, BlockMetadata, ChainId, Epoch, Event, ExecutionStatus, Gas, Hash, Height, Round, StateKey, TypeTag,
    WriteOp,
};
use parking_lot::{Condvar, Mutex};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

/// What a toy transaction does, step by step, with one accumulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Op {
    /// Adds the value at a key.
    Read(u8),
    /// Writes the accumulator.
    Write(u8),
    /// Removes a key.
    Delete(u8),
    /// Asks a fixed question and adds the answer's length.
    Ask(String),
    /// Asks a question that holds the accumulator.
    AskAccumulator,
    /// Emits the accumulator.
    Emit,
    /// Fails if the accumulator is odd: no effects but a fee.
    FailIfOdd,
    /// Is discarded if the accumulator is a multiple of three.
    DiscardIfThird,
    /// Panics if the accumulator is this.
    PanicIf(u64),
    /// Fails with a store fault.
    Fault,
}

fn transaction(ops: &[Op]) -> Transaction {
    // The toy's script travels in a field that carries bytes.
    Transaction::BlockMetadata(BlockMetadata {
        id: Hash::ZERO,
        height: Height(1),
        epoch: Epoch(1),
        round: Round(1),
        proposer: Address::ONE,
        failed_proposer_indices: vec![],
        previous_block_votes: bcs::to_bytes(ops).expect("serialises"),
        timestamp_us: 1,
    })
}

fn key(number: u8) -> StateKey {
    StateKey::TableItem { handle: Address::ONE, key: vec![number] }
}

fn number(bytes: Option<&Bytes>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")))
}

fn job(prompt: &str) -> Job {
    Job {
        numerics: NUMERICS_VERSION,
        model: Hash::ZERO,
        kind: JobKind::Generate,
        prompt: prompt.to_owned(),
        options: Options::default(),
    }
}

#[derive(Debug, Default)]
struct ToyVm;

impl TransactionVm for ToyVm {
    fn execute(
        &self,
        view: &dyn StateView,
        answers: &dyn AnswerSource,
        _block: &BlockContext,
        tx: &Transaction,
    ) -> Result<Outcome, VmFault> {
        let Transaction::BlockMetadata(carrier) = tx else { panic!("not a toy transaction") };
        let ops: Vec<Op> = bcs::from_bytes(&carrier.previous_block_votes).expect("a script");
        let mut accumulator = 1u64;
        let mut output = TransactionOutput {
            write_set: WriteSet::default(),
            events: vec![],
            gas_used: Gas(ops.len() as u64),
            status: ExecutionStatus::Success,
            inference: InferenceUse::default(),
        };
        for op in ops {
            match op {
                Op::Read(at) => {
                    let value = match output.write_set.0.get(&key(at)) {
                        Some(op) => number(op.bytes()),
                        None => number(view.get(&key(at))?.as_ref()),
                    };
                    accumulator = accumulator.wrapping_mul(31).wrapping_add(value);
                }
                Op::Write(at) => {
                    let bytes = Bytes::copy_from_slice(&accumulator.to_le_bytes());
                    output.write_set.0.insert(key(at), WriteOp::Write(bytes));
                }
                Op::Delete(at) => drop(output.write_set.0.insert(key(at), WriteOp::Delete)),
                Op::Ask(_) | Op::AskAccumulator => {
                    let prompt = if let Op::Ask(prompt) = op { prompt } else { format!("about {accumulator}") };
                    let job = job(&prompt);
                    let request = bcs::to_bytes(&job).expect("serialises");
                    let pending = PendingJob { id: job.id().0, request };
                    let Some(answer) = answers.answer(&pending.id) else { return Ok(Outcome::Pending(pending)) };
                    output.inference.calls += 1;
                    output.inference.jobs.push(pending.id);
                    accumulator = accumulator.wrapping_add(answer.iter().map(|byte| u64::from(*byte)).sum());
                }
                Op::Emit => {
                    let data = accumulator.to_le_bytes().to_vec();
                    output.events.push(Event::V2 { type_tag: TypeTag::U64, data });
                }
                Op::FailIfOdd if accumulator % 2 == 1 => {
                    output.write_set = WriteSet::default();
                    output.events.clear();
                    output.status = ExecutionStatus::MiscellaneousError(accumulator);
                    break;
                }
                Op::DiscardIfThird if accumulator.is_multiple_of(3) => {
                    return Ok(Outcome::Discarded(DiscardReason::new(StatusCode::INVALID_SIGNATURE, "a third")));
                }
                Op::PanicIf(value) => assert!(accumulator != value, "scripted panic"),
                Op::Fault => return Err(StateError::Store { reason: "scripted".to_owned() }.into()),
                Op::FailIfOdd | Op::DiscardIfThird => {}
            }
        }
        Ok(Outcome::Executed(Box::new(output)))
    }
}

/// The answer to a job: a function of its prompt.
fn answer(job: &Job) -> Answer {
    Answer::Generated(Generated {
        text: job.prompt.chars().rev().collect(),
        prompt_tokens: 1,
        new_tokens: 1,
        stop: Stop::EndToken,
    })
}

#[derive(Debug, Default)]
struct Jobs {
    submitted: BTreeMap<JobId, (Job, JobClass)>,
    answers: BTreeMap<JobId, Answer>,
    run: Vec<String>,
    queued_at_first_wait: Option<usize>,
}

/// Counts what it runs. Answers a job only when somebody waits for one: then all that are queued, on another thread.
#[derive(Debug, Default)]
struct CountingEngine {
    jobs: Arc<(Mutex<Jobs>, Condvar)>,
    room: Option<usize>,
}

impl Engine for CountingEngine {
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError> {
        let mut jobs = self.jobs.0.lock();
        let id = job.id();
        if self.room.is_some_and(|room| jobs.submitted.len() >= room && class != JobClass::Certified) {
            return Err(EngineError::Busy(jobs.submitted.len()));
        }
        if job.prompt.contains("unheld") {
            return Err(EngineError::ModelMissing(job.model));
        }
        if !jobs.answers.contains_key(&id) {
            let entry = jobs.submitted.entry(id).or_insert_with(|| (job.clone(), class));
            entry.1 = entry.1.min(class);
        }
        Ok(id)
    }

    fn poll(&self, id: JobId) -> Poll {
        let jobs = self.jobs.0.lock();
        match jobs.answers.get(&id) {
            Some(answer) => Poll::Ready(answer.clone()),
            None if jobs.submitted.contains_key(&id) => Poll::Pending,
            None => Poll::Unknown,
        }
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        let shared = self.jobs.clone();
        let worker = std::thread::spawn(move || {
            let mut jobs = shared.0.lock();
            let queued = jobs.submitted.len();
            jobs.queued_at_first_wait.get_or_insert(queued);
            for (id, (job, _)) in std::mem::take(&mut jobs.submitted) {
                jobs.run.push(job.prompt.clone());
                jobs.answers.insert(id, answer(&job));
            }
            shared.1.notify_all();
        });
        let mut jobs = self.jobs.0.lock();
        while !jobs.answers.contains_key(&id) {
            let timed_out = self.jobs.1.wait_for(&mut jobs, Duration::from_secs(5)).timed_out();
            if timed_out {
                return Err(EngineError::Stopped(format!("job {id} was never submitted")));
            }
        }
        let answer = jobs.answers[&id].clone();
        drop(jobs);
        worker.join().expect("the worker does not panic");
        Ok(answer)
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        Vec::new()
    }

    fn jobs_run(&self) -> u64 {
        self.jobs.0.lock().run.len() as u64
    }
}

fn block(transactions: Vec<Transaction>) -> ExecutionBlock {
    let context = BlockContext {
        chain_id: ChainId(4),
        epoch: Epoch(1),
        round: Round(1),
        height: Height(7),
        timestamp_us: 1,
        proposer: Address::ONE,
    };
    ExecutionBlock { context, transactions }
}

fn execute(scripts: &[Vec<Op>], engine: &Arc<CountingEngine>) -> Result<BlockOutput, ExecutorFault> {
    let executor = SequentialExecutor::new(Arc::new(ToyVm), engine.clone());
    executor.execute(&MemoryState::new(), &block(scripts.iter().map(|ops| transaction(ops)).collect()))
}

/// The plain oracle: one after the other, each question answered on the spot, no engine, no speculation.
fn oracle(scripts: &[Vec<Op>]) -> Vec<TransactionResult> {
    let mut state = MemoryState::new();
    let block = block(vec![]);
    let mut answers = BTreeMap::<Hash, Bytes>::new();
    scripts
        .iter()
        .map(|ops| {
            loop {
                match ToyVm.execute(&state, &answers, &block.context, &transaction(ops)).expect("no fault") {
                    Outcome::Executed(output) => {
                        state.apply(&output.write_set);
                        return TransactionResult::Executed(output);
                    }
                    Outcome::Discarded(reason) => return TransactionResult::Discarded(reason),
                    Outcome::Pending(pending) => {
                        let job: Job = bcs::from_bytes(&pending.request).expect("a job");
                        answers.insert(pending.id, bcs::to_bytes(&answer(&job)).expect("serialises").into());
                    }
                }
            }
        })
        .collect()
}

#[test]
fn twelve_transactions_with_one_prompt_run_the_model_once() {
    let engine = Arc::new(CountingEngine::default());
    let scripts: Vec<_> = (0..12).map(|at| vec![Op::Ask("the same".to_owned()), Op::Write(at), Op::Emit]).collect();
    let output = execute(&scripts, &engine).expect("no fault");
    assert_eq!(engine.jobs_run(), 1);
    assert_eq!(output.results, oracle(&scripts));
    for result in &output.results {
        let output = result.output().expect("executed");
        assert_eq!(output.inference.calls, 1, "each pays for its own call");
    }
}

#[test]
fn jobs_of_later_transactions_join_the_first_ones_batch() {
    let engine = Arc::new(CountingEngine::default());
    let scripts: Vec<_> = (0..12).map(|at| vec![Op::Ask(format!("prompt {at}")), Op::Write(at)]).collect();
    let output = execute(&scripts, &engine).expect("no fault");
    assert_eq!(engine.jobs.0.lock().queued_at_first_wait, Some(12));
    assert_eq!(engine.jobs_run(), 12);
    assert_eq!(output.work.waits, 1, "all answers were there when their transactions had their turn");
    assert_eq!(output.results, oracle(&scripts));
}

#[test]
fn a_shared_counter_in_the_prompt_runs_at_most_two_jobs_each() {
    let engine = Arc::new(CountingEngine::default());
    let scripts = vec![vec![Op::Read(0), Op::Write(0), Op::AskAccumulator, Op::Write(1), Op::Emit]; 64];
    let output = execute(&scripts, &engine).expect("no fault");
    assert_eq!(output.results, oracle(&scripts));
    assert!(engine.jobs_run() <= 2 * 64, "{} jobs", engine.jobs_run());
    assert!(output.work.speculative_runs <= 64);
}

#[test]
fn dependent_questions_of_one_transaction_are_answered_in_turn() {
    let engine = Arc::new(CountingEngine::default());
    let scripts = vec![vec![Op::AskAccumulator, Op::AskAccumulator, Op::AskAccumulator, Op::Emit]];
    let output = execute(&scripts, &engine).expect("no fault");
    assert_eq!((engine.jobs_run(), output.work.waits, output.work.runs), (3, 3, 4));
    assert_eq!(output.results, oracle(&scripts));
}

#[test]
fn a_busy_engine_loses_speculation_and_nothing_else() {
    let engine = Arc::new(CountingEngine { room: Some(2), ..CountingEngine::default() });
    let scripts: Vec<_> = (0..6).map(|at| vec![Op::Ask(format!("prompt {at}")), Op::Write(at)]).collect();
    let output = execute(&scripts, &engine).expect("no fault");
    assert!(output.work.waits > 1);
    assert_eq!(output.results, oracle(&scripts));
}

#[test]
fn a_missing_model_is_the_nodes_fault() {
    let engine = Arc::new(CountingEngine::default());
    let fault = execute(&[vec![Op::Write(1)], vec![Op::Ask("unheld".to_owned())]], &engine);
    let id = job("unheld").id().0;
    assert!(matches!(fault, Err(ExecutorFault::Engine { job, .. }) if job == id), "{fault:?}");
}

#[test]
fn faults_and_panics_at_the_head_stop_the_block_and_speculative_ones_mean_nothing() {
    let engine = Arc::new(CountingEngine::default());
    let fault = execute(&[vec![Op::Write(1)], vec![Op::Fault]], &engine);
    assert!(matches!(fault, Err(ExecutorFault::Vm { index: 1, height: Height(7), .. })), "{fault:?}");
    let fault = execute(&[vec![Op::PanicIf(1)]], &engine);
    let Err(ExecutorFault::Panic { index: 0, message, .. }) = fault else { panic!("{fault:?}") };
    assert_eq!(message, "scripted panic");
    // Before the head's write is there, key 0 reads as 0 and the accumulator is 31: only speculation sees that.
    let scripts = vec![vec![Op::Ask("wait".to_owned()), Op::Write(0)], vec![Op::Read(0), Op::PanicIf(31), Op::Emit]];
    let output = execute(&scripts, &engine).expect("the panic was speculative");
    assert_eq!(output.work.speculative_runs, 1);
    assert_eq!(output.results, oracle(&scripts));
}

/// A machine that asks for something else than it says.
#[derive(Debug)]
struct LiarVm;

impl TransactionVm for LiarVm {
    fn execute(
        &self,
        _view: &dyn StateView,
        _answers: &dyn AnswerSource,
        _block: &BlockContext,
        _tx: &Transaction,
    ) -> Result<Outcome, VmFault> {
        let request = bcs::to_bytes(&job("x")).expect("serialises");
        Ok(Outcome::Pending(PendingJob { id: Hash([9; 32]), request }))
    }
}

#[test]
fn a_request_that_is_not_its_job_is_refused() {
    let executor = SequentialExecutor::new(Arc::new(LiarVm), Arc::new(CountingEngine::default()));
    let fault = executor.execute(&MemoryState::new(), &block(vec![transaction(&[])]));
    assert!(matches!(fault, Err(ExecutorFault::BadJob { index: 0, .. })), "{fault:?}");
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u8..4).prop_map(Op::Read),
        4 => (0u8..4).prop_map(Op::Write),
        1 => (0u8..4).prop_map(Op::Delete),
        1 => "[ab]".prop_map(Op::Ask),
        1 => Just(Op::AskAccumulator),
        1 => Just(Op::Emit),
        1 => Just(Op::FailIfOdd),
        1 => Just(Op::DiscardIfThird),
    ]
}

proptest! {
    #[test]
    fn results_equal_the_plain_oracle(scripts in prop::collection::vec(prop::collection::vec(op(), 0..8), 0..16)) {
        let engine = Arc::new(CountingEngine::default());
        let output = execute(&scripts, &engine).expect("no fault");
        prop_assert_eq!(output.results, oracle(&scripts));
        prop_assert!(output.work.speculative_runs <= scripts.len() as u64);
    }
}
