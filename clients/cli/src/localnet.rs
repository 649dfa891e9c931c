//! `noema localnet`: a network of one validator on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use noema_node::{BlockConfig, InferenceConfig, LocalnetGenesis, Node, NodeConfig, NodeError};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::args::LocalnetArgs;
use crate::home::Home;
use crate::model::find;
use crate::output::{CliError, CliResult, Context, Output, paint, use_color};

/// Time of genesis, beside the database, so that a restart makes the same parameters.
const GENESIS_FILE: &str = "genesis-time";

/// Runs until Ctrl-C, SIGTERM or a fault.
pub(crate) fn run(output: Output, args: &LocalnetArgs) -> CliResult {
    let home = Home::find()?;
    let dir = args.dir.clone().unwrap_or_else(|| home.localnet());
    if args.force_restart && dir.exists() {
        clear(&dir)?;
    }
    std::fs::create_dir_all(&dir).context(format!("cannot make {}", dir.display()))?;
    let filter = EnvFilter::try_from_env("NOEMA_LOG").unwrap_or_else(|_| EnvFilter::new("warn,noema_node=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(use_color()).init();

    let config = config(&home, &dir, args)?;
    let genesis = LocalnetGenesis::new(genesis_time(&dir)?);
    let spinner = output.spinner("starting the network");
    let node = Node::start(&config, &genesis);
    spinner.finish_and_clear();
    let node = node.map_err(explain)?;
    announce(output, &config, &node);
    let fault = node.run_until(stopped());
    node.stop();
    match fault {
        Some(fault) => Err(CliError::fault(format!("the node met a fault: {fault}"))),
        None => {
            output.note("stopped");
            Ok(())
        }
    }
}

fn config(home: &Home, dir: &Path, args: &LocalnetArgs) -> CliResult<NodeConfig> {
    let address = |offset: u16| -> CliResult<SocketAddr> {
        let port = args.port.checked_add(offset).ok_or_else(|| CliError::fault("--port is too high"))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    let models: CliResult<Vec<PathBuf>> = args.models.iter().map(|name| find(home, Some(name))).collect();
    Ok(NodeConfig {
        data_dir: dir.join("db"),
        api_address: address(0)?,
        faucet_address: Some(address(1)?),
        metrics_address: address(2)?,
        models: models?,
        inference: InferenceConfig { kernel: args.kernel.clone(), threads: args.threads },
        blocks: BlockConfig::default(),
    })
}

/// Deletes a network's own files and nothing else.
fn clear(dir: &Path) -> CliResult {
    let db = dir.join("db");
    if db.exists() {
        std::fs::remove_dir_all(&db).context(format!("cannot delete {}", db.display()))?;
    }
    let time = dir.join(GENESIS_FILE);
    if time.exists() {
        std::fs::remove_file(&time).context(format!("cannot delete {}", time.display()))?;
    }
    Ok(())
}

fn genesis_time(dir: &Path) -> CliResult<u64> {
    let path = dir.join(GENESIS_FILE);
    if path.exists() {
        let text = std::fs::read_to_string(&path).context(format!("cannot read {}", path.display()))?;
        return text.trim().parse().context(format!("{} is damaged", path.display()));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_micros()).unwrap_or(0);
    std::fs::write(&path, now.to_string()).context(format!("cannot write {}", path.display()))?;
    Ok(now)
}

fn explain(error: NodeError) -> CliError {
    let hint = match &error {
        NodeError::Listen { .. } => "is another network running? choose another --port",
        NodeError::Database { .. } => "is another node using it? --force-restart begins anew",
        NodeError::Model { .. } => "import the model again: `noema model import FILE.gguf`",
        NodeError::Engine(_) => "`--kernel scalar` computes the same answers on any machine",
        NodeError::Genesis(_) | NodeError::System(_) => "--force-restart begins anew",
    };
    CliError::fault(error).hint(hint)
}

fn announce(output: Output, config: &NodeConfig, node: &Node) {
    let api = format!("http://{}/v1", config.api_address);
    let faucet = config.faucet_address.map(|address| format!("http://{address}"));
    let metrics = format!("http://{}/metrics", config.metrics_address);
    output.result(
        || {
            format!(
                "{} {}\nREST API  {api}\nfaucet    {}\nmetrics   {metrics}\nmodels    {}\nCtrl-C stops it",
                paint("network is up:", "32;1"),
                node.summary(),
                faucet.as_deref().unwrap_or("none"),
                config.models.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
            )
        },
        || json!({ "api": api, "faucet": faucet, "metrics": metrics, "summary": node.summary() }),
    );
}

async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
