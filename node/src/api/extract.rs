//! Path segments and query parameters, with errors that say what was expected.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::{Deserialize, Deserializer};

use super::{ApiError, ApiResult};

/// Parses a path segment or body field.
pub(crate) fn parse<T: FromStr>(what: &str, text: &str) -> ApiResult<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| ApiError::invalid_input(format!("invalid {what}: {error}")))
}

/// `?ledger_version`, `?start`, `?limit`, `?with_transactions`; unknown parameters are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default, deserialize_with = "optional")]
    pub(crate) ledger_version: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    pub(crate) start: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    pub(crate) limit: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    pub(crate) with_transactions: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    pub(crate) estimate_gas_unit_price: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    pub(crate) estimate_max_gas_amount: Option<String>,
}

/// The query of a request; a malformed one is an error like any other.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) PageQuery);

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let query = Query::<PageQuery>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| ApiError::invalid_input(rejection.body_text()))
    }
}

fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

impl PageQuery {
    /// The version asked for.
    pub(crate) fn version(&self) -> ApiResult<Option<u64>> {
        self.ledger_version.as_deref().map(|text| parse("ledger_version", text)).transpose()
    }

    /// The start asked for.
    pub(crate) fn start(&self) -> ApiResult<Option<u64>> {
        self.start.as_deref().map(|text| parse("start", text)).transpose()
    }

    /// The cursor asked for: opaque, as `x-aptos-cursor` gave it.
    pub(crate) fn cursor(&self) -> ApiResult<Option<Vec<u8>>> {
        let decode = |text: &String| hex::decode(text.strip_prefix("0x").unwrap_or(text));
        self.start.as_ref().map(decode).transpose().map_err(|_| {
            ApiError::invalid_input("start is no cursor; take it from the x-aptos-cursor header of the page before")
        })
    }

    /// The limit asked for: 0 is refused, more than `max` means `max`.
    pub(crate) fn limit(&self, default: u16, max: u16) -> ApiResult<usize> {
        let limit = match &self.limit {
            Some(text) => parse::<u16>("limit", text)?,
            None => default,
        };
        if limit == 0 {
            return Err(ApiError::invalid_input("limit is 0; ask for at least 1"));
        }
        Ok(usize::from(limit.min(max)))
    }

    /// Whether a flag is `true`.
    pub(crate) fn flag(value: Option<&String>) -> bool {
        value.is_some_and(|text| text == "true")
    }
}
