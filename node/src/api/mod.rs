//! The REST API, wire-compatible with what Aptos' SDKs use (docs/rest-api.md).
//!
//! Handlers parse, ask the [`Chain`](crate::chain::Chain) on a blocking thread, and render. Every answer carries the
//! `X-Aptos-*` headers of the ledger it was read from; every error is `{message, error_code, vm_error_code}`.

mod accounts;
mod error;
mod extract;
mod faucet;
mod ledger;
mod limits;
mod network;
mod render;
mod transactions;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::chain::Chain;
use crate::follower::Forwarder;
use crate::gateway::Settling;
use crate::status::Status;
pub(crate) use error::{ApiError, ApiResult};
pub(crate) use faucet::router as faucet_router;
pub(crate) use render::CommittedTransaction;

/// What every handler gets.
#[derive(Debug, Clone)]
pub(crate) struct ApiState {
    /// The chain.
    pub(crate) chain: Arc<Chain>,
    /// Waiting requests, bounded.
    pub(crate) waiters: Arc<tokio::sync::Semaphore>,
    /// Running views and simulations, bounded.
    pub(crate) simulations: Arc<tokio::sync::Semaphore>,
    /// What consensus, or what follows it, says of itself.
    pub(crate) status: Arc<Status>,
    /// Where a full node sends transactions.
    pub(crate) forwarder: Option<Arc<Forwarder>>,
}

/// All routes of the API, under `/v1`.
pub(crate) fn router(
    chain: Arc<Chain>,
    status: Arc<Status>,
    forwarder: Option<Arc<Forwarder>>,
    settling: Option<Settling>,
) -> Router {
    let semaphore = |permits| Arc::new(tokio::sync::Semaphore::new(permits));
    let engines = Arc::clone(&chain);
    let gateway = crate::gateway::router(Arc::new(move || engines.engine()), settling);
    let state = ApiState {
        chain,
        waiters: semaphore(limits::WAITERS_MAX),
        simulations: semaphore(limits::SIMULATIONS_MAX),
        status,
        forwarder,
    };
    let routes = Router::new()
        .route("/", get(ledger::info))
        .route("/-/healthy", get(ledger::healthy))
        .route("/accounts/{address}", get(accounts::account))
        .route("/accounts/{address}/resources", get(accounts::resources))
        .route("/accounts/{address}/resource/{tag}", get(accounts::resource))
        .route("/accounts/{address}/modules", get(accounts::modules))
        .route("/accounts/{address}/module/{name}", get(accounts::module))
        .route("/accounts/{address}/balance/{asset}", get(accounts::balance))
        .route("/accounts/{address}/transactions", get(accounts::transactions))
        .route("/accounts/{address}/events/{creation_number}", get(accounts::events))
        .route("/accounts/{address}/events/{tag}/{field}", get(accounts::events_by_field))
        .route("/transactions", get(transactions::list).post(transactions::submit))
        .route("/transactions/by_hash/{hash}", get(transactions::by_hash))
        .route("/transactions/wait_by_hash/{hash}", get(transactions::wait_by_hash))
        .route("/transactions/by_version/{version}", get(transactions::by_version))
        .route("/transactions/simulate", post(transactions::simulate))
        .route("/estimate_gas_price", get(transactions::estimate_gas_price))
        .route("/view", post(view::view))
        .route("/tables/{handle}/item", post(view::table_item))
        .route("/blocks/by_height/{height}", get(ledger::block_by_height))
        .route("/blocks/by_version/{version}", get(ledger::block_by_version))
        .route("/inference/workers", get(network::workers))
        .route("/noema/status", get(network::status))
        .route("/noema/genesis", get(network::genesis))
        .route("/noema/checkpoints/{height}", get(network::checkpoint))
        .route("/noema/epochs/{epoch}", get(network::epoch))
        .route("/noema/blocks/{height}", get(network::block))
        .route("/noema/proof", get(network::proof))
        .route("/noema/snapshot/{height}", get(network::snapshot))
        .merge(gateway)
        .with_state(state.clone());
    Router::new()
        .nest("/v1", routes.clone())
        .route("/v1/", get(ledger::info).with_state(state.clone()))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(axum::middleware::from_fn_with_state(state, ledger_headers))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal_error("the handler panicked").into_response()))
        .layer(CorsLayer::permissive())
}

async fn no_route(request: Request) -> ApiError {
    ApiError::no_route(format!(
        "no route for {} {}; docs/rest-api.md lists them",
        request.method(),
        request.uri().path()
    ))
}

async fn ledger_headers(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let info = state.chain.ledger_info();
    let values = [
        ("x-aptos-chain-id", u64::from(info.chain_id.0)),
        ("x-aptos-ledger-version", info.version.0),
        ("x-aptos-ledger-oldest-version", info.oldest_version.0),
        ("x-aptos-ledger-timestampusec", info.timestamp_us),
        ("x-aptos-epoch", info.epoch.0),
        ("x-aptos-block-height", info.height.0),
        ("x-aptos-oldest-block-height", info.oldest_height.0),
    ];
    for (name, value) in values {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    response
}

/// Runs `work`, which may ask models, on a blocking thread; refuses when too many do so already. The permit is held
/// until the work is done, even if the client goes away.
pub(crate) async fn simulating<T: Send + 'static>(
    state: &ApiState,
    work: impl FnOnce() -> ApiResult<T> + Send + 'static,
) -> ApiResult<T> {
    let Ok(permit) = Arc::clone(&state.simulations).try_acquire_owned() else {
        return Err(ApiError::unavailable("too many views and simulations run; try again in a moment"));
    };
    blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await
}

/// Runs `work` on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::internal_error(format!("the request failed: {error}"))),
    }
}
