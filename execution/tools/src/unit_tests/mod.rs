//! Runs unit tests in memory, in parallel.
//!
//! Every test starts from the same state, the package's modules and nothing else, and may use so much gas: that bounds
//! the ones that never end. Verdicts, gas, coverage and profile do not depend on the number of threads; results are
//! handed out in the order of the tests' names.

mod judge;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use noema_compiler::CompiledProgram;
use noema_compiler::expand::ast::ModuleIdent;
use noema_compiler::expand::test_plan::TestCase;
use noema_compiler::package::LoadedProgram;
use noema_execution_api::{GasMeter, InternalGas, MemoryState, NoAnswers, StateError, TransactionContext};
use noema_types::{Address, Gas, Hash, Identifier, ModuleId, StateKey};
use noema_vm::{ExecError, Vm};

use crate::coverage::Coverage;
use crate::limits::TEST_STACK_BYTES;
use crate::profile::Profile;
use crate::recorder::{CodeIndex, Counts, Recorder};

/// What to run, and how.
#[derive(Debug, Clone, Copy)]
pub struct TestOptions<'a> {
    /// Only tests whose `module::function` contains this.
    pub filter: Option<&'a str>,
    /// Gas units that a test may use.
    pub gas_limit: u64,
    /// Tests that run at the same time.
    pub threads: usize,
    /// Counts what is executed and what gas pays for. Runs the reference interpreter, whatever the machine prefers.
    pub record: bool,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// `module::function`
    pub name: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Gas used.
    pub gas: InternalGas,
    /// Instructions executed.
    pub instructions: u64,
    /// What the test showed with `0x1::debug`, in order.
    pub printed: Vec<String>,
    /// How long it took here.
    pub elapsed: Duration,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// In the order of the names.
    pub results: Vec<TestResult>,
    /// If [`TestOptions::record`] is on.
    pub recorded: Option<Recorded>,
}

/// What a run executed and what it paid for.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Lines, branches, functions.
    pub coverage: Coverage,
    /// Gas by call stack; the outermost functions are the tests.
    pub profile: Profile,
}

/// A test and its module.
#[derive(Debug, Clone, Copy)]
struct Job<'p> {
    module: &'p ModuleIdent,
    case: &'p TestCase,
}

impl Job<'_> {
    fn name(&self) -> String {
        format!("{}::{}", self.module.name, self.case.name)
    }
}

/// A result, and what its run counted.
type Outcome = Result<(TestResult, Option<(Counts, Profile)>), StateError>;

/// Runs the tests of a package that was compiled in test mode; `each` sees every result as soon as it and all before it
/// are there.
///
/// # Errors
/// If the machine itself is at fault, which says nothing about a test.
pub fn run(
    vm: &Vm,
    loaded: &LoadedProgram,
    program: &CompiledProgram,
    options: TestOptions<'_>,
    each: impl FnMut(&TestResult),
) -> Result<TestRun, StateError> {
    let mut state = MemoryState::new();
    for unit in &program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    let jobs = jobs(program, options.filter);
    let index = options.record.then(|| CodeIndex::new(program.modules.iter().map(|unit| &unit.module)));
    let runner = Runner { vm, state, program, options, index };
    let mut counts = Counts::default();
    let mut profile = Profile::default();
    let results = runner.run_all(&jobs, each, |one_counts, one_profile| {
        counts.merge(&one_counts);
        profile.merge(&one_profile);
    })?;
    let recorded = runner.index.as_ref().map(|index| {
        counts.merge(&Recorder::new(index).counts);
        Recorded { coverage: Coverage::new(loaded, program, index, &counts), profile }
    });
    Ok(TestRun { results, recorded })
}

fn jobs<'p>(program: &'p CompiledProgram, filter: Option<&str>) -> Vec<Job<'p>> {
    let modules = program.test_plan.iter().flat_map(|plan| &plan.modules);
    let all = modules.flat_map(|(module, cases)| cases.iter().map(move |case| Job { module, case }));
    let mut jobs: Vec<_> = all.filter(|job| filter.is_none_or(|text| job.name().contains(text))).collect();
    jobs.sort_by_key(Job::name);
    jobs
}

struct Runner<'a> {
    vm: &'a Vm,
    state: MemoryState,
    program: &'a CompiledProgram,
    options: TestOptions<'a>,
    index: Option<CodeIndex>,
}

impl Runner<'_> {
    /// Hands jobs to threads and puts what comes back into order.
    fn run_all(
        &self,
        jobs: &[Job<'_>],
        mut each: impl FnMut(&TestResult),
        mut count: impl FnMut(Counts, Profile),
    ) -> Result<Vec<TestResult>, StateError> {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel::<(usize, Outcome)>();
        std::thread::scope(|scope| {
            for _ in 0..self.options.threads.clamp(1, jobs.len().max(1)) {
                let (sender, next, stop) = (sender.clone(), &next, &stop);
                let thread = std::thread::Builder::new().name("move-test".into()).stack_size(TEST_STACK_BYTES);
                let work = move || {
                    while !stop.load(Ordering::Relaxed) {
                        let position = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(position) else { break };
                        if sender.send((position, self.run_one(*job))).is_err() {
                            break;
                        }
                    }
                };
                thread.spawn_scoped(scope, work).expect("the system can start one more thread");
            }
            drop(sender);
            let mut early = BTreeMap::new();
            let mut results = Vec::with_capacity(jobs.len());
            for (position, outcome) in receiver {
                let (result, counted) = outcome.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                if let Some((counts, profile)) = counted {
                    count(counts, profile);
                }
                early.insert(position, result);
                while let Some(result) = early.remove(&results.len()) {
                    each(&result);
                    results.push(result);
                }
            }
            Ok(results)
        })
    }

    fn run_one(&self, job: Job<'_>) -> Outcome {
        let name = job.name();
        let context = TransactionContext {
            hash: Hash::sha3(&[name.as_bytes()]),
            sender: Address::ZERO,
            chain_id: 4,
            gas_unit_price: 1,
            gas_units_max: self.options.gas_limit,
        };
        let mut gas = GasMeter::new(self.vm.schedule().from_units(Gas(self.options.gas_limit)));
        let mut recorder = self.index.as_ref().map(Recorder::new);
        let mut session = self.vm.session(&self.state, &NoAnswers, context);
        if let Some(recorder) = &mut recorder {
            session.trace(recorder);
        }
        let name_of_module = Identifier::new(job.module.name.as_str()).expect("the compiler takes identifiers only");
        let id = ModuleId::new(job.module.address, name_of_module);
        let signers = job.case.signers.iter().map(|address| address.0.to_vec()).collect();
        let start = Instant::now();
        let result = session.execute_function(&id, &job.case.name, Vec::new(), signers, &mut gas);
        let elapsed = start.elapsed();
        let instructions = session.instructions();
        let printed = session.printed().to_vec();
        drop(session);
        let failure = match result {
            Ok(_) => judge::returned(&job.case.outcome),
            Err(ExecError::Program(error)) => judge::failed(self.program, &job.case.outcome, &error),
            Err(ExecError::Pending(_)) => Some(judge::PENDING.to_owned()),
            Err(ExecError::Fault(fault)) => return Err(fault),
        };
        let counted = recorder.map(|mut recorder| {
            recorder.finish(gas.used());
            (recorder.counts, recorder.profile)
        });
        Ok((TestResult { name, failure, gas: gas.used(), instructions, printed, elapsed }, counted))
    }
}
