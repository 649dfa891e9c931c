//! The life of a connection.
//!
//! One thread reads, one writes, one works; this one keeps the order of initialize, requests, shutdown and exit, notes
//! cancelled requests and passes the rest to the worker as it comes.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions, HoverProviderCapability,
    InitializeParams, OneOf, RenameOptions, SemanticTokensFullOptions, SemanticTokensOptions,
    SemanticTokensServerCapabilities, ServerCapabilities, SignatureHelpOptions, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions, TypeDefinitionProviderCapability,
    WorkDoneProgressOptions,
};
use serde_json::{Value, json};

use crate::transport::{Incoming, Outgoing, read, write};
use crate::worker::{self, Event};
use crate::{Config, Ending, ServeError, tokens};

/// Requests that the client no longer wants answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<Mutex<BTreeSet<RequestId>>>);

impl Cancelled {
    fn add(&self, id: RequestId) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id);
    }

    /// Whether the request was cancelled; it is forgotten then.
    pub(crate) fn take(&self, id: &RequestId) -> bool {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(id)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    ShutDown,
}

pub(crate) fn run(
    mut input: impl BufRead + Send + 'static,
    mut output: impl Write + Send + 'static,
    config: Config,
) -> Result<Ending, ServeError> {
    let (incoming_sender, incoming) = channel();
    // It waits for input until the process ends; nobody waits for it.
    thread::Builder::new().name("lsp-reader".into()).spawn(move || {
        while let Ok(Some(next)) = read(&mut input) {
            if incoming_sender.send(next).is_err() {
                break;
            }
        }
    })?;
    let (outgoing, outgoing_receiver) = channel::<Outgoing>();
    let writer = thread::Builder::new().name("lsp-writer".into()).spawn(move || {
        while let Ok(next) = outgoing_receiver.recv() {
            if write(&mut output, &next).is_err() {
                break;
            }
        }
    })?;
    let (events, event_receiver) = channel();
    let cancelled = Cancelled::default();
    let version = config.version.clone();
    let has_formatter = config.formatter.is_some();
    let worker = {
        let (outgoing, cancelled) = (outgoing.clone(), cancelled.clone());
        let thread = thread::Builder::new().name("lsp-worker".into()).stack_size(noema_compiler::STACK_BYTES);
        thread.spawn(move || worker::run(&event_receiver, outgoing, cancelled, config))?
    };
    let mut life = Life { phase: Phase::New, outgoing, events, cancelled, version, has_formatter };
    let ending = life.run(&incoming);
    drop(life);
    // What was asked for before the end is still answered.
    for thread in [worker, writer] {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    Ok(ending)
}

struct Life {
    phase: Phase,
    outgoing: Sender<Outgoing>,
    events: Sender<Event>,
    cancelled: Cancelled,
    version: String,
    has_formatter: bool,
}

impl Life {
    fn run(&mut self, incoming: &Receiver<Incoming>) -> Ending {
        while let Ok(next) = incoming.recv() {
            match next {
                Incoming::Garbage(answer) => self.send(Outgoing::Raw(answer)),
                Incoming::Message(Message::Request(request)) => self.request(request),
                Incoming::Message(Message::Notification(notification)) if notification.method == "exit" => {
                    return if self.phase == Phase::ShutDown { Ending::Clean } else { Ending::Cut };
                }
                Incoming::Message(Message::Notification(notification)) => self.notification(notification),
                // Answers to the registration of watchers hold nothing.
                Incoming::Message(Message::Response(_)) => {}
            }
        }
        Ending::Cut
    }

    fn send(&self, outgoing: Outgoing) {
        // Fails only when the client is gone, which the reader notices too.
        let _ = self.outgoing.send(outgoing);
    }

    fn respond(&self, response: Response) {
        self.send(Outgoing::Message(Message::Response(response)));
    }

    fn pass(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn request(&mut self, request: Request) {
        let refuse =
            |code: ErrorCode, message: &str| Response::new_err(request.id.clone(), code as i32, message.to_owned());
        match (self.phase, request.method.as_str()) {
            (Phase::New, "initialize") => match serde_json::from_value::<InitializeParams>(request.params.clone()) {
                Ok(params) => {
                    self.phase = Phase::Running;
                    let result = self.capabilities();
                    self.respond(Response::new_ok(request.id, result));
                    self.pass(Event::Initialize(Box::new(params)));
                }
                Err(error) => self.respond(refuse(ErrorCode::InvalidParams, &error.to_string())),
            },
            (Phase::New, _) => self.respond(refuse(ErrorCode::ServerNotInitialized, "initialize comes first")),
            (Phase::ShutDown, _) => self.respond(refuse(ErrorCode::InvalidRequest, "the server is shut down")),
            (Phase::Running, "initialize") => {
                self.respond(refuse(ErrorCode::InvalidRequest, "the server is initialized already"));
            }
            (Phase::Running, "shutdown") => {
                self.phase = Phase::ShutDown;
                self.respond(Response::new_ok(request.id, Value::Null));
            }
            (Phase::Running, _) => self.pass(Event::Request(request)),
        }
    }

    fn notification(&self, notification: Notification) {
        if notification.method == "$/cancelRequest" {
            if let Some(id) = notification.params.get("id").and_then(|id| serde_json::from_value(id.clone()).ok()) {
                self.cancelled.add(id);
            }
        } else if self.phase == Phase::Running {
            self.pass(Event::Notification(notification));
        }
    }

    fn capabilities(&self) -> Value {
        let capabilities = ServerCapabilities {
            text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::INCREMENTAL),
                save: Some(TextDocumentSyncSaveOptions::Supported(true)),
                ..TextDocumentSyncOptions::default()
            })),
            hover_provider: Some(HoverProviderCapability::Simple(true)),
            completion_provider: Some(CompletionOptions {
                trigger_characters: Some([".", ":", "{", "@"].map(str::to_owned).into()),
                ..CompletionOptions::default()
            }),
            signature_help_provider: Some(SignatureHelpOptions {
                trigger_characters: Some(["(", ","].map(str::to_owned).into()),
                ..SignatureHelpOptions::default()
            }),
            definition_provider: Some(OneOf::Left(true)),
            type_definition_provider: Some(TypeDefinitionProviderCapability::Simple(true)),
            references_provider: Some(OneOf::Left(true)),
            document_highlight_provider: Some(OneOf::Left(true)),
            document_symbol_provider: Some(OneOf::Left(true)),
            workspace_symbol_provider: Some(OneOf::Left(true)),
            code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                ..CodeActionOptions::default()
            })),
            document_formatting_provider: self.has_formatter.then_some(OneOf::Left(true)),
            rename_provider: Some(OneOf::Right(RenameOptions {
                prepare_provider: Some(true),
                work_done_progress_options: WorkDoneProgressOptions::default(),
            })),
            semantic_tokens_provider: Some(SemanticTokensServerCapabilities::SemanticTokensOptions(
                SemanticTokensOptions {
                    legend: tokens::legend(),
                    full: Some(SemanticTokensFullOptions::Bool(true)),
                    ..SemanticTokensOptions::default()
                },
            )),
            ..ServerCapabilities::default()
        };
        json!({ "capabilities": capabilities, "serverInfo": { "name": "noema move lsp", "version": self.version } })
    }
}
