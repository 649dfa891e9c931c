//! Workers attached to a node: killed at random, refused by key, answering in the place of the node's own pool.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use noema_models::synthetic::tiny_llama;
use noema_tests::localnet::Localnet;
use noema_tests::process::{noema, run_fails, run_json, run_ok};
use noema_tests::workers::kill_run;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn workers_killed_at_random_answer_every_job_once_and_rightly() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let run = kill_run(seed, 300, 3);
    assert!(run.is_right(), "{}", run.summary());
    assert!(run.kills >= 3 && run.report.totals.moved > 0, "{}", run.summary());
}

/// A worker's process, killed when dropped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn key(home: &Path, name: &str) -> (PathBuf, String) {
    let file = home.join(name);
    let said = run_json(home, &["worker", "key", "--key", file.to_str().expect("a plain path")]);
    let key = said["key"].as_str().expect("a key").to_owned();
    assert_eq!(run_json(home, &["worker", "key", "--key", file.to_str().expect("a plain path")])["key"], key.as_str());
    (file, key)
}

fn ask(net: &Localnet, prompt: &str) -> Value {
    let body = json!({ "model": "tiny", "prompt": prompt, "max_tokens": 12, "temperature": 0 });
    let mut response =
        ureq::post(format!("{}/completions", net.url())).send(body.to_string()).expect("an answer of the gateway");
    serde_json::from_str(&response.body_mut().read_to_string().expect("text")).expect("JSON")
}

#[test]
fn a_validators_worker_answers_in_the_place_of_its_pool() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path();
    let model = home.join("tiny.noema");
    std::fs::write(&model, tiny_llama(5)).expect("the folder takes a file");
    let model = model.to_str().expect("a plain path");
    let (file, admitted) = key(home, "admitted.key");
    let (other_file, stranger) = key(home, "stranger.key");
    let net = Localnet::start(&["--model", model, "--worker", &admitted, "--local-jobs", "0"]);
    let url = net.url();
    let report = run_json(home, &["worker", "list", "--url", &url]);
    let (listen, node_key) = (report["node"]["listen"].as_str(), report["node"]["key"].as_str());
    let (listen, node_key) = (listen.expect("an address"), node_key.expect("a key"));
    let state = |report: &Value| report["workers"][0]["state"].as_str().map(str::to_owned);
    assert_eq!(state(&report).as_deref(), Some("away"), "{report:#}");

    // Who is not admitted, and what is not the node.
    let path = |file: &PathBuf| file.to_str().expect("a plain path").to_owned();
    let args = |node: &str, node_key: &str, file: &PathBuf| {
        let all =
            ["worker", "run", "--node", node, "--node-key", node_key, "--model", model, "--threads", "1", "--key"];
        all.iter().map(|arg| (*arg).to_owned()).chain([path(file)]).collect::<Vec<_>>()
    };
    let fails = |args: Vec<String>| run_fails(home, &args.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let said = fails(args(listen, node_key, &other_file));
    assert!(said.contains("does not admit") && said.contains(&stranger) && said.contains("hint:"), "{said}");
    let said = fails(args(listen, &stranger, &file));
    assert!(said.contains("does not have the key") && said.contains("hint:"), "{said}");

    let args = args(&format!("https://{listen}"), node_key, &file);
    let mut command = noema(home, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let worker = Worker(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let answer = ask(&net, "once upon a time");
    let local = run_json(home, &["infer", "--model", model, "--prompt", "once upon a time", "--max-new-tokens", "12"]);
    assert_eq!(answer["noema"]["digest"], local["digest"], "{answer:#}");
    assert_eq!(answer["noema"]["job"], local["job"], "{answer:#}");

    let report = run_json(home, &["worker", "list", "--url", &url]);
    assert_eq!(state(&report).as_deref(), Some("ready"), "{report:#}");
    assert_eq!(report["workers"][0]["answered"], 1, "{report:#}");
    assert_eq!(report["local"]["answered"], 0, "{report:#}");
    assert_eq!(report["totals"]["unknown_keys"], 1, "{report:#}");
    let table = run_ok(home, &["worker", "list", "--url", &url]);
    assert!(table.contains("ready") && table.contains(listen), "{table}");
    let frame = run_ok(home, &["worker", "top", "--once", "--url", &url]);
    assert!(frame.contains("1 answered") && frame.contains("tokens/s"), "{frame}");

    // With the worker gone a question waits; when it is back, it is answered.
    drop(worker);
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&net, "and they lived happily"));
        let start = Instant::now();
        while run_json(home, &["worker", "list", "--url", &url])["queue"]["jobs"] != 1 {
            assert!(start.elapsed() < PATIENCE, "the question does not wait");
            std::thread::sleep(Duration::from_millis(100));
        }
        let _again = Worker(command.spawn().expect("it starts"));
        asked.join().expect("an answer")
    });
    assert!(asked["noema"]["digest"].is_string(), "{asked:#}");
}
