//! View functions and table items.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use noema_execution_api::StateView;
use noema_types::{Address, EntryFunction, Identifier, ModuleId, StateKey, TypeTag};
use serde::Deserialize;
use serde_json::Value;

use super::extract::{Page, parse};
use super::limits::{TABLE_KEY_BYTES_MAX, VIEW_GAS_MAX};
use super::render::{Renderer, hex_json, parameter_tags, parse_argument};
use super::{ApiError, ApiResult, ApiState, blocking, simulating};

const BCS_VIEW: &str = "application/x.aptos.view_function+bcs";

#[derive(Debug, Deserialize)]
struct ViewRequest {
    function: String,
    #[serde(default)]
    type_arguments: Vec<String>,
    #[serde(default)]
    arguments: Vec<Value>,
}

pub(super) async fn view(
    State(state): State<ApiState>,
    Page(query): Page,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Json<Value>> {
    let (version, body) = (query.version()?, body?);
    let is_bcs = headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == BCS_VIEW.as_bytes());
    let limits = state.clone();
    simulating(&limits, move || {
        let view = state.chain.view_at(version)?;
        let renderer = Renderer::new(&*view);
        let call = if is_bcs {
            noema_types::decode("view function", &body).map_err(|error| ApiError::invalid_input(error.to_string()))?
        } else {
            json_call(&renderer, &body)?
        };
        let results = state.chain.view_function(&*view, &call, VIEW_GAS_MAX)?;
        let values = results.iter().map(|(bytes, tag)| renderer.value(tag, bytes).unwrap_or_else(|| hex_json(bytes)));
        Ok(Json(values.collect()))
    })
    .await
}

fn json_call(renderer: &Renderer<'_>, body: &[u8]) -> ApiResult<EntryFunction> {
    let request: ViewRequest = serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid_input(format!("expected a view request as JSON: {error}")))?;
    let (module, function) = request.function.rsplit_once("::").ok_or_else(|| {
        ApiError::invalid_input(format!("{:?} is no function; expected ADDRESS::MODULE::NAME", request.function))
    })?;
    let module: ModuleId = parse("module", module)?;
    let function: Identifier = parse("function name", function)?;
    let type_args = request
        .type_arguments
        .iter()
        .map(|text| parse::<TypeTag>("type argument", text))
        .collect::<ApiResult<Vec<_>>>()?;
    let not_found = || ApiError::invalid_input(format!("no function {module}::{function}"));
    let compiled = renderer.module(&module).ok_or_else(not_found)?;
    let tags = parameter_tags(&compiled, &function, &type_args).ok_or_else(not_found)?;
    if tags.len() != request.arguments.len() {
        return Err(ApiError::invalid_input(format!(
            "{module}::{function} takes {} arguments, {} were given",
            tags.len(),
            request.arguments.len()
        )));
    }
    let arguments = tags.iter().zip(&request.arguments).enumerate();
    let args =
        arguments.map(|(position, (tag, json))| argument(renderer, position, tag, json)).collect::<ApiResult<_>>()?;
    Ok(EntryFunction { module, function, type_args, args })
}

fn argument(renderer: &Renderer<'_>, position: usize, tag: &TypeTag, json: &Value) -> ApiResult<Vec<u8>> {
    let layout = renderer.layout(tag).ok_or_else(|| ApiError::invalid_input(format!("type {tag} is unknown")))?;
    parse_argument(&layout, json).map_err(|error| ApiError::invalid_input(format!("argument {position}: {error}")))
}

#[derive(Debug, Deserialize)]
pub(super) struct TableItemRequest {
    key_type: String,
    value_type: String,
    key: Value,
}

pub(super) async fn table_item(
    State(state): State<ApiState>,
    Path(handle): Path<String>,
    Page(query): Page,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Json<Value>> {
    let handle: Address = parse("table handle", &handle)?;
    let (version, body) = (query.version()?, body?);
    let request: TableItemRequest = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid_input(format!("expected a table item request as JSON: {error}")))?;
    blocking(move || {
        let view = state.chain.view_at(version)?;
        let renderer = Renderer::new(&*view);
        let key_type: TypeTag = parse("key type", &request.key_type)?;
        let value_type: TypeTag = parse("value type", &request.value_type)?;
        let key = argument(&renderer, 0, &key_type, &request.key)?;
        if key.len() > TABLE_KEY_BYTES_MAX {
            return Err(ApiError::invalid_input(format!(
                "the key has {} bytes, over {TABLE_KEY_BYTES_MAX}",
                key.len()
            )));
        }
        let bytes = view.get(&StateKey::TableItem { handle, key })?;
        let missing = || ApiError::table_item_not_found(format!("table {handle} has no item {}", request.key));
        let bytes = bytes.ok_or_else(missing)?;
        let value = renderer.value(&value_type, &bytes);
        value.map(Json).ok_or_else(|| ApiError::invalid_input(format!("the item is no {value_type}")))
    })
    .await
}
