//! Ledger information and blocks.

use axum::Json;
use axum::extract::{Path, State};
use noema_types::{BlockInfo, Height, Version};
use serde_json::{Value, json};

use super::extract::{Page, PageQuery, parse};
use super::render::{Renderer, committed_json};
use super::{ApiError, ApiResult, ApiState, blocking};
use crate::chain::Chain;

pub(super) async fn info(State(state): State<ApiState>) -> Json<Value> {
    let info = state.chain.ledger_info();
    Json(json!({
        "chain_id": info.chain_id.0,
        "epoch": info.epoch.to_string(),
        "ledger_version": info.version.to_string(),
        "oldest_ledger_version": info.oldest_version.to_string(),
        "ledger_timestamp": info.timestamp_us.to_string(),
        "node_role": if state.forwarder.is_some() { "full_node" } else { "validator" },
        "oldest_block_height": info.oldest_height.to_string(),
        "block_height": info.height.to_string(),
        "state_root": info.state_root,
        "ordered_block_height": state.status.ordered_height(info.height).to_string(),
        "git_hash": null,
    }))
}

pub(super) async fn healthy(State(state): State<ApiState>) -> ApiResult<Json<Value>> {
    match state.chain.fault() {
        None => Ok(Json(json!({ "message": "noema:ok" }))),
        Some(fault) => Err(ApiError::unavailable(fault)),
    }
}

pub(super) async fn block_by_height(
    State(state): State<ApiState>,
    Path(height): Path<String>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let height = Height(parse("block height", &height)?);
    blocking(move || {
        let block = state.chain.block(height)?;
        block_json(&state.chain, &block, &query)
    })
    .await
}

pub(super) async fn block_by_version(
    State(state): State<ApiState>,
    Path(version): Path<String>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let version = Version(parse("version", &version)?);
    blocking(move || {
        let block = state.chain.block_of(version)?;
        block_json(&state.chain, &block, &query)
    })
    .await
}

fn block_json(chain: &Chain, block: &BlockInfo, query: &PageQuery) -> ApiResult<Json<Value>> {
    let transactions = if PageQuery::flag(query.with_transactions.as_ref()) {
        let count = usize::try_from(block.last_version.0 - block.first_version.0 + 1).unwrap_or(usize::MAX);
        let view = chain.view_at(None)?;
        let renderer = Renderer::new(&*view);
        let committed = chain.transactions(block.first_version, count)?;
        committed.iter().map(|one| committed_json(&renderer, one)).collect()
    } else {
        Value::Null
    };
    Ok(Json(json!({
        "block_height": block.height.to_string(),
        "block_hash": block.id,
        "block_timestamp": block.timestamp_us.to_string(),
        "first_version": block.first_version.to_string(),
        "last_version": block.last_version.to_string(),
        "transactions": transactions,
    })))
}
