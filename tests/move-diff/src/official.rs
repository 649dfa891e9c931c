//! Asks the official Sui Move VM: `sui-sandbox` from PyPI, in a process of its own.
//!
//! One question is a set of modules of one address and a function to call with plain arguments; the answer is the BCS of
//! the results, a run-time failure with status, sub-status and place, or the verdict of the official verifier, which
//! arrives as the inner status of an UNEXPECTED_VERIFIER_ERROR. A module that the official reader refuses is
//! [`Answer::Unreadable`]: the tool then says only that it found no such function. When the process dies, that question
//! has no answer and the next starts another.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// What the official tool said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// BCS of each result.
    Results(Vec<Vec<u8>>),
    /// The run failed.
    Failure {
        /// Name of the status.
        status: String,
        /// Abort code or the like.
        sub_status: Option<u64>,
        /// Module's name, function and instruction, where it says so.
        place: Option<(String, u16, u16)>,
    },
    /// The verifier refused the modules, by the name of the status.
    Rejected(String),
    /// The reader refused the module, or it has no such function.
    Unreadable,
    /// No verdict: the tool failed itself, or said what is not understood.
    None(String),
}

/// A question.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Address of the modules, as `0x..`.
    pub address: &'a str,
    /// Module to call.
    pub module: &'a str,
    /// Function to call.
    pub function: &'a str,
    /// BCS of the arguments.
    pub args: &'a [Vec<u8>],
    /// The modules' bytes.
    pub modules: &'a [Vec<u8>],
}

/// The tool.
#[derive(Debug)]
pub struct Official {
    python: PathBuf,
    script: PathBuf,
    process: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

/// Where `make peers` puts the official tools.
#[must_use]
pub fn peers_dir() -> PathBuf {
    let cache = std::env::var_os("NOEMA_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/noema"));
    cache.or(home).unwrap_or_else(|| PathBuf::from(".cache")).join("peers")
}

/// Folder of the scripts that drive the official tools.
#[must_use]
pub fn scripts_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers")
}

impl Official {
    /// The tool that `make peers` installed.
    ///
    /// # Errors
    /// If it is not there.
    pub fn find() -> Result<Self, String> {
        let python = peers_dir().join("move/bin/python");
        let script = scripts_dir().join("official.py");
        if !python.is_file() {
            return Err(format!("{} is missing\nhint: make peers", python.display()));
        }
        Ok(Self { python, script, process: None })
    }

    /// Asks.
    pub fn ask(&mut self, question: &Question<'_>) -> Answer {
        match self.exchange(question) {
            Ok(answer) => answer,
            Err(error) => {
                self.stop();
                Answer::None(error)
            }
        }
    }

    fn stop(&mut self) {
        if let Some((mut child, _, _)) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn exchange(&mut self, question: &Question<'_>) -> Result<Answer, String> {
        if self.process.is_none() {
            let mut child = Command::new(&self.python)
                .arg(&self.script)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|error| format!("{}: {error}", self.python.display()))?;
            let stdin = child.stdin.take().expect("it is piped");
            let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
            self.process = Some((child, stdin, stdout));
        }
        let (_, stdin, stdout) = self.process.as_mut().expect("just started");
        let hex = |all: &[Vec<u8>]| all.iter().map(hex::encode).collect::<Vec<_>>();
        let line = json!({
            "address": question.address,
            "module": question.module,
            "function": question.function,
            "args": hex(question.args),
            "modules": hex(question.modules),
        });
        writeln!(stdin, "{line}").map_err(|error| error.to_string())?;
        stdin.flush().map_err(|error| error.to_string())?;
        let mut reply = String::new();
        if stdout.read_line(&mut reply).map_err(|error| error.to_string())? == 0 {
            return Err("the official tool ended".to_owned());
        }
        let reply: Value = serde_json::from_str(&reply).map_err(|error| error.to_string())?;
        Ok(understand(&reply))
    }
}

impl Drop for Official {
    fn drop(&mut self) {
        self.stop();
    }
}

fn understand(reply: &Value) -> Answer {
    if let Some(results) = reply["results"].as_array() {
        let bytes = |one: &Value| one.as_str().and_then(|text| hex::decode(text).ok()).unwrap_or_default();
        return Answer::Results(results.iter().map(bytes).collect());
    }
    let error = reply["error"].as_str().unwrap_or_default();
    if error.contains("not found in module") || error.contains("not found in package") {
        return Answer::Unreadable;
    }
    let Some(status) = word_after(error, "major_status: ") else { return Answer::None(error.to_owned()) };
    if status == "UNEXPECTED_VERIFIER_ERROR" {
        let inner = error.split("Error: VMError").nth(1).and_then(|inner| word_after(inner, "major_status: "));
        return inner.map_or_else(|| Answer::None(error.to_owned()), |inner| Answer::Rejected(inner.to_owned()));
    }
    // The machine counts references while it runs and stops at what its own verifier allows: where paths meet and only
    // one of them holds a reference, the verifier forgets it. Other invariants of its own are no verdicts either.
    if status == "UNKNOWN_INVARIANT_VIOLATION_ERROR" {
        return Answer::None(error.to_owned());
    }
    let sub_status = word_after(error, "sub_status: Some(").and_then(|text| text.parse().ok());
    Answer::Failure { status: status.to_owned(), sub_status, place: place(error) }
}

/// The word (letters, digits, `_`) after the first `mark`.
fn word_after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let rest = &text[text.find(mark)? + mark.len()..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

fn place(error: &str) -> Option<(String, u16, u16)> {
    let tail = &error[error.rfind("location: Module(")?..];
    let module = word_after(tail, "Identifier(\"")?;
    let offsets = &tail[tail.find("offsets: [(FunctionDefinitionIndex(")?..];
    let function = word_after(offsets, "FunctionDefinitionIndex(")?.parse().ok()?;
    let instruction = word_after(offsets, "), ")?.parse().ok()?;
    Some((module.to_owned(), function, instruction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_understood() {
        let failed = "execution failed: VMError { major_status: ABORTED, sub_status: Some(42), message: Some(\"x\"), \
                      exec_state: None, location: Module(ModuleId { address: 00, name: Identifier(\"shapes\") }), \
                      indices: [], offsets: [(FunctionDefinitionIndex(6), 14)] }";
        let expected = Answer::Failure {
            status: "ABORTED".to_owned(),
            sub_status: Some(42),
            place: Some(("shapes".to_owned(), 6, 14)),
        };
        assert_eq!(understand(&json!({ "error": failed })), expected);
        let rejected = "execution failed: VMError { major_status: UNEXPECTED_VERIFIER_ERROR, sub_status: None, message: \
                        Some(\"no!\\nError: VMError { major_status: MOVELOC_UNAVAILABLE_ERROR, sub_status";
        let expected = Answer::Rejected("MOVELOC_UNAVAILABLE_ERROR".to_owned());
        assert_eq!(understand(&json!({ "error": rejected })), expected);
        let unread = json!({ "error": "Function 'f' not found in module 0x0::m" });
        assert_eq!(understand(&unread), Answer::Unreadable);
        assert_eq!(understand(&json!({ "results": ["01ff"] })), Answer::Results(vec![vec![1, 255]]));
    }
}
