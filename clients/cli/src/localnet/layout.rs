//! The folder of a local network: who is in it, on which ports, with which keys.
//!
//! ```text
//! DIR/genesis.blob      the first block
//! DIR/localnet.toml     what the network was made with; written last, so that a network is there whole or not at all
//! DIR/validator-I/      keys (0600), node.toml, data, node.log
//! DIR/full-node-J/      node.toml, data, node.log
//! ```
//!
//! Keys are drawn when the network is made. `node.toml` is written anew at each start: ports, kernel and models may
//! change, keys, genesis and the addresses of consensus, which genesis holds, do not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use noema_node::{
    ConsensusTuning, FullNodeConfig, GatewayConfig, GenesisSpec, InferenceConfig, LOCALNET_CHAIN_ID,
    LOCALNET_FAUCET_BALANCE, LOCALNET_INFERENCE_UNITS, NodeConfig, StakingParameters, ValidatorNodeConfig,
    init_validator,
};
use noema_remote::parse_key;
use noema_sdk::address_of;
use noema_types::{Address, Ed25519PublicKey};
use serde::{Deserialize, Serialize};

use crate::args::{DEFAULT_STAKE, LocalnetArgs};
use crate::genesis::{RegistrationFile, VALIDATOR_BALANCE};
use crate::home::Home;
use crate::keys::{ACCOUNT_KEY, ValidatorKeys, make_private_folder, write_new};
use crate::model::find;
use crate::node::{CONFIG_FILE, DATA_DIR, GENESIS_FILE, explain};
use crate::output::{CliError, CliResult, Context};

/// Name of a node's log in its folder.
pub(crate) const LOG_FILE: &str = "node.log";
const SETTINGS_FILE: &str = "localnet.toml";
/// Lies in the folder while a network is being made.
const PARTIAL_FILE: &str = "localnet.unfinished";
const DEFAULT_PORT: u16 = 8080;
const DEFAULT_EPOCH_SECS: u64 = 7_200;
/// Ports from one node to the next.
const PORTS_PER_NODE: u16 = 10;
const FAUCET_OFFSET: u16 = 1;
const METRICS_OFFSET: u16 = 2;
const CONSENSUS_OFFSET: u16 = 5;
const WORKERS_OFFSET: u16 = 6;
/// Nodes of a local network, at most: each takes a process, a database and a copy of the models.
const NODES_MAX: u16 = 64;

/// What a network was made with, and how it ran last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    validators: u16,
    full_nodes: u16,
    epoch_secs: u64,
    /// First port of the REST APIs.
    port: u16,
    /// The same when the network was made: genesis holds the addresses of consensus that follow from it.
    consensus_port: u16,
    models: Vec<PathBuf>,
}

/// A local network that is on disk.
#[derive(Debug)]
pub(crate) struct Network {
    dir: PathBuf,
    settings: Settings,
}

/// One of its nodes.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    index: u16,
    is_validator: bool,
    /// Account of a validator.
    pub(crate) account: Option<Address>,
    /// Where it listens for validators.
    pub(crate) consensus: Option<SocketAddr>,
    api: SocketAddr,
    metrics: SocketAddr,
}

impl Member {
    /// Name of its folder, and its own.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", if self.is_validator { "validator" } else { "full-node" }, self.index)
    }

    /// Its REST API.
    pub(crate) fn api_url(&self) -> String {
        format!("http://{}/v1", self.api)
    }

    /// Its metrics.
    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }
}

impl Network {
    /// Makes the network, or takes the one that is there, and writes the configuration of every node.
    pub(crate) fn prepare(home: &Home, dir: &Path, args: &LocalnetArgs) -> CliResult<Self> {
        let models: CliResult<Vec<PathBuf>> =
            args.models.iter().map(|name| absolute(&find(home, Some(name))?)).collect();
        let models = models?;
        make_private_folder(dir)?;
        let dir = absolute(dir)?;
        let settings = match read_settings(&dir)? {
            Some(present) => present.with(args, models)?,
            None => {
                let settings = Settings::new(args, models)?;
                // What an interrupted start left is no network: nothing of it ever ran.
                clear(&dir)?;
                replace(&dir.join(PARTIAL_FILE), "")?;
                create(&dir, &settings)?;
                settings
            }
        };
        let network = Self { dir, settings };
        network.write_configs(args)?;
        network.write_settings()?;
        remove(&network.dir.join(PARTIAL_FILE))?;
        Ok(network)
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its first block.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.dir.join(GENESIS_FILE)
    }

    /// Canonical files of its models.
    pub(crate) fn models(&self) -> &[PathBuf] {
        &self.settings.models
    }

    /// Its faucet.
    pub(crate) fn faucet_url(&self) -> String {
        format!("http://{}", loopback(self.settings.port + FAUCET_OFFSET))
    }

    /// Its nodes, validators first.
    pub(crate) fn members(&self) -> Vec<Member> {
        let accounts = (0..self.settings.validators).map(|index| account_of(&self.dir, index));
        let validators = (0..).zip(accounts).map(|(index, account)| self.settings.member(index, true, account));
        let full_nodes = (0..self.settings.full_nodes).map(|index| self.settings.member(index, false, None));
        validators.chain(full_nodes).collect()
    }

    /// Configuration of a node.
    pub(crate) fn config_path(&self, member: &Member) -> PathBuf {
        self.dir.join(member.folder()).join(CONFIG_FILE)
    }

    /// Log of a node.
    pub(crate) fn log_path(&self, member: &Member) -> PathBuf {
        self.dir.join(member.folder()).join(LOG_FILE)
    }

    fn write_configs(&self, args: &LocalnetArgs) -> CliResult {
        let members = self.members();
        let upstream: Vec<String> = members.iter().filter(|member| member.is_validator).map(Member::api_url).collect();
        for member in &members {
            make_private_folder(&self.dir.join(member.folder()))?;
            let mut inference =
                InferenceConfig { kernel: args.kernel.clone(), threads: args.threads, ..InferenceConfig::default() };
            if member.is_validator && member.index == 0 && !args.workers.is_empty() {
                inference.worker_listen = Some(loopback(self.settings.port + WORKERS_OFFSET));
                inference.workers = args.workers.iter().map(|key| worker_key(key)).collect::<CliResult<_>>()?;
                inference.local_jobs = args.local_jobs;
            }
            let mut config = config(&self.settings, member, inference, &upstream);
            config.gateway.settle_all = args.settle && member.is_validator;
            replace(&self.config_path(member), &config.to_toml())?;
        }
        Ok(())
    }

    fn write_settings(&self) -> CliResult {
        let text = toml::to_string(&self.settings).context("the network's settings cannot be written")?;
        replace(&self.dir.join(SETTINGS_FILE), &text)
    }
}

impl Settings {
    fn new(args: &LocalnetArgs, models: Vec<PathBuf>) -> CliResult<Self> {
        let port = args.port.unwrap_or(DEFAULT_PORT);
        let settings = Self {
            validators: args.validators.unwrap_or(1),
            full_nodes: args.full_nodes.unwrap_or(0),
            epoch_secs: args.epoch_secs.unwrap_or(DEFAULT_EPOCH_SECS),
            port,
            consensus_port: port,
            models,
        };
        settings.checked()
    }

    /// The network that is there, started as `args` say.
    fn with(mut self, args: &LocalnetArgs, models: Vec<PathBuf>) -> CliResult<Self> {
        let fixed = |what: &str, has: u64, wanted: Option<u64>| match wanted {
            Some(wanted) if wanted != has => Err(CliError::fault(format!(
                "this network has {has} {what}, which genesis fixes; {wanted} are asked for"
            ))
            .hint("--force-restart begins anew; another --dir keeps both")),
            _ => Ok(()),
        };
        fixed("validators", self.validators.into(), args.validators.map(u64::from))?;
        fixed("seconds per epoch", self.epoch_secs, args.epoch_secs)?;
        self.port = args.port.unwrap_or(self.port);
        self.full_nodes = args.full_nodes.unwrap_or(self.full_nodes);
        if !models.is_empty() {
            self.models = models;
        }
        self.checked()
    }

    fn checked(self) -> CliResult<Self> {
        let nodes = u32::from(self.validators) + u32::from(self.full_nodes);
        if self.validators == 0 || nodes > u32::from(NODES_MAX) {
            return Err(CliError::fault(format!(
                "a local network has 1 to {NODES_MAX} nodes, one of them a validator"
            )));
        }
        if self.epoch_secs == 0 {
            return Err(CliError::fault("an epoch has a second at least"));
        }
        let last = nodes * u32::from(PORTS_PER_NODE);
        if [self.port, self.consensus_port].into_iter().any(|port| port == 0 || u32::from(port) + last > 65_536) {
            return Err(CliError::fault(format!("--port is too high or 0: {nodes} nodes take {last} ports")));
        }
        Ok(self)
    }

    fn member(&self, index: u16, is_validator: bool, account: Option<Address>) -> Member {
        let position = if is_validator { index } else { self.validators + index };
        let at = |first: u16, offset: u16| loopback(first + position * PORTS_PER_NODE + offset);
        Member {
            index,
            is_validator,
            account,
            consensus: is_validator.then(|| at(self.consensus_port, CONSENSUS_OFFSET)),
            api: at(self.port, 0),
            metrics: at(self.port, METRICS_OFFSET),
        }
    }
}

fn config(settings: &Settings, member: &Member, inference: InferenceConfig, upstream: &[String]) -> NodeConfig {
    let validator =
        member.consensus.zip(member.account).map(|(listen, account)| ValidatorNodeConfig::new(account, listen));
    let has_faucet = member.is_validator && member.index == 0;
    NodeConfig {
        data_dir: DATA_DIR.into(),
        genesis: Path::new("..").join(GENESIS_FILE),
        api_address: member.api,
        metrics_address: member.metrics,
        faucet_address: has_faucet.then(|| loopback(settings.port + FAUCET_OFFSET)),
        models: settings.models.clone(),
        inference,
        // A full node has no account of its own here.
        gateway: GatewayConfig {
            settle_key: member.is_validator.then(|| ACCOUNT_KEY.into()),
            ..GatewayConfig::default()
        },
        full_node: validator.is_none().then(|| FullNodeConfig { upstream: upstream.to_vec() }),
        validator,
        consensus: ConsensusTuning::default(),
    }
}

/// Keys, genesis and consensus logs of a new network.
fn create(dir: &Path, settings: &Settings) -> CliResult {
    let mut validators = Vec::new();
    for index in 0..settings.validators {
        let keys = ValidatorKeys::generate();
        let member = settings.member(index, true, Some(keys.address()));
        keys.save(&dir.join(member.folder()))?;
        let address = loopback(settings.consensus_port + index * PORTS_PER_NODE + CONSENSUS_OFFSET).to_string();
        let file = RegistrationFile::sign(&keys, LOCALNET_CHAIN_ID, &member.folder(), &address)?;
        validators.push(file.registration.validator(VALIDATOR_BALANCE, DEFAULT_STAKE));
    }
    let (faucet, _) = GenesisSpec::localnet_faucet();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let spec = GenesisSpec {
        chain_id: LOCALNET_CHAIN_ID,
        timestamp_us: u64::try_from(now.as_micros()).unwrap_or(0),
        epoch_interval_us: settings.epoch_secs.saturating_mul(1_000_000),
        accounts: vec![(faucet, LOCALNET_FAUCET_BALANCE)],
        faucet: Some(faucet),
        models: settings.models.clone(),
        validators,
        staking: StakingParameters::default(),
        inference_units_per_transaction: LOCALNET_INFERENCE_UNITS,
    };
    let genesis = spec.build().map_err(explain)?;
    write_new(&dir.join(GENESIS_FILE), &genesis)?;
    for index in 0..settings.validators {
        let member = settings.member(index, true, account_of(dir, index));
        let path = dir.join(member.folder()).join(CONFIG_FILE);
        replace(&path, &config(settings, &member, InferenceConfig::default(), &[]).to_toml())?;
        let config = NodeConfig::load(&path).map_err(explain)?;
        init_validator(&config).map_err(explain)?;
    }
    Ok(())
}

fn worker_key(text: &str) -> CliResult<Ed25519PublicKey> {
    parse_key(text).map_err(|why| CliError::fault(why).hint("`noema worker key` prints a worker's key"))
}

fn account_of(dir: &Path, index: u16) -> Option<Address> {
    let key = noema_crypto::read_key_file(&dir.join(format!("validator-{index}")).join(ACCOUNT_KEY));
    key.ok().map(|key| address_of(&key))
}

fn read_settings(dir: &Path) -> CliResult<Option<Settings>> {
    let path = dir.join(SETTINGS_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).context(format!("cannot read {}", path.display()))?;
    let settings = toml::from_str(&text).map_err(|error| {
        CliError::fault(format!("{} is damaged: {error}", path.display())).hint("--force-restart begins anew")
    })?;
    Ok(Some(settings))
}

/// Deletes a local network's own files and nothing else; nothing at all in a folder that holds none.
pub(crate) fn clear(dir: &Path) -> CliResult {
    if [SETTINGS_FILE, PARTIAL_FILE].into_iter().all(|name| !dir.join(name).exists()) {
        return Ok(());
    }
    // Marked first: what is half deleted is no network, and the next start deletes the rest.
    replace(&dir.join(PARTIAL_FILE), "")?;
    remove(&dir.join(SETTINGS_FILE))?;
    remove(&dir.join(GENESIS_FILE))?;
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let index = name.strip_prefix("validator-").or_else(|| name.strip_prefix("full-node-"));
        if index.is_some_and(|index| index.parse::<u16>().is_ok()) && entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path()).context(format!("cannot delete {}", entry.path().display()))?;
        }
    }
    remove(&dir.join(PARTIAL_FILE))
}

fn remove(path: &Path) -> CliResult {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::fault(format!("cannot delete {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &str) -> CliResult {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .context(format!("cannot write {}", path.display()))
}

fn absolute(path: &Path) -> CliResult<PathBuf> {
    path.canonicalize().context(format!("cannot find {}", path.display()))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_local_network_is_deleted_and_only_its_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let keys = dir.join("validator-0").join(ACCOUNT_KEY);
        std::fs::create_dir(dir.join("validator-0")).unwrap();
        std::fs::write(&keys, "precious").unwrap();
        clear(dir).unwrap();
        assert!(keys.exists(), "the folder holds no local network");
        // A start that was interrupted left this mark.
        std::fs::write(dir.join(PARTIAL_FILE), "").unwrap();
        std::fs::create_dir(dir.join("validator-x")).unwrap();
        std::fs::write(dir.join("notes.txt"), "mine").unwrap();
        clear(dir).unwrap();
        let left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(dir.join("validator-x").exists() && dir.join("notes.txt").exists());
    }

    #[test]
    fn what_genesis_fixes_stays_and_the_rest_may_change() {
        let settings = Settings {
            validators: 4,
            full_nodes: 1,
            epoch_secs: 60,
            port: 9000,
            consensus_port: 8000,
            models: vec!["a.noema".into()],
        };
        assert_eq!(toml::from_str::<Settings>(&toml::to_string(&settings).unwrap()).unwrap(), settings);
        let member = settings.member(3, true, None);
        assert_eq!((member.api.port(), member.metrics.port()), (9030, 9032));
        assert_eq!(member.consensus.map(|address| address.port()), Some(8035));
        let full_node = settings.member(0, false, None);
        assert_eq!((full_node.api.port(), full_node.consensus), (9040, None));
        let too_high = Settings { port: 65_500, ..settings.clone() }.checked();
        assert!(too_high.unwrap_err().message.contains("--port"));
        assert!(Settings { validators: 0, ..settings.clone() }.checked().is_err());
        assert!(Settings { validators: 60, full_nodes: 5, ..settings }.checked().is_err());
    }
}
