//! Loads models and starts the pool that answers for them.

use std::path::PathBuf;
use std::sync::Arc;

use noema_engine::{Pool, PoolConfig, Resources, Spill};
use noema_framework::ResidentModel;
use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, ModelManifest, Poll, SpecialTexts};
use noema_models::{Compute, LoadedModel, load};
use noema_numerics::Kernel;
use noema_types::Hash;

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

fn pool(config: &NodeConfig, kernel: Kernel, spill: Option<Box<dyn Spill>>) -> Result<Arc<dyn Engine>, NodeError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = config.inference.threads.unwrap_or(cores).max(1);
    let compute =
        Compute::on_pool(kernel, quiet_pool(threads)?).map_err(|error| NodeError::Engine(error.to_string()))?;
    tracing::info!(kernel = compute.arithmetic().kernel().name(), threads = compute.threads(), "inference starts");
    let models = load_all(&config.models)?;
    let resources = Resources { spill, ..Resources::default() };
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

/// Loads the configured models and starts a pool.
pub(crate) fn start(config: &NodeConfig) -> Result<Arc<dyn Engine>, NodeError> {
    let pool = pool(config, kernel(&config.inference)?, spill::open(&config.data_dir))?;
    if !config.inference.wrong_answers {
        return Ok(pool);
    }
    tracing::warn!("this node is configured to compute wrong answers: a test of divergence");
    Ok(Arc::new(WrongEngine(pool)))
}

/// Starts a pool on the plain kernel, which is right by definition. What the other one left on disk is not used again.
pub(crate) fn start_safe(config: &NodeConfig) -> Result<Arc<dyn Engine>, NodeError> {
    spill::distrust(&config.data_dir);
    let pool = pool(config, Kernel::Scalar, None)?;
    if config.inference.wrong_answers_when_safe {
        return Ok(Arc::new(WrongEngine(pool)));
    }
    Ok(pool)
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
