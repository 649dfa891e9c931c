//! Embeddings and images, in OpenAI's protocol.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use noema_inference_api::limits::BASIS_POINTS;
use noema_inference_api::{Answer, Drawing, Job, JobId, JobKind, ModelManifest, Options};
use noema_types::Hash;
use serde_json::{Value, json};

use super::ask::{Extension, find_model, seed_of};
use super::desk::Ticket;
use super::error::{Fault, Outcome};
use super::fields::Fields;
use super::limits::{IMAGE_GUIDANCE_BPS_DEFAULT, IMAGE_SIDE_DEFAULT, IMAGE_STEPS_DEFAULT, INPUTS_MAX};
use super::serve::{JOB_HEADER, Recorder, header, said};
use super::{Gateway, blocking};

/// What is asked for, and how it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaAsk {
    model: String,
    jobs: Vec<(JobKind, String)>,
    seed: Option<u64>,
    base64: bool,
    settle: Option<bool>,
}

/// An answer, and what records it on chain.
struct Given {
    id: JobId,
    answer: Answer,
    transaction: Option<Hash>,
}

/// Which of the two routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Embeddings,
    Images,
}

impl Media {
    /// Reads a request.
    pub(crate) fn decode(self, body: &[u8]) -> Outcome<MediaAsk> {
        let request: Value =
            serde_json::from_slice(body).map_err(|error| Fault::invalid(format!("the body is no JSON: {error}")))?;
        let request = Fields::of(&request)?;
        let settle = Extension::of(request)?.settle;
        let ask = match self {
            Self::Embeddings => embeddings(request),
            Self::Images => images(request),
        };
        Ok(MediaAsk { settle, ..ask? })
    }
}

fn embeddings(request: Fields<'_>) -> Outcome<MediaAsk> {
    request.only("dimensions", |_| false, "an embedding has the width of its model; hint: leave it out")?;
    let wrong = || Fault::field("input", format!("must be a string or 1 to {INPUTS_MAX} strings"));
    let texts: Vec<&str> = match Fields::required("input", request.get("input"))? {
        Value::String(text) => vec![text],
        Value::Array(list) if (1..=INPUTS_MAX).contains(&list.len()) => {
            list.iter().map(|text| text.as_str().ok_or_else(wrong)).collect::<Outcome<_>>()?
        }
        _ => return Err(wrong()),
    };
    let base64 = match request.text("encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(Fault::field("encoding_format", "must be float or base64")),
    };
    Ok(MediaAsk {
        model: Fields::required("model", request.text("model")?)?.to_owned(),
        jobs: texts.into_iter().map(|text| (JobKind::Embed, text.to_owned())).collect(),
        seed: Some(0),
        base64,
        settle: None,
    })
}

fn images(request: Fields<'_>) -> Outcome<MediaAsk> {
    request.only("n", |value| value.as_u64() == Some(1), "only one image per request is supported")?;
    request.only("response_format", |value| value == "b64_json", "only b64_json is supported")?;
    request.only("output_format", |value| value == "png", "only png is supported")?;
    request.only("stream", |value| value == &Value::Bool(false), "images do not come as a stream")?;
    let (width, height) = match request.text("size")? {
        None | Some("auto") => (IMAGE_SIDE_DEFAULT, IMAGE_SIDE_DEFAULT),
        Some(size) => {
            let sides = size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
            sides.ok_or_else(|| Fault::field("size", "must be a width and a height as 512x512"))?
        }
    };
    let drawing = Drawing {
        width,
        height,
        steps: request.count("steps")?.unwrap_or(IMAGE_STEPS_DEFAULT),
        guidance_bps: request.basis_points("guidance")?.unwrap_or(IMAGE_GUIDANCE_BPS_DEFAULT),
        negative_prompt: request.text("negative_prompt")?.unwrap_or("").to_owned(),
    };
    let prompt = Fields::required("prompt", request.text("prompt")?)?;
    Ok(MediaAsk {
        model: Fields::required("model", request.text("model")?)?.to_owned(),
        jobs: vec![(JobKind::Draw(drawing), prompt.to_owned())],
        seed: request.seed()?,
        base64: true,
        settle: None,
    })
}

impl MediaAsk {
    fn jobs(&self, root: Hash, manifest: &ModelManifest) -> Outcome<Vec<Job>> {
        let job = |(kind, prompt): &(JobKind, String)| {
            let seed = self.seed.unwrap_or_else(|| seed_of(prompt));
            let options = Options { max_new_tokens: 0, seed, top_p_bps: BASIS_POINTS, ..Options::default() };
            let (kind, prompt) = (kind.clone(), prompt.clone());
            let job = Job { numerics: manifest.numerics, model: root, kind, prompt, options };
            job.check()?;
            Ok(job)
        };
        self.jobs.iter().map(job).collect()
    }
}

/// Answers a request for embeddings or an image.
pub(crate) async fn answer(gateway: Gateway, media: Media, body: Bytes) -> Outcome<Response> {
    let permit = Arc::clone(&gateway.permits).try_acquire_owned().map_err(|_| Fault::crowded())?;
    let started = blocking(move || {
        let ask = media.decode(&body)?;
        let engine = (gateway.engine)();
        let (root, manifest) = find_model(engine.models(), &ask.model)?;
        let jobs = ask.jobs(root, &manifest)?;
        let tickets = jobs.iter().map(|job| Ok(Ticket::open(&gateway.desk, &engine, job)?));
        let recorder = Recorder::of(&gateway, ask.settle)?;
        Ok((tickets.collect::<Outcome<Vec<_>>>()?, root, manifest.name, ask.base64, recorder))
    });
    let (tickets, root, name, base64, recorder) = started.await?;
    let waiting: Vec<_> = tickets.iter().map(|(holder, id)| (Arc::clone(&holder.0), *id)).collect();
    let answers = blocking(move || {
        let mut answers = Vec::with_capacity(waiting.len());
        for (ticket, id) in waiting {
            let answer = ticket.engine.wait(id);
            ticket.answered();
            let answer = answer?;
            let is_refused = matches!(answer, Answer::Refused(_));
            let transaction = if is_refused { None } else { recorder.record(id, answer.digest())? };
            answers.push(Given { id, answer, transaction });
        }
        drop(permit);
        Ok(answers)
    })
    .await?;
    drop(tickets);
    let body = match media {
        Media::Embeddings => show_embeddings(&answers, root, &name, base64)?,
        Media::Images => show_image(&answers, root)?,
    };
    let ids: Vec<String> = answers.iter().map(|given| given.id.to_string()).collect();
    let mut response = Json(body).into_response();
    response.headers_mut().insert(JOB_HEADER, header(&ids.join(", ")));
    Ok(response)
}

fn noema(given: &Given, root: Hash) -> Value {
    said(given.id, given.answer.digest(), root, given.transaction)
}

fn other(answer: &Answer) -> Fault {
    match answer {
        Answer::Refused(error) => error.clone().into(),
        _ => Fault::internal("the engine answered another kind of job"),
    }
}

fn show_embeddings(answers: &[Given], root: Hash, name: &str, base64: bool) -> Outcome<Value> {
    let mut data = Vec::with_capacity(answers.len());
    let mut tokens = 0u64;
    for (index, given) in answers.iter().enumerate() {
        let Answer::Embedded { values, prompt_tokens } = &given.answer else { return Err(other(&given.answer)) };
        tokens += u64::from(*prompt_tokens);
        // The quotient of two small whole numbers, rounded once: the same everywhere.
        let values: Vec<f32> = values.iter().map(|value| f32::from(*value) / 127.0).collect();
        let embedding = if base64 {
            BASE64.encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).into()
        } else {
            json!(values)
        };
        data.push(json!({
            "object": "embedding", "index": index, "embedding": embedding, "noema": noema(given, root)
        }));
    }
    let noema = data.first().map(|first| first["noema"].clone());
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Ok(json!({ "object": "list", "data": data, "model": name, "usage": usage, "noema": noema }))
}

fn show_image(answers: &[Given], root: Hash) -> Outcome<Value> {
    let Some(given) = answers.first() else { return Err(Fault::internal("no image was asked for")) };
    let Answer::Drawn { png, .. } = &given.answer else { return Err(other(&given.answer)) };
    let created = crate::clock::unix_now().0 / 1_000;
    let data = json!([{ "b64_json": BASE64.encode(png) }]);
    Ok(json!({ "created": created, "data": data, "output_format": "png", "noema": noema(given, root) }))
}
