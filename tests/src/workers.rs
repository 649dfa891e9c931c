//! Jobs through workers that are killed at random: every job is answered once, every answer is that of a single pool.
//!
//! The dispatcher runs in this process, as in a node; the workers are real processes, killed with SIGKILL after random
//! numbers of answers and started again. Everything random follows from one seed, except the moments of the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use noema_crypto::{Ed25519KeyPair, write_key_file};
use noema_engine::{Pool, PoolConfig};
use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, JobKind, NUMERICS_VERSION, Options};
use noema_models::synthetic::{tiny_bert, tiny_llama, tiny_neox};
use noema_models::{Compute, load};
use noema_numerics::Kernel;
use noema_remote::{Dispatcher, InferenceReport, Listen, Local, Timing};
use noema_types::Hash;

use crate::process::noema;

/// Answers between two kills, at least and at most.
const ANSWERS_PER_KILL: (u64, u64) = (15, 90);
/// Jobs that are submitted and not yet collected, at most.
const OPEN_MAX: usize = 1_000;
/// Between two looks at the workers.
const LOOK: Duration = Duration::from_millis(2);
/// Nothing is answered for so long: something hangs.
const STALL_MAX: Duration = Duration::from_secs(120);
/// Jobs a worker takes at once.
const CAPACITY: &str = "8";

/// What a run was, and what came out.
#[derive(Debug)]
pub struct KillRun {
    /// Of everything random.
    pub seed: u64,
    /// Distinct jobs submitted.
    pub jobs: u64,
    /// Workers killed.
    pub kills: u64,
    /// The dispatcher's own word at the end.
    pub report: InferenceReport,
    /// Digest over all answers, in the order of the jobs.
    pub digest: Hash,
    /// The same of the single pool.
    pub expected: Hash,
    /// Jobs whose answer differs from the single pool's.
    pub wrong: Vec<u64>,
    /// Jobs whose answer came more than once.
    pub twice: u64,
    /// How long the workers had.
    pub elapsed: Duration,
}

impl KillRun {
    /// Whether everything held.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let totals = &self.report.totals;
        self.wrong.is_empty()
            && self.twice == 0
            && self.digest == self.expected
            && totals.answered == self.jobs
            && self.report.queue.open == 0
            && totals.faults == 0
            && totals.refused == 0
    }

    /// For people.
    #[must_use]
    pub fn summary(&self) -> String {
        let totals = &self.report.totals;
        let by_worker: Vec<String> = self
            .report
            .workers
            .iter()
            .map(|worker| format!("{} answered {} (attached {} times)", worker.name, worker.answered, worker.attached))
            .collect();
        format!(
            "seed {}\njobs {}, answered {}, twice {}, different from the single pool {}\nkills {}, jobs moved {}, late answers {}\n{}\ntime {} ms\ndigest {}\nsingle {}",
            self.seed,
            self.jobs,
            totals.answered,
            self.twice,
            self.wrong.len(),
            self.kills,
            totals.moved,
            totals.late,
            by_worker.join("\n"),
            self.elapsed.as_millis(),
            self.digest,
            self.expected
        )
    }
}

/// SplitMix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn text(&mut self, words: u64) -> String {
        let count = 1 + self.below(words);
        let word = |random: &mut Self| {
            let length = 2 + random.below(6);
            (0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect::<String>()
        };
        (0..count).map(|_| word(self)).collect::<Vec<_>>().join(" ")
    }
}

/// The models of the run: two that write, of different families, and one that embeds.
#[derive(Debug)]
struct Models {
    files: Vec<PathBuf>,
    writers: [Hash; 2],
    embedder: Hash,
}

/// One process.
struct Worker {
    child: Child,
    /// The process ends when this one does.
    _stdin: Option<ChildStdin>,
}

fn models(folder: &Path) -> (Models, Pool) {
    let contents = [tiny_llama(11), tiny_neox(12), tiny_bert(13)];
    let files: Vec<PathBuf> = (0..contents.len()).map(|index| folder.join(format!("model-{index}.noema"))).collect();
    for (file, content) in files.iter().zip(&contents) {
        std::fs::write(file, content).expect("the folder takes a file");
    }
    let loaded: Vec<_> = files.iter().map(|file| load(file, None).expect("a model")).collect();
    let (writers, embedder) = ([loaded[0].root, loaded[1].root], loaded[2].root);
    let compute = Compute::with_threads(Kernel::best(), 1).expect("a kernel of this machine");
    let pool = Pool::start(loaded, &PoolConfig { compute }).expect("this machine computes rightly");
    (Models { files, writers, embedder }, pool)
}

/// A job of a random kind; no two numbers have the same one.
fn job(models: &Models, number: u64, random: &mut Random) -> Job {
    let writer = models.writers[random.below(2) as usize];
    let none = Options { max_new_tokens: 0, ..Options::default() };
    let some = |random: &mut Random| Options { max_new_tokens: 4 + random.below(28) as u32, ..Options::default() };
    let (model, kind, options) = match random.below(5) {
        0 => (writer, JobKind::Generate, some(random)),
        1 => {
            let temperature_bps = 5_000 + random.below(15_000) as u32;
            let (top_k, top_p_bps) = (random.below(50) as u32, 5_000 + random.below(5_001) as u32);
            let sampled = Options { temperature_bps, top_k, top_p_bps, seed: random.next(), ..some(random) };
            (writer, JobKind::Generate, sampled)
        }
        2 => {
            let choices = (0..2 + random.below(4)).map(|_| random.text(3)).collect();
            (writer, JobKind::Choose(choices), none)
        }
        3 => (writer, JobKind::Score(random.text(6)), none),
        _ => (models.embedder, JobKind::Embed, none),
    };
    let prompt = format!("{number} {}", random.text(12));
    Job { numerics: NUMERICS_VERSION, model, kind, prompt, options }
}

fn class(random: &mut Random) -> JobClass {
    [JobClass::Certified, JobClass::Speculative, JobClass::Simulation][random.below(3) as usize]
}

/// Submits, waiting while the queue is full.
fn submit(engine: &dyn Engine, job: &Job, class: JobClass) -> JobId {
    loop {
        match engine.submit(job, class) {
            Ok(id) => return id,
            Err(EngineError::Busy(_)) => std::thread::sleep(LOOK),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a single pool says.
fn single(pool: &Pool, jobs: &[Job]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for some in jobs.chunks(OPEN_MAX) {
        let ids: Vec<JobId> = some.iter().map(|job| submit(pool, job, JobClass::Certified)).collect();
        answers.extend(ids.into_iter().map(|id| pool.wait(id).expect("the pool serves")));
    }
    answers
}

fn digest(answers: &[Answer]) -> Hash {
    let digests: Vec<[u8; 32]> = answers.iter().map(|answer| answer.digest().0).collect();
    let parts: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
    Hash::sha3(&parts)
}

/// The workers, by number.
struct Workers<'a> {
    folder: &'a Path,
    models: &'a Models,
    node: String,
    node_key: String,
    running: Vec<Worker>,
}

impl Workers<'_> {
    fn key(number: usize) -> Ed25519KeyPair {
        Ed25519KeyPair::from_private_bytes([50 + number as u8; 32])
    }

    fn key_file(&self, number: usize) -> PathBuf {
        self.folder.join(format!("worker-{number}.key"))
    }

    fn spawn(&self, number: usize) -> Worker {
        let key = self.key_file(number);
        let name = format!("worker-{number}");
        let mut args = vec!["worker", "run", "--node", &self.node, "--node-key", &self.node_key];
        let key = key.to_str().expect("a plain path");
        args.extend(["--key", key, "--name", &name, "--threads", "1", "--jobs", CAPACITY, "--stop-with-stdin"]);
        for file in &self.models.files {
            args.extend(["--model", file.to_str().expect("a plain path")]);
        }
        let log = self.folder.join(format!("{name}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log file");
        let mut command = noema(self.folder, &args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        let stdin = child.stdin.take();
        Worker { child, _stdin: stdin }
    }

    /// SIGKILL, in the middle of whatever it does, then a new process of the same key.
    fn replace(&mut self, number: usize) {
        let child = &mut self.running[number].child;
        match child.kill().and_then(|()| child.wait()) {
            // Killed by a signal: it had no exit code of its own.
            Ok(status) if status.code().is_none() => self.running[number] = self.spawn(number),
            Ok(status) => end_now(&format!("worker {number} had ended by itself: {status}\n{}", self.log(number))),
            Err(error) => end_now(&format!("worker {number} cannot be killed: {error}")),
        }
    }

    fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.folder.join(format!("worker-{number}.log"))).unwrap_or_default()
    }
}

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        for worker in &mut self.running {
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

/// Runs so many jobs through so many workers.
///
/// # Panics
/// If a process does not start, or nothing goes on any more.
#[must_use]
pub fn kill_run(seed: u64, jobs: u64, workers: usize) -> KillRun {
    assert!((1..=60).contains(&workers), "1 to 60 workers");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (models, pool) = models(folder.path());
    let pool = Arc::new(pool);
    let mut random = Random(seed);
    let jobs: Vec<Job> = (0..jobs).map(|number| job(&models, number, &mut random)).collect();
    let distinct: BTreeSet<JobId> = jobs.iter().map(Job::id).collect();
    assert_eq!(distinct.len(), jobs.len(), "jobs are distinct");
    let expected = single(&pool, &jobs);

    // The pool only checks: with no job of its own, all answers are the workers'.
    let stats = Arc::clone(&pool);
    let local = Local { engine: pool, stats: Box::new(move || stats.stats().into()), jobs: 0 };
    let mut dispatcher = Dispatcher::new(Some(local), [], Timing::default()).expect("a dispatcher");
    let node_key = Ed25519KeyPair::from_private_bytes([49; 32]);
    let public = node_key.public();
    let admitted = (0..workers).map(|number| Workers::key(number).public()).collect();
    let address = "127.0.0.1:0".parse().expect("an address");
    let address = dispatcher.listen(Listen { address, key: node_key, workers: admitted }).expect("a port");
    let (node, node_key) = (address.to_string(), public.to_string());
    let mut processes = Workers { folder: folder.path(), models: &models, node, node_key, running: Vec::new() };
    for number in 0..workers {
        write_key_file(&processes.key_file(number), &Workers::key(number)).expect("the folder takes a key");
        let worker = processes.spawn(number);
        processes.running.push(worker);
    }
    let start = Instant::now();
    let (answers, kills) = drive(&dispatcher, &jobs, &mut processes, &mut random);
    let elapsed = start.elapsed();
    let wrong = (0..jobs.len()).filter(|&number| answers[number] != expected[number]);
    let wrong = wrong.map(|number| number as u64).collect();
    let report = dispatcher.report();
    KillRun {
        seed,
        jobs: jobs.len() as u64,
        kills,
        twice: report.totals.answered.saturating_sub(jobs.len() as u64) + report.totals.memo_hits,
        report,
        digest: digest(&answers),
        expected: digest(&expected),
        wrong,
        elapsed,
    }
}

/// Submits and collects all jobs while workers die; the answers in order, and how many were killed.
fn drive(dispatcher: &Dispatcher, jobs: &[Job], workers: &mut Workers<'_>, random: &mut Random) -> (Vec<Answer>, u64) {
    let classes: Vec<JobClass> = jobs.iter().map(|_| class(random)).collect();
    let pause = |random: &mut Random| ANSWERS_PER_KILL.0 + random.below(ANSWERS_PER_KILL.1 - ANSWERS_PER_KILL.0);
    std::thread::scope(|scope| {
        let collected = scope.spawn(|| {
            let mut answers = Vec::with_capacity(jobs.len());
            for (jobs, classes) in jobs.chunks(OPEN_MAX).zip(classes.chunks(OPEN_MAX)) {
                let ids = jobs.iter().zip(classes).map(|(job, class)| submit(dispatcher, job, *class));
                let ids: Vec<JobId> = ids.collect();
                answers.extend(ids.into_iter().map(|id| dispatcher.wait(id).expect("the dispatcher serves")));
            }
            answers
        });
        let (mut kills, mut next) = (0, pause(random));
        let (mut seen, mut moved_on) = (0, Instant::now());
        while !collected.is_finished() {
            std::thread::sleep(LOOK);
            let answered = dispatcher.jobs_run();
            if answered > seen {
                (seen, moved_on) = (answered, Instant::now());
            }
            if moved_on.elapsed() > STALL_MAX {
                let logs: Vec<String> = (0..workers.running.len()).map(|number| workers.log(number)).collect();
                // The collector waits for ever: nothing but the process can end it.
                end_now(&format!("nothing is answered any more: {:#?}\n{}", dispatcher.report(), logs.join("\n")));
            }
            if answered >= next && !collected.is_finished() {
                // Not at once, but somewhere in the work of the next milliseconds.
                std::thread::sleep(Duration::from_micros(random.below(5_000)));
                workers.replace(random.below(workers.running.len() as u64) as usize);
                kills += 1;
                next = answered + pause(random);
            }
        }
        (collected.join().expect("the collector ends"), kills)
    })
}

/// Ends the process with a message: a panic would wait for the thread that collects, which may wait for ever.
fn end_now(message: &str) -> ! {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{message}");
    std::process::exit(101)
}
