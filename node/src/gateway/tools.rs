//! Functions that a request has the model call.
//!
//! Only a call that the request itself forces is made: then the answer is the function's arguments, and the grammar of the
//! job is the function's schema. Whether to call at all, and what to do with results, the gateway leaves to its clients.

use noema_inference_api::Grammar;
use serde_json::{Map, Value, json};

use super::error::{Fault, Outcome};
use super::fields::{Fields, is_empty};
use super::limits::TOOLS_MAX;

const HINT: &str = "hint: force one function by tool_choice, or describe the functions in the conversation";

/// The call that is forced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Name of the function.
    pub(crate) name: String,
    /// Whether the request names it, rather than wanting any of one.
    pub(crate) is_named: bool,
}

/// What a request says of tools.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tools {
    pub(crate) call: Option<Call>,
    /// What the call's arguments must be.
    pub(crate) grammar: Option<Grammar>,
    /// For the template, in OpenAI's form; nothing where no call is made.
    pub(crate) listed: Option<Value>,
}

struct Function<'a> {
    name: &'a str,
    schema: Value,
    shown: Value,
}

enum Choice<'a> {
    None,
    Auto,
    Any,
    Named(&'a str),
}

/// Tools as OpenAI's requests have them.
pub(crate) fn openai(request: Fields<'_>) -> Outcome<Tools> {
    request.only("functions", is_empty, "functions are superseded by tools, which are supported")?;
    request.only("function_call", |value| value == "none", "is superseded by tool_choice, which is supported")?;
    let choice = match request.get("tool_choice") {
        None => Choice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "none" => Choice::None,
            "auto" => Choice::Auto,
            "required" => Choice::Any,
            _ => return Err(Fault::field("tool_choice", "must be none, auto, required or a function")),
        },
        Some(value) => match value["function"]["name"].as_str() {
            Some(name) if value["type"] == "function" => Choice::Named(name),
            _ => return Err(Fault::unsupported("tool_choice", "only functions are supported")),
        },
    };
    decide(request, &choice, |tool, name| {
        if tool["type"] != "function" {
            return Err(Fault::unsupported(name, "only tools of type function are supported"));
        }
        let function = tool["function"].as_object().ok_or_else(|| Fault::field(name, "has no function"))?;
        read(function, "parameters", name)
    })
}

/// Tools as Anthropic's requests have them.
pub(crate) fn anthropic(request: Fields<'_>) -> Outcome<Tools> {
    let choice = match request.object("tool_choice")? {
        None => Choice::Auto,
        Some(choice) => match (choice.text("type")?, choice.text("name")?) {
            (Some("none"), _) => Choice::None,
            (Some("auto"), _) => Choice::Auto,
            (Some("any"), _) => Choice::Any,
            (Some("tool"), Some(name)) => Choice::Named(name),
            _ => return Err(Fault::field("tool_choice", "type must be auto, any, none, or tool with a name")),
        },
    };
    decide(request, &choice, |tool, name| {
        if tool.get("type").is_some_and(|kind| kind != "custom") {
            return Err(Fault::unsupported(name, "only tools with an input_schema of your own are supported"));
        }
        read(tool.as_object().ok_or_else(|| Fault::field(name, "must be an object"))?, "input_schema", name)
    })
}

fn read<'a>(function: &'a Map<String, Value>, schema: &str, name: &str) -> Outcome<Function<'a>> {
    let called = function.get("name").and_then(Value::as_str).filter(|called| !called.is_empty());
    let called = called.ok_or_else(|| Fault::field(name, "has no name"))?;
    let schema = match function.get(schema) {
        None | Some(Value::Null) => json!({ "type": "object", "properties": {} }),
        Some(schema @ Value::Object(_)) => schema.clone(),
        Some(_) => return Err(Fault::field(name, format!("{schema} must be a JSON schema, an object"))),
    };
    let mut shown = Map::new();
    shown.insert("name".to_owned(), called.into());
    if let Some(description) = function.get("description").filter(|text| text.is_string()) {
        shown.insert("description".to_owned(), description.clone());
    }
    shown.insert("parameters".to_owned(), schema.clone());
    Ok(Function { name: called, schema, shown: json!({ "type": "function", "function": shown }) })
}

fn decide<'a>(
    request: Fields<'a>,
    choice: &Choice<'_>,
    read: impl Fn(&'a Value, &str) -> Outcome<Function<'a>>,
) -> Outcome<Tools> {
    let tools = request.list("tools")?.map_or(&[][..], Vec::as_slice);
    if tools.len() > TOOLS_MAX {
        return Err(Fault::field("tools", format!("at most {TOOLS_MAX}, not {}", tools.len())));
    }
    let functions = tools.iter().enumerate().map(|(index, tool)| read(tool, &format!("tools[{index}]")));
    let functions = functions.collect::<Outcome<Vec<_>>>()?;
    let forced = match choice {
        Choice::None => return Ok(Tools::default()),
        Choice::Auto if functions.is_empty() => return Ok(Tools::default()),
        Choice::Auto => {
            return Err(Fault::unsupported(
                "tools",
                format!("the model does not decide whether to call a tool; {HINT}"),
            ));
        }
        Choice::Any => match functions.as_slice() {
            [only] => only,
            many => {
                let why = format!("any of {} tools cannot be required, only of one; {HINT}", many.len());
                return Err(Fault::unsupported("tool_choice", why));
            }
        },
        Choice::Named(name) => {
            let found = functions.iter().find(|function| function.name == *name);
            found.ok_or_else(|| Fault::field("tool_choice", format!("there is no tool `{name}`")))?
        }
    };
    Ok(Tools {
        call: Some(Call { name: forced.name.to_owned(), is_named: matches!(choice, Choice::Named(_)) }),
        grammar: Some(Grammar::JsonSchema(forced.schema.to_string())),
        listed: Some(functions.iter().map(|function| function.shown.clone()).collect()),
    })
}
