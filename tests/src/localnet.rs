//! A network of one validator in a process of its own, on loopback.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use noema_sdk::Client;
use tempfile::TempDir;

use crate::network::free_ports;
use crate::process::noema;

/// How long a node may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Ports of a network of one validator: REST, faucet, metrics, consensus, workers.
const PORTS: u16 = 7;

/// A running node and the folders it uses; killed when dropped.
#[derive(Debug)]
pub struct Localnet {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    args: Vec<String>,
}

impl Localnet {
    /// Starts a node with these further arguments and waits until it answers.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut net = Self {
            child: None,
            folder,
            port: free_ports(PORTS),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        net.restart();
        net
    }

    /// Starts the node again on the same data.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the node still runs");
        let port = self.port.to_string();
        let dir = self.data_dir();
        let dir = dir.to_str().expect("temporary folders have plain names");
        let mut args = vec!["localnet", "--dir", dir, "--port", &port];
        args.extend(self.args.iter().map(String::as_str));
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = noema(self.home(), &args);
        command.stdout(Stdio::null()).stderr(log).stdin(Stdio::null());
        self.child = Some(command.spawn().expect("the node starts"));
        let (client, start) = (self.client(), Instant::now());
        while client.ledger_info().is_err() {
            let child = self.child.as_mut().expect("just started");
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                panic!("the node ended with {status}:\n{}", self.log());
            }
            assert!(start.elapsed() < START_TIMEOUT, "the node does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the node as a power cut would: SIGKILL, no clean-up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A client of the node.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.url())
    }

    /// A client of the faucet.
    #[must_use]
    pub fn faucet(&self) -> Client {
        Client::new(self.faucet_url())
    }

    /// Address of the REST API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Address of the faucet.
    #[must_use]
    pub fn faucet_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port + 1)
    }

    /// Address of the metrics.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.port + 2)
    }

    /// A home for commands of this test.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of the network.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("node.log")
    }

    /// What the node said so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        self.kill();
    }
}
