//! Loads models and starts the pool that answers for them.

use std::sync::Arc;

use noema_engine::{Pool, PoolConfig};
use noema_framework::ResidentModel;
use noema_inference_api::Engine;
use noema_models::{Compute, load};
use noema_numerics::Kernel;

use crate::{InferenceConfig, NodeConfig, NodeError};

/// Parses a kernel's name; the fastest available when there is none.
pub(crate) fn kernel(config: &InferenceConfig) -> Result<Kernel, NodeError> {
    match &config.kernel {
        Some(name) => name.parse().map_err(|error: noema_numerics::NumericsError| NodeError::Engine(error.to_string())),
        None => Ok(Kernel::best()),
    }
}

fn compute(config: &InferenceConfig) -> Result<Compute, NodeError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Compute::with_threads(kernel(config)?, config.threads.unwrap_or(cores))
        .map_err(|error| NodeError::Engine(error.to_string()))
}

/// Loads the configured models and starts a pool; says what genesis needs to know of them.
pub(crate) fn start(config: &NodeConfig) -> Result<(Arc<dyn Engine>, Vec<ResidentModel>), NodeError> {
    let mut models = Vec::new();
    for path in &config.models {
        let model =
            load(path, None).map_err(|error| NodeError::Model { path: path.clone(), reason: error.to_string() })?;
        tracing::info!(name = model.manifest.name, root = %model.root, "model loaded");
        models.push(model);
    }
    let residents = models
        .iter()
        .map(|model| ResidentModel {
            weights: model.root,
            tokenizer: model.tokenizer_root,
            manifest: (*model.manifest).clone(),
        })
        .collect();
    let compute = compute(&config.inference)?;
    tracing::info!(kernel = compute.arithmetic().kernel().name(), threads = compute.threads(), "inference starts");
    let pool = Pool::start(models, &PoolConfig { compute }).map_err(|error| NodeError::Engine(error.to_string()))?;
    Ok((Arc::new(pool), residents))
}
