use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use noema_crypto::Ed25519KeyPair;
use noema_engine::{Pool, PoolConfig};
use noema_inference_api::{
    Answer, Engine, EngineError, Job, JobClass, JobId, JobKind, ModelManifest, NUMERICS_VERSION, Options, Poll,
};
use noema_models::{Compute, LoadedModel, load_bytes, synthetic};
use noema_numerics::Kernel;
use noema_types::Hash;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tonic::Streaming;

use crate::attach::{hello, open};
use crate::limits::WORKER_MESSAGE_BYTES_MAX;
use crate::wire::{Answered, Beat, FromNode, FromWorker, NodeSaid, Piece, WorkerSaid};
use crate::{
    AttachConfig, AttachError, Attached, Dispatcher, InferenceReport, Listen, Local, PoolReport, Timing, WorkerState,
    attach,
};

const NODE: u8 = 1;
const LONG: Duration = Duration::from_secs(60);

static TEXTS: LazyLock<LoadedModel> = LazyLock::new(|| load_bytes(&synthetic::tiny_llama(1), None).unwrap());
static VECTORS: LazyLock<LoadedModel> = LazyLock::new(|| load_bytes(&synthetic::tiny_bert(2), None).unwrap());
static TRUTH: LazyLock<Arc<Pool>> = LazyLock::new(pool);

fn pool() -> Arc<Pool> {
    let compute = Compute::with_threads(Kernel::best(), 1).unwrap();
    Arc::new(Pool::start(vec![TEXTS.clone(), VECTORS.clone()], &PoolConfig { compute }).unwrap())
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([seed; 32])
}

/// Jobs of every kind but images, all different.
fn job(number: u64) -> Job {
    let options = Options { max_new_tokens: 6, seed: number, temperature_bps: 9_000, ..Options::default() };
    let none = Options { max_new_tokens: 0, ..Options::default() };
    let (kind, options, model) = match number % 5 {
        0 => (JobKind::Generate, Options { temperature_bps: 0, seed: 0, ..options }, TEXTS.root),
        1 => (JobKind::Generate, options, TEXTS.root),
        2 => (JobKind::Choose(vec!["yes".to_owned(), "no".to_owned(), "perhaps".to_owned()]), none, TEXTS.root),
        3 => (JobKind::Score("and so on".to_owned()), none, TEXTS.root),
        _ => (JobKind::Embed, none, VECTORS.root),
    };
    Job { numerics: NUMERICS_VERSION, model, kind, prompt: format!("job {number} of the tests"), options }
}

fn truth(job: &Job) -> Answer {
    let id = TRUTH.submit(job, JobClass::Certified).unwrap();
    TRUTH.wait(id).unwrap()
}

fn timing() -> Timing {
    Timing { beat: Duration::from_millis(50), audit_every: LONG, ..Timing::default() }
}

/// A node with these workers admitted; its own pool takes so many jobs at once.
fn node(jobs: usize, admitted: &[u8], timing: Timing) -> (Dispatcher, SocketAddr) {
    let engine: Arc<dyn Engine> = Arc::clone(&*TRUTH) as Arc<dyn Engine>;
    let local = Local { engine, stats: Box::new(PoolReport::default), jobs };
    let mut dispatcher = Dispatcher::new(Some(local), [], timing).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let workers = admitted.iter().map(|seed| key(*seed).public()).collect();
    let address = dispatcher.listen(Listen { address, key: key(NODE), workers }).unwrap();
    (dispatcher, address)
}

fn config(address: SocketAddr, seed: u8) -> AttachConfig {
    AttachConfig {
        node: address.to_string(),
        node_key: key(NODE).public(),
        key: key(seed),
        name: format!("worker {seed}"),
        program: "tests".to_owned(),
        kernel: "best".to_owned(),
        threads: 1,
        capacity: 4,
        grace: LONG,
    }
}

struct Running {
    task: JoinHandle<Result<(), AttachError>>,
    stop: watch::Sender<bool>,
}

fn start(runtime: &Runtime, config: AttachConfig, engine: Arc<dyn Engine>) -> Running {
    let (stop, stopped) = watch::channel(false);
    let attached = Attached { engine, stats: Arc::new(PoolReport::default) };
    Running { task: runtime.spawn(async move { attach(&config, &attached, stopped).await }), stop }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn until(dispatcher: &Dispatcher, what: &str, is_so: impl Fn(&InferenceReport) -> bool) -> InferenceReport {
    let start = Instant::now();
    loop {
        let report = dispatcher.report();
        if is_so(&report) {
            return report;
        }
        assert!(start.elapsed() < LONG, "never: {what}: {report:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn submit(dispatcher: &Dispatcher, numbers: std::ops::Range<u64>) -> Vec<(Job, JobId)> {
    let classes = [JobClass::Certified, JobClass::Speculative, JobClass::Simulation];
    let submit = |number: u64| {
        let job = job(number);
        let id = dispatcher.submit(&job, classes[(number % 3) as usize]).unwrap();
        (job, id)
    };
    numbers.map(submit).collect()
}

fn check(dispatcher: &Dispatcher, jobs: &[(Job, JobId)]) {
    for (job, id) in jobs {
        assert_eq!(dispatcher.wait(*id).unwrap(), truth(job), "{job:?}");
    }
}

/// An engine that does something else with the answers of another one.
struct Changed<F>(Arc<Pool>, F);

impl<F> std::fmt::Debug for Changed<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changed")
    }
}

impl<F: Fn(Answer) -> Answer + Send + Sync> Engine for Changed<F> {
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError> {
        self.0.submit(job, class)
    }

    fn poll(&self, id: JobId) -> Poll {
        self.0.poll(id)
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        self.0.wait(id).map(&self.1)
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        self.0.models()
    }

    fn jobs_run(&self) -> u64 {
        self.0.jobs_run()
    }
}

#[test]
fn jobs_wait_for_workers_and_get_the_answers_of_the_pool() {
    let (dispatcher, address) = node(0, &[2, 3], timing());
    let jobs = submit(&dispatcher, 0..40);
    assert_eq!(dispatcher.poll(jobs[0].1), Poll::Pending);
    std::thread::sleep(Duration::from_millis(50));
    let waiting = dispatcher.report();
    assert!(waiting.queue.jobs == 40 && waiting.queue.oldest_ms >= 50, "{waiting:?}");
    let runtime = runtime();
    let workers = [start(&runtime, config(address, 2), pool()), start(&runtime, config(address, 3), pool())];
    check(&dispatcher, &jobs);
    let again = submit(&dispatcher, 0..40);
    check(&dispatcher, &again);
    let report = dispatcher.report();
    assert_eq!((report.totals.answered, report.totals.memo_hits, report.totals.moved), (40, 40, 0));
    assert_eq!(report.workers.iter().map(|worker| worker.answered).sum::<u64>(), 40);
    assert_eq!(dispatcher.jobs_run(), 40);
    for worker in workers {
        worker.stop.send_replace(true);
        runtime.block_on(worker.task).unwrap().unwrap();
    }
    until(&dispatcher, "both are away", |report| report.workers.iter().all(|worker| worker.state == WorkerState::Away));
}

#[test]
fn the_local_pool_and_workers_share_the_load() {
    let (dispatcher, address) = node(4, &[2], timing());
    let runtime = runtime();
    let worker = start(&runtime, config(address, 2), pool());
    until(&dispatcher, "it is ready", |report| report.workers[0].state == WorkerState::Ready);
    let jobs = submit(&dispatcher, 100..200);
    check(&dispatcher, &jobs);
    let report = dispatcher.report();
    let (here, there) = (report.local.unwrap().answered, report.workers[0].answered);
    assert_eq!(here + there, 100);
    assert!(here > 5 && there > 5, "{here} here, {there} there");
    worker.stop.send_replace(true);
    runtime.block_on(worker.task).unwrap().unwrap();
}

#[test]
fn keys_decide_who_meets_whom() {
    let (dispatcher, address) = node(0, &[2], timing());
    let runtime = runtime();
    let stranger = start(&runtime, config(address, 9), Arc::clone(&*TRUTH) as Arc<dyn Engine>);
    let error = runtime.block_on(stranger.task).unwrap().unwrap_err();
    assert!(matches!(&error, AttachError::KeyRefused { key: refused, .. } if *refused == key(9).public()), "{error}");
    let other_node = AttachConfig { node_key: key(8).public(), ..config(address, 2) };
    let error = runtime.block_on(start(&runtime, other_node, Arc::clone(&*TRUTH) as Arc<dyn Engine>).task).unwrap();
    assert!(matches!(error, Err(AttachError::WrongNode { .. })), "{error:?}");
    until(&dispatcher, "the stranger is counted", |report| report.totals.unknown_keys == 1);
    assert_eq!(dispatcher.report().workers[0].attached, 0);
}

#[test]
fn a_worker_that_lies_gets_no_job_and_does_not_come_back() {
    let (dispatcher, address) = node(0, &[2, 3], timing());
    let jobs = submit(&dispatcher, 200..220);
    let runtime = runtime();
    let lie = |answer| match answer {
        Answer::Embedded { mut values, prompt_tokens } => {
            values.reverse();
            Answer::Embedded { values, prompt_tokens }
        }
        other => other,
    };
    let liar = || Arc::new(Changed(pool(), lie));
    for _ in 0..2 {
        let error = runtime.block_on(start(&runtime, config(address, 2), liar()).task).unwrap().unwrap_err();
        assert!(matches!(&error, AttachError::Refused(reason) if reason.contains("digest")), "{error}");
    }
    let report = until(&dispatcher, "it is refused", |report| report.totals.refused == 2);
    assert_eq!((report.workers.len(), report.totals.answered, report.totals.faults), (2, 0, 1));
    assert!(report.workers.iter().any(|worker| worker.state == WorkerState::Refused));
    let honest = start(&runtime, config(address, 3), pool());
    check(&dispatcher, &jobs);
    honest.stop.send_replace(true);
    runtime.block_on(honest.task).unwrap().unwrap();
}

#[test]
fn an_audit_finds_who_lies_only_after_the_tests() {
    let every = Duration::from_millis(50);
    let (dispatcher, address) = node(0, &[2], Timing { audit_every: every, ..timing() });
    let runtime = runtime();
    let lies = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&lies);
    let lie = move |answer| match answer {
        Answer::Scored { micro_nats, prompt_tokens, tokens } if switch.load(Ordering::Relaxed) => {
            Answer::Scored { micro_nats: micro_nats ^ 1, prompt_tokens, tokens }
        }
        other => other,
    };
    let worker = start(&runtime, config(address, 2), Arc::new(Changed(pool(), lie)));
    let jobs = submit(&dispatcher, 300..320);
    check(&dispatcher, &jobs);
    until(&dispatcher, "honest answers pass", |report| report.workers[0].audited > 5);
    lies.store(true, Ordering::Relaxed);
    for number in 0.. {
        if worker.task.is_finished() {
            break;
        }
        let _ = dispatcher.submit(&job(10_003 + 5 * number), JobClass::Certified);
        std::thread::sleep(Duration::from_millis(20));
        assert!(number < 3_000, "the liar is never found");
    }
    let error = runtime.block_on(worker.task).unwrap().unwrap_err();
    assert!(matches!(&error, AttachError::Refused(reason) if reason.contains("digest")), "{error}");
}

#[test]
fn texts_come_in_pieces_and_cancelled_jobs_leave() {
    let (dispatcher, address) = node(0, &[2], timing());
    let runtime = runtime();
    let options = |tokens, seed| Options { max_new_tokens: tokens, seed, temperature_bps: 9_000, ..Options::default() };
    let long =
        |tokens, seed| Job { kind: JobKind::Generate, model: TEXTS.root, options: options(tokens, seed), ..job(0) };
    let unwanted = dispatcher.submit(&long(200, 1), JobClass::Simulation).unwrap();
    dispatcher.cancel(unwanted);
    assert!(dispatcher.wait(unwanted).is_err());
    let worker = start(&runtime, config(address, 2), pool());
    let mut counts = Vec::new();
    for seed in 10..18 {
        let wanted = long(150, seed);
        let id = dispatcher.submit(&wanted, JobClass::Simulation).unwrap();
        let mut pieces = Vec::new();
        let answer = dispatcher.watch(id, &mut |piece| {
            pieces.push(piece.to_owned());
            true
        });
        assert_eq!(answer.as_ref().unwrap(), &truth(&wanted));
        let Ok(Answer::Generated(generated)) = answer else { panic!("a text") };
        assert_eq!(pieces.concat(), generated.text);
        counts.push(pieces.len());
    }
    assert!(counts.iter().any(|count| *count > 1), "{counts:?}");
    let running = dispatcher.submit(&long(200, 3), JobClass::Simulation).unwrap();
    until(&dispatcher, "it runs", |report| report.workers[0].in_flight == 1);
    dispatcher.cancel(running);
    assert!(dispatcher.wait(running).is_err());
    let report = until(&dispatcher, "it has left", |report| report.workers[0].in_flight == 0);
    assert_eq!((report.totals.cancelled, report.queue.open), (2, 0));
    worker.stop.send_replace(true);
    runtime.block_on(worker.task).unwrap().unwrap();
}

#[test]
fn jobs_of_a_lost_worker_move_on() {
    let (dispatcher, address) = node(0, &[2, 3], timing());
    let lost = runtime();
    let blocked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&blocked);
    // Answers its tests, then nothing.
    let stuck = move |answer| {
        if count.fetch_add(1, Ordering::Relaxed) >= 5 {
            std::thread::sleep(Duration::from_secs(2));
        }
        answer
    };
    let first = start(&lost, config(address, 2), Arc::new(Changed(pool(), stuck)));
    until(&dispatcher, "it is ready", |report| report.workers[0].state == WorkerState::Ready);
    let jobs = submit(&dispatcher, 400..420);
    until(&dispatcher, "it has jobs", |report| report.workers[0].in_flight == 4);
    let runtime = runtime();
    let second = start(&runtime, config(address, 3), pool());
    // As a killed process: nothing of it says anything any more.
    lost.shutdown_background();
    drop(first);
    check(&dispatcher, &jobs);
    let report = dispatcher.report();
    assert!(report.totals.moved >= 1, "{report:#?}");
    assert_eq!(report.totals.answered, 20);
    second.stop.send_replace(true);
    runtime.block_on(second.task).unwrap().unwrap();
}

/// A stream of an admitted key whose messages are made by hand.
async fn hostile(address: SocketAddr, seed: u8) -> (mpsc::Sender<FromWorker>, Streaming<FromNode>) {
    let (out, outgoing) = mpsc::channel(16);
    let config = config(address, seed);
    let attached = Attached { engine: Arc::clone(&*TRUTH) as Arc<dyn Engine>, stats: Arc::new(PoolReport::default) };
    out.send(WorkerSaid::Hello(hello(&config, &attached)).into()).await.unwrap();
    (out, open(&config, outgoing, 2 * WORKER_MESSAGE_BYTES_MAX).await.unwrap())
}

/// Answers the tests truthfully, then hands over the stream with the first real job's ticket.
async fn trusted(address: SocketAddr, seed: u8) -> (mpsc::Sender<FromWorker>, Streaming<FromNode>, u64) {
    let (out, mut inbound) = hostile(address, seed).await;
    let mut tests = 0;
    loop {
        let Some(FromNode { said: Some(said) }) = inbound.message().await.unwrap() else { panic!("a message") };
        let NodeSaid::Order(order) = said else { continue };
        if tests == 5 {
            return (out, inbound, order.ticket);
        }
        tests += 1;
        let (job, _) = order.open().unwrap();
        let answer = tokio::task::spawn_blocking(move || truth(&job)).await.unwrap();
        out.send(Answered::say(order.ticket, &answer)).await.unwrap();
    }
}

/// What the node says last.
async fn last_words(mut inbound: Streaming<FromNode>) -> String {
    let mut last = String::new();
    while let Ok(Some(message)) = inbound.message().await {
        if let Some(NodeSaid::Refusal(refusal)) = message.said {
            last = refusal.reason;
        }
    }
    last
}

#[test]
fn malformed_answers_drop_a_worker_and_answer_nothing() {
    let (dispatcher, address) = node(0, &[2, 3, 4, 5, 6], timing());
    let job = job(1);
    let id = dispatcher.submit(&job, JobClass::Certified).unwrap();
    let runtime = runtime();
    let garbage = |ticket| WorkerSaid::Answered(Answered { ticket, answer: vec![0xFF; 100] });
    let other_kind = |ticket| {
        let answer = bcs::to_bytes(&Answer::Scored { micro_nats: 0, prompt_tokens: 0, tokens: 0 }).unwrap();
        WorkerSaid::Answered(Answered { ticket, answer })
    };
    let loose = |ticket| WorkerSaid::Piece(Piece { ticket, offset: 9, text: "x".to_owned() });
    let huge = |ticket| WorkerSaid::Answered(Answered { ticket, answer: vec![0; WORKER_MESSAGE_BYTES_MAX + 1] });
    type Lie<'a> = (u8, &'a dyn Fn(u64) -> WorkerSaid, &'a str);
    let cases: [Lie<'_>; 4] = [
        (2, &garbage, "does not decode"),
        (3, &other_kind, "asked for"),
        (4, &loose, "fit together"),
        (5, &huge, "too large"),
    ];
    for (seed, lie, expected) in cases {
        let said = runtime.block_on(async {
            let (out, inbound, ticket) = trusted(address, seed).await;
            out.send(lie(ticket).into()).await.unwrap();
            last_words(inbound).await
        });
        assert!(said.contains(expected), "{said}");
        assert_eq!(dispatcher.poll(id), Poll::Pending);
    }
    let report = until(&dispatcher, "all are gone", |report| report.workers.iter().all(|worker| worker.in_flight == 0));
    assert_eq!(report.totals.refused, 4, "{report:#?}");
    let honest = start(&runtime, config(address, 6), pool());
    check(&dispatcher, &[(job, id)]);
    honest.stop.send_replace(true);
    runtime.block_on(honest.task).unwrap().unwrap();
}

#[test]
fn silence_and_delay_end_a_session_and_its_jobs_move_on() {
    let patience = Duration::from_millis(400);
    let (dispatcher, address) = node(0, &[2, 3, 4], Timing { silence_max: patience, ..timing() });
    let job = job(3);
    let id = dispatcher.submit(&job, JobClass::Certified).unwrap();
    let runtime = runtime();
    let silent = runtime.block_on(async {
        let (_out, inbound, _) = trusted(address, 2).await;
        last_words(inbound).await
    });
    assert!(silent.contains("nothing was heard"), "{silent}");
    drop(dispatcher);

    let (dispatcher, address) = node(0, &[2, 3], Timing { job_max: patience, ..timing() });
    let again = dispatcher.submit(&job, JobClass::Certified).unwrap();
    assert_eq!(again, id);
    let slow = runtime.block_on(async {
        let (out, inbound, _) = trusted(address, 2).await;
        let beats = tokio::spawn(async move {
            while out.send(WorkerSaid::Beat(Beat::default()).into()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let said = last_words(inbound).await;
        beats.abort();
        said
    });
    assert!(slow.contains("did not answer"), "{slow}");
    let honest = start(&runtime, config(address, 3), pool());
    check(&dispatcher, &[(job, id)]);
    let report = dispatcher.report();
    assert_eq!((report.totals.faults, report.totals.moved), (1, 1), "{report:#?}");
    honest.stop.send_replace(true);
    runtime.block_on(honest.task).unwrap().unwrap();
}

#[test]
fn strangers_and_garbage_hold_nothing_up() {
    let (dispatcher, address) = node(0, &[2], timing());
    let mut open_ends = Vec::new();
    for index in 0..100u32 {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        let noise: Vec<u8> = (0..index * 7).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let _ = stream.write_all(&noise);
        // Some hang up, most say no more.
        if index % 4 != 0 {
            open_ends.push(stream);
        }
    }
    let runtime = runtime();
    let jobs = submit(&dispatcher, 500..510);
    let worker = start(&runtime, config(address, 2), pool());
    check(&dispatcher, &jobs);
    worker.stop.send_replace(true);
    runtime.block_on(worker.task).unwrap().unwrap();
}

#[test]
fn a_worker_comes_back_when_its_node_does() {
    let (dispatcher, address) = node(0, &[2], timing());
    let runtime = runtime();
    let worker = start(&runtime, config(address, 2), pool());
    until(&dispatcher, "it is ready", |report| report.workers[0].state == WorkerState::Ready);
    drop(dispatcher);
    std::thread::sleep(Duration::from_millis(300));
    let engine: Arc<dyn Engine> = Arc::clone(&*TRUTH) as Arc<dyn Engine>;
    let local = Local { engine, stats: Box::new(PoolReport::default), jobs: 0 };
    let mut dispatcher = Dispatcher::new(Some(local), [], timing()).unwrap();
    let listening = Instant::now();
    loop {
        let listen = Listen { address, key: key(NODE), workers: vec![key(2).public()] };
        match dispatcher.listen(listen) {
            Ok(_) => break,
            Err(error) => assert!(listening.elapsed() < LONG, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let jobs = submit(&dispatcher, 600..610);
    check(&dispatcher, &jobs);
    worker.stop.send_replace(true);
    runtime.block_on(worker.task).unwrap().unwrap();
}
