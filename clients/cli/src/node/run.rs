//! `noema node run`: serves until a signal, the end of its parent, or a fault.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use noema_node::{Node, NodeConfig, NodeError};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::args::NodeRunArgs;
use crate::genesis::{beginning_us, format_time};
use crate::output::{CliError, CliResult, Context, Output, paint};
use crate::{logging, shutdown};

/// Blocks count milliseconds, genesis microseconds.
const BEGINNING_MARGIN: Duration = Duration::from_millis(1);
/// Longest sleep before a look at the clock.
const BEGINNING_POLL: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(output: Output, args: &NodeRunArgs) -> CliResult {
    logging::init(&args.log)?;
    let mut config = NodeConfig::load(&args.config).map_err(explain)?;
    if args.kernel.is_some() {
        config.inference.kernel.clone_from(&args.kernel);
    }
    if args.threads.is_some() {
        config.inference.threads = args.threads;
    }
    config.gateway.settle_all |= args.settle;
    serve(output, &config, args.stop_with_stdin, |node| {
        output.result(|| lines(&config, node), || json_of(&config, node));
    })
}

/// Starts a node, calls `ready`, and serves until something ends it.
pub(crate) fn serve(
    output: Output,
    config: &NodeConfig,
    stop_with_stdin: bool,
    ready: impl FnOnce(&Node),
) -> CliResult {
    // Watched before the node starts: a parent that dies meanwhile ends it too.
    let stdin = stop_with_stdin.then(shutdown::watch_stdin).transpose().context("cannot watch stdin")?;
    if !wait_for_beginning(output, config, stdin.clone())? {
        output.note("stopped");
        return Ok(());
    }
    let spinner = output.spinner("starting the node");
    let node = Node::start(config);
    spinner.finish_and_clear();
    let node = node.map_err(explain)?;
    ready(&node);
    let fault = node.run_until(async {
        tokio::select! {
            () = shutdown::signalled() => {}
            () = shutdown::stdin_ended(stdin) => {}
        }
    });
    node.stop();
    match fault {
        Some(fault) => Err(CliError::fault(format!("the node met a fault: {fault}"))
            .hint("docs/validators.md, \"When something goes wrong\", says what to do")),
        None => {
            output.note("stopped");
            Ok(())
        }
    }
}

/// Waits until the time of genesis: a chain has no block before its first. False if something ends the wait.
fn wait_for_beginning(output: Output, config: &NodeConfig, stdin: Option<watch::Receiver<bool>>) -> CliResult<bool> {
    // A genesis that cannot be read is reported when the node starts.
    let Some(beginning_us) = std::fs::read(&config.genesis).ok().and_then(|bytes| beginning_us(&bytes)) else {
        return Ok(true);
    };
    let left = || (Duration::from_micros(beginning_us) + BEGINNING_MARGIN).saturating_sub(now());
    if left().is_zero() {
        return Ok(true);
    }
    output.note(format!("the chain begins at {}: waiting", format_time(beginning_us / 1_000_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot wait")?;
    Ok(runtime.block_on(async {
        let begun = async {
            // The clock may be set meanwhile.
            while !left().is_zero() {
                tokio::time::sleep(left().min(BEGINNING_POLL)).await;
            }
        };
        tokio::select! {
            () = begun => true,
            () = shutdown::signalled() => false,
            () = shutdown::stdin_ended(stdin) => false,
        }
    }))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An error of the node with what to do about it.
pub(crate) fn explain(error: NodeError) -> CliError {
    let hint = match &error {
        NodeError::Listen { .. } => "is another node running? choose other addresses (localnet: another --port)",
        NodeError::Database { .. } => "is another node using it? is the disk full?",
        NodeError::Model { .. } => "import the model again: `noema model import FILE.gguf`",
        NodeError::Engine(_) => "`--kernel scalar` computes the same answers on any machine",
        _ => "docs/validators.md describes configuration, genesis and recovery",
    };
    CliError::fault(error).hint(hint)
}

fn lines(config: &NodeConfig, node: &Node) -> String {
    let role = if config.validator.is_some() { "validator" } else { "full node" };
    let mut text = format!(
        "{} {}\nREST API  http://{}/v1\nmetrics   http://{}/metrics",
        paint(&format!("{role} is up:"), "32;1"),
        node.summary(),
        config.api_address,
        config.metrics_address
    );
    if let Some(validator) = &config.validator {
        text.push_str(&format!("\nconsensus {}", validator.listen));
    }
    if let Some(faucet) = config.faucet_address {
        text.push_str(&format!("\nfaucet    http://{faucet}"));
    }
    text
}

fn json_of(config: &NodeConfig, node: &Node) -> Value {
    json!({
        "role": if config.validator.is_some() { "validator" } else { "full_node" },
        "api": format!("http://{}/v1", config.api_address),
        "metrics": format!("http://{}/metrics", config.metrics_address),
        "faucet": config.faucet_address.map(|address| format!("http://{address}")),
        "consensus": config.validator.as_ref().map(|validator| validator.listen.to_string()),
        "summary": node.summary(),
        "pid": std::process::id(),
    })
}
