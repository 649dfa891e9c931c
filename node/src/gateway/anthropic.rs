//! Anthropic's requests and answers for messages.

use noema_inference_api::{Generated, Options, Stop};
use serde_json::{Map, Value, json};

use super::ask::{Ask, Extension, Prompt, content, sampling};
use super::error::{Fault, Outcome};
use super::fields::Fields;
use super::limits::MESSAGES_MAX;
use super::serve::Head;
use super::sse;
use super::template::Turn;
use super::tools;

/// Reads a request for a message. A last message of the assistant is how its answer begins.
pub(crate) fn message(request: &Value) -> Outcome<Ask> {
    let request = Fields::of(request)?;
    let tools = tools::anthropic(request)?;
    let is_off = |value: &Value| value.get("type").is_some_and(|kind| kind == "disabled");
    request.only("thinking", is_off, "extended thinking is not supported")?;
    let model = Fields::required("model", request.text("model")?)?.to_owned();
    let max_tokens = Fields::required("max_tokens", request.count("max_tokens")?)?;
    let messages = Fields::required("messages", request.list("messages")?)?;
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        return Err(Fault::field("messages", format!("must be 1 to {MESSAGES_MAX} messages, not {}", messages.len())));
    }
    let mut turns = Vec::new();
    if let Some(system) = request.get("system") {
        turns.push(Turn { role: "system", content: content(Some(system), "system")? });
    }
    for (index, message) in messages.iter().enumerate() {
        let role = match message.get("role").and_then(Value::as_str) {
            Some("user") => "user",
            Some("assistant") => "assistant",
            _ => return Err(Fault::field(&format!("messages.{index}.role"), "must be user or assistant")),
        };
        let content = content(message.get("content"), &format!("messages.{index}.content"))?;
        turns.push(Turn { role, content });
    }
    let last = turns.pop_if(|turn| turn.role == "assistant");
    let prefill: String = last.map(|turn| turn.content).unwrap_or_default();
    if tools.call.is_some() && !prefill.is_empty() {
        return Err(Fault::field("messages", "a call of a tool has no beginning: the last message must be the user's"));
    }
    let mut extra = request.object("chat_template_kwargs")?.map_or_else(Map::new, |fields| fields.0.clone());
    if let Some(listed) = tools.listed {
        extra.insert("tools".to_owned(), listed);
    }
    Ok(Ask {
        model,
        prompt: Prompt::Chat { turns, prefill, extra },
        max_tokens: Some(max_tokens),
        seed: request.seed()?,
        options: Options { grammar: tools.grammar, ..sampling(request, "stop_sequences")? },
        stream: request.flag("stream")?,
        stream_usage: true,
        call: tools.call,
        extension: Extension::of(request)?,
    })
}

/// Why it ended, and at which string: an answer does not say at which of several.
fn stop(head: &Head, generated: &Generated) -> (&'static str, Option<String>) {
    match generated.stop {
        Stop::EndToken if head.call.is_some() => ("tool_use", None),
        Stop::EndToken => ("end_turn", None),
        Stop::Length => ("max_tokens", None),
        Stop::StopString => {
            let only = if let [one] = head.stop.as_slice() { Some(one.clone()) } else { None };
            ("stop_sequence", only)
        }
    }
}

fn envelope(head: &Head, content: &Value, stop: (Option<&str>, Option<String>), tokens: (u32, u32)) -> Value {
    json!({
        "id": head.id("msg"),
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
        "stop_reason": stop.0,
        "stop_sequence": stop.1,
        "usage": { "input_tokens": tokens.0, "output_tokens": tokens.1 },
    })
}

/// The whole answer.
pub(crate) fn whole(head: &Head, generated: &Generated, noema: Value) -> Value {
    let content = match &head.call {
        None => json!([{ "type": "text", "text": generated.text }]),
        // Arguments that were cut off are no JSON: the reason to stop says so.
        Some(call) => {
            let input: Value = serde_json::from_str(&generated.text).unwrap_or_else(|_| json!({}));
            json!([{ "type": "tool_use", "id": head.id("toolu"), "name": call.name, "input": input }])
        }
    };
    let (reason, sequence) = stop(head, generated);
    let mut message =
        envelope(head, &content, (Some(reason), sequence), (generated.prompt_tokens, generated.new_tokens));
    message["noema"] = noema;
    message
}

/// What a stream begins with. How many tokens the prompt has is known at the end only.
pub(crate) fn start(head: &Head) -> String {
    let message = envelope(head, &json!([]), (None, None), (0, 0));
    let block = match &head.call {
        None => json!({ "type": "text", "text": "" }),
        Some(call) => json!({ "type": "tool_use", "id": head.id("toolu"), "name": call.name, "input": {} }),
    };
    sse::named(&json!({ "type": "message_start", "message": message }))
        + &sse::named(&json!({ "type": "content_block_start", "index": 0, "content_block": block }))
}

/// A piece of a stream.
pub(crate) fn piece(head: &Head, text: &str) -> String {
    let delta = match &head.call {
        None => json!({ "type": "text_delta", "text": text }),
        Some(_) => json!({ "type": "input_json_delta", "partial_json": text }),
    };
    sse::named(&json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
}

/// What a stream ends with.
pub(crate) fn end(head: &Head, generated: &Generated, noema: &Value) -> String {
    let (reason, sequence) = stop(head, generated);
    let usage = json!({ "input_tokens": generated.prompt_tokens, "output_tokens": generated.new_tokens });
    let delta = json!({ "stop_reason": reason, "stop_sequence": sequence });
    sse::named(&json!({ "type": "content_block_stop", "index": 0 }))
        + &sse::named(&json!({ "type": "message_delta", "delta": delta, "usage": usage, "noema": noema }))
        + &sse::named(&json!({ "type": "message_stop" }))
}
