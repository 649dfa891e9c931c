//! The commands around models, run as a person runs them, on a small model made from a seed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use noema_models::synthetic::{tiny_llama, write_tiny_diffusion};
use noema_numerics::Kernel;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A home with one model in it, `tiny`.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a folder"));
        let models = home.path().join("models");
        std::fs::create_dir(&models).expect("a folder");
        std::fs::write(models.join("tiny.noema"), tiny_llama(5)).expect("written");
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_noema"));
        command.args(args).env("NOEMA_HOME", self.path()).env("NO_COLOR", "1").env_remove("NOEMA_KERNEL");
        command.stdin(Stdio::null()).output().expect("noema runs")
    }

    fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[&["--json"], args].concat())).expect("one document")
    }

    /// Exit code and message of a command that fails, with nothing on stdout.
    fn error(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(output.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().expect("an exit code"), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn eval(&self, ids: &Path, more: &[&str]) -> Value {
        self.json(&[&["model", "eval", "tiny", "--ids", ids.to_str().expect("utf-8")], more].concat())
    }
}

#[test]
fn eval_gives_the_same_numbers_on_every_kernel_and_number_of_threads() {
    let home = Home::new();
    let long: Vec<u32> = (0..200).map(|i| i * 17 % 265).collect();
    let arrays = json!([[65, 66, 67, 68], long, [7]]);
    let ids = home.file("ids.json", &arrays.to_string());
    let mut answers = Vec::new();
    for kernel in Kernel::available() {
        for threads in ["1", "3"] {
            let mut answer = home.eval(&ids, &["--kernel", kernel.name(), "--threads", threads]);
            assert_eq!(answer["kernel"], kernel.name());
            answer["kernel"].take();
            answer["threads"].take();
            answers.push(answer);
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    let chunks = answers[0]["chunks"].as_array().expect("chunks");
    let lengths: Vec<_> = chunks.iter().map(|chunk| chunk["argmax"].as_array().map(Vec::len)).collect();
    assert_eq!(lengths, [Some(4), Some(200), Some(1)]);
    assert_eq!((&chunks[2]["nll"], &chunks[2]["micro_nats"]), (&json!(0.0), &json!(0)));
    assert_eq!(answers[0]["scored"], 202);
    let nll = chunks[0]["nll"].as_f64().expect("a number");
    let micro = chunks[0]["micro_nats"].as_i64().expect("a number");
    assert!(nll > 0.0 && (nll - micro as f64 / 1e6).abs() < 1e-5, "{nll} {micro}");
    // Every array starts anew: alone, and in another order, it gives the same; another token gives another digest.
    let other = home.file("other.json", "[[7],[65,66,67,69],[65,66,67,68]]");
    let other = home.eval(&other, &[]);
    assert_eq!((&other["chunks"][0], &other["chunks"][2]), (&chunks[2], &chunks[0]));
    assert_ne!(other["chunks"][1]["digest"], chunks[0]["digest"]);
}

#[test]
fn eval_says_what_is_wrong_with_a_file() {
    let home = Home::new();
    let cases = [
        ("[[1,2],", "EOF while parsing", "JSON array of arrays"),
        ("[1,2]", "expected a sequence", "JSON array of arrays"),
        ("[[-1]]", "invalid value", "JSON array of arrays"),
        ("[]", "holds no array", "JSON array of arrays"),
        ("[[1],[]]", "array 1 is empty", "leave it out"),
        ("[[1,265]]", "array 0, position 1: token 265 is not in the vocabulary of 265", "noema model tokenize"),
    ];
    for (content, message, hint) in cases {
        let ids = home.file("ids.json", content);
        let (code, said) = home.error(&["model", "eval", "tiny", "--ids", ids.to_str().expect("utf-8")]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(message) && said.contains("hint: ") && said.contains(hint), "{said}");
    }
    let ids = home.file("ids.json", &json!([vec![1; 257]]).to_string());
    let (code, said) = home.error(&["model", "eval", "tiny", "--ids", ids.to_str().expect("utf-8")]);
    assert!(code == 2 && said.contains("array 0 has 257 tokens, the model sees 256"), "{said}");
    let (code, said) = home.error(&["model", "eval", "tiny", "--ids", "nowhere.json"]);
    assert!(code == 2 && said.contains("nowhere.json"), "{said}");
    let ids = ids.to_str().expect("utf-8");
    let (code, said) = home.error(&["model", "eval", "tiny", "--ids", ids, "--kernel", "abacus"]);
    assert!(code == 2 && said.contains("unknown kernel `abacus`") && said.contains("hint: "), "{said}");
}

#[test]
fn tokens_go_there_and_back() {
    let home = Home::new();
    for text in ["the tan hen", "a\nb\t\"c\" \u{20ac} \u{1f600}", "<|start|>then<|end|>", "-x"] {
        let there = home.json(&["model", "tokenize", "tiny", "--text", text]);
        assert_eq!(there["text"], text);
        let ids: Vec<_> = there["ids"].as_array().expect("ids").iter().map(Value::to_string).collect();
        assert_eq!(home.json(&["model", "tokenize", "tiny", "--ids", &ids.join(",")]), there);
    }
    let parsed = home.json(&["model", "tokenize", "tiny", "--text", "<|end|>"]);
    assert_eq!((&parsed["ids"], &parsed["pieces"][0]["special"]), (&json!([264]), &json!(true)));
    let plain = home.json(&["model", "tokenize", "tiny", "--plain", "--text", "<|end|>"]);
    assert!(plain["ids"].as_array().expect("ids").len() > 1 && plain["text"] == "<|end|>", "{plain}");
    let (code, said) = home.error(&["model", "tokenize", "tiny", "--ids", "1,265"]);
    assert!(code == 2 && said.contains("token 265 is not in the vocabulary of 265"), "{said}");
    assert_eq!(home.error(&["model", "tokenize", "tiny"]).0, 2);
}

#[test]
fn remove_asks_and_says_what_was_freed() {
    let home = Home::new();
    let file = home.path().join("models/tiny.noema");
    let bytes = std::fs::metadata(&file).expect("there").len();
    let (code, said) = home.error(&["model", "remove", "tiny"]);
    assert!(code == 2 && said.contains("--yes") && file.exists(), "{said}");
    // A file elsewhere is not this command's, whatever lies in the current folder.
    let elsewhere = home.file("own.noema", "mine");
    let (code, said) = home.error(&["model", "remove", elsewhere.to_str().expect("utf-8"), "--yes"]);
    assert!(code == 2 && said.contains("there is no model") && elsewhere.exists(), "{said}");
    let removed = home.json(&["model", "remove", "tiny", "--yes"]);
    assert_eq!(removed["freed_bytes"], bytes);
    assert!(!file.exists());
    assert_eq!(home.json(&["model", "list"]), json!([]));
}

#[test]
fn the_self_test_names_every_kernel_and_tests_given_models() {
    let home = Home::new();
    let report = home.json(&["worker", "selftest", "--model", "tiny"]);
    assert_eq!(report["ok"], true);
    let checks = report["checks"].as_array().expect("checks");
    let of = |kernel: Kernel, what: &str| {
        let name = kernel.name();
        let wanted = checks.iter().filter(|check| check["kernel"] == name);
        wanted.filter(|check| check["what"].as_str().is_some_and(|found| found.starts_with(what))).count()
    };
    let absent = report["not_on_this_machine"].as_array().expect("a list");
    for kernel in Kernel::ALL {
        let expected = usize::from(Kernel::available().contains(&kernel));
        assert_eq!(of(kernel, "product"), expected, "{kernel}");
        assert_eq!((of(kernel, "model code"), of(kernel, "tiny 0x")), (2 * expected, 2 * expected), "{kernel}");
        assert_eq!(absent.iter().filter(|absent| absent["kernel"] == kernel.name()).count(), 1 - expected);
    }
    let mut damaged = tiny_llama(5);
    let last = damaged.len() - 1;
    damaged.truncate(last);
    std::fs::write(home.path().join("models/tiny.noema"), damaged).expect("written");
    assert_eq!(home.error(&["worker", "selftest", "--model", "tiny"]).0, 1);
}

#[test]
fn a_device_is_tested_and_answers_with_the_processors_bits() {
    let home = Home::new();
    let report = home.json(&["worker", "selftest", "--device", "emulated"]);
    let checks = report["checks"].as_array().expect("checks");
    let there: Vec<_> = checks.iter().filter(|check| check["kernel"] == "emulated").collect();
    assert!(there.len() > 2 && there.iter().all(|check| check["ok"] == true), "{there:?}");

    let ask = ["infer", "--prompt", "the", "--max-new-tokens", "12", "--temperature", "1.5", "--seed", "9"];
    let (here, there) = (home.json(&ask), home.json(&[&ask[..], &["--device", "emulated"]].concat()));
    assert_ne!(here["kernel"], there["kernel"]);
    assert_eq!(here["digest"], there["digest"]);
    for (name, hint) in [("gpu", "`cuda` is the first"), ("cuda:x", "`cuda` is the first"), ("cuda:99", "hint: ")] {
        let (code, said) = home.error(&[&ask[..], &["--device", name]].concat());
        assert!(code == 2 && said.contains(hint), "{name}: {said}");
    }
}

#[test]
fn a_streamed_answer_is_the_answer() {
    let home = Home::new();
    let ask = ["infer", "--prompt", "the", "--max-new-tokens", "12", "--temperature", "1.5", "--seed", "9"];
    let whole = home.json(&ask);
    let streamed = home.text(&[&ask[..], &["--stream"]].concat());
    let text = whole["text"].as_str().expect("a text");
    assert!(streamed.starts_with(&format!("{text}\n\nkernel")), "{streamed:?} {text:?}");
    assert!(streamed.contains(whole["digest"].as_str().expect("a digest")), "{streamed}");
    let (code, said) = home.error(&[&["--json"], &ask[..], &["--stream"]].concat());
    assert!(code == 2 && said.contains("--stream"), "{said}");
}

#[test]
fn what_is_asked_is_one_thing() {
    let home = Home::new();
    for args in [
        ["--score", "x", "--embed"].as_slice(),
        &["--choice", "a", "--score", "x"],
        &["--regex", "a", "--lark", "f"],
        &["--regex", "a", "--score", "x"],
        &["--stream", "--embed"],
    ] {
        let (code, said) = home.error(&[&["infer", "--prompt", "the"], args].concat());
        assert!(code == 2 && said.contains("cannot be used with"), "{args:?}: {said}");
    }
    let (code, said) = home.error(&["infer", "--prompt", "the", "--repetition-penalty", "0.5"]);
    assert!(code == 1 && said.contains("repetition_penalty below 1"), "{said}");
    let (code, said) = home.error(&["infer", "--prompt", "the", "--schema", "nowhere.json"]);
    assert!(code == 2 && said.contains("nowhere.json"), "{said}");
    let (code, said) = home.error(&["infer", "--prompt", "the", "--embed"]);
    assert!(code == 1 && said.contains("the model refuses: this model cannot"), "{said}");
}

#[test]
fn a_published_folder_is_imported_and_draws() {
    let home = Home::new();
    let folder = home.path().join("tiny-diffusion");
    write_tiny_diffusion(&folder, 7).expect("written");
    let import =
        |name: &str| home.json(&["model", "import", folder.to_str().expect("utf-8"), "--name", name])["root"].clone();
    let root = import("painter");
    assert_eq!(import("twin"), root);
    let file = home.path().join("image.png");
    let file = file.to_str().expect("utf-8");
    let draw = |more: &[&str]| {
        let asked = ["infer", "--model", "painter", "--prompt", "the red cat", "--draw", "32x24", "--output", file];
        let answer = home.json(&[&asked, more].concat());
        (answer["digest"].clone(), std::fs::read(file).expect("an image"))
    };
    let (digest, png) = draw(&["--steps", "2", "--kernel", "scalar", "--threads", "1"]);
    assert_eq!((&png[..8], png.len()), (b"\x89PNG\r\n\x1a\n".as_slice(), 8 + 25 + 12 + 2 + 5 + 24 * 97 + 4 + 12));
    assert_eq!(draw(&["--steps", "2", "--threads", "2"]), (digest.clone(), png));
    for other in [["--steps", "3"], ["--guidance", "3.25"], ["--negative-prompt", "blur"], ["--seed", "9"]] {
        let more = if other[0] == "--steps" { other.to_vec() } else { [&other[..], &["--steps", "2"]].concat() };
        assert_ne!(draw(&more).0, digest, "{other:?}");
    }
    let prompt = ["infer", "--model", "painter", "--prompt", "x"];
    let error = |more: &[&str]| home.error(&[&prompt[..], more].concat());
    assert!(error(&[]).1.contains("cannot continue texts"));
    assert_eq!(error(&["--draw", "32x24"]).0, 2);
    assert!(error(&["--draw", "32", "--output", file]).1.contains("no width and height"));
    assert!(error(&["--draw", "33x32", "--output", file]).1.contains("multiple of 8"));
    assert!(error(&["--draw", "32x32", "--output", "/nowhere/x.png", "--steps", "1"]).1.contains("/nowhere/x.png"));
}
