//! A running node.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::api;
use crate::chain::Chain;
use crate::faucet::Faucet;
use crate::follower::{Follower, Forwarder};
use crate::gateway::Settling;
use crate::settler::Settler;
use crate::status::Status;
use crate::validator::Validator;
use crate::{NodeConfig, NodeError};

/// Threads that serve requests and connections; consensus, execution and inference have their own.
const API_THREADS: usize = 2;

/// A running node: consensus or following, REST API, faucet, metrics.
#[derive(Debug)]
pub struct Node {
    chain: Arc<Chain>,
    validator: Option<Validator>,
    follower: Option<Follower>,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    status: Arc<Status>,
    api_address: SocketAddr,
}

impl Node {
    /// Starts a node: everything listens when this returns.
    ///
    /// # Errors
    /// [`NodeError`] says what is in the way.
    pub fn start(config: &NodeConfig) -> Result<Self, NodeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(API_THREADS)
            .thread_name("noema-api")
            .enable_all()
            .build()
            .map_err(|error| NodeError::System(error.to_string()))?;
        let listen = |address: SocketAddr| {
            let listener = runtime.block_on(TcpListener::bind(address));
            listener.map_err(|error| NodeError::Listen { address, reason: error.to_string() })
        };
        // Listeners first: a second node on the same ports must not touch the database.
        let api_listener = listen(config.api_address)?;
        let metrics_listener = listen(config.metrics_address)?;
        let faucet_listener = config.faucet_address.map(listen).transpose()?;
        let api_address = api_listener.local_addr().map_err(|error| NodeError::System(error.to_string()))?;

        let chain = Chain::open(config)?;
        let status = Arc::new(Status::default());
        let validator = match &config.validator {
            Some(validator) => Some(Validator::start(&chain, validator, &status)?),
            None => None,
        };
        let upstream = config.full_node.as_ref().map(|full_node| full_node.upstream.clone());
        let upstream = upstream.filter(|_| validator.is_none());
        let forwarder = upstream.clone().map(|upstream| Arc::new(Forwarder::new(upstream)));
        let follower = upstream.map(|upstream| Follower::start(&chain, upstream, &status)).transpose()?;

        let settler = Settler::new(&config.gateway, &chain, forwarder.as_ref())?;
        let settling = settler.map(|settler| Settling {
            all: settler.all,
            record: Arc::new(move |job, answer| settler.settle(job, answer)),
        });

        let (stop, stopped) = watch::channel(false);
        let router = api::router(Arc::clone(&chain), Arc::clone(&status), forwarder, settling);
        spawn(&runtime, api_listener, router, stopped.clone());
        spawn(&runtime, metrics_listener, metrics_router(Arc::clone(&chain)), stopped.clone());
        if let Some(listener) = faucet_listener {
            let faucet = Arc::new(Faucet::new(Arc::clone(&chain)));
            spawn(&runtime, listener, api::faucet_router(faucet), stopped);
        }
        tracing::info!(%api_address, version = chain.ledger_info().version.0, "node is up");
        Ok(Self { chain, validator, follower, runtime, stop, status, api_address })
    }

    /// Where the REST API listens.
    #[must_use]
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// Version, height and state root of the latest certified block, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let info = self.chain.ledger_info();
        format!(
            "chain {} at height {}, version {}, state root {}",
            info.chain_id, info.height, info.version, info.state_root
        )
    }

    /// Runs until `signal` resolves or the node meets a fault; returns the fault.
    pub fn run_until(&self, signal: impl Future<Output = ()>) -> Option<String> {
        let mut faults = self.chain.faults();
        self.runtime.block_on(async {
            tokio::select! {
                () = signal => None,
                fault = async {
                    match faults.wait_for(Option::is_some).await {
                        Ok(fault) => fault.clone(),
                        Err(_) => None,
                    }
                } => fault,
            }
        })
    }

    /// Ends the node's part in consensus, then the servers; what is certified is on disk.
    pub fn stop(self) {
        self.status.clear();
        if let Some(validator) = self.validator {
            validator.stop();
        }
        if let Some(follower) = self.follower {
            follower.stop();
        }
        let _ = self.stop.send(true);
        self.runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    }
}

fn spawn(runtime: &Runtime, listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    runtime.spawn(async move {
        let signal = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(signal).await {
            tracing::error!(%error, "a server ended");
        }
    });
}

fn metrics_router(chain: Arc<Chain>) -> Router {
    Router::new().route(
        "/metrics",
        get(move || {
            let chain = Arc::clone(&chain);
            async move { chain.metrics_text() }
        }),
    )
}
