//! What an operator does: the ceremony as documented, local networks of processes, joining and leaving, the light client.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use noema_sdk::Client;
use noema_tests::chain::now_secs;
use noema_tests::faults::{balance, load, settle};
use noema_tests::network::{Network, NetworkOptions, free_ports};
use noema_tests::process::{noema, run, run_fails, run_json, run_ok};
use noema_tests::workspace_root;
use serde_json::Value;

/// How long something on a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn height(client: &Client) -> Option<u64> {
    client.ledger_info().ok()?["block_height"].as_str()?.parse().ok()
}

/// A node that ends with the test.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn node(home: &Path, config: &Path) -> Self {
        let log = std::fs::File::create(config.with_extension("log")).expect("a log file");
        let mut command = noema(home, &["node", "run", "--stop-with-stdin", "--config"]);
        command.arg(config).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().expect("the node starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The commands of a section of docs/validators.md, as lists of words.
fn documented_commands(section: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(workspace_root().join("docs/validators.md")).expect("the page is there");
    let from = text.find(&format!("## {section}\n")).expect("the section is there");
    let section = &text[from + 3..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    let mut commands = Vec::new();
    for block in section.split("```sh\n").skip(1) {
        let block = block.split("```").next().expect("a block ends").replace("\\\n", " ");
        for line in block.lines() {
            let words = line.split('#').next().unwrap_or_default().split_whitespace();
            let words: Vec<String> = words.map(str::to_owned).collect();
            if !words.is_empty() {
                commands.push(words);
            }
        }
    }
    commands
}

/// Runs the documented ceremony in `folder`: the three operators' folders are there afterwards. Returns the first port.
fn ceremony(folder: &Path) -> u16 {
    let first = free_ports(30);
    let names = ["alice", "bob", "carol"];
    let on_loopback = |word: &str| {
        let mut word = word.to_owned();
        for (index, host) in (0u16..).zip(["192.0.2.1", "192.0.2.2", "192.0.2.3"]) {
            word = word.replace(&format!("{host}:6180"), &format!("127.0.0.1:{}", first + 10 * index + 5));
        }
        // The chain begins when the page says, not before.
        word.replace("2026-12-01T09:00:00Z", &now_secs().to_string())
    };
    let in_folder = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = noema(folder, &words).current_dir(folder).output().expect("the program runs");
        assert!(output.status.success(), "noema {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let mut kinds = Vec::new();
    for words in documented_commands("A network of three machines") {
        let words: Vec<String> = words.iter().map(|word| on_loopback(word)).collect();
        let [program, rest @ ..] = words.as_slice() else { continue };
        kinds.push(rest.iter().take(2).cloned().collect::<Vec<_>>().join(" "));
        if program != "noema" || kinds.last().is_some_and(|kind| kind == "node run" || kind == "validator status") {
            continue;
        }
        if kinds.last().is_some_and(|kind| kind == "node init") {
            // Every operator does what is written for Alice, on ports of a machine of their own.
            for (index, name) in (0u16..).zip(names) {
                let mut own: Vec<String> = rest.iter().map(|word| word.replace("alice", name)).collect();
                let at = |offset: u16| format!("127.0.0.1:{}", first + 10 * index + offset);
                own.extend(["--api".into(), at(0), "--metrics".into(), at(2), "--listen".into(), at(5)]);
                in_folder(&own);
            }
        } else {
            in_folder(rest);
        }
    }
    let expected = ["genesis keys", "genesis build", "genesis show", "node init", "node run", "validator status"];
    assert!(expected.iter().all(|kind| kinds.iter().any(|found| found == kind)), "the page shows {kinds:?}");
    first
}

#[test]
fn the_documented_ceremony_makes_a_network_of_three() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path();
    let first = ceremony(home);
    let configs = ["alice", "bob", "carol"].map(|name| home.join(name).join("node.toml"));
    let _nodes: Vec<Running> = configs.iter().map(|config| Running::node(home, config)).collect();
    let clients: Vec<Client> =
        (0..3).map(|index| Client::new(format!("http://127.0.0.1:{}/v1", first + 10 * index))).collect();
    for client in &clients {
        wait_until(&format!("{} certifies blocks", client.url()), || height(client).is_some_and(|height| height >= 3));
    }
    let root = |client: &Client| client.checkpoint(noema_types::Height(3)).expect("block 3 is certified").checkpoint;
    assert_eq!(root(&clients[0]), root(&clients[1]));
    assert_eq!(root(&clients[0]), root(&clients[2]));

    let genesis = home.join("genesis.blob");
    let shown = run_json(home, &["genesis", "show", genesis.to_str().expect("a plain path")]);
    assert_eq!(shown["validators"].as_array().map(Vec::len), Some(3));
    assert_eq!(shown["chain_id"], 42);
    let url = clients[1].url();
    let alice = home.join("alice");
    let status = run_json(home, &["validator", "status", "--dir", alice.to_str().expect("a plain path"), "--url", url]);
    assert_eq!(status["committee"].as_array().map(Vec::len), Some(3), "{status}");
    assert_eq!(status["validator"]["state"], "serves", "{status}");

    // A light client needs nothing but the file; a changed file names another chain.
    let genesis = genesis.to_str().expect("a plain path");
    let resource = "0x1/0x1::block::BlockResource";
    let verify = ["light", "verify", "--genesis", genesis, "--resource", resource, "--url", url];
    let verified = run_json(home, &verify);
    assert_eq!((&verified["verified"], &verified["chain"]), (&Value::Bool(true), &shown["chain"]));
    assert!(verified["value"].as_str().is_some_and(|value| value.len() > 18), "{verified}");
    let mut bytes = std::fs::read(genesis).expect("the genesis");
    *bytes.last_mut().expect("bytes") ^= 1;
    let changed = home.join("changed.blob");
    std::fs::write(&changed, bytes).expect("the temporary folder takes a file");
    let changed = changed.to_str().expect("a plain path");
    let said = run_fails(home, &["light", "verify", "--genesis", changed, "--resource", resource, "--url", url], 1);
    assert!(said.contains("not verified"), "{said}");
}

#[test]
fn genesis_is_the_same_for_everybody_and_refuses_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path();
    let path = |name: &str| home.join(name).to_str().expect("a plain path").to_owned();
    for (name, port) in [("alice", 6180), ("bob", 6181), ("carol", 6182)] {
        let address = format!("127.0.0.1:{port}");
        let keys = ["genesis", "keys", "--dir", &path(name), "--name", name, "--chain-id", "42", "--address", &address];
        let _ = run_ok(home, &keys);
    }
    let registrations = ["alice", "bob", "carol"].map(|name| path(&format!("{name}/registration.toml")));
    let build = |order: [usize; 3], out: &str, more: &[&str]| {
        let out = path(out);
        let mut args = vec!["genesis", "build", "--registrations"];
        args.extend(order.iter().map(|index| registrations[*index].as_str()));
        args.extend(["--chain-id", "42", "--time", "2026-12-01T09:00:00Z", "--out", &out]);
        args.extend(more);
        run(home, &args)
    };
    let funds = ["--fund", "0xb0b=5", "--fund", "0xa11ce=7"];
    let swapped = ["--fund", "0xa11ce=7", "--fund", "0xb0b=5"];
    assert!(build([0, 1, 2], "one.blob", &funds).status.success());
    assert!(build([2, 0, 1], "two.blob", &swapped).status.success());
    let read = |name: &str| std::fs::read(home.join(name)).expect("a genesis");
    assert_eq!(read("one.blob"), read("two.blob"), "the order of the arguments reaches genesis");
    assert!(build([0, 1, 2], "three.blob", &["--epoch-secs", "60"]).status.success());
    assert_ne!(read("one.blob"), read("three.blob"));
    let shown = run_json(home, &["genesis", "show", &path("one.blob")]);
    let accounts = shown["accounts"].as_array().expect("a list");
    assert!(accounts.iter().any(|account| account["balance"] == "7"), "{shown}");

    // Nothing is overwritten, nobody registers twice, nothing is changed on its way.
    assert_eq!(build([0, 1, 2], "one.blob", &[]).status.code(), Some(2));
    let twice = build([0, 1, 1], "four.blob", &[]);
    assert_eq!(twice.status.code(), Some(1), "{}", String::from_utf8_lossy(&twice.stderr));
    let text = std::fs::read_to_string(&registrations[2]).expect("a registration");
    std::fs::write(&registrations[2], text.replace("127.0.0.1:6182", "127.0.0.1:6666")).expect("it can be written");
    let forged = build([0, 1, 2], "four.blob", &[]);
    let said = String::from_utf8_lossy(&forged.stderr).into_owned();
    assert!(forged.status.code() == Some(1) && said.contains("signature") && said.contains("hint"), "{said}");
    assert!(!home.join("four.blob").exists());
    let again = ["genesis", "keys", "--dir", &path("alice"), "--name", "alice", "--chain-id", "42", "--address", "a:1"];
    let said = run_fails(home, &again, 2);
    assert!(said.contains("has keys already"), "{said}");
}

/// A local network in processes of its own, as people start it.
struct Localnet {
    parent: Child,
    announced: Value,
    stderr: std::sync::mpsc::Receiver<String>,
}

impl Localnet {
    fn start(home: &Path, args: &[&str]) -> Self {
        let dir = home.join("net");
        let mut all = vec!["--json", "localnet", "--dir", dir.to_str().expect("a plain path")];
        all.extend(args);
        let mut command = noema(home, &all);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut parent = command.spawn().expect("the network starts");
        let (sender, stderr) = std::sync::mpsc::channel();
        let lines = BufReader::new(parent.stderr.take().expect("a pipe")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut line = String::new();
        BufReader::new(parent.stdout.take().expect("a pipe")).read_line(&mut line).expect("the network speaks");
        let announced = serde_json::from_str(&line).unwrap_or_else(|error| {
            let _ = parent.wait();
            panic!("{error}: {line:?}: {:?}", stderr.iter().collect::<Vec<String>>())
        });
        Self { parent, announced, stderr }
    }

    fn pids(&self) -> Vec<u64> {
        let nodes = self.announced["nodes"].as_array().expect("a list");
        nodes.iter().map(|node| node["pid"].as_u64().expect("a process")).collect()
    }

    fn client(&self, node: usize) -> Client {
        Client::new(self.announced["nodes"][node]["api"].as_str().expect("a URL"))
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

fn is_alive(pid: u64) -> bool {
    let mut state = String::new();
    let read = std::fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read_to_string(&mut state));
    // What is dead and not yet collected is dead.
    read.is_ok() && !state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

fn signal(pid: u64, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn a_local_network_of_processes_ends_with_its_parent_however_that_ends_and_goes_on_later() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path();
    let port = free_ports(60).to_string();
    let args = ["--validators", "4", "--full-nodes", "1", "--port", &port];
    let net = Localnet::start(home, &args);
    let pids = net.pids();
    assert_eq!(pids.len(), 5);
    for node in 0..5 {
        wait_until(&format!("node {node} has block 2"), || height(&net.client(node)).is_some_and(|height| height >= 2));
    }
    every_metric_is_documented(&net.announced);

    // One validator dies: the parent says so, with the last lines of its log, and the others go on.
    signal(pids[3], "-KILL");
    wait_until("the parent reports the death", || {
        let said: Vec<String> = net.stderr.try_iter().collect();
        said.iter().any(|line| line.contains("validator-3 ended"))
    });
    let before = height(&net.client(0)).expect("it answers");
    wait_until("the others go on", || height(&net.client(0)).is_some_and(|height| height > before));

    // The parent dies without a word: so do its children.
    signal(u64::from(net.parent.id()), "-KILL");
    wait_until("all nodes end", || pids.iter().all(|pid| !is_alive(*pid)));
    drop(net);

    // The same network, from its folder alone.
    let net = Localnet::start(home, &[]);
    assert_eq!(net.pids().len(), 5);
    for node in 0..5 {
        wait_until("it goes on where it was", || height(&net.client(node)).is_some_and(|height| height > before));
    }
    // An orderly end.
    let pids = net.pids();
    signal(u64::from(net.parent.id()), "-TERM");
    wait_until("all nodes stop", || pids.iter().all(|pid| !is_alive(*pid)));
    let dir = home.join("net");
    let dir = dir.to_str().expect("a plain path");
    let said = run_fails(home, &["localnet", "--dir", dir, "--validators", "7", "--prepare"], 2);
    assert!(said.contains("genesis fixes") && said.contains("--force-restart"), "{said}");
}

/// What a running network serves is in docs/metrics.md.
fn every_metric_is_documented(announced: &Value) {
    let page = std::fs::read_to_string(workspace_root().join("docs/metrics.md")).expect("the page is there");
    let mut names = 0;
    for node in announced["nodes"].as_array().expect("a list") {
        let mut response = ureq::get(node["metrics"].as_str().expect("a URL")).call().expect("metrics are served");
        let text = response.body_mut().read_to_string().expect("metrics are text");
        for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            let documented = [format!("`{name}`"), format!("`{name}{{")].iter().any(|form| page.contains(form));
            assert!(documented, "{name} is not in docs/metrics.md");
            names += 1;
        }
    }
    assert!(names > 40, "only {names} metrics are served");
}

#[test]
fn a_validator_joins_serves_and_leaves() {
    let network =
        Network::start(&NetworkOptions { stakes: vec![10_000_000_000; 4], epoch_secs: 8, ..NetworkOptions::default() });
    let home = network.home();
    let dave = home.join("dave");
    let (dave, config) = (dave.to_str().expect("a plain path"), dave.join("node.toml"));
    let genesis = network.genesis();
    let genesis = genesis.to_str().expect("a plain path");
    let first = free_ports(3);
    let at = |offset: u16| format!("127.0.0.1:{}", first + offset);
    let init = ["node", "init", "--dir", dave, "--genesis", genesis, "--validator"];
    let made = run_json(home, &[&init[..], &["--api", &at(0), "--metrics", &at(1), "--listen", &at(2)]].concat());
    let account = made["account"].as_str().expect("an account");
    let url = network.url(0);
    let faucet = network.faucet();
    let fund = ["account", "fund", account, "--amount", "50000000000", "--url", &url, "--faucet-url", faucet.url()];
    let _ = run_ok(home, &fund);

    // Too little stake is explained, and nothing but the pool is made.
    let join = |stake: &'static str| -> Vec<String> {
        let args = ["validator", "join", "--dir", dave, "--url", &url, "--stake", stake, "--address"];
        args.iter().map(|arg| (*arg).to_owned()).chain([at(2)]).collect()
    };
    let run_join = |args: Vec<String>| run(home, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let refused = run_join(join("90000000000"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("hint"), "{said}");
    let joined = run_join(join("10000000000"));
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    let _node = Running::node(home, &config);

    let status = || run_json(home, &["validator", "status", "--dir", dave, "--url", &url]);
    wait_until("dave serves", || status()["validator"]["state"] == "serves");
    assert_eq!(status()["committee"].as_array().map(Vec::len), Some(5));
    let client = Client::new(format!("http://{}/v1", at(0)));
    let reached = network.height(0).expect("it answers");
    wait_until("dave has what the others have", || height(&client).is_some_and(|height| height >= reached));
    wait_until("dave leads blocks", || status()["validator"]["proposals"]["led"].as_u64().is_some_and(|led| led > 0));

    let _ = run_ok(home, &["validator", "leave", "--dir", dave, "--url", &url]);
    wait_until("dave has left", || status()["validator"]["state"] == "does not serve");
    assert_eq!(status()["committee"].as_array().map(Vec::len), Some(4));
    let said = run_fails(home, &["validator", "leave", "--dir", dave, "--url", &url], 1);
    assert!(said.contains("neither serves nor joins"), "{said}");
    let committees = run_json(
        home,
        &["light", "verify", "--genesis", genesis, "--url", &url, "--resource", "0x1/0x1::stake::ValidatorSet"],
    );
    let sizes: Vec<u64> = committees["committees"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|link| link["validators"].as_u64())
        .collect();
    assert!(sizes.contains(&5) && sizes.first() == Some(&4), "the chain of committees is {sizes:?}");
    network.assert_equal(&[0, 1, 2, 3]);
}

/// The keys and the stake that the chain names for a validator of a network.
fn named(network: &Network, node: usize) -> Value {
    let set: Value =
        network.client(0).get("/accounts/0x1/resource/0x1::stake::ValidatorSet").expect("the set of validators");
    let active = set["data"]["active_validators"].as_array().expect("validators");
    let place = |entry: &&Value| entry["config"]["validator_index"].as_str() == Some(&node.to_string());
    active.iter().find(place).cloned().unwrap_or_else(|| panic!("validator {node} is in {set}"))
}

#[test]
fn keys_are_rotated_and_stake_moves_under_load() {
    let options = NetworkOptions { stakes: vec![10_000_000_000; 4], epoch_secs: 8, ..NetworkOptions::default() };
    let mut network = Network::start(&options);
    let before = balance(&network);
    let running = load(&network);
    let home = network.home().to_path_buf();
    let url = network.url(0);
    let address = |entry: &Value| entry["addr"].as_str().map(str::to_owned);
    let old: Vec<Value> = (0..4).map(|node| named(&network, node)).collect();
    let epoch = |network: &Network, node: usize| network.status(node)["epoch"].as_u64().unwrap_or(0);

    let rotated = [(1, "consensus", "consensus_pubkey"), (2, "checkpoint", "checkpoint_pubkey")];
    for (node, kind, field) in rotated {
        let dir = network.node_dir(node).to_path_buf();
        let dir_text = dir.to_str().expect("a plain path");
        let said = run_json(&home, &["validator", "rotate-key", "--key", kind, "--dir", dir_text, "--url", &url]);
        assert!(dir.join(format!("{kind}.key.next")).exists(), "{said}");
        wait_until("the chain names the new key", || {
            let now = (0..4).map(|at| named(&network, at)).find(|now| address(now) == address(&old[node]));
            now.is_some_and(|now| now["config"][field] != old[node]["config"][field])
        });
        // Without the new key it only follows: it signs nothing with the old one.
        network.wait_role(node, "follower", PATIENCE);
        network.kill(node);
        std::fs::rename(dir.join(format!("{kind}.key.next")), dir.join(format!("{kind}.key"))).expect("both are here");
        network.spawn(node);
        network.wait_up(node);
        network.wait_role(node, "validator", PATIENCE);
        wait_until("it proposes", || network.status(node)["proposals"].as_u64() > Some(3));
    }
    let dir = network.node_dir(3).to_str().expect("a plain path").to_owned();
    let more = ["validator", "stake", "--amount", "1000000000", "--dir", &dir, "--url", &url];
    let _ = run_ok(&home, &more);
    wait_until("the new stake votes", || {
        let now = (0..4).map(|at| named(&network, at)).find(|now| address(now) == address(&old[3]));
        now.is_some_and(|now| {
            now["voting_power"].as_str().and_then(|text| text.parse().ok()) >= Some(11_000_000_000u64)
        })
    });
    let reached = epoch(&network, 0);
    wait_until("one more epoch begins", || (0..4).all(|node| epoch(&network, node) > reached));
    let line = settle(&network, running, before);
    assert!(line.contains("4 validators agree"), "{line}");
}

#[test]
fn the_dashboard_queries_only_what_is_documented() {
    let root = workspace_root();
    let page = std::fs::read_to_string(root.join("docs/metrics.md")).expect("the page is there");
    let text = std::fs::read_to_string(root.join("docs/grafana/noema.json")).expect("the dashboard is there");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = std::collections::BTreeSet::new();
    let mut names = std::collections::BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{} has the id of another", panel["title"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            let (open, close) = (query.matches('(').count(), query.matches(')').count());
            assert_eq!(open, close, "{query}");
            names.extend(
                query
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .filter(|word| word.starts_with("noema_"))
                    .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned()),
            );
        }
    }
    for name in &names {
        let documented = [format!("`{name}`"), format!("`{name}{{")].iter().any(|form| page.contains(form));
        assert!(documented, "the dashboard queries {name}, which docs/metrics.md does not list");
    }
    // And the other way round: what is documented is shown.
    let listed = page.lines().filter_map(|line| line.strip_prefix("| `noema_")).map(|rest| {
        let end = rest.find(['{', '`']).expect("a name ends");
        format!("noema_{}", &rest[..end])
    });
    let missing: Vec<String> = listed.filter(|name| !names.contains(name)).filter(|name| !name.contains(' ')).collect();
    assert!(missing.is_empty(), "the dashboard does not show {missing:?}");
}

#[test]
fn documented_commands_have_documented_options() {
    // Every `noema ...` line of the page parses: --help of its subcommand names each of its options.
    let folder = tempfile::tempdir().expect("a temporary folder");
    for section in [
        "A network of three machines",
        "Full nodes",
        "Joining and leaving a running network",
        "Verifying without trusting",
    ] {
        for words in documented_commands(section).into_iter().filter(|words| words[0] == "noema") {
            let help = run_ok(folder.path(), &[&words[1], &words[2], "--help"]);
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option.as_str()), "{words:?}: {option} is no option\n{help}");
            }
        }
    }
}

#[test]
fn example_configuration_is_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = run_ok(folder.path(), &["node", "config-example"]);
    let path: PathBuf = folder.path().join("node.toml");
    std::fs::write(&path, &text).expect("the temporary folder takes a file");
    // It is read whole: what is missing is the genesis, not a field.
    let said = run_fails(folder.path(), &["node", "run", "--config", path.to_str().expect("a plain path")], 2);
    assert!(said.contains("genesis.blob") && said.contains("hint"), "{said}");
}
