//! Accounts: sequence numbers, resources, modules, balances, transactions, events.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use noema_execution_api::StateView;
use noema_types::{Address, EventKey, Identifier, ModuleId, StateKey, StructTag, TypeTag};
use serde_json::{Value, json};

use super::extract::{Page, parse};
use super::limits::{PAGE_DEFAULT, PAGE_MAX, STATE_PAGE_MAX};
use super::render::{Renderer, committed_json, event_json, module_json};
use super::{ApiError, ApiResult, ApiState, blocking};
use crate::chain::Chain;

/// Address of the native coin's fungible twin.
const NATIVE_ASSET: Address = Address::from_u8(0xa);
const NATIVE_COIN: &str = "0x1::aptos_coin::AptosCoin";
/// Where the next page starts.
const CURSOR: HeaderName = HeaderName::from_static("x-aptos-cursor");

/// A page and the cursor of the next one, if there is one.
type Paged = ([(HeaderName, String); 1], Json<Value>);

fn paged(next: Option<Vec<u8>>, json: Json<Value>) -> Response {
    match next {
        Some(next) => {
            let answer: Paged = ([(CURSOR, hex::encode(next))], json);
            answer.into_response()
        }
        None => json.into_response(),
    }
}

pub(super) async fn account(
    State(state): State<ApiState>,
    Path(address): Path<String>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let address: Address = parse("address", &address)?;
    let version = query.version()?;
    blocking(move || {
        let view = state.chain.view_at(version)?;
        let account = Chain::account(&*view, address)?;
        let account = account.ok_or_else(|| ApiError::account_not_found(format!("no account at {address}")))?;
        Ok(Json(json!({
            "sequence_number": account.sequence_number.to_string(),
            "authentication_key": format!("0x{}", hex::encode(account.auth_key.0)),
        })))
    })
    .await
}

pub(super) async fn resource(
    State(state): State<ApiState>,
    Path((address, tag)): Path<(String, String)>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let address: Address = parse("address", &address)?;
    let tag: StructTag = parse("resource type", &tag)?;
    let version = query.version()?;
    blocking(move || {
        let view = state.chain.view_at(version)?;
        let bytes = view.get(&StateKey::Resource { address, tag: tag.clone() })?;
        let bytes = bytes.ok_or_else(|| ApiError::resource_not_found(format!("no {tag} at {address}")))?;
        Ok(Json(json!({ "type": tag.to_string(), "data": Renderer::new(&*view).resource(&tag, &bytes) })))
    })
    .await
}

pub(super) async fn resources(
    State(state): State<ApiState>,
    Path(address): Path<String>,
    Page(query): Page,
) -> ApiResult<Response> {
    let address: Address = parse("address", &address)?;
    let (version, limit) = (query.version()?, query.limit(STATE_PAGE_MAX, STATE_PAGE_MAX)?);
    let start = query.cursor()?;
    blocking(move || {
        let view = state.chain.view_at(version)?;
        let renderer = Renderer::new(&*view);
        let page = view.resources(&address, start.as_deref(), limit)?;
        let list = page
            .items
            .iter()
            .map(|(tag, bytes)| json!({ "type": tag.to_string(), "data": renderer.resource(tag, bytes) }));
        Ok(paged(page.next, Json(list.collect())))
    })
    .await
}

pub(super) async fn module(
    State(state): State<ApiState>,
    Path((address, name)): Path<(String, String)>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let address: Address = parse("address", &address)?;
    let id = ModuleId::new(address, parse::<Identifier>("module name", &name)?);
    let version = query.version()?;
    blocking(move || {
        let bytes = state.chain.view_at(version)?.get(&StateKey::Module(id.clone()))?;
        let bytes = bytes.ok_or_else(|| ApiError::module_not_found(format!("no module {id}")))?;
        Ok(Json(module_json(&bytes)))
    })
    .await
}

pub(super) async fn modules(
    State(state): State<ApiState>,
    Path(address): Path<String>,
    Page(query): Page,
) -> ApiResult<Response> {
    let address: Address = parse("address", &address)?;
    let (version, limit) = (query.version()?, query.limit(STATE_PAGE_MAX, STATE_PAGE_MAX)?);
    let start = query.cursor()?;
    blocking(move || {
        let page = state.chain.view_at(version)?.modules(&address, start.as_deref(), limit)?;
        Ok(paged(page.next, Json(page.items.iter().map(|(_, bytes)| module_json(bytes)).collect())))
    })
    .await
}

pub(super) async fn balance(
    State(state): State<ApiState>,
    Path((address, asset)): Path<(String, String)>,
    Page(query): Page,
) -> ApiResult<Json<u64>> {
    let address: Address = parse("address", &address)?;
    let coin = coin_of(&asset)?;
    let version = query.version()?;
    blocking(move || {
        let view = state.chain.view_at(version)?;
        let balance = match coin {
            Some(coin) => Chain::balance(&*view, address, coin)?,
            None => None,
        };
        Ok(Json(balance.unwrap_or(0)))
    })
    .await
}

/// The coin that an asset names; none for a fungible asset that pairs no coin, of which nobody holds any here.
fn coin_of(asset: &str) -> ApiResult<Option<StructTag>> {
    if asset.contains("::") {
        return Ok(Some(parse("coin type", asset)?));
    }
    let metadata: Address = parse("asset", asset)?;
    (metadata == NATIVE_ASSET).then(|| parse("coin type", NATIVE_COIN)).transpose()
}

pub(super) async fn transactions(
    State(state): State<ApiState>,
    Path(address): Path<String>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let address: Address = parse("address", &address)?;
    let (start, limit) = (query.start()?, query.limit(PAGE_DEFAULT, PAGE_MAX)?);
    blocking(move || {
        let view = state.chain.view_at(None)?;
        let renderer = Renderer::new(&*view);
        let list = state.chain.account_transactions(address, start, limit)?;
        Ok(Json(list.iter().map(|one| committed_json(&renderer, one)).collect()))
    })
    .await
}

pub(super) async fn events(
    State(state): State<ApiState>,
    Path((address, creation_number)): Path<(String, String)>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let account_address: Address = parse("address", &address)?;
    let creation_number = parse("creation number", &creation_number)?;
    let (start, limit) = (query.start()?, query.limit(PAGE_DEFAULT, PAGE_MAX)?);
    blocking(move || events_json(&state.chain, EventKey { creation_number, account_address }, start, limit)).await
}

pub(super) async fn events_by_field(
    State(state): State<ApiState>,
    Path((address, tag, field)): Path<(String, String, String)>,
    Page(query): Page,
) -> ApiResult<Json<Value>> {
    let address: Address = parse("address", &address)?;
    let tag: StructTag = parse("resource type", &tag)?;
    let (start, limit) = (query.start()?, query.limit(PAGE_DEFAULT, PAGE_MAX)?);
    blocking(move || {
        let key = handle_key(&state.chain, address, &tag, &field)?;
        events_json(&state.chain, key, start, limit)
    })
    .await
}

/// Reads an event handle's stream out of a resource's field.
fn handle_key(chain: &Chain, address: Address, tag: &StructTag, field: &str) -> ApiResult<EventKey> {
    let view = chain.view_at(None)?;
    let bytes = view.get(&StateKey::Resource { address, tag: tag.clone() })?;
    let bytes = bytes.ok_or_else(|| ApiError::resource_not_found(format!("no {tag} at {address}")))?;
    let resource = Renderer::new(&*view).value(&TypeTag::Struct(Box::new(tag.clone())), &bytes);
    let id = resource.as_ref().map(|value| &value[field]["guid"]["id"]);
    let creation_number = id.and_then(|id| id["creation_num"].as_str()).and_then(|text| text.parse().ok());
    let account_address = id.and_then(|id| id["addr"].as_str()).and_then(|text| text.parse().ok());
    match (creation_number, account_address) {
        (Some(creation_number), Some(account_address)) => Ok(EventKey { creation_number, account_address }),
        _ => Err(ApiError::invalid_input(format!("field `{field}` of {tag} is no event handle"))),
    }
}

fn events_json(chain: &Chain, key: EventKey, start: Option<u64>, limit: usize) -> ApiResult<Json<Value>> {
    let view = chain.view_at(None)?;
    let renderer = Renderer::new(&*view);
    let events = chain.events(key, start, limit)?;
    let list = events.iter().map(|(version, event)| {
        let mut json = event_json(&renderer, event);
        json["version"] = json!(version.to_string());
        json
    });
    Ok(Json(list.collect()))
}
