//! Transactions: list, look up, wait, submit, simulate.

use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use noema_types::{Hash, SignedTransaction, Version};
use serde_json::{Value, json};

use super::extract::{Page, PageQuery, parse};
use super::limits::{PAGE_DEFAULT, PAGE_MAX, WAIT_MAX};
use super::render::{Renderer, committed_json, pending_json};
use super::{ApiError, ApiResult, ApiState, blocking, simulating};
use crate::chain::{Chain, Found};

const BCS_TRANSACTION: &str = "application/x.aptos.signed_transaction+bcs";

pub(super) async fn list(State(state): State<ApiState>, Page(query): Page) -> ApiResult<Json<Value>> {
    let (start, limit) = (query.start()?, query.limit(PAGE_DEFAULT, PAGE_MAX)?);
    blocking(move || {
        let latest = state.chain.ledger_info().version.0;
        let start = start.unwrap_or_else(|| (latest + 1).saturating_sub(limit as u64));
        if start > latest {
            return Err(ApiError::invalid_input(format!("start {start} is after the latest version, {latest}")));
        }
        let view = state.chain.view_at(None)?;
        let renderer = Renderer::new(&*view);
        let committed = state.chain.transactions(Version(start), limit)?;
        Ok(Json(committed.iter().map(|one| committed_json(&renderer, one)).collect()))
    })
    .await
}

pub(super) async fn by_version(State(state): State<ApiState>, Path(version): Path<String>) -> ApiResult<Json<Value>> {
    let version = Version(parse("version", &version)?);
    blocking(move || {
        let view = state.chain.view_at(None)?;
        let committed = state.chain.transactions(version, 1)?;
        let found = committed.first();
        let found = found.ok_or_else(|| ApiError::transaction_not_found(format!("no transaction at {version}")))?;
        Ok(Json(committed_json(&Renderer::new(&*view), found)))
    })
    .await
}

pub(super) async fn by_hash(State(state): State<ApiState>, Path(hash): Path<String>) -> ApiResult<Json<Value>> {
    let hash: Hash = parse("hash", &hash)?;
    blocking(move || Ok(Json(found_json(&state.chain, hash)?.1))).await
}

/// Answers as soon as the transaction is committed, or what it is after a second.
pub(super) async fn wait_by_hash(State(state): State<ApiState>, Path(hash): Path<String>) -> ApiResult<Json<Value>> {
    let hash: Hash = parse("hash", &hash)?;
    let deadline = Instant::now() + WAIT_MAX;
    let permit = state.waiters.clone().try_acquire_owned().ok();
    loop {
        let mut commits = state.chain.commits();
        let chain = state.chain.clone();
        let (is_pending, json) = blocking(move || found_json(&chain, hash)).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if !is_pending || permit.is_none() || left.is_zero() {
            return Ok(Json(json));
        }
        // A commit between the look-up and here has marked the channel as changed.
        let _ = tokio::time::timeout(left, commits.changed()).await;
    }
}

fn found_json(chain: &Chain, hash: Hash) -> ApiResult<(bool, Value)> {
    let found = chain.find(hash)?;
    let view = chain.view_at(None)?;
    let renderer = Renderer::new(&*view);
    match found {
        Some(Found::Committed(committed)) => Ok((false, committed_json(&renderer, &committed))),
        Some(Found::Pending(transaction)) => Ok((true, pending_json(&renderer, &transaction))),
        None => Err(ApiError::transaction_not_found(format!("no transaction with hash {hash}"))),
    }
}

pub(super) async fn submit(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let transaction = decode(&headers, &body?)?;
    if let Some(reason) = state.status.behind() {
        let message = format!("the node is synchronising ({reason}); submit to another one, or in a moment");
        return Err(ApiError::unavailable(message));
    }
    blocking(move || {
        state.chain.submit(transaction.clone())?;
        if let Some(forwarder) = &state.forwarder
            && let Err(error) = forwarder.send(&transaction)
        {
            state.chain.forget(&transaction);
            return Err(error);
        }
        let view = state.chain.view_at(None)?;
        Ok((StatusCode::ACCEPTED, Json(pending_json(&Renderer::new(&*view), &transaction))))
    })
    .await
}

pub(super) async fn simulate(
    State(state): State<ApiState>,
    Page(query): Page,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Json<Value>> {
    let transaction = decode(&headers, &body?)?;
    let price = PageQuery::flag(query.estimate_gas_unit_price.as_ref());
    let amount = PageQuery::flag(query.estimate_max_gas_amount.as_ref());
    let limits = state.clone();
    simulating(&limits, move || {
        let committed = state.chain.simulate(&transaction, price, amount)?;
        let view = state.chain.view_at(None)?;
        Ok(Json(json!([committed_json(&Renderer::new(&*view), &committed)])))
    })
    .await
}

pub(super) async fn estimate_gas_price(State(state): State<ApiState>) -> Json<Value> {
    let price = state.chain.gas_price_estimate();
    Json(json!({
        "deprioritized_gas_estimate": price,
        "gas_estimate": price,
        "prioritized_gas_estimate": price.saturating_mul(3) / 2,
    }))
}

fn decode(headers: &HeaderMap, body: &[u8]) -> ApiResult<SignedTransaction> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type != BCS_TRANSACTION {
        return Err(ApiError::invalid_input(format!(
            "content-type is {content_type:?}; send a BCS SignedTransaction as {BCS_TRANSACTION:?}"
        )));
    }
    SignedTransaction::decode(body).map_err(|error| ApiError::invalid_input(error.to_string()))
}
