//! Errors as the API shows them.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::limits::BODY_BYTES_MAX;

/// A request that was not answered with a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ApiError {
    #[serde(skip)]
    status: u16,
    message: String,
    error_code: &'static str,
    vm_error_code: Option<u64>,
}

/// Result of a route.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(message: impl Into<String>) -> Self {
            Self { status: $status, message: message.into(), error_code: $code, vm_error_code: None }
        }
    )*};
}

impl ApiError {
    constructors! {
        /// The account does not exist.
        account_not_found = "account_not_found", 404;
        /// The account holds no such resource.
        resource_not_found = "resource_not_found", 404;
        /// The account published no such module.
        module_not_found = "module_not_found", 404;
        /// The ledger has no such version yet.
        version_not_found = "version_not_found", 404;
        /// The version is older than what the node keeps.
        version_pruned = "version_pruned", 410;
        /// No such transaction is known.
        transaction_not_found = "transaction_not_found", 404;
        /// The table holds no such key.
        table_item_not_found = "table_item_not_found", 404;
        /// The ledger has no such block.
        block_not_found = "block_not_found", 404;
        /// Path, JSON or BCS is malformed, or a view failed.
        invalid_input = "invalid_input", 400;
        /// Another transaction of this sequence number is in the way.
        invalid_transaction_update = "invalid_transaction_update", 400;
        /// The mempool takes no more.
        mempool_is_full = "mempool_is_full", 507;
        /// The node's own fault.
        internal_error = "internal_error", 500;
        /// No such route.
        no_route = "web_framework_error", 404;
        /// The body is larger than the limit.
        too_large = "web_framework_error", 413;
        /// The node cannot answer now.
        unavailable = "health_check_failed", 503;
    }

    /// A transaction that validation refuses, with the number of the reason.
    pub(crate) fn vm_error(message: impl Into<String>, code: u64) -> Self {
        Self { status: 400, message: message.into(), error_code: "vm_error", vm_error_code: Some(code) }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<noema_execution_api::StateError> for ApiError {
    fn from(error: noema_execution_api::StateError) -> Self {
        Self::internal_error(error.to_string())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(format!("a body has at most {BODY_BYTES_MAX} bytes")),
            _ => Self::invalid_input(rejection.body_text()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}
