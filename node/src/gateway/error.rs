//! What goes wrong, in the shapes that the vendors' clients know.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use noema_inference_api::{AnswerError, EngineError};
use serde_json::{Value, json};

use super::limits::{BODY_BYTES_MAX, REQUESTS_MAX, RETRY_AFTER_SECS};

/// Whose client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// OpenAI's, and the many that speak its protocol.
    OpenAi,
    /// Anthropic's.
    Anthropic,
}

/// A request that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
}

/// Result of a step of a request.
pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }

    /// The request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// One field of the request is wrong.
    pub(crate) fn field(param: &str, message: impl std::fmt::Display) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(400, format!("{param}: {message}")) }
    }

    /// The request wants what the gateway does not do.
    pub(crate) fn unsupported(param: &str, message: impl std::fmt::Display) -> Self {
        Self { code: Some("unsupported"), ..Self::field(param, message) }
    }

    /// There is no such model.
    pub(crate) fn no_model(name: &str, known: &[String]) -> Self {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("the model `{name}` is not loaded here; models: {known}");
        Self { param: Some("model".to_owned()), code: Some("model_not_found"), ..Self::new(404, message) }
    }

    /// Too many ask at once.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self { code: Some("rate_limit_exceeded"), ..Self::new(429, message) }
    }

    /// The gateway answers as many requests as it may.
    pub(crate) fn crowded() -> Self {
        Self::busy(format!("{REQUESTS_MAX} requests are being answered; try again in a moment"))
    }

    /// The node's own fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    /// The answer is there, but not on chain.
    pub(crate) fn unrecorded(error: &str) -> Self {
        let message =
            format!("the answer cannot be recorded on chain: {error}; hint: without noema.settle it is given");
        Self { param: Some("noema.settle".to_owned()), code: Some("not_recorded"), ..Self::new(503, message) }
    }

    const fn kind(&self, vendor: Vendor) -> &'static str {
        match (vendor, self.status) {
            (Vendor::OpenAi, 429) => "rate_limit_error",
            (Vendor::OpenAi, 500..) => "server_error",
            (Vendor::Anthropic, 404) => "not_found_error",
            (Vendor::Anthropic, 413) => "request_too_large",
            (Vendor::Anthropic, 429) => "rate_limit_error",
            (Vendor::Anthropic, 503) => "overloaded_error",
            (Vendor::Anthropic, 500..) => "api_error",
            _ => "invalid_request_error",
        }
    }

    /// The body of an error.
    pub(crate) fn body(&self, vendor: Vendor) -> Value {
        let kind = self.kind(vendor);
        match vendor {
            Vendor::OpenAi => json!({
                "error": { "message": self.message, "type": kind, "param": self.param, "code": self.code }
            }),
            Vendor::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": self.message } }),
        }
    }

    /// The whole answer.
    pub(crate) fn response(&self, vendor: Vendor) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body(vendor))).into_response();
        if matches!(self.status, 429 | 503) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        response
    }
}

impl From<BytesRejection> for Fault {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(413, format!("a body has at most {BODY_BYTES_MAX} bytes")),
            _ => Self::invalid(rejection.body_text()),
        }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::Busy(_) => Self::busy(format!("{error}; try again in a moment")),
            EngineError::ModelMissing(_) => {
                let message = format!("{error} with this version of the arithmetic");
                Self { param: Some("model".to_owned()), code: Some("model_not_found"), ..Self::new(404, message) }
            }
            EngineError::Stopped(_) => Self::new(503, error.to_string()),
        }
    }
}

impl From<AnswerError> for Fault {
    fn from(error: AnswerError) -> Self {
        let code = match &error {
            AnswerError::ContextExceeded { .. } => "context_length_exceeded",
            AnswerError::Numeric => "numeric",
            AnswerError::EmptyPrompt => "empty_prompt",
            AnswerError::Limit { .. } => "limit_exceeded",
            AnswerError::Grammar(_) => "invalid_grammar",
            AnswerError::Unsupported { .. } => "unsupported",
        };
        let param = match &error {
            AnswerError::ContextExceeded { .. } => Some("messages".to_owned()),
            AnswerError::Grammar(_) => Some("response_format".to_owned()),
            _ => None,
        };
        Self { param, code: Some(code), ..Self::new(400, error.to_string()) }
    }
}
