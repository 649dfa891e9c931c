//! Loads models and starts what answers for them: a pool, and with it the workers that are configured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use noema_crypto::{Ed25519KeyPair, read_key_file, write_key_file};
use noema_engine::limits::BATCH_SEQUENCES_MAX;
use noema_engine::{Pool, PoolConfig, Resources, Spill};
use noema_framework::ResidentModel;
use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, ModelManifest, Poll, SpecialTexts};
use noema_models::{Compute, Device, LoadedModel, load};
use noema_numerics::Kernel;
use noema_remote::{Dispatcher, InferenceReport, Listen, Local, LocalReport, QueueReport, Timing, Totals};
use noema_types::{Ed25519PublicKey, Hash};

use crate::{InferenceConfig, NodeConfig, NodeError, spill};

/// Niceness of the threads that compute answers.
const LOWEST_PRIORITY: i32 = 19;

/// Parses a kernel's name; the fastest available when there is none.
fn kernel(config: &InferenceConfig) -> Result<Kernel, NodeError> {
    match &config.kernel {
        Some(name) => name.parse().map_err(|error: noema_numerics::NumericsError| NodeError::Engine(error.to_string())),
        None => {
            for error in Kernel::refused() {
                tracing::error!(%error, "a kernel of this machine is wrong and is not used; have the hardware checked");
            }
            Ok(Kernel::best())
        }
    }
}

fn load_all(paths: &[PathBuf]) -> Result<Vec<LoadedModel>, NodeError> {
    let mut models = Vec::new();
    for path in paths {
        let model =
            load(path, None).map_err(|error| NodeError::Model { path: path.clone(), reason: error.to_string() })?;
        tracing::info!(name = model.manifest.name, root = %model.root, "model loaded");
        models.push(model);
    }
    Ok(models)
}

/// What genesis needs to know of models.
pub(crate) fn resident_models(paths: &[PathBuf]) -> Result<Vec<ResidentModel>, NodeError> {
    let models = load_all(paths)?;
    // The chain knows no family that draws: such models answer off chain only.
    let models = models.iter().filter(|model| model.painter().is_none());
    let residents = models.map(|model| ResidentModel {
        weights: model.root,
        tokenizer: model.tokenizer_root,
        manifest: (*model.manifest).clone(),
    });
    Ok(residents.collect())
}

/// What answers, and what there is to say of it.
#[derive(Debug, Clone)]
pub(crate) struct Inference {
    /// Answers jobs.
    pub(crate) engine: Arc<dyn Engine>,
    pool: Arc<Pool>,
    workers: Option<Workers>,
}

/// Attached workers.
#[derive(Debug, Clone)]
struct Workers {
    dispatcher: Arc<Dispatcher>,
    listen: SocketAddr,
    key: Ed25519PublicKey,
}

impl Inference {
    /// Queue, pool, workers, counts.
    pub(crate) fn report(&self) -> InferenceReport {
        if let Some(workers) = &self.workers {
            return workers.dispatcher.report();
        }
        let stats = self.pool.stats();
        let answered = stats.jobs_run.saturating_sub(stats.queued + stats.running);
        let local = LocalReport {
            capacity: BATCH_SEQUENCES_MAX as u64,
            in_flight: stats.running,
            answered,
            pool: stats.into(),
        };
        InferenceReport {
            queue: QueueReport { jobs: stats.queued, open: stats.queued + stats.running, ..QueueReport::default() },
            local: Some(local),
            workers: Vec::new(),
            totals: Totals { answered, memo_hits: stats.memo_hits, cancelled: stats.cancelled, ..Totals::default() },
        }
    }

    /// Where workers attach, and the key they find there.
    pub(crate) fn door(&self) -> Option<(SocketAddr, Ed25519PublicKey)> {
        self.workers.as_ref().map(|workers| (workers.listen, workers.key))
    }
}

/// The configured device, with its kernels checked.
fn device(config: &InferenceConfig) -> Result<Option<Device>, NodeError> {
    let open = |name: &String| Device::named(name).map_err(|error| NodeError::Engine(error.to_string()));
    config.device.as_ref().map(open).transpose()
}

fn pool(
    config: &NodeConfig,
    kernel: Kernel,
    device: Option<Device>,
    spill: Option<Box<dyn Spill>>,
) -> Result<Arc<Pool>, NodeError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = config.inference.threads.unwrap_or(cores).max(1);
    let compute =
        Compute::on_pool(kernel, quiet_pool(threads)?).map_err(|error| NodeError::Engine(error.to_string()))?;
    tracing::info!(kernel = compute.arithmetic().kernel().name(), threads = compute.threads(), "inference starts");
    let models = load_all(&config.models)?;
    if let Some(device) = &device {
        tracing::info!(device = device.name(), "inference starts on a device");
    }
    let resources = Resources { spill, device, ..Resources::default() };
    let pool = Pool::start_with(models, &PoolConfig { compute }, resources);
    Ok(Arc::new(pool.map_err(|error| NodeError::Engine(error.to_string()))?))
}

/// Threads of the lowest priority: ordering and serving go before inference.
fn quiet_pool(threads: usize) -> Result<Arc<rayon::ThreadPool>, NodeError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("noema-compute-{index}"))
        .start_handler(|_| {
            let lowered = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST_PRIORITY);
            if let Err(error) = lowered {
                tracing::warn!(%error, "a thread of inference keeps its priority");
            }
        })
        .build();
    Ok(Arc::new(pool.map_err(|error| NodeError::System(error.to_string()))?))
}

/// The key that workers know this node by; made if there is none.
fn worker_key(config: &NodeConfig) -> Result<Ed25519KeyPair, NodeError> {
    let path = config.worker_key();
    if path.exists() || config.inference.worker_key.is_some() {
        return Ok(read_key_file(&path)?);
    }
    let key = Ed25519KeyPair::generate();
    write_key_file(&path, &key)?;
    Ok(key)
}

/// Puts a dispatcher before the pool, if workers are configured.
fn with_workers(config: &NodeConfig, pool: Arc<Pool>, engine: Arc<dyn Engine>) -> Result<Inference, NodeError> {
    let settings = &config.inference;
    let Some(address) = settings.worker_listen else {
        if settings.local_jobs == Some(0) || !settings.workers.is_empty() {
            let hint = "hint: [inference] worker_listen says where workers attach";
            return Err(NodeError::Engine(format!("workers are configured, but nothing listens for them\n{hint}")));
        }
        return Ok(Inference { engine, pool, workers: None });
    };
    let error = |error: noema_remote::RemoteError| NodeError::Engine(error.to_string());
    let key = worker_key(config)?;
    let public = key.public();
    let watched = Arc::clone(&pool);
    let jobs = settings.local_jobs.unwrap_or(BATCH_SEQUENCES_MAX);
    let local = Local { engine, stats: Box::new(move || watched.stats().into()), jobs };
    let mut dispatcher = Dispatcher::new(Some(local), [], Timing::default()).map_err(error)?;
    let listen = dispatcher.listen(Listen { address, key, workers: settings.workers.clone() }).map_err(error)?;
    tracing::info!(%listen, key = %public, admitted = settings.workers.len(), "workers may attach");
    let dispatcher = Arc::new(dispatcher);
    let workers = Workers { dispatcher: Arc::clone(&dispatcher), listen, key: public };
    Ok(Inference { engine: dispatcher, pool, workers: Some(workers) })
}

/// Loads the configured models and starts what answers for them.
pub(crate) fn start(config: &NodeConfig) -> Result<Inference, NodeError> {
    let (kernel, device) = (kernel(&config.inference)?, device(&config.inference)?);
    let pool = pool(config, kernel, device, spill::open(&config.data_dir))?;
    if !config.inference.wrong_answers {
        return with_workers(config, Arc::clone(&pool), pool);
    }
    tracing::warn!("this node is configured to compute wrong answers: a test of divergence");
    with_workers(config, Arc::clone(&pool), Arc::new(WrongEngine(pool)))
}

/// Starts a pool on the plain kernel, which is right by definition, and believes no worker. What the other one left on
/// disk is not used again.
pub(crate) fn start_safe(config: &NodeConfig) -> Result<Inference, NodeError> {
    spill::distrust(&config.data_dir);
    let pool = pool(config, Kernel::Scalar, None, None)?;
    let engine: Arc<dyn Engine> = if config.inference.wrong_answers_when_safe {
        Arc::new(WrongEngine(Arc::clone(&pool) as _))
    } else {
        Arc::clone(&pool) as _
    };
    Ok(Inference { engine, pool, workers: None })
}

/// A device that computes wrong answers, always the same ones: what tests of divergence need.
#[derive(Debug)]
struct WrongEngine(Arc<dyn Engine>);

fn wrong(answer: Answer) -> Answer {
    match answer {
        Answer::Generated(mut generated) => {
            generated.text.push('?');
            Answer::Generated(generated)
        }
        Answer::Chosen { index, prompt_tokens, choice_tokens } => {
            Answer::Chosen { index: index ^ 1, prompt_tokens, choice_tokens }
        }
        Answer::Scored { micro_nats, prompt_tokens, tokens } => {
            Answer::Scored { micro_nats: micro_nats ^ 1, prompt_tokens, tokens }
        }
        Answer::Embedded { mut values, prompt_tokens } => {
            values.reverse();
            Answer::Embedded { values, prompt_tokens }
        }
        Answer::Drawn { mut png, prompt_tokens } => {
            png.reverse();
            Answer::Drawn { png, prompt_tokens }
        }
        refused @ Answer::Refused(_) => refused,
    }
}

impl Engine for WrongEngine {
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError> {
        self.0.submit(job, class)
    }

    fn poll(&self, id: JobId) -> Poll {
        match self.0.poll(id) {
            Poll::Ready(answer) => Poll::Ready(wrong(answer)),
            other => other,
        }
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        self.0.wait(id).map(wrong)
    }

    fn watch(&self, id: JobId, each: &mut dyn FnMut(&str) -> bool) -> Result<Answer, EngineError> {
        // The pieces are right: only an answer as a whole is made wrong, which adds to its end.
        let mut sent = 0;
        let mut wanted = true;
        let answer = self.0.watch(id, &mut |piece| {
            sent += piece.len();
            wanted = each(piece);
            wanted
        });
        let answer = wrong(answer?);
        if let Answer::Generated(generated) = &answer
            && let Some(rest) = generated.text.get(sent..).filter(|rest| wanted && !rest.is_empty())
        {
            each(rest);
        }
        Ok(answer)
    }

    fn cancel(&self, id: JobId) {
        self.0.cancel(id);
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        self.0.models()
    }

    fn special_texts(&self, model: Hash) -> Option<Arc<SpecialTexts>> {
        self.0.special_texts(model)
    }

    fn prompt_tokens(&self, job: &Job) -> Option<u32> {
        self.0.prompt_tokens(job)
    }

    fn jobs_run(&self) -> u64 {
        self.0.jobs_run()
    }
}
