//! What followers and light clients need: genesis, checkpoints, certified blocks, proofs, snapshots, in BCS; and what
//! people want to know of consensus, in JSON.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use noema_consensus::Ledger;
use noema_types::{Epoch, Height, StateKey, ValueProof};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::extract::parse;
use super::{ApiError, ApiResult, ApiState, blocking};

const BCS: &str = "application/x-bcs";
const LATEST: &str = "latest";
/// Bytes of a state key in a request, at most.
const KEY_BYTES_MAX: usize = 64 * 1024;

fn bytes(content: impl Into<axum::body::Bytes>) -> Response {
    ([(header::CONTENT_TYPE, BCS)], content.into()).into_response()
}

fn bcs(value: &impl Serialize) -> Response {
    bytes(bcs::to_bytes(value).expect("values of the ledger always serialise"))
}

pub(super) async fn status(State(state): State<ApiState>) -> ApiResult<Json<Value>> {
    blocking(move || Ok(Json(state.status.json()))).await
}

pub(super) async fn workers(State(state): State<ApiState>) -> ApiResult<Json<Value>> {
    blocking(move || {
        let inference = state.chain.inference();
        let mut report = serde_json::to_value(inference.report())
            .map_err(|error| ApiError::internal_error(format!("the report has no JSON: {error}")))?;
        report["node"] = inference.door().map_or(Value::Null, |(listen, key)| json!({ "listen": listen, "key": key }));
        Ok(Json(report))
    })
    .await
}

pub(super) async fn genesis(State(state): State<ApiState>) -> Response {
    bytes(state.chain.genesis())
}

fn height_of(state: &ApiState, text: &str) -> ApiResult<Height> {
    if text == LATEST { Ok(state.chain.ledger_info().height) } else { Ok(Height(parse("block height", text)?)) }
}

pub(super) async fn checkpoint(State(state): State<ApiState>, Path(height): Path<String>) -> ApiResult<Response> {
    blocking(move || {
        let height = height_of(&state, &height)?;
        let found = state.chain.db().checkpoint(height)?;
        let missing = || ApiError::block_not_found(format!("no certified checkpoint of block {height} is here"));
        found.map(|found| bcs(&found)).ok_or_else(missing)
    })
    .await
}

pub(super) async fn epoch(State(state): State<ApiState>, Path(epoch): Path<String>) -> ApiResult<Response> {
    let epoch = Epoch(parse("epoch", &epoch)?);
    blocking(move || {
        let found = state.chain.db().epoch_change(epoch)?;
        let missing = || ApiError::block_not_found(format!("the end of epoch {epoch} is not here"));
        found.map(|found| bcs(&found)).ok_or_else(missing)
    })
    .await
}

pub(super) async fn block(State(state): State<ApiState>, Path(height): Path<String>) -> ApiResult<Response> {
    blocking(move || {
        let height = height_of(&state, &height)?;
        Ok(bcs(&state.chain.db().certified_block(height)?))
    })
    .await
}

#[derive(Debug, Deserialize)]
pub(super) struct ProofQuery {
    key: String,
    #[serde(default)]
    height: Option<String>,
}

pub(super) async fn proof(State(state): State<ApiState>, Query(query): Query<ProofQuery>) -> ApiResult<Response> {
    let key = query.key.strip_prefix("0x").unwrap_or(&query.key);
    if key.len() > KEY_BYTES_MAX * 2 {
        return Err(ApiError::invalid_input(format!("key is over {KEY_BYTES_MAX} bytes")));
    }
    let key = hex::decode(key).map_err(|error| ApiError::invalid_input(format!("key is not hexadecimal: {error}")))?;
    let key: StateKey = noema_types::decode("state key", &key)
        .map_err(|error| ApiError::invalid_input(format!("key is no BCS of a state key: {error}")))?;
    blocking(move || {
        let height = height_of(&state, query.height.as_deref().unwrap_or(LATEST))?;
        let proof = state.chain.db().prove(&key, height)?;
        Ok(bcs(&ValueProof::V1 { height, proof }))
    })
    .await
}

#[derive(Debug, Deserialize)]
pub(super) struct SnapshotQuery {
    #[serde(default)]
    from: Option<String>,
}

pub(super) async fn snapshot(
    State(state): State<ApiState>,
    Path(height): Path<String>,
    Query(query): Query<SnapshotQuery>,
) -> ApiResult<Response> {
    blocking(move || {
        let height = height_of(&state, &height)?;
        let from = query.from.map(|from| hex::decode(from.strip_prefix("0x").unwrap_or(&from))).transpose();
        let from = from.map_err(|error| ApiError::invalid_input(format!("from is not hexadecimal: {error}")))?;
        let part = state.chain.snapshot(height, from.as_deref()).map_err(|halt| ApiError::internal_error(halt.0))?;
        let missing = || ApiError::block_not_found(format!("no such part of a snapshot at block {height}"));
        part.map(|part| bcs(&part)).ok_or_else(missing)
    })
    .await
}
