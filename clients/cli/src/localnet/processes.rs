//! The nodes of a local network as processes.
//!
//! Each child holds the reading end of a pipe on its stdin and stops when it ends: when this process closes it, or dies.
//! Children are in process groups of their own, so that Ctrl-C reaches this process alone, which stops them in order.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::layout::{Member, Network};
use crate::args::LocalnetArgs;
use crate::output::{CliError, CliResult, Context};
use crate::shutdown;

/// Longest wait for all nodes to be up.
const START_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest wait for all nodes to stop in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Last lines of a log that are shown when its node ends.
const LOG_LINES: usize = 12;
/// Bytes of a log that are searched for them.
const LOG_TAIL_BYTES: u64 = 16 << 10;

#[derive(Debug)]
enum Event {
    /// A node is up: its own words.
    Ready(usize, String),
    /// A node's stdout ended: it ends.
    Ended(usize),
    /// Ctrl-C or SIGTERM.
    Stop,
}

#[derive(Debug)]
struct Node {
    name: String,
    log: PathBuf,
    child: Child,
    /// Keeps the node alive.
    stdin: Option<ChildStdin>,
    is_running: bool,
}

/// Running nodes.
#[derive(Debug)]
pub(crate) struct Processes {
    nodes: Vec<Node>,
    events: Receiver<Event>,
}

impl Processes {
    /// Starts a process per member.
    pub(crate) fn start(network: &Network, members: &[Member], args: &LocalnetArgs) -> CliResult<Self> {
        let (sender, events) = channel();
        watch_signals(sender.clone())?;
        let mut processes = Self { nodes: Vec::new(), events };
        for (index, member) in members.iter().enumerate() {
            match spawn(network, member, args, index, &sender) {
                Ok(node) => processes.nodes.push(node),
                Err(error) => {
                    processes.stop();
                    return Err(error);
                }
            }
        }
        Ok(processes)
    }

    /// Process ids, in the order of the members.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.child.id()).collect()
    }

    /// Waits until every node serves; their summaries. None if a signal came first.
    pub(crate) fn wait_until_ready(&mut self) -> CliResult<Option<Vec<String>>> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut summaries: Vec<Option<String>> = vec![None; self.nodes.len()];
        while summaries.iter().any(Option::is_none) {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ready(index, summary)) => summaries[index] = Some(summary),
                Ok(Event::Ended(index)) => {
                    return Err(CliError::fault(format!("the network does not start: {}", self.describe_end(index)))
                        .hint("a port may be taken: choose another --port; --force-restart begins anew"));
                }
                Ok(Event::Stop) => return Ok(None),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let late: Vec<&str> = (self.nodes.iter().zip(&summaries))
                        .filter(|(_, summary)| summary.is_none())
                        .map(|(node, _)| node.name.as_str())
                        .collect();
                    return Err(CliError::fault(format!("{} did not come up in time", late.join(", ")))
                        .hint("their logs are in the network's folder"));
                }
            }
        }
        Ok(Some(summaries.into_iter().flatten().collect()))
    }

    /// Reports nodes that end, until a signal (true) or until none is left (false).
    pub(crate) fn watch(&mut self, mut say: impl FnMut(String)) -> bool {
        while self.nodes.iter().any(|node| node.is_running) {
            match self.events.recv() {
                Ok(Event::Ended(index)) => {
                    let end = self.describe_end(index);
                    say(format!("{end}\nthe others go on; start it again with `noema node run`"));
                }
                Ok(Event::Ready(..)) => {}
                Ok(Event::Stop) | Err(_) => return true,
            }
        }
        false
    }

    /// Stops what runs: asks first, kills after a while.
    pub(crate) fn stop(&mut self) {
        for node in &mut self.nodes {
            node.stdin = None;
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.nodes.iter().any(|node| node.is_running) {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(index)) => {
                    let _ = self.reap(index);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        for node in self.nodes.iter_mut().filter(|node| node.is_running) {
            let _ = node.child.kill();
            let _ = node.child.wait();
            node.is_running = false;
        }
    }

    fn reap(&mut self, index: usize) -> String {
        let node = &mut self.nodes[index];
        node.is_running = false;
        node.stdin = None;
        node.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    fn describe_end(&mut self, index: usize) -> String {
        let status = self.reap(index);
        let node = &self.nodes[index];
        format!("{} ended ({status}); the last lines of {}:\n{}", node.name, node.log.display(), tail(&node.log))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(
    network: &Network,
    member: &Member,
    args: &LocalnetArgs,
    index: usize,
    events: &Sender<Event>,
) -> CliResult<Node> {
    let program = std::env::current_exe().context("cannot find the own program")?;
    let log_path = network.log_path(member);
    let log = File::options().create(true).append(true).open(&log_path);
    let log = log.context(format!("cannot write {}", log_path.display()))?;
    let mut command = Command::new(program);
    command.args([
        "--json",
        "node",
        "run",
        "--stop-with-stdin",
        "--log-format",
        args.log.log_format.name(),
        "--config",
    ]);
    // What --kernel says is in the configuration; the environment must not say otherwise.
    command.arg(network.config_path(member)).env_remove("NOEMA_KERNEL").env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0);
    let mut child = command.spawn().context(format!("cannot start {}", member.folder()))?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let events = events.clone();
    let reader = std::thread::Builder::new().name(member.folder()).spawn(move || {
        // One document says that the node is up; the end of the pipe says that it ends.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let document: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
            let summary = document["summary"].as_str().unwrap_or_default().to_owned();
            let _ = events.send(Event::Ready(index, summary));
        }
        let _ = events.send(Event::Ended(index));
    });
    if let Err(error) = reader {
        let _ = child.kill();
        let _ = child.wait();
        return Err(CliError::fault(format!("cannot watch {}: {error}", member.folder())));
    }
    Ok(Node { name: member.folder(), log: log_path, child, stdin, is_running: true })
}

fn watch_signals(events: Sender<Event>) -> CliResult {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot watch for signals")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(shutdown::signalled());
            let _ = events.send(Event::Stop);
        })
        .context("cannot watch for signals")?;
    Ok(())
}

/// The last lines of a file.
fn tail(path: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)
    });
    if let Err(error) = read {
        return format!("  (cannot be read: {error})");
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(tail(file.path()), "");
        let lines: Vec<String> = (0..5_000).map(|line| format!("line {line}")).collect();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let expected: Vec<String> = lines[lines.len() - LOG_LINES..].iter().map(|line| format!("  {line}")).collect();
        assert_eq!(tail(file.path()), expected.join("\n"));
        assert!(tail(Path::new("/nonexistent/log")).contains("cannot be read"));
    }
}
