//! Server-sent events.

use serde_json::Value;

/// The last event of an OpenAI stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// An event without a name. JSON is written on one line, so it needs no further framing.
pub(crate) fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// An event that is named as its `type` says.
pub(crate) fn named(value: &Value) -> String {
    let name = value["type"].as_str().expect("every named event has a type");
    format!("event: {name}\ndata: {value}\n\n")
}
