//! OpenAI's and Anthropic's protocols over the node's engine (docs/gateway.md).
//!
//! - An answer is a function of the request: the job that it becomes holds only what the request and the model say. The
//!   clock shows in `created` alone.
//! - Every answer names its job: `noema: {job, digest, model}` and the header `x-noema-job`.
//! - Waiting happens on blocking threads, a bounded number of them; a client that goes away gives its job up.
//! - Errors have the shape and the status that the vendor's clients know.

mod anthropic;
mod ask;
mod date;
mod desk;
mod error;
mod fields;
mod limits;
mod media;
mod openai;
mod serve;
mod sse;
mod template;
#[cfg(test)]
mod tests;
mod tools;

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use noema_inference_api::{Engine, JobId, ModelManifest};
use noema_types::Hash;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use desk::Desk;
use error::{Fault, Outcome, Vendor};
use media::Media;
use serve::Style;
pub use template::{Turn, chat_prompt};

/// Says which engine answers now.
pub(crate) type EngineSource = Arc<dyn Fn() -> Arc<dyn Engine> + Send + Sync>;

/// Records the digest of a job's answer on chain; the hash of the transaction, or why there is none.
pub(crate) type Record = Arc<dyn Fn(JobId, Hash) -> Result<Hash, String> + Send + Sync>;

/// How answers are recorded on chain.
#[derive(Clone)]
pub(crate) struct Settling {
    pub(crate) record: Record,
    /// Requests that do not say are recorded too.
    pub(crate) all: bool,
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Gateway {
    engine: EngineSource,
    settling: Option<Settling>,
    desk: Arc<Desk>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("desk", &self.desk).finish_non_exhaustive()
    }
}

/// Routes of the gateway, to be put under `/v1`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(engine: EngineSource, settling: Option<Settling>) -> Router<S> {
    routes(Gateway { engine, settling, desk: Arc::default(), permits: Arc::new(Semaphore::new(limits::REQUESTS_MAX)) })
}

fn routes<S: Clone + Send + Sync + 'static>(gateway: Gateway) -> Router<S> {
    let text = |style: Style| {
        post(move |State(gateway): State<Gateway>, body: Result<Bytes, BytesRejection>| async move {
            let answer = async { serve::answer(gateway, style, body?).await };
            answer.await.unwrap_or_else(|fault| fault.response(style.vendor()))
        })
    };
    let media = |media: Media| {
        post(move |State(gateway): State<Gateway>, body: Result<Bytes, BytesRejection>| async move {
            let answer = async { media::answer(gateway, media, body?).await };
            answer.await.unwrap_or_else(|fault| fault.response(Vendor::OpenAi))
        })
    };
    Router::new()
        .route("/chat/completions", text(Style::OpenAi(openai::Kind::Chat)))
        .route("/completions", text(Style::OpenAi(openai::Kind::Completion)))
        .route("/messages", text(Style::Anthropic))
        .route("/embeddings", media(Media::Embeddings))
        .route("/images/generations", media(Media::Images))
        .route("/models", get(list_models))
        .route("/models/{*name}", get(show_model))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .with_state(gateway)
}

/// A model in both vendors' shapes. Models have no birthday: `created` is 0.
fn show(root: Hash, manifest: &ModelManifest) -> Value {
    json!({
        "id": manifest.name,
        "object": "model",
        "created": 0,
        "owned_by": "noema",
        "type": "model",
        "display_name": manifest.name,
        "created_at": "1970-01-01T00:00:00Z",
        "noema": {
            "model": root.to_string(),
            "numerics": manifest.numerics,
            "context": manifest.context,
            "chat": !manifest.chat_template.is_empty(),
            "license": manifest.license,
        },
    })
}

async fn list_models(State(gateway): State<Gateway>) -> Json<Value> {
    let models = (gateway.engine)().models();
    let data: Vec<Value> = models.iter().map(|(root, manifest)| show(*root, manifest)).collect();
    let id = |model: Option<&Value>| model.map(|model| model["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    Json(json!({ "object": "list", "data": data, "has_more": false, "first_id": first, "last_id": last }))
}

async fn show_model(State(gateway): State<Gateway>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    match ask::find_model((gateway.engine)().models(), &name) {
        Ok((root, manifest)) => Json(show(root, &manifest)).into_response(),
        Err(fault) => {
            let anthropic = headers.contains_key("anthropic-version");
            fault.response(if anthropic { Vendor::Anthropic } else { Vendor::OpenAi })
        }
    }
}

/// Runs `work` on a blocking thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let result = tokio::task::spawn_blocking(work).await;
    result.unwrap_or_else(|error| Err(Fault::internal(format!("the request failed: {error}"))))
}
