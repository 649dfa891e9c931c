//! Answers requests for text, whole or as a stream.
//!
//! A request is read, turned into a job and submitted on a blocking thread; another one waits for the engine and hands
//! pieces on through a channel. The channel has no bound of its own: an answer has at most as many pieces as tokens. A
//! status is sent once the first piece or the end is there, so an error before it is an error of HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Bytes};
use futures_core::Stream;
use noema_inference_api::{Answer, AnswerError, EngineError, Generated, Job, JobId};
use noema_types::Hash;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::ask::{Ask, find_model};
use super::desk::{Holder, Ticket};
use super::error::{Fault, Outcome, Vendor};
use super::tools::Call;
use super::{Gateway, Record, anthropic, blocking, openai};

/// The header that names the job.
pub(crate) const JOB_HEADER: HeaderName = HeaderName::from_static("x-noema-job");
/// Digits of a hash in an id.
const ID_DIGITS: usize = 24;

/// The protocols for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    OpenAi(openai::Kind),
    Anthropic,
}

impl Style {
    pub(crate) const fn vendor(self) -> Vendor {
        match self {
            Self::OpenAi(_) => Vendor::OpenAi,
            Self::Anthropic => Vendor::Anthropic,
        }
    }

    /// Reads a request.
    pub(crate) fn decode(self, body: &[u8]) -> Outcome<Ask> {
        let request: Value =
            serde_json::from_slice(body).map_err(|error| Fault::invalid(format!("the body is no JSON: {error}")))?;
        match self {
            Self::OpenAi(openai::Kind::Chat) => openai::chat(&request),
            Self::OpenAi(openai::Kind::Completion) => openai::completion(&request),
            Self::Anthropic => anthropic::message(&request),
        }
    }

    fn whole(self, head: &Head, done: &Done) -> Value {
        match self {
            Self::OpenAi(kind) => kind.whole(head, &done.generated, done.noema(head)),
            Self::Anthropic => anthropic::whole(head, &done.generated, done.noema(head)),
        }
    }

    fn start(self, head: &Head) -> String {
        match self {
            Self::OpenAi(kind) => kind.start(head),
            Self::Anthropic => anthropic::start(head),
        }
    }

    fn piece(self, head: &Head, text: &str) -> String {
        match self {
            Self::OpenAi(kind) => kind.piece(head, text),
            Self::Anthropic => anthropic::piece(head, text),
        }
    }

    fn end(self, head: &Head, done: &Done) -> String {
        match self {
            Self::OpenAi(kind) => kind.end(head, &done.generated, done.noema(head)),
            Self::Anthropic => anthropic::end(head, &done.generated, &done.noema(head)),
        }
    }

    fn broken(self, fault: &Fault) -> String {
        let body = fault.body(self.vendor());
        match self {
            Self::OpenAi(_) => super::sse::data(&body),
            Self::Anthropic => super::sse::named(&body),
        }
    }
}

/// What all parts of an answer share.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) job: JobId,
    pub(crate) root: Hash,
    pub(crate) model: String,
    pub(crate) numerics: u32,
    pub(crate) created: u64,
    pub(crate) stop: Vec<String>,
    pub(crate) stream_usage: bool,
    /// The function that the answer calls.
    pub(crate) call: Option<Call>,
}

impl Head {
    /// An id of the answer: equal jobs, equal ids.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}-{}", &hex::encode(self.job.0.0)[..ID_DIGITS])
    }

    /// Arithmetic and weights: what an answer depends on besides the job.
    pub(crate) fn fingerprint(&self) -> String {
        format!("noema{}-{}", self.numerics, &hex::encode(self.root.0)[..ID_DIGITS / 2])
    }
}

/// An answer with its digest.
#[derive(Debug)]
struct Done {
    generated: Generated,
    digest: Hash,
    /// What records it on chain.
    transaction: Option<Hash>,
}

impl Done {
    fn noema(&self, head: &Head) -> Value {
        said(head.job, self.digest, head.root, self.transaction)
    }
}

/// The `noema` field of an answer.
pub(crate) fn said(job: JobId, digest: Hash, model: Hash, transaction: Option<Hash>) -> Value {
    let mut said = json!({ "job": job.to_string(), "digest": digest.to_string(), "model": model.to_string() });
    if let Some(transaction) = transaction {
        said["transaction"] = transaction.to_string().into();
    }
    said
}

#[derive(Debug)]
enum Event {
    Piece(JobId, String),
    Done(JobId, Outcome<Done>),
}

/// Answers a request for text.
pub(crate) async fn answer(gateway: Gateway, style: Style, body: Bytes) -> Outcome<Response> {
    let permit = Arc::clone(&gateway.permits).try_acquire_owned().map_err(|_| Fault::crowded())?;
    let started = blocking(move || {
        let ask = style.decode(&body)?;
        let engine = (gateway.engine)();
        let (root, manifest) = find_model(engine.models(), &ask.model)?;
        let mut job = ask.job(root, &manifest, engine.special_texts(root).as_deref())?;
        let recorder = Recorder::of(&gateway, ask.extension.settle)?;
        if ask.extension.max_units.is_some() {
            // A token covers at least one byte, and one may come before them all.
            let counted = engine.prompt_tokens(&job).unwrap_or(u32::try_from(job.prompt.len() + 1).unwrap_or(u32::MAX));
            job.options.max_new_tokens = ask.within_units(job.options.max_new_tokens, &manifest, counted)?;
        }
        let (holder, id) = Ticket::open(&gateway.desk, &engine, &job)?;
        let head = Head {
            job: id,
            root,
            model: manifest.name,
            numerics: job.numerics,
            created: crate::clock::unix_now().0 / 1_000,
            stop: job.options.stop.clone(),
            stream_usage: ask.stream_usage,
            call: ask.call,
        };
        let wishes = Wishes { stream: ask.stream, shorten: ask.max_tokens.is_none(), recorder };
        Ok((holder, head, job, wishes))
    });
    let (holder, mut head, job, wishes) = started.await?;
    let stream = wishes.stream;
    let (sender, mut events) = unbounded_channel();
    let ticket = Arc::clone(&holder.0);
    tokio::task::spawn_blocking(move || attend(&ticket, job, &wishes, &sender, permit));
    let first = events.recv().await.unwrap_or_else(|| Event::Done(head.job, Err(panicked())));
    let (Event::Piece(id, _) | Event::Done(id, _)) = &first;
    head.job = *id;
    let mut response = match first {
        Event::Done(_, Err(fault)) => return Err(fault),
        Event::Done(_, Ok(done)) if !stream => Json(style.whole(&head, &done)).into_response(),
        first => stream_response(EventStream::new(style, head.clone(), holder, events, first)),
    };
    response.headers_mut().insert(JOB_HEADER, header(&head.job.to_string()));
    Ok(response)
}

fn panicked() -> Fault {
    Fault::internal("the request's thread ended without an answer")
}

/// A value of a header that is plain text.
pub(crate) fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hashes are plain text")
}

struct Wishes {
    /// Pieces as they come.
    stream: bool,
    /// The request named no number of tokens: fewer will do if the context has no room for the default.
    shorten: bool,
    /// Records the answer on chain.
    recorder: Recorder,
}

/// What records answers of one request on chain, if they are to be recorded.
#[derive(Clone)]
pub(crate) struct Recorder(Option<Record>);

impl Recorder {
    /// What a request wants, or what the node does with requests that do not say.
    pub(crate) fn of(gateway: &Gateway, wanted: Option<bool>) -> Outcome<Self> {
        match (&gateway.settling, wanted) {
            (None, Some(true)) => {
                let why =
                    "this node records no answers on chain; hint: its operator names an account's key as settle_key";
                Err(Fault::unsupported("noema.settle", why))
            }
            (Some(settling), wanted) if wanted.unwrap_or(settling.all) => Ok(Self(Some(Arc::clone(&settling.record)))),
            _ => Ok(Self(None)),
        }
    }

    /// Records an answer; the hash of the transaction, which is submitted but not waited for.
    pub(crate) fn record(&self, job: JobId, digest: Hash) -> Outcome<Option<Hash>> {
        let Some(record) = &self.0 else { return Ok(None) };
        record(job, digest).map(Some).map_err(|error| Fault::unrecorded(&error))
    }
}

/// Waits for a job and hands on what comes of it. The permit is held as long as this thread is.
fn attend(
    ticket: &Ticket,
    mut job: Job,
    wishes: &Wishes,
    sender: &UnboundedSender<Event>,
    permit: OwnedSemaphorePermit,
) {
    let mut id = job.id();
    let mut result = wait(ticket, id, wishes.stream, sender);
    if wishes.shorten
        && let Ok(Answer::Refused(AnswerError::ContextExceeded { tokens, context, .. })) = result
        && tokens < context
    {
        job.options.max_new_tokens = job.options.max_new_tokens.min(context - tokens);
        id = job.id();
        result = ticket.submit(&job).and_then(|id| wait(ticket, id, wishes.stream, sender));
    }
    // An answer that cannot be had any more is not to be cancelled either.
    ticket.answered();
    // The receiver is gone when the client is.
    let _ = sender.send(Event::Done(id, finished(result, id, &wishes.recorder)));
    drop(permit);
}

fn wait(ticket: &Ticket, id: JobId, stream: bool, sender: &UnboundedSender<Event>) -> Result<Answer, EngineError> {
    if !stream {
        return ticket.engine.wait(id);
    }
    ticket.engine.watch(id, &mut |piece| piece.is_empty() || sender.send(Event::Piece(id, piece.to_owned())).is_ok())
}

fn finished(result: Result<Answer, EngineError>, id: JobId, recorder: &Recorder) -> Outcome<Done> {
    let answer = result?;
    let digest = answer.digest();
    match answer {
        Answer::Generated(generated) => Ok(Done { generated, digest, transaction: recorder.record(id, digest)? }),
        Answer::Refused(error) => Err(error.into()),
        _ => Err(Fault::internal("the engine answered another kind of job")),
    }
}

fn stream_response(events: EventStream) -> Response {
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A stream of server-sent events; dropping it before its end gives the job up.
struct EventStream {
    style: Style,
    head: Head,
    _holder: Holder,
    events: UnboundedReceiver<Event>,
    /// What was taken from the channel already.
    ready: Option<String>,
    ended: bool,
}

impl EventStream {
    fn new(style: Style, head: Head, holder: Holder, events: UnboundedReceiver<Event>, first: Event) -> Self {
        let mut stream = Self { style, head, _holder: holder, events, ready: None, ended: false };
        let text = stream.style.start(&stream.head) + &stream.text(first);
        stream.ready = Some(text);
        stream
    }

    fn text(&mut self, event: Event) -> String {
        match event {
            Event::Piece(_, text) => return self.style.piece(&self.head, &text),
            Event::Done(..) => self.ended = true,
        }
        match event {
            Event::Done(_, Ok(done)) => self.style.end(&self.head, &done),
            Event::Done(_, Err(fault)) => self.style.broken(&fault),
            Event::Piece(..) => unreachable!("handled above"),
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(text) = self.ready.take() {
            return Poll::Ready(Some(Ok(text.into())));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let event = std::task::ready!(self.events.poll_recv(context));
        let event = event.unwrap_or_else(|| Event::Done(self.head.job, Err(panicked())));
        let text = self.text(event);
        Poll::Ready(Some(Ok(text.into())))
    }
}
