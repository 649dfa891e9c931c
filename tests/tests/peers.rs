//! Official tools as peers: the Sui compiler's modules run here, the Sui reader reads what our compiler writes, and
//! Aptos' Python SDK works against a node.
//!
//! `make peers` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use noema_tests::localnet::Localnet;
use noema_tests::process::{run, run_ok};
use noema_tests::{cache_dir, workspace_root};
use serde_json::Value;

fn node(script: &str, args: &[&str]) -> String {
    let peers = cache_dir().join("peers");
    assert!(peers.join("node_modules/@mysten/move-bytecode-template").is_dir(), "peers are missing; hint: make peers");
    let script = workspace_root().join("tests/peers").join(script);
    let output = Command::new("node").arg(script).args(args).current_dir(peers).output().expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn modules(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mv"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn the_official_compilers_modules_run_with_the_same_results_as_ours() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let package = workspace_root().join("tests/peers/package").canonicalize().expect("the package");
    let vector =
        workspace_root().join("execution/bytecode/tests/fixtures/vector.move").canonicalize().expect("the source");
    let out = home.path().join("official");
    node("compile.mjs", &[plain(&package), plain(&out), plain(&vector)]);
    let official = modules(&out);
    assert_eq!(official.len(), 2, "the package and its vector");
    // The same source as a package of ours: the library is a dependency, and the address is written out.
    let mine = home.path().join("ours");
    std::fs::create_dir_all(mine.join("sources")).expect("a folder");
    std::fs::copy(package.join("sources/peer.move"), mine.join("sources/peer.move")).expect("a copy");
    let manifest = "[package]\nname = \"peer\"\nedition = \"2024\"\n[addresses]\npeer = \"0x0\"\n\
                    [dependencies]\nMoveStdlib = { local = \"embedded\" }\n";
    std::fs::write(mine.join("Move.toml"), manifest).expect("a manifest");
    let known = [
        ("fib", vec!["u64:20"], "6765"),
        ("dot", vec!["u64:100"], "656700"),
        ("sort", vec!["u64:800"], "1086531792"),
        ("order", vec!["u64:1"], "11"),
        ("wide", vec!["u64:200000"], "98198928683844896079899328885370923021"),
        ("generic", vec!["u64:21"], "42"),
        ("labels", vec!["u64:10"], "11"),
        ("divide", vec!["u64:7", "u64:2"], "3"),
        ("guarded", vec!["u64:4"], "4"),
    ];
    for (function, args, expected) in known {
        let function = format!("0x0::peer::{function}");
        let mut command = vec!["--json", "move", "run"];
        command.extend(official.iter().map(|path| plain(path)));
        command.extend([function.as_str(), "--args"]);
        command.extend(&args);
        let theirs: Value = serde_json::from_str(&run_ok(home.path(), &command)).expect("JSON");
        assert_eq!(theirs["results"][0], expected, "{function} by the official compiler");
        let mut command = vec!["--json", "move", "run", "-p", plain(&mine), function.as_str(), "--args"];
        command.extend(&args);
        let ours: Value = serde_json::from_str(&run_ok(home.path(), &command)).expect("JSON");
        assert_eq!(ours["results"], theirs["results"], "{function} by our compiler");
    }
    for (function, args, status) in [
        ("divide", vec!["u64:7", "u64:0"], "ARITHMETIC_ERROR"),
        ("guarded", vec!["u64:5"], "42"),
        ("sort", vec!["u64:0"], "VECTOR_OPERATION_ERROR"),
    ] {
        let function = format!("0x0::peer::{function}");
        let mut command = vec!["move", "run"];
        command.extend(official.iter().map(|path| plain(path)));
        command.extend([function.as_str(), "--args"]);
        command.extend(&args);
        let output = run(home.path(), &command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(status), "{function}: {said}");
    }
}

#[test]
fn the_official_reader_reads_and_rewrites_what_our_compiler_writes() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut paths = Vec::new();
    for (source, name, named) in [
        ("move-stdlib", "MoveStdlib", None),
        ("framework", "NoemaFramework", None),
        ("clients/examples/scribe", "Scribe", Some("scribe=0xa")),
        ("clients/examples/review_escrow", "ReviewEscrow", Some("review_escrow=0xb")),
        ("clients/examples/task_market", "TaskMarket", Some("task_market=0xc")),
        ("clients/examples/matching_round", "MatchingRound", Some("matching_round=0xd")),
        ("tests/bench", "Bench", None),
    ] {
        let folder = workspace_root().join(source).canonicalize().expect("the package");
        let mut command = vec!["move", "build", "-p", plain(&folder)];
        if let Some(named) = named {
            command.extend(["--named-addresses", named]);
        }
        let _ = run_ok(home.path(), &command);
        paths.extend(modules(&folder.join("build").join(name).join("bytecode_modules")));
    }
    assert!(paths.len() > 30, "{} modules", paths.len());
    let args: Vec<&str> = paths.iter().map(|path| plain(path)).collect();
    let report: Vec<Value> = serde_json::from_str(&node("read.mjs", &args)).expect("JSON");
    assert_eq!(report.len(), paths.len());
    for module in report {
        assert_eq!(module["same"], true, "{module}");
        assert_eq!(module["version"], 6, "{module}");
    }
}

#[test]
fn the_python_sdk_works_unmodified() {
    let net = Localnet::start(&[]);
    let python = cache_dir().join("peers/sdk/bin/python");
    assert!(python.is_file(), "the SDK is missing; hint: make peers");
    let script = workspace_root().join("tests/peers/sdk.py");
    let output = Command::new(python).arg(script).args([net.url(), net.faucet_url()]).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (name, signature) in [("ed25519", "ed25519_signature"), ("secp256k1", "single_sender")] {
        let one = &report[name];
        assert_eq!(one["received"], 1_000, "{report}");
        assert_eq!(one["sequence"], 1, "{report}");
        assert_eq!(one["status"], "Executed successfully", "{report}");
        assert_eq!(one["signature"], signature, "{report}");
        assert_eq!(one["simulated"], true, "{report}");
    }
    assert_eq!(report["chain_id"], 4);
}
