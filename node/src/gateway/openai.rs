//! OpenAI's requests and answers for text.

use noema_inference_api::{Generated, Stop};
use serde_json::{Map, Value, json};

use super::ask::{Ask, Extension, Prompt, content, grammar, sampling};
use super::error::{Fault, Outcome};
use super::fields::{Fields, is_empty};
use super::limits::MESSAGES_MAX;
use super::serve::Head;
use super::sse;
use super::template::Turn;
use super::tools::{self, Call, Tools};

fn is_zero(value: &Value) -> bool {
    value.as_f64() == Some(0.0)
}

fn is_one(value: &Value) -> bool {
    value.as_u64() == Some(1)
}

/// What chats and completions share.
fn common(request: Fields<'_>, prompt: Prompt, max_tokens: Option<u32>, tools: Tools) -> Outcome<Ask> {
    let extension = Extension::of(request)?;
    request.only("n", is_one, "only one answer per request is supported")?;
    for name in ["frequency_penalty", "presence_penalty"] {
        request.only(name, is_zero, "only 0 is supported; hint: repetition_penalty is")?;
    }
    request.only("logit_bias", is_empty, "is not supported")?;
    let mut options = sampling(request, "stop")?;
    options.grammar = match (grammar(request)?, tools.grammar) {
        (Some(_), Some(_)) => {
            return Err(Fault::field("response_format", "a call of a tool has the format of its arguments"));
        }
        (format, arguments) => format.or(arguments),
    };
    let stream_usage = match request.object("stream_options")? {
        Some(options) => options.flag("include_usage")?,
        None => false,
    };
    Ok(Ask {
        model: Fields::required("model", request.text("model")?)?.to_owned(),
        prompt,
        max_tokens,
        seed: request.seed()?,
        options,
        stream: request.flag("stream")?,
        stream_usage,
        call: tools.call,
        extension,
    })
}

/// Reads a request for a chat.
pub(crate) fn chat(request: &Value) -> Outcome<Ask> {
    let request = Fields::of(request)?;
    let mut tools = tools::openai(request)?;
    request.only("logprobs", |value| value == &Value::Bool(false), "log-probabilities are not supported")?;
    request.only("top_logprobs", is_zero, "log-probabilities are not supported")?;
    request.only("audio", |_| false, "is not supported")?;
    let only_text = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(|kind| kind == "text"));
    request.only("modalities", only_text, "only text is supported")?;
    let messages = Fields::required("messages", request.list("messages")?)?;
    let turns = turns(messages)?;
    let mut extra = request.object("chat_template_kwargs")?.map_or_else(Map::new, |fields| fields.0.clone());
    if let Some(listed) = tools.listed.take() {
        extra.insert("tools".to_owned(), listed);
    }
    let max_tokens = match request.count("max_completion_tokens")? {
        Some(count) => Some(count),
        None => request.count("max_tokens")?,
    };
    common(request, Prompt::Chat { turns, prefill: String::new(), extra }, max_tokens, tools)
}

fn turns(messages: &[Value]) -> Outcome<Vec<Turn>> {
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        return Err(Fault::field("messages", format!("must be 1 to {MESSAGES_MAX} messages, not {}", messages.len())));
    }
    let turn = |(index, message): (usize, &Value)| {
        let name = format!("messages[{index}]");
        let role = match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => "system",
            Some("user") => "user",
            Some("assistant") => "assistant",
            Some(role @ ("tool" | "function")) => {
                let hint = "hint: put what the tool said into a message of the user";
                return Err(Fault::unsupported(&name, format!("messages of role `{role}` are not supported; {hint}")));
            }
            _ => return Err(Fault::field(&name, "role must be system, developer, user or assistant")),
        };
        Ok(Turn { role, content: content(message.get("content"), &format!("{name}.content"))? })
    };
    messages.iter().enumerate().map(turn).collect()
}

/// Reads a request for a completion.
pub(crate) fn completion(request: &Value) -> Outcome<Ask> {
    let request = Fields::of(request)?;
    request.only("logprobs", |_| false, "log-probabilities are not supported")?;
    request.only("echo", |value| value == &Value::Bool(false), "is not supported")?;
    request.only("suffix", |value| value == "", "is not supported")?;
    request.only("best_of", is_one, "only 1 is supported")?;
    let text = match Fields::required("prompt", request.get("prompt"))? {
        Value::String(text) => text,
        Value::Array(list) => match list.as_slice() {
            [Value::String(text)] => text,
            _ => return Err(Fault::unsupported("prompt", "only one prompt, a string, is supported")),
        },
        _ => return Err(Fault::field("prompt", "must be a string")),
    };
    let max_tokens = request.count("max_tokens")?;
    common(request, Prompt::Text(text.clone()), max_tokens, Tools::default())
}

/// A call that the request names ends like a text, as the vendor has it.
fn finish_reason(stop: Stop, call: Option<&Call>) -> &'static str {
    match stop {
        Stop::Length => "length",
        Stop::EndToken | Stop::StopString => match call {
            Some(call) if !call.is_named => "tool_calls",
            _ => "stop",
        },
    }
}

/// The call with some of its arguments; the first piece says what is called.
fn calls(head: &Head, call: Option<&Call>, arguments: &str, indexed: bool) -> Value {
    let mut entry = json!({ "function": { "arguments": arguments } });
    if let Some(call) = call {
        entry["id"] = head.id("call").into();
        entry["type"] = "function".into();
        entry["function"]["name"] = call.name.clone().into();
    }
    if indexed {
        entry["index"] = 0.into();
    }
    json!([entry])
}

fn usage(generated: &Generated) -> Value {
    json!({
        "prompt_tokens": generated.prompt_tokens,
        "completion_tokens": generated.new_tokens,
        "total_tokens": u64::from(generated.prompt_tokens) + u64::from(generated.new_tokens),
    })
}

/// Which of the two kinds of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Chat,
    Completion,
}

impl Kind {
    fn envelope(self, head: &Head, whole: bool, choices: &Value) -> Map<String, Value> {
        let (prefix, object) = match (self, whole) {
            (Self::Chat, true) => ("chatcmpl", "chat.completion"),
            (Self::Chat, false) => ("chatcmpl", "chat.completion.chunk"),
            (Self::Completion, _) => ("cmpl", "text_completion"),
        };
        let envelope = json!({
            "id": head.id(prefix),
            "object": object,
            "created": head.created,
            "model": head.model,
            "system_fingerprint": head.fingerprint(),
            "choices": choices,
        });
        let Value::Object(envelope) = envelope else { unreachable!("written as an object") };
        envelope
    }

    fn chunk(self, head: &Head, text: Option<&str>, finish_reason: Option<&str>) -> Map<String, Value> {
        let choice = match (self, text) {
            (Self::Chat, Some(text)) => {
                let delta = match &head.call {
                    None => json!({ "content": text }),
                    Some(_) => json!({ "tool_calls": calls(head, None, text, true) }),
                };
                json!({ "index": 0, "delta": delta, "logprobs": null })
            }
            (Self::Chat, None) => json!({ "index": 0, "delta": {}, "logprobs": null }),
            (Self::Completion, text) => json!({ "index": 0, "text": text.unwrap_or(""), "logprobs": null }),
        };
        let mut choice = choice;
        choice["finish_reason"] = finish_reason.into();
        self.envelope(head, false, &json!([choice]))
    }

    /// The whole answer.
    pub(crate) fn whole(self, head: &Head, generated: &Generated, noema: Value) -> Value {
        let mut choice = match self {
            Self::Chat => {
                let mut message = json!({ "role": "assistant", "content": generated.text, "refusal": null });
                if head.call.is_some() {
                    message["content"] = Value::Null;
                    message["tool_calls"] = calls(head, head.call.as_ref(), &generated.text, false);
                }
                json!({ "index": 0, "message": message, "logprobs": null })
            }
            Self::Completion => json!({ "index": 0, "text": generated.text, "logprobs": null }),
        };
        choice["finish_reason"] = finish_reason(generated.stop, head.call.as_ref()).into();
        let mut envelope = self.envelope(head, true, &json!([choice]));
        envelope.insert("usage".to_owned(), usage(generated));
        envelope.insert("noema".to_owned(), noema);
        Value::Object(envelope)
    }

    /// What a stream begins with.
    pub(crate) fn start(self, head: &Head) -> String {
        if self == Self::Completion {
            return String::new();
        }
        let delta = match &head.call {
            None => json!({ "role": "assistant", "content": "", "refusal": null }),
            Some(call) => {
                let calls = calls(head, Some(call), "", true);
                json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": calls })
            }
        };
        let choice = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null }]);
        sse::data(&Value::Object(self.envelope(head, false, &choice)))
    }

    /// A piece of a stream.
    pub(crate) fn piece(self, head: &Head, text: &str) -> String {
        sse::data(&Value::Object(self.chunk(head, Some(text), None)))
    }

    /// What a stream ends with.
    pub(crate) fn end(self, head: &Head, generated: &Generated, noema: Value) -> String {
        let mut last = self.chunk(head, None, Some(finish_reason(generated.stop, head.call.as_ref())));
        last.insert("noema".to_owned(), noema);
        let mut out = sse::data(&Value::Object(last));
        if head.stream_usage {
            let mut counts = self.envelope(head, false, &json!([]));
            counts.insert("usage".to_owned(), usage(generated));
            out.push_str(&sse::data(&Value::Object(counts)));
        }
        out + sse::DONE
    }
}
