//! The faucet of a local network: mints the native coin to whoever asks.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use noema_types::Address;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::CorsLayer;

use super::extract::parse;
use super::{ApiError, ApiResult, blocking};
use crate::faucet::Faucet;

#[derive(Debug, Deserialize)]
struct FundRequest {
    address: String,
    #[serde(default)]
    amount: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct MintQuery {
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    amount: Option<u64>,
}

/// Routes of the faucet.
pub(crate) fn router(faucet: Arc<Faucet>) -> Router {
    Router::new()
        .route("/", get(|| async { "tap:ok" }))
        .route("/health", get(|| async { "tap:ok" }))
        .route("/fund", post(fund))
        .route("/mint", post(mint))
        .layer(CorsLayer::permissive())
        .with_state(faucet)
}

async fn fund(State(faucet): State<Arc<Faucet>>, body: Result<Bytes, BytesRejection>) -> ApiResult<Json<Value>> {
    let request: FundRequest = serde_json::from_slice(&body?)
        .map_err(|error| ApiError::invalid_input(format!("expected {{address, amount}} as JSON: {error}")))?;
    let hash = transfer(faucet, &request.address, request.amount).await?;
    Ok(Json(json!({ "txn_hashes": [hash] })))
}

async fn mint(State(faucet): State<Arc<Faucet>>, Query(query): Query<MintQuery>) -> ApiResult<Json<Value>> {
    let address = query.address.ok_or_else(|| ApiError::invalid_input("the query lacks address"))?;
    let hash = transfer(faucet, &address, query.amount).await?;
    Ok(Json(json!([hash])))
}

async fn transfer(faucet: Arc<Faucet>, address: &str, amount: Option<u64>) -> ApiResult<String> {
    let address: Address = parse("address", address)?;
    let amount = amount.unwrap_or(Faucet::DEFAULT_AMOUNT);
    let hash = blocking(move || faucet.fund(address, amount)).await?;
    // The reference answers without prefix.
    Ok(hex::encode(hash.0))
}
