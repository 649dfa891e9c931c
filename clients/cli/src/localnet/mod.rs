//! `noema localnet`: a whole network on this machine.
//!
//! A single validator runs in this process; more nodes run in processes of their own, `noema node run`, and end with
//! this one, however it ends.

mod layout;
mod processes;

use noema_node::NodeConfig;
use serde_json::{Value, json};

use crate::args::LocalnetArgs;
use crate::home::Home;
use crate::logging;
use crate::node::{explain, serve};
use crate::output::{CliError, CliResult, Output, paint};
use layout::{Member, Network};
use processes::Processes;

/// Runs until Ctrl-C, SIGTERM or a fault.
pub(crate) fn run(output: Output, args: &LocalnetArgs) -> CliResult {
    let home = Home::find()?;
    let dir = args.dir.clone().unwrap_or_else(|| home.localnet());
    if args.force_restart {
        layout::clear(&dir)?;
    }
    let spinner = output.spinner("preparing the network");
    let network = Network::prepare(&home, &dir, args);
    spinner.finish_and_clear();
    let network = network?;
    if args.prepare {
        let nodes: Vec<Value> = network.members().iter().map(|member| member_json(&network, member, None)).collect();
        output.result(|| prepared(&network), || json!({ "genesis": network.genesis(), "nodes": nodes }));
        return Ok(());
    }
    match network.members().as_slice() {
        [only] => run_inside(output, args, &network, only),
        members => run_processes(output, args, &network, members),
    }
}

/// The one validator, in this process.
fn run_inside(output: Output, args: &LocalnetArgs, network: &Network, only: &Member) -> CliResult {
    logging::init(&args.log)?;
    let config = NodeConfig::load(&network.config_path(only)).map_err(explain)?;
    serve(output, &config, false, |node| {
        announce(output, network, &node.summary(), &[(only.clone(), std::process::id())]);
    })
}

fn run_processes(output: Output, args: &LocalnetArgs, network: &Network, members: &[Member]) -> CliResult {
    let mut processes = Processes::start(network, members, args)?;
    let spinner = output.spinner("starting the nodes");
    let ready = processes.wait_until_ready();
    spinner.finish_and_clear();
    let summaries = match ready {
        Ok(Some(summaries)) => summaries,
        Ok(None) => {
            processes.stop();
            output.note("stopped");
            return Ok(());
        }
        Err(error) => {
            processes.stop();
            return Err(error);
        }
    };
    let pids: Vec<(Member, u32)> = members.iter().cloned().zip(processes.pids()).collect();
    announce(output, network, summaries.first().map_or("", String::as_str), &pids);
    let stopped_by_us = processes.watch(|text| output.note(text));
    processes.stop();
    if stopped_by_us {
        output.note("stopped");
        Ok(())
    } else {
        Err(CliError::fault("every node of the network has ended").hint("their logs are in the network's folder"))
    }
}

fn prepared(network: &Network) -> String {
    let mut text = format!("{} {}", paint("network in", "32"), network.dir().display());
    for member in network.members() {
        text.push_str(&format!("\nnoema node run --config {}", network.config_path(&member).display()));
    }
    text
}

fn member_json(network: &Network, member: &Member, pid: Option<u32>) -> Value {
    json!({
        "name": member.folder(),
        "account": member.account,
        "config": network.config_path(member),
        "log": network.log_path(member),
        "api": member.api_url(),
        "metrics": member.metrics_url(),
        "consensus": member.consensus.map(|address| address.to_string()),
        "pid": pid,
    })
}

fn announce(output: Output, network: &Network, summary: &str, members: &[(Member, u32)]) {
    let faucet = network.faucet_url();
    let first = &members[0].0;
    output.result(
        || table(network, summary, members),
        || {
            let nodes: Vec<Value> =
                members.iter().map(|(member, pid)| member_json(network, member, Some(*pid))).collect();
            json!({
                "api": first.api_url(),
                "faucet": faucet,
                "metrics": first.metrics_url(),
                "summary": summary,
                "genesis": network.genesis(),
                "nodes": nodes,
            })
        },
    );
}

/// What a person sees: one row per node.
fn table(network: &Network, summary: &str, members: &[(Member, u32)]) -> String {
    let mut text = format!("{} {summary}\n", paint("network is up:", "32;1"));
    text.push_str(&format!("{:13} {:27} {:31} {:16} {}\n", "node", "REST API", "metrics", "consensus", "pid"));
    for (member, pid) in members {
        let consensus = member.consensus.map_or("-".to_owned(), |address| address.to_string());
        text.push_str(&format!(
            "{:13} {:27} {:31} {consensus:16} {pid}\n",
            member.folder(),
            member.api_url(),
            member.metrics_url(),
        ));
    }
    let models: Vec<String> = network.models().iter().map(|path| path.display().to_string()).collect();
    text.push_str(&format!(
        "faucet    {}\ngenesis   {}\nmodels    {}\n",
        network.faucet_url(),
        network.genesis().display(),
        if models.is_empty() { "none".to_owned() } else { models.join(", ") },
    ));
    if members.len() > 1 {
        text.push_str(&format!("logs      {}/*/{}\n", network.dir().display(), layout::LOG_FILE));
    }
    text.push_str("Ctrl-C stops it");
    text
}
