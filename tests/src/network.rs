//! A network of several nodes on loopback, each a real process that the test starts, kills, wipes and cuts off.
//!
//! Nodes are `noema node run` over folders as an operator has them. They end with the test, however it ends: each holds a
//! pipe whose other end is here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use noema_crypto::{BlsKeyPair, Ed25519KeyPair, write_bls_key_file, write_key_file};
use noema_node::{
    ConsensusTuning, FullNodeConfig, GatewayConfig, GenesisSpec, GenesisValidator, InferenceConfig, LOCALNET_CHAIN_ID,
    LOCALNET_FAUCET_BALANCE, LOCALNET_INFERENCE_UNITS, NodeConfig, StakingParameters, ValidatorNodeConfig,
    init_validator,
};
use noema_sdk::{Client, address_of};
use noema_types::{Address, Height};
use serde_json::Value;
use tempfile::TempDir;

use crate::chain::{Account, WAIT, now_secs};
use crate::process::{noema, noema_binary, run_ok};
use crate::relay::Relay;
use crate::workspace_root;

/// How long a node may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long nodes may take to agree on a block that one of them has.
const AGREE_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
/// Ports of a node: REST, faucet, metrics, consensus.
const PORTS: u16 = 4;
/// Balance of a validator's account, beside its stake.
const OPERATOR_BALANCE: u64 = 1_000_000_000_000;

/// What a network is like.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Stake of each validator.
    pub stakes: Vec<u64>,
    /// Nodes that are no validators.
    pub full_nodes: usize,
    /// Whether validators reach each other through relays that can be cut.
    pub relays: bool,
    /// Pace of every validator.
    pub consensus: ConsensusTuning,
    /// Models that every node holds.
    pub models: Vec<PathBuf>,
    /// Inference of some nodes; usual elsewhere.
    pub inference: BTreeMap<usize, InferenceConfig>,
    /// Length of an epoch.
    pub epoch_secs: u64,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            stakes: vec![1_000; 4],
            full_nodes: 0,
            relays: false,
            consensus: ConsensusTuning::default(),
            models: Vec::new(),
            inference: BTreeMap::new(),
            epoch_secs: 7_200,
        }
    }
}

#[derive(Debug)]
struct Node {
    folder: PathBuf,
    config: NodeConfig,
    child: Option<Child>,
}

/// A network of validators 0, 1, 2, ... and the full nodes after them.
#[derive(Debug)]
pub struct Network {
    folder: TempDir,
    nodes: Vec<Node>,
    validators: usize,
    /// By who dials whom.
    relays: BTreeMap<(usize, usize), Relay>,
}

/// Ports that tests listen on.
const LISTEN_PORTS: Range<u16> = 10_000..32_000;
static NEXT_PORTS: AtomicU32 = AtomicU32::new(0);

/// The first of so many ports in a row that nobody listens on.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    // Below the ports that the system hands out for connections, from a place of this process's own.
    let span = LISTEN_PORTS.end - LISTEN_PORTS.start - count;
    for _ in 0..500 {
        let step = NEXT_PORTS.fetch_add(1, Ordering::Relaxed).wrapping_mul(131);
        let place = std::process::id().wrapping_mul(613).wrapping_add(step) % u32::from(span);
        let first = LISTEN_PORTS.start + u16::try_from(place).expect("a place in the span");
        let bound = (first..first + count).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if bound.collect::<Result<Vec<_>, _>>().is_ok() {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Network {
    /// A network whose nodes all run and have a certified block.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn start(options: &NetworkOptions) -> Self {
        let mut network = Self::prepare(options);
        let all = 0..network.nodes.len();
        all.clone().for_each(|node| network.spawn(node));
        all.clone().for_each(|node| network.wait_up(node));
        network.wait_height(all, 1, AGREE_TIMEOUT);
        network
    }

    /// A network on disk: keys, genesis, configurations, consensus logs. Nothing runs.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn prepare(options: &NetworkOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let validators = options.stakes.len();
        let count = u16::try_from(validators + options.full_nodes).expect("a small network");
        let first = free_ports(count * PORTS);
        let ports: Vec<u16> = (0..count).map(|node| first + node * PORTS).collect();
        let names = (0..validators).map(|node| format!("validator-{node}"));
        let names = names.chain((0..options.full_nodes).map(|node| format!("full-node-{node}")));
        let folders: Vec<PathBuf> = names.map(|name| folder.path().join(name)).collect();
        folders.iter().for_each(|folder| std::fs::create_dir(folder).expect("a new folder"));

        let members: Vec<GenesisValidator> = (0..validators)
            .map(|node| write_keys(&folders[node], options.stakes[node], loopback(ports[node] + 3)))
            .collect();
        let accounts: Vec<Address> = members.iter().map(|member| member.address).collect();
        let genesis = folder.path().join("genesis.blob");
        std::fs::write(&genesis, genesis_of(options, members)).expect("the temporary folder takes a file");

        let mut relays = BTreeMap::new();
        for (from, to) in pairs(validators).filter(|_| options.relays) {
            let seed = (from * validators + to + 1) as u64;
            relays.insert((from, to), Relay::start(loopback(ports[to] + 3), seed));
        }
        let upstream: Vec<String> = ports[..validators].iter().map(|port| url(*port)).collect();
        let nodes = folders.iter().enumerate().map(|(node, folder)| {
            let port = ports[node];
            let validator = (node < validators).then(|| ValidatorNodeConfig {
                peer_addresses: routes(&relays, &accounts, node),
                ..ValidatorNodeConfig::new(accounts[node], loopback(port + 3))
            });
            let config = NodeConfig {
                data_dir: "data".into(),
                genesis: genesis.clone(),
                api_address: loopback(port),
                metrics_address: loopback(port + 2),
                faucet_address: (node == 0).then(|| loopback(port + 1)),
                models: options.models.clone(),
                inference: options.inference.get(&node).cloned().unwrap_or_default(),
                gateway: GatewayConfig::default(),
                full_node: validator.is_none().then(|| FullNodeConfig { upstream: upstream.clone() }),
                validator,
                consensus: options.consensus.clone(),
            };
            let node = Node { folder: folder.clone(), config, child: None };
            node.write_config();
            if node.config.validator.is_some() {
                let config = NodeConfig::load(&node.config_path()).expect("the configuration was just written");
                init_validator(&config).expect("a new consensus log");
            }
            node
        });
        Self { nodes: nodes.collect(), folder, validators, relays }
    }

    /// How many validators there are.
    #[must_use]
    pub fn validators(&self) -> usize {
        self.validators
    }

    /// Starts a node.
    ///
    /// # Panics
    /// If it runs already, or cannot be started.
    pub fn spawn(&mut self, node: usize) {
        let home = self.folder.path().to_path_buf();
        let config = self.nodes[node].config_path();
        let config = config.to_str().expect("temporary folders have plain names");
        let command = noema(&home, &["node", "run", "--stop-with-stdin", "--config", config]);
        self.nodes[node].spawn(command);
    }

    /// Starts a node whose data lies on a disk of this many MiB, in a mount namespace that ends with it. What it had is
    /// moved there: afterwards it has nothing.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn_on_small_disk(&mut self, node: usize, mebibytes: u64) {
        let script = format!(
            "set -e; mount -t tmpfs -o size={mebibytes}m tmpfs \"$2\"; cp -a \"$1/.\" \"$2/\"; rm -rf \"$1\"/*; \
             mount --bind \"$2\" \"$1\"; exec \"$3\" node run --stop-with-stdin --config \"$4\""
        );
        let data = self.nodes[node].data();
        let small = self.nodes[node].folder.join("small-disk");
        std::fs::create_dir_all(&small).expect("a new folder");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]).arg(data).arg(small).arg(noema_binary());
        command.arg(self.nodes[node].config_path()).env("NOEMA_HOME", self.folder.path()).env("NO_COLOR", "1");
        self.nodes[node].spawn(command);
    }

    /// Ends a node as a power cut would: SIGKILL, no clean-up. Nothing happens to one that does not run.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Deletes everything that a node remembers; its keys and configuration stay.
    ///
    /// # Panics
    /// If it runs, or the folder cannot be deleted.
    pub fn wipe(&mut self, node: usize) {
        assert!(self.nodes[node].child.is_none(), "node {node} runs");
        std::fs::remove_dir_all(self.nodes[node].data()).expect("its data can be deleted");
    }

    /// Repairs a node's inference: from its next start on it is the usual one, and checkpoints from this height on, which
    /// the broken device may have led it to sign, may be signed again.
    pub fn mend(&mut self, node: usize, resign_from: u64) {
        let config = &mut self.nodes[node].config;
        config.inference = InferenceConfig::default();
        if let Some(validator) = &mut config.validator {
            validator.resign_from = Some(Height(resign_from));
        }
        self.nodes[node].write_config();
    }

    /// How a node ended, if it did by itself.
    ///
    /// # Panics
    /// If it was never started.
    pub fn ended(&mut self, node: usize) -> Option<ExitStatus> {
        let child = self.nodes[node].child.as_mut().expect("the node was started");
        child.try_wait().expect("a child can be asked")
    }

    /// Waits until a node answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_up(&mut self, node: usize) {
        let (client, start) = (self.client(node), Instant::now());
        while client.ledger_info().is_err() {
            if let Some(status) = self.ended(node) {
                panic!("node {node} ended with {status}:\n{}", self.log(node));
            }
            assert!(start.elapsed() < START_TIMEOUT, "node {node} does not answer:\n{}", self.log(node));
            std::thread::sleep(POLL);
        }
    }

    /// A node's certified height; none while it does not answer.
    #[must_use]
    pub fn height(&self, node: usize) -> Option<u64> {
        let info = self.client(node).ledger_info().ok()?;
        info["block_height"].as_str()?.parse().ok()
    }

    /// Waits until all of these nodes have certified a height.
    ///
    /// # Panics
    /// If one does not.
    pub fn wait_height(&self, nodes: impl IntoIterator<Item = usize>, height: u64, timeout: Duration) {
        let start = Instant::now();
        for node in nodes {
            while self.height(node).is_none_or(|certified| certified < height) {
                assert!(
                    start.elapsed() < timeout,
                    "node {node} has no block {height} after {timeout:?}: {}\n{}",
                    self.status(node),
                    self.log(node)
                );
                std::thread::sleep(POLL);
            }
        }
    }

    /// Waits until a node says that it has this role.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_role(&self, node: usize, role: &str, timeout: Duration) {
        let start = Instant::now();
        while self.status(node)["role"] != role {
            assert!(start.elapsed() < timeout, "node {node} is no {role}: {}\n{}", self.status(node), self.log(node));
            std::thread::sleep(POLL);
        }
    }

    /// Checks that these nodes have one history: the same checkpoint, which covers all before, at the greatest height of
    /// any. Returns that height and the state root.
    ///
    /// # Panics
    /// If they differ, or do not get there.
    pub fn assert_equal(&self, nodes: &[usize]) -> (u64, String) {
        let height = nodes.iter().filter_map(|node| self.height(*node)).max().expect("a node answers");
        self.wait_height(nodes.iter().copied(), height, AGREE_TIMEOUT);
        let checkpoint = |node: usize| {
            let found = self.client(node).checkpoint(Height(height));
            found.unwrap_or_else(|error| panic!("node {node}, block {height}: {error}")).checkpoint
        };
        let first = checkpoint(nodes[0]);
        for node in &nodes[1..] {
            assert_eq!(checkpoint(*node), first, "nodes {} and {node} differ at block {height}", nodes[0]);
        }
        (height, first.data().state_root.to_string())
    }

    /// What a node says of consensus; null while it does not answer.
    #[must_use]
    pub fn status(&self, node: usize) -> Value {
        self.client(node).get("/noema/status").unwrap_or(Value::Null)
    }

    /// What a node said on stderr, in all its runs.
    #[must_use]
    pub fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.nodes[node].log_path()).unwrap_or_default()
    }

    /// Folder of a node: keys, configuration, data.
    #[must_use]
    pub fn node_dir(&self, node: usize) -> &Path {
        &self.nodes[node].folder
    }

    /// The chain's first block.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.folder.path().join("genesis.blob")
    }

    /// A home for commands of this test.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// REST API of a node.
    #[must_use]
    pub fn url(&self, node: usize) -> String {
        url(self.nodes[node].config.api_address.port())
    }

    /// Metrics of a node.
    #[must_use]
    pub fn metrics_url(&self, node: usize) -> String {
        format!("http://{}/metrics", self.nodes[node].config.metrics_address)
    }

    /// A client of a node.
    #[must_use]
    pub fn client(&self, node: usize) -> Client {
        Client::new(self.url(node))
    }

    /// A client of the faucet, which validator 0 serves.
    ///
    /// # Panics
    /// Never: validator 0 has a faucet.
    #[must_use]
    pub fn faucet(&self) -> Client {
        let address = self.nodes[0].config.faucet_address.expect("validator 0 has a faucet");
        Client::new(format!("http://{address}"))
    }

    /// A funded account whose key follows from a seed.
    ///
    /// # Panics
    /// If the faucet does not pay.
    #[must_use]
    pub fn account(&self, seed: u8, amount: u64) -> Account {
        let key = Ed25519KeyPair::from_private_bytes([seed; 32]);
        let hash = self.faucet().fund(address_of(&key), amount).expect("the faucet pays");
        let _ = self.client(0).wait(&hash, WAIT).expect("the funding is committed");
        Account { key, next: 0 }
    }

    /// Publishes an example through this node, under an account that is made and funded.
    ///
    /// # Panics
    /// If a step fails.
    #[must_use]
    pub fn publish_example(&self, name: &str, through: usize) -> Account {
        let mut account = self.account(201, 1_000_000_000_000);
        let secret = format!("0x{}", hex_of(&account.key.private_bytes()));
        let _ = run_ok(self.home(), &["account", "new", "--name", name, "--secret-key", &secret]);
        let folder = workspace_root().join("clients/examples").join(name);
        let folder = folder.to_str().expect("a plain path");
        let (named, url) = (format!("{name}={name}"), self.url(through));
        let publish = ["move", "publish", "-p", folder, "--url", &url, "--account", name, "--named-addresses", &named];
        let _ = run_ok(self.home(), &publish);
        account.next = self.client(through).sequence_number(account.address()).expect("an account");
        account
    }

    /// Delay of every byte between validators and loss of segments, in a million.
    pub fn set_quality(&self, delay: Duration, loss_ppm: u64) {
        self.relays.values().for_each(|relay| relay.set_quality(delay, loss_ppm));
    }

    /// Lets validators reach those of their own group only; one that is in no group reaches nobody.
    pub fn partition(&self, groups: &[&[usize]]) {
        for ((from, to), relay) in &self.relays {
            let together = groups.iter().any(|group| group.contains(from) && group.contains(to));
            relay.set_cut(!together);
        }
    }

    /// Lets all validators reach each other again.
    pub fn heal(&self) {
        self.relays.values().for_each(|relay| relay.set_cut(false));
    }

    /// Segments that the relays lost so far.
    #[must_use]
    pub fn lost_segments(&self) -> u64 {
        self.relays.values().map(|relay| relay.counts().1).sum()
    }
}

impl Node {
    fn config_path(&self) -> PathBuf {
        self.folder.join("node.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("node.log")
    }

    fn data(&self) -> PathBuf {
        self.folder.join(&self.config.data_dir)
    }

    fn write_config(&self) {
        std::fs::write(self.config_path(), self.config.to_toml()).expect("the temporary folder takes a file");
    }

    fn spawn(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "{} runs already", self.folder.display());
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("the node starts"));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/v1")
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |from| (0..count).filter(move |to| *to != from).map(move |to| (from, to)))
}

/// Where a validator dials the others when there are relays.
fn routes(relays: &BTreeMap<(usize, usize), Relay>, accounts: &[Address], from: usize) -> BTreeMap<Address, String> {
    let own = relays.iter().filter(|((dialler, _), _)| *dialler == from);
    own.map(|((_, to), relay)| (accounts[*to], relay.address().to_string())).collect()
}

/// Draws a validator's keys and writes them into its folder.
fn write_keys(folder: &Path, stake: u64, listen: SocketAddr) -> GenesisValidator {
    let [account, consensus, network] = [(); 3].map(|()| Ed25519KeyPair::generate());
    let checkpoint = BlsKeyPair::generate();
    for (name, key) in [("account", &account), ("consensus", &consensus), ("network", &network)] {
        write_key_file(&folder.join(format!("{name}.key")), key).expect("a new key file");
    }
    write_bls_key_file(&folder.join("checkpoint.key"), &checkpoint).expect("a new key file");
    GenesisValidator {
        address: address_of(&account),
        balance: OPERATOR_BALANCE,
        stake,
        consensus_key: consensus.public(),
        network_key: network.public(),
        checkpoint_key: checkpoint.public(),
        proof_of_possession: checkpoint.proof_of_possession(),
        network_address: listen.to_string(),
    }
}

fn genesis_of(options: &NetworkOptions, validators: Vec<GenesisValidator>) -> Vec<u8> {
    let (faucet, _) = GenesisSpec::localnet_faucet();
    let spec = GenesisSpec {
        chain_id: LOCALNET_CHAIN_ID,
        timestamp_us: now_secs() * 1_000_000,
        epoch_interval_us: options.epoch_secs * 1_000_000,
        accounts: vec![(faucet, LOCALNET_FAUCET_BALANCE)],
        faucet: Some(faucet),
        models: options.models.clone(),
        validators,
        staking: StakingParameters { minimum_stake: 1, ..StakingParameters::default() },
        inference_units_per_transaction: LOCALNET_INFERENCE_UNITS,
    };
    spec.build().expect("a genesis")
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
