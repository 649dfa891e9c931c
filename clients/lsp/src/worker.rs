//! The thread that holds all state.
//!
//! Events are handled in the order they came, so a request sees every edit before it. When edits pause, the packages that
//! changed are checked and their messages sent; input that waits puts the check off.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    InitializeParams, MessageType, Uri,
};
use noema_types::Address;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::limits::CHECK_PAUSE;
use crate::server::Cancelled;
use crate::transport::Outgoing;
use crate::workspace::{Document, Workspace};
use crate::{Config, answers, convert, edits, text, tokens, uri};

/// What the worker is given to do.
#[derive(Debug)]
pub(crate) enum Event {
    Initialize(Box<InitializeParams>),
    Request(Request),
    Notification(Notification),
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::RequestFailed, message: message.into() }
    }
}

/// The result of a request.
pub(crate) type Answer = Result<Value, Failure>;

pub(crate) fn run(events: &Receiver<Event>, outgoing: Sender<Outgoing>, cancelled: Cancelled, config: Config) {
    let mut worker = Worker { workspace: Workspace::new(config), outgoing, cancelled, check_at: None };
    loop {
        let next = match worker.check_at {
            Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(event) => worker.guarded(event),
            Err(RecvTimeoutError::Timeout) => worker.check(events),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        worker.drain(events);
    }
}

struct Worker {
    workspace: Workspace,
    outgoing: Sender<Outgoing>,
    cancelled: Cancelled,
    /// When the next check is due.
    check_at: Option<Instant>,
}

impl Worker {
    /// Handles what waits before the clock is looked at again.
    fn drain(&mut self, events: &Receiver<Event>) {
        while let Ok(event) = events.try_recv() {
            self.guarded(event);
        }
    }

    fn send(&self, message: Message) {
        // Fails only when the client is gone.
        let _ = self.outgoing.send(Outgoing::Message(message));
    }

    fn notify(&self, method: &str, params: Value) {
        self.send(Message::Notification(Notification { method: method.to_owned(), params }));
    }

    /// Handles an event; a fault in it is an error for its request, and the caches are thrown away.
    fn guarded(&mut self, event: Event) {
        let id = match &event {
            Event::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        if catch_unwind(AssertUnwindSafe(|| self.handle(event))).is_err() {
            self.fault(id);
        }
    }

    fn fault(&mut self, id: Option<RequestId>) {
        self.workspace.forget();
        let message = "a fault inside the Move language server; what it knew is computed again";
        if let Some(id) = id {
            let response = Response::new_err(id, ErrorCode::InternalError as i32, message.to_owned());
            self.send(Message::Response(response));
        }
        self.notify("window/logMessage", json!({ "type": MessageType::ERROR, "message": message }));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Initialize(params) => self.initialize(*params),
            Event::Request(request) => {
                let id = request.id.clone();
                let answer = if self.cancelled.take(&id) {
                    Err(Failure { code: ErrorCode::RequestCanceled, message: "cancelled".into() })
                } else {
                    self.answer(request)
                };
                self.send(Message::Response(match answer {
                    Ok(value) => Response::new_ok(id, value),
                    Err(failure) => Response::new_err(id, failure.code as i32, failure.message),
                }));
            }
            Event::Notification(notification) => {
                self.notified(notification);
                if self.workspace.packages.values().any(|package| package.is_due) {
                    self.check_at = Some(Instant::now() + CHECK_PAUSE);
                }
            }
        }
    }

    fn initialize(&mut self, params: InitializeParams) {
        let given = params.initialization_options.as_ref().and_then(|options| options.get("namedAddresses"));
        for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
            match value.as_str().and_then(|text| Address::from_str(text).ok()) {
                Some(address) => {
                    self.workspace.config.named_addresses.insert(name.clone(), address);
                }
                None => {
                    let message = format!("namedAddresses: `{name}` is no address: {value}");
                    self.notify("window/showMessage", json!({ "type": MessageType::WARNING, "message": message }));
                }
            }
        }
        for folder in params.workspace_folders.iter().flatten() {
            self.workspace.add_folder(&uri::path(&folder.uri));
        }
        let watches = params.capabilities.workspace.and_then(|workspace| workspace.did_change_watched_files);
        if watches.and_then(|watches| watches.dynamic_registration) == Some(true) {
            let watchers = json!([{ "globPattern": "**/*.move" }, { "globPattern": "**/Move.toml" }]);
            let registration = json!({
                "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": { "watchers": watchers },
            });
            let id = RequestId::from("register-files".to_owned());
            let request =
                Request::new(id, "client/registerCapability".into(), json!({ "registrations": [registration] }));
            self.send(Message::Request(request));
        }
        if self.workspace.packages.values().any(|package| package.is_due) {
            self.check_at = Some(Instant::now());
        }
    }

    fn notified(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            "textDocument/didOpen" => {
                let Some(params) = self.params::<DidOpenTextDocumentParams>(&method, params) else { return };
                let document = params.text_document;
                let path = uri::path(&document.uri);
                let text = document.text.into();
                self.workspace.open(&path, Document { text, version: document.version, uri: document.uri });
            }
            "textDocument/didChange" => {
                let Some(params) = self.params::<DidChangeTextDocumentParams>(&method, params) else { return };
                let path = uri::path(&params.text_document.uri);
                let Some(document) = self.workspace.documents.get_mut(&path) else { return };
                document.text = text::apply(&document.text, params.content_changes);
                document.version = params.text_document.version;
                self.workspace.edited(&path);
            }
            "textDocument/didClose" => {
                let Some(params) = self.params::<DidCloseTextDocumentParams>(&method, params) else { return };
                self.workspace.close(&uri::path(&params.text_document.uri));
            }
            "textDocument/didSave" => self.workspace.changed_on_disk(),
            "workspace/didChangeWatchedFiles" => {
                let Some(params) = self.params::<DidChangeWatchedFilesParams>(&method, params) else { return };
                if !params.changes.is_empty() {
                    self.workspace.changed_on_disk();
                }
            }
            _ => {}
        }
    }

    fn params<P: DeserializeOwned>(&self, method: &str, params: Value) -> Option<P> {
        match serde_json::from_value(params) {
            Ok(params) => Some(params),
            Err(error) => {
                let message = format!("{method} with bad parameters: {error}");
                self.notify("window/logMessage", json!({ "type": MessageType::ERROR, "message": message }));
                None
            }
        }
    }

    fn answer(&mut self, request: Request) -> Answer {
        let workspace = &mut self.workspace;
        match request.method.as_str() {
            "textDocument/hover" => with(request, |params| answers::hover(workspace, &params)),
            "textDocument/definition" => with(request, |params| answers::definition(workspace, &params)),
            "textDocument/typeDefinition" => with(request, |params| answers::type_definition(workspace, &params)),
            "textDocument/references" => with(request, |params| answers::references(workspace, &params)),
            "textDocument/documentHighlight" => with(request, |params| answers::highlights(workspace, &params)),
            "textDocument/documentSymbol" => with(request, |params| answers::outline(workspace, &params)),
            "workspace/symbol" => with(request, |params| answers::symbols(workspace, &params)),
            "textDocument/completion" => with(request, |params| answers::completion(workspace, &params)),
            "textDocument/signatureHelp" => with(request, |params| answers::signature(workspace, &params)),
            "textDocument/prepareRename" => with(request, |params| edits::prepare_rename(workspace, &params)),
            "textDocument/rename" => with(request, |params| edits::rename(workspace, &params)),
            "textDocument/codeAction" => with(request, |params| edits::code_actions(workspace, &params)),
            "textDocument/formatting" => with(request, |params| edits::format(workspace, &params)),
            "textDocument/semanticTokens/full" => with(request, |params| tokens::full(workspace, &params)),
            other => Err(Failure { code: ErrorCode::MethodNotFound, message: format!("this server has no `{other}`") }),
        }
    }

    /// Checks the packages that are due and sends their messages, unless input waits.
    fn check(&mut self, events: &Receiver<Event>) {
        self.check_at = None;
        let due: Vec<_> =
            self.workspace.packages.iter().filter(|(_, package)| package.is_due).map(|(key, _)| key.clone()).collect();
        for key in due {
            if let Ok(event) = events.try_recv() {
                self.check_at = Some(Instant::now() + CHECK_PAUSE);
                self.guarded(event);
                return;
            }
            let sent = catch_unwind(AssertUnwindSafe(|| convert::publish(&mut self.workspace, &key)));
            if let Some(package) = self.workspace.packages.get_mut(&key) {
                package.is_due = false;
            }
            match sent {
                Ok(messages) => {
                    for params in messages {
                        self.notify("textDocument/publishDiagnostics", params);
                    }
                }
                Err(_) => self.fault(None),
            }
        }
    }
}

fn with<P: DeserializeOwned>(request: Request, answer: impl FnOnce(P) -> Answer) -> Answer {
    match serde_json::from_value(request.params) {
        Ok(params) => answer(params),
        Err(error) => Err(Failure { code: ErrorCode::InvalidParams, message: error.to_string() }),
    }
}

/// A result as JSON.
pub(crate) fn to_value(value: impl serde::Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| Failure { code: ErrorCode::InternalError, message: error.to_string() })
}

/// A version that a client knows, for a document it has open.
pub(crate) fn version_of(workspace: &Workspace, uri: &Uri) -> Option<i32> {
    workspace.documents.get(&uri::path(uri)).map(|document| document.version)
}
