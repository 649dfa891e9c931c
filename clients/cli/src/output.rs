//! What people and programs see: results on stdout, everything else on stderr, three exit codes.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// A command failed.
#[derive(Debug)]
pub(crate) struct CliError {
    /// What is wrong and where.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The command ran and its check says no: exit code 1 instead of 2.
    pub(crate) is_verdict: bool,
}

/// Result of a command.
pub(crate) type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// Wrong use, or a fault: exit code 2.
    pub(crate) fn fault(message: impl Display) -> Self {
        Self { message: message.to_string(), hint: None, is_verdict: false }
    }

    /// The check says no: exit code 1.
    pub(crate) fn verdict(message: impl Display) -> Self {
        Self { message: message.to_string(), hint: None, is_verdict: true }
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_verdict { 1 } else { 2 })
    }
}

/// Adds context to any error.
pub(crate) trait Context<T> {
    /// Says what was being done.
    fn context(self, doing: impl Display) -> CliResult<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> CliResult<T> {
        self.map_err(|error| CliError::fault(format!("{doing}: {error}")))
    }
}

impl From<noema_sdk::ClientError> for CliError {
    fn from(error: noema_sdk::ClientError) -> Self {
        let message = error.to_string();
        match error {
            noema_sdk::ClientError::Transport { .. } => {
                Self::fault(message).hint("is a node running? start one with `noema localnet`, or name it with --url")
            }
            noema_sdk::ClientError::Api(api) => match hint_of(&api.error_code, api.vm_error_code) {
                Some(hint) => Self::verdict(message).hint(hint),
                None => Self::verdict(message),
            },
            _ => Self::fault(message),
        }
    }
}

fn hint_of(error_code: &str, vm_error_code: Option<u64>) -> Option<&'static str> {
    Some(match (error_code, vm_error_code) {
        ("account_not_found", _) => "fund the account first: `noema account fund`",
        (_, Some(3)) | ("sequence_number_too_old", _) => "another transaction of this account was faster: run it again",
        (_, Some(5 | 7)) => "fund the account first: `noema account fund`",
        (_, Some(6)) => "the transaction expired before it was ordered: run it again",
        ("mempool_is_full", _) => "the node takes no more for now: try again in a moment",
        ("resource_not_found" | "module_not_found", _) => "check the address, or publish the package first",
        _ => return None,
    })
}

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One JSON document on stdout instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// Prints the result: `text` for people or `json` for programs.
    pub(crate) fn result(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        let line = if self.json { json().to_string() } else { text() };
        let mut stdout = std::io::stdout().lock();
        // A closed pipe is not an error worth reporting.
        let _ = writeln!(stdout, "{}", line.trim_end());
        let _ = stdout.flush();
    }

    /// Says something on stderr.
    pub(crate) fn note(self, text: impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// A spinner on stderr, silent when that is no terminal.
    pub(crate) fn spinner(self, message: impl Display) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a valid template"));
        bar.set_message(message.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Ends the program: prints the error, picks the exit code.
    pub(crate) fn finish(self, result: CliResult) -> ExitCode {
        let Err(error) = result else { return ExitCode::SUCCESS };
        let mut text = format!("{} {}", paint("error:", "31;1"), error.message.trim_end());
        if let Some(hint) = &error.hint {
            text.push_str(&format!("\n{} {hint}", paint("hint:", "36;1")));
        }
        self.note(text);
        error.exit_code()
    }
}

/// Colours `text` for a terminal, unless colours are unwanted.
pub(crate) fn paint(text: &str, style: &str) -> String {
    if use_color() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Whether stderr takes colours.
pub(crate) fn use_color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
