//! The configuration file, explained.

/// What `noema node config-example` prints. A test loads it.
pub(crate) const TEXT: &str = r#"# Configuration of a Noema node. Relative paths are relative to this file.
# Run it with `noema node run --config node.toml`. A node is a validator or a full node: it has one of the two sections.

# Database, consensus log, snapshots. A validator's folder must never be copied to a second running machine.
data_dir = "data"
# The chain's first block, from `noema genesis build`. Its hash names the chain.
genesis = "genesis.blob"
# REST API (docs/rest-api.md). Put a proxy with TLS in front before you open it to the world.
api_address = "127.0.0.1:8080"
# Prometheus metrics (docs/metrics.md). Keep them private.
metrics_address = "127.0.0.1:8082"
# A faucet, on local networks only: gives the public faucet account's coins to anyone.
# faucet_address = "127.0.0.1:8081"
# Canonical model files (`noema model import`): all that the chain holds resident.
models = []

[inference]
# scalar, avx2, avx512 or neon; the fastest of this machine when absent. All give the same bits.
# kernel = "avx2"
# Threads; all cores when absent.
# threads = 8
# Where workers attach, other machines that answer jobs (docs/workers.md), and which: keys as `noema worker key` prints.
# worker_listen = "0.0.0.0:6190"
# workers = ["0x00000000000000000000000000000000000000000000000000000000000000cc"]
# The key that workers know this node by; made in the folder of the database when absent.
# worker_key = "worker.key"
# Jobs that this machine's own pool takes at once beside the workers; 0 leaves all of them to the workers.
# local_jobs = 16

# OpenAI's and Anthropic's protocols on the REST port (docs/gateway.md).
[gateway]
# File of an account's key: it pays for transactions that record answers on chain, for requests that ask for it. Without
# one, no answer is recorded.
# settle_key = "gateway.key"
# Record every answer.
# settle_all = true

# A validator.
[validator]
# Account of the stake pool.
account = "0x00000000000000000000000000000000000000000000000000000000000000aa"
# Signs blocks.
consensus_key = "consensus.key"
# Proves who is at the end of a connection.
network_key = "network.key"
# Signs checkpoints.
checkpoint_key = "checkpoint.key"
# Submits evidence of others' equivocations. It can be left out: the account's key then need not be on this machine.
operator_key = "account.key"
# Where other validators connect. Open this port to them.
listen = "0.0.0.0:6180"
# Where to reach other validators, by account, when that is not the address they registered: a private network.
# peer_addresses = { "0x00000000000000000000000000000000000000000000000000000000000000bb" = "10.0.0.2:6180" }

# A full node, instead of a validator: REST APIs of validators or full nodes that it follows. It trusts none of them.
# [full_node]
# upstream = ["http://203.0.113.7:8080/v1", "http://203.0.113.8:8080/v1"]

# Timing of consensus. What is absent has a good value; see docs/validators.md before you change any.
[consensus]
# Least time between rounds, in milliseconds.
# round_interval_ms = 20
# The same while there is nothing to order.
# idle_round_interval_ms = 250
# First timeout for a round's first leader, in milliseconds; it adapts.
# leader_timeout_ms = 150
# Transactions and bytes of one own block, at most.
# payload_transactions_max = 32768
# payload_bytes_max = 4194304
"#;

#[cfg(test)]
mod tests {
    use noema_node::NodeConfig;

    #[test]
    fn the_example_is_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        // As printed, and with everything that is commented out.
        let full: String = super::TEXT
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") && !rest.contains("faucet,") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let full = full.replace("upstream = ", "# upstream = ");
        for text in [super::TEXT.to_owned(), full] {
            std::fs::write(&path, &text).unwrap();
            let config = NodeConfig::load(&path).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(config.validator.is_some() && config.full_node.is_none());
            assert_eq!(config.data_dir, folder.path().join("data"));
        }
    }
}
