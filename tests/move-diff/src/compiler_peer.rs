//! Asks the official Sui compiler: `@zktx.io/sui-move-builder` from npm, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::official::{peers_dir, scripts_dir};

/// What the compiler said of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiled {
    /// The modules' bytes, `std::vector` among them.
    Modules(Vec<Vec<u8>>),
    /// Its messages.
    Refused(String),
    /// It failed itself: no verdict.
    None(String),
}

/// The compiler.
#[derive(Debug)]
pub struct OfficialCompiler {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl OfficialCompiler {
    /// Starts the compiler that `make peers` installed.
    ///
    /// # Errors
    /// If it is not there.
    pub fn start() -> Result<Self, String> {
        let peers = peers_dir();
        if !peers.join("node_modules/@zktx.io/sui-move-builder").is_dir() {
            return Err(format!("{} lacks the official compiler\nhint: make peers", peers.display()));
        }
        let vector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../execution/bytecode/tests/fixtures/vector.move");
        let mut child = Command::new("node")
            .arg(scripts_dir().join("compile_many.mjs"))
            .arg(vector)
            .current_dir(&peers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("node: {error}"))?;
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, stdin, stdout })
    }

    /// Compiles one file; `c` is its named address.
    pub fn compile(&mut self, text: &str) -> Compiled {
        match self.exchange(text) {
            Ok(answer) => understand(&answer),
            Err(error) => Compiled::None(error),
        }
    }

    fn exchange(&mut self, text: &str) -> Result<Value, String> {
        let question = json!({ "files": { "sources/case.move": text } });
        writeln!(self.stdin, "{question}").map_err(|error| error.to_string())?;
        self.stdin.flush().map_err(|error| error.to_string())?;
        let mut reply = String::new();
        if self.stdout.read_line(&mut reply).map_err(|error| error.to_string())? == 0 {
            return Err("the official compiler ended".to_owned());
        }
        serde_json::from_str(&reply).map_err(|error| error.to_string())
    }
}

impl Drop for OfficialCompiler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn understand(answer: &Value) -> Compiled {
    if let Some(modules) = answer["modules"].as_array() {
        return Compiled::Modules(modules.iter().filter_map(|one| decode_base64(one.as_str()?)).collect());
    }
    let error = answer["error"].as_str().unwrap_or_default().to_owned();
    // An internal error of the tool is no verdict.
    let is_its_own = answer["panicked"] != false || error.contains("unreachable") || error.contains("panicked");
    if is_its_own || !error.contains("error[") { Compiled::None(error) } else { Compiled::Refused(error) }
}

/// Plain base64 with padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = digits.iter().position(|digit| *digit == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        assert_eq!(decode_base64("oRzrCw=="), Some(vec![0xa1, 0x1c, 0xeb, 0x0b]));
        assert_eq!(decode_base64("?"), None);
    }
}
