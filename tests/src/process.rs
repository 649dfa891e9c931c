//! Running the `noema` binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The binary that this workspace built.
///
/// # Panics
/// If it is not built.
#[must_use]
pub fn noema_binary() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    // A test is target/debug/deps/TEST, a program of this crate target/debug/PROGRAM.
    let folders = own.ancestors().skip(1).take(2);
    let path = folders.map(|folder| folder.join("noema")).find(|path| path.is_file());
    path.unwrap_or_else(|| panic!("noema is not built beside {}\nhint: cargo build -p noema", own.display()))
}

/// A command of the binary with a home of its own.
#[must_use]
pub fn noema(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(noema_binary());
    command.args(args).env("NOEMA_HOME", home).env("NO_COLOR", "1");
    for name in ["NOEMA_URL", "NOEMA_FAUCET_URL", "NOEMA_KERNEL", "NOEMA_VM"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn run(home: &Path, args: &[&str]) -> Output {
    noema(home, args).output().unwrap_or_else(|error| panic!("noema {args:?}: {error}"))
}

/// Runs a command that must succeed; its stdout.
///
/// # Panics
/// If it fails; with everything it said.
#[must_use]
pub fn run_ok(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "noema {args:?}: {:?}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// Runs a command that must succeed with `--json`; its document.
///
/// # Panics
/// If it fails or prints no JSON.
#[must_use]
pub fn run_json(home: &Path, args: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend_from_slice(args);
    let text = run_ok(home, &all);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("noema {args:?}: {error}: {text}"))
}

/// Runs a command that must fail with this exit code; its stderr.
///
/// # Panics
/// If it ends otherwise.
#[must_use]
pub fn run_fails(home: &Path, args: &[&str], code: i32) -> String {
    let output = run(home, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(code),
        "noema {args:?}: {}\n{stderr}",
        String::from_utf8_lossy(&output.stdout)
    );
    stderr
}
