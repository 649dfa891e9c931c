//! What a request asks for, whatever protocol it came in, and the job that follows from it.

use noema_inference_api::limits::{BASIS_POINTS, NEW_TOKENS_MAX};
use noema_inference_api::{Grammar, Job, JobKind, ModelManifest, Options, SpecialTexts};
use noema_types::Hash;
use serde_json::{Map, Value};

use super::date::Date;
use super::error::{Fault, Outcome};
use super::fields::Fields;
use super::limits::{CHAT_TOKENS_DEFAULT, COMPLETION_TOKENS_DEFAULT};
use super::template::{Conversation, Turn, render};
use super::tools::Call;

/// Key of the hash that seeds a request without a seed.
const SEED_CONTEXT: &str = "NOEMA gateway seed of a prompt";

/// What comes before the new text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Prompt {
    /// This text.
    Text(String),
    /// A conversation, to be written out by the model's template.
    Chat {
        turns: Vec<Turn>,
        /// How the assistant's answer begins.
        prefill: String,
        /// More names for the template.
        extra: Map<String, Value>,
    },
}

/// A request for text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) prompt: Prompt,
    pub(crate) max_tokens: Option<u32>,
    /// Of the sampling; without one it follows from the prompt.
    pub(crate) seed: Option<u64>,
    /// Everything else; `max_new_tokens` and `seed` are set when the job is made.
    pub(crate) options: Options,
    pub(crate) stream: bool,
    /// Whether a stream ends with the counts of tokens.
    pub(crate) stream_usage: bool,
    /// The function that the answer calls.
    pub(crate) call: Option<Call>,
    pub(crate) extension: Extension,
}

/// What requests may say in their `noema` field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extension {
    /// What a template takes for today.
    pub(crate) date: Date,
    /// Whether the answer is recorded on chain; as the node is set up when it is not said.
    pub(crate) settle: Option<bool>,
    /// Inference units that the job may cost at most.
    pub(crate) max_units: Option<u64>,
}

impl Extension {
    /// Reads the `noema` field.
    pub(crate) fn of(request: Fields<'_>) -> Outcome<Self> {
        let Some(fields) = request.object("noema")? else { return Ok(Self::default()) };
        let date = match fields.text("date")? {
            Some(text) => Date::parse(text).ok_or_else(|| Fault::field("noema.date", "must be a day as YYYY-MM-DD"))?,
            None => Date::default(),
        };
        let settle = fields.get("settle").is_some().then(|| fields.flag("settle")).transpose()?;
        let max_units = match fields.get("max_units") {
            Some(value) => {
                let units = value.as_u64();
                Some(
                    units
                        .ok_or_else(|| Fault::field("noema.max_units", "must be a whole number of inference units"))?,
                )
            }
            None => None,
        };
        Ok(Self { date, settle, max_units })
    }
}

/// Sampling that both vendors' requests name alike; the default temperature is 1, as theirs.
pub(crate) fn sampling(request: Fields<'_>, stop: &str) -> Outcome<Options> {
    let top_p_bps = request.basis_points("top_p")?.unwrap_or(BASIS_POINTS);
    if top_p_bps > BASIS_POINTS {
        return Err(Fault::field("top_p", "must be a number from 0 to 1"));
    }
    Ok(Options {
        temperature_bps: request.basis_points("temperature")?.unwrap_or(BASIS_POINTS),
        top_p_bps,
        top_k: request.count("top_k")?.unwrap_or(0),
        stop: request.stops(stop)?,
        repetition_penalty_bps: request.basis_points("repetition_penalty")?.unwrap_or(BASIS_POINTS),
        ..Options::default()
    })
}

/// Text of a message: a string, or a list of blocks of text.
pub(crate) fn content(value: Option<&Value>, name: &str) -> Outcome<String> {
    let wrong = || Fault::field(name, "must be a string or a list of blocks of type text");
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(blocks)) => {
            let mut text = String::new();
            for block in blocks {
                let kind = block.get("type").and_then(Value::as_str);
                if let Some(kind) = kind.filter(|kind| *kind != "text") {
                    return Err(Fault::unsupported(
                        name,
                        format!("blocks of type `{kind}` are not supported, only text"),
                    ));
                }
                text.push_str(block.get("text").and_then(Value::as_str).filter(|_| kind.is_some()).ok_or_else(wrong)?);
            }
            Ok(text)
        }
        _ => Err(wrong()),
    }
}

/// The grammar of an OpenAI `response_format`.
pub(crate) fn grammar(request: Fields<'_>) -> Outcome<Option<Grammar>> {
    const NAME: &str = "response_format";
    let Some(format) = request.object(NAME)? else { return Ok(None) };
    match format.text("type")? {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Grammar::JsonSchema(r#"{"type":"object"}"#.to_owned()))),
        Some("json_schema") => {
            let schema = format.object("json_schema")?.and_then(|named| named.get("schema"));
            let schema = Fields::required("response_format.json_schema.schema", schema)?;
            Ok(Some(Grammar::JsonSchema(schema.to_string())))
        }
        _ => Err(Fault::field(NAME, "type must be text, json_object or json_schema")),
    }
}

/// The model that a request names, by name or root.
pub(crate) fn find_model(models: Vec<(Hash, ModelManifest)>, name: &str) -> Outcome<(Hash, ModelManifest)> {
    let known: Vec<String> = models.iter().map(|(_, manifest)| manifest.name.clone()).collect();
    let wanted: Option<Hash> = name.parse().ok();
    let mut found: Vec<_> =
        models.into_iter().filter(|(root, manifest)| manifest.name == name || Some(*root) == wanted).collect();
    match found.len() {
        0 => Err(Fault::no_model(name, &known)),
        1 => Ok(found.remove(0)),
        _ => {
            let roots: Vec<String> = found.iter().map(|(root, _)| root.to_string()).collect();
            Err(Fault::field("model", format!("`{name}` names several models; use a root: {}", roots.join(", "))))
        }
    }
}

impl Ask {
    fn prompt(&self, manifest: &ModelManifest, special: Option<&SpecialTexts>) -> Outcome<String> {
        let (turns, prefill, extra) = match &self.prompt {
            Prompt::Text(text) => return Ok(text.clone()),
            Prompt::Chat { turns, prefill, extra } => (turns, prefill, extra),
        };
        if manifest.chat_template.is_empty() {
            let message = format!(
                "the model {} has no chat template; hint: /v1/completions continues a plain text with any model",
                manifest.name
            );
            return Err(Fault { code: Some("no_chat_template"), ..Fault::field("messages", message) });
        }
        let conversation = Conversation { turns, prefill, extra, date: self.extension.date, special };
        render(&manifest.chat_template, conversation).map_err(|why| {
            Fault::field("messages", format!("the chat template of {} does not take them: {why}", manifest.name))
        })
    }

    /// New tokens that a deadline in inference units leaves of those wanted; an error when it leaves none.
    pub(crate) fn within_units(&self, wanted: u32, manifest: &ModelManifest, prompt_tokens: u32) -> Outcome<u32> {
        let Some(max) = self.extension.max_units else { return Ok(wanted) };
        let cost = manifest.cost();
        let fits = |new: u32| cost.units(prompt_tokens.into(), new.into()) <= max;
        // The price grows with every token: the greatest number that fits is found by halving.
        let (mut low, mut high) = (0, wanted);
        while low < high {
            let middle = high - (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        if low == 0 && wanted > 0 {
            let least = cost.units(prompt_tokens.into(), 1);
            let message =
                format!("the prompt has {prompt_tokens} tokens, and one new one costs {least} units, not {max}");
            return Err(Fault { code: Some("deadline"), ..Fault::field("noema.max_units", message) });
        }
        Ok(low)
    }

    /// The job: a function of the request and the model, nothing else.
    pub(crate) fn job(&self, root: Hash, manifest: &ModelManifest, special: Option<&SpecialTexts>) -> Outcome<Job> {
        let prompt = self.prompt(manifest, special)?;
        let default = match &self.prompt {
            Prompt::Text(_) => COMPLETION_TOKENS_DEFAULT,
            Prompt::Chat { .. } => CHAT_TOKENS_DEFAULT.min(manifest.context / 2).min(NEW_TOKENS_MAX),
        };
        let seed = match (self.options.temperature_bps, self.seed) {
            // The seed of a greedy job is kept 0: one answer, one job.
            (0, _) => 0,
            (_, Some(seed)) => seed,
            (_, None) => seed_of(&prompt),
        };
        let options = Options { max_new_tokens: self.max_tokens.unwrap_or(default), seed, ..self.options.clone() };
        let job = Job { numerics: manifest.numerics, model: root, kind: JobKind::Generate, prompt, options };
        job.check()?;
        Ok(job)
    }
}

/// The seed of a request that names none: the first eight bytes, little-endian, of a keyed BLAKE3 of its prompt.
pub(crate) fn seed_of(prompt: &str) -> u64 {
    let digest = blake3::derive_key(SEED_CONTEXT, prompt.as_bytes());
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}
