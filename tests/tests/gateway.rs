//! The official `openai` and `anthropic` packages work against a node unmodified, and so do docs/gateway.md's commands.
//!
//! `make peers` installs them.

use std::path::PathBuf;
use std::process::Command;

use noema_inference_api::Answer;
use noema_models::synthetic::{random_model, tiny_diffusion, tiny_manifest};
use noema_tests::chain::WAIT;
use noema_tests::localnet::Localnet;
use noema_tests::{cache_dir, workspace_root};
use serde_json::Value;

/// In the manner of published templates: loops, white space control, a filter.
const TEMPLATE: &str = "{% for message in messages %}\n    {{- '<|start|>' + message['role'] + '\\n' + message['content'] | trim + '<|end|>\\n' }}\n{%- endfor %}\n{% if add_generation_prompt %}\n    {{- '<|start|>assistant\\n' }}\n{% endif %}\n";

fn chatty_model(folder: &std::path::Path) -> PathBuf {
    let mut manifest = tiny_manifest();
    manifest.name = "tiny-chat".to_owned();
    manifest.chat_template = TEMPLATE.to_owned();
    let path = folder.join("tiny-chat.noema");
    std::fs::write(&path, random_model(&manifest, 7).expect("within all limits")).expect("the folder takes a file");
    path
}

fn get(url: &str) -> Value {
    let mut response = ureq::get(url).call().expect("an answer");
    serde_json::from_str(&response.body_mut().read_to_string().expect("text")).expect("JSON")
}

fn started() -> (tempfile::TempDir, Localnet, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = chatty_model(folder.path());
    let net = Localnet::start(&["--model", model.to_str().expect("a plain path")]);
    let root = get(&format!("{}/models/tiny-chat", net.url()))["noema"]["model"].as_str().expect("a root").to_owned();
    (folder, net, root)
}

/// The answer that was asked for again to be recorded is the same, and the chain has it.
fn is_on_chain(net: &Localnet, noema: &Value, settled: &Value) {
    for name in ["job", "digest", "model"] {
        assert_eq!(settled[name], noema[name], "{settled:#}");
    }
    let hash = settled["transaction"].as_str().expect("a transaction");
    let client = net.client();
    let transaction = client.wait(hash, WAIT).expect("committed");
    assert_eq!(transaction["success"], true, "{transaction:#}");
    let (account, job) = (transaction["sender"].clone(), settled["job"].clone());
    let recorded = client.view("0x1::settlement::answer", &[], &[account, job]).expect("the view answers");
    assert_eq!(recorded[0]["vec"][0], settled["digest"], "{recorded:?}");
}

#[test]
fn the_official_python_packages_work_unmodified() {
    let python = cache_dir().join("peers/llm/bin/python");
    assert!(python.is_file(), "the packages are missing; hint: make peers");
    let (_folder, net, root) = started();
    let script = workspace_root().join("tests/peers/gateway.py");
    let output = Command::new(python).arg(script).args([net.url(), root.clone()]).output().expect("python runs");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), net.log());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let chat = &report["chat"];
    let text = chat["text"].as_str().expect("a text");
    assert!(!text.is_empty(), "{report:#}");
    let noema = &chat["noema"];
    assert_eq!(noema["model"], root.as_str());
    let job = noema["job"].as_str().expect("a job");
    assert_eq!(chat["id"], format!("chatcmpl-{}", &job[2..26]));
    assert_eq!(chat["fingerprint"], format!("noema1-{}", &root[2..14]));
    assert!(chat["completion_tokens"].as_u64().is_some_and(|tokens| (1..=24).contains(&tokens)), "{report:#}");
    for same in ["again", "stream"] {
        assert_eq!((&report[same]["text"], &report[same]["noema"]), (&chat["text"], noema), "{same}: {report:#}");
    }
    let tokens = chat["prompt_tokens"].as_u64().zip(chat["completion_tokens"].as_u64()).map(|(a, b)| a + b);
    assert_eq!(report["stream_usage"].as_u64(), tokens);
    assert_eq!(report["stream"]["finish"], chat["finish"]);
    assert_eq!(report["completion"]["header"], report["completion"]["noema"]["job"]);
    assert_eq!(report["models"], report["claude_models"]);
    assert_eq!(report["retrieved"], "tiny-chat");
    // One conversation is one job, whichever protocol it came in.
    assert_eq!((&report["message"]["text"], &report["message"]["noema"]), (&chat["text"], noema), "{report:#}");
    for name in ["text", "stop", "input_tokens", "output_tokens"] {
        assert_eq!(report["message_stream"][name], report["message"][name], "{name}: {report:#}");
    }
    for arguments in [
        &report["call"]["arguments"],
        &report["call_stream"],
        &report["shaped"],
        &report["use"]["input"],
        &report["use_stream"],
    ] {
        assert!(arguments["yes"].is_boolean(), "{report:#}");
    }
    assert_eq!((&report["call"]["name"], &report["use"]["stop"]), (&"answer".into(), &"tool_use".into()));
    is_on_chain(&net, noema, &report["settled"]);
    let errors = &report["errors"];
    for (name, kind, status, code) in [
        ("model", "NotFoundError", 404, Some("model_not_found")),
        ("context", "BadRequestError", 400, Some("context_length_exceeded")),
        ("deadline", "BadRequestError", 400, Some("deadline")),
        ("auto_tool", "BadRequestError", 400, Some("unsupported")),
        ("embed", "BadRequestError", 400, Some("unsupported")),
        ("image", "BadRequestError", 400, Some("unsupported")),
        ("claude_model", "NotFoundError", 404, None),
    ] {
        let error = &errors[name];
        assert_eq!((&error["type"], &error["status"]), (&kind.into(), &status.into()), "{name}: {error}");
        assert_eq!(error["code"].as_str(), code, "{name}: {error}");
    }
    assert!(errors["model"]["message"].as_str().is_some_and(|said| said.contains("tiny-chat")), "{errors:#}");
}

#[test]
fn the_official_package_draws() {
    let python = cache_dir().join("peers/llm/bin/python");
    assert!(python.is_file(), "the packages are missing; hint: make peers");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tiny-diffusion.noema");
    std::fs::write(&path, tiny_diffusion(7)).expect("the folder takes a file");
    // The chain knows no model that draws; the nodes hold it all the same.
    let net = Localnet::start(&["--model", path.to_str().expect("a plain path")]);
    let script = workspace_root().join("tests/peers/images.py");
    let output = Command::new(python).arg(script).arg(net.url()).output().expect("python runs");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), net.log());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let first = &report["first"];
    assert_eq!((&first["width"], &first["height"]), (&64.into(), &32.into()));
    assert_eq!(first, &report["again"]);
    assert_ne!(first["png"], report["other"]["png"]);
    // The file that came is the answer that the job's digest is of.
    let png = hex::decode(first["png"].as_str().expect("hexadecimal")).expect("hexadecimal");
    let answer = Answer::Drawn { png, prompt_tokens: 6 };
    assert_eq!(first["noema"]["digest"], answer.digest().to_string());
    assert_eq!(report["chat"]["status"], 400, "{}", report["chat"]);
}

#[test]
fn the_commands_of_the_documentation_run() {
    let (_folder, net, _) = started();
    let text = std::fs::read_to_string(workspace_root().join("docs/gateway.md")).expect("the documentation");
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a block ends")).collect();
    assert_eq!(blocks.len(), 3, "the examples with curl");
    let run = |block: &str| {
        let script = block.replace("http://127.0.0.1:8080/v1", &net.url());
        let output = Command::new("bash").args(["-ec", &script]).output().expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let answers: Vec<String> = blocks.into_iter().map(run).collect();
    let chat: Value = serde_json::from_str(&answers[0]).expect("JSON");
    assert_eq!(chat["object"], "chat.completion", "{chat}");
    assert!(answers[1].ends_with("data: [DONE]\n\n"), "{}", answers[1]);
    let message: Value = serde_json::from_str(&answers[2]).expect("JSON");
    assert_eq!(message["type"], "message", "{message}");
}
