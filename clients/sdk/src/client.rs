//! The blocking REST client.

use std::time::{Duration, Instant};

use noema_types::limits::{CERTIFIED_BLOCK_BYTES_MAX, CHECKPOINT_BYTES_MAX, GENESIS_BYTES_MAX, STATE_PROOF_BYTES_MAX};
use noema_types::{
    Address, CertifiedBlock, CertifiedCheckpoint, DecodeError, EntryFunction, Epoch, EpochChange, Height,
    SignedTransaction, StateKey, ValueProof, decode,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::Agent;

use crate::{ApiError, ClientError};

/// Where a local node listens.
pub const DEFAULT_NODE_URL: &str = "http://127.0.0.1:8080/v1";
/// Where a local faucet listens.
pub const DEFAULT_FAUCET_URL: &str = "http://127.0.0.1:8081";

const BCS_TRANSACTION: &str = "application/x.aptos.signed_transaction+bcs";
const BCS: &str = "application/x-bcs";
const BCS_VIEW: &str = "application/x.aptos.view_function+bcs";
const JSON_BYTES_MAX: usize = 256 << 20;
const CALL_TIMEOUT: Duration = Duration::from_secs(300);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    /// A client of the node whose API is at `base`, for example `http://127.0.0.1:8080/v1`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        let config = Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).http_status_as_error(false).build();
        Self { agent: config.into(), base: base.into().trim_end_matches('/').to_owned() }
    }

    /// The API's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// `GET path`, as JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.get(&url).header("accept", "application/json").call();
        read(&url, response)
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.post(&url).send_json(body);
        read(&url, response)
    }

    fn post_bcs<T: DeserializeOwned>(&self, path: &str, content_type: &str, body: &[u8]) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.post(&url).header("content-type", content_type).send(body);
        read(&url, response)
    }

    /// Ledger information.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ledger_info(&self) -> Result<Value, ClientError> {
        self.get("")
    }

    /// Sequence number of an account; 0 when the account does not exist.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sequence_number(&self, address: Address) -> Result<u64, ClientError> {
        match self.get::<Value>(&format!("/accounts/{address}")) {
            Ok(account) => account["sequence_number"].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
                ClientError::Protocol { url: self.base.clone(), reason: "no sequence_number in the account".to_owned() }
            }),
            Err(error) if error.is_not_found() => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Balance of the native coin, in its smallest unit.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn balance(&self, address: Address) -> Result<u64, ClientError> {
        self.get(&format!("/accounts/{address}/balance/0x1::aptos_coin::AptosCoin"))
    }

    /// Submits a signed transaction and returns its hash.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit(&self, transaction: &SignedTransaction) -> Result<String, ClientError> {
        let bytes = bcs::to_bytes(transaction).expect("a signed transaction always serialises");
        let pending: Value = self.post_bcs("/transactions", BCS_TRANSACTION, &bytes)?;
        pending["hash"].as_str().map(str::to_owned).ok_or_else(|| ClientError::Protocol {
            url: self.base.clone(),
            reason: "no hash in the answer to a submission".to_owned(),
        })
    }

    /// Runs a transaction without committing it; its signature must be absent or zero. Without a gas amount of its own
    /// (0) it gets all that its sender can pay for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn simulate(&self, transaction: &SignedTransaction) -> Result<Value, ClientError> {
        let bytes = bcs::to_bytes(transaction).expect("a signed transaction always serialises");
        let estimate = transaction.raw.max_gas_amount.0 == 0;
        let path = format!("/transactions/simulate?estimate_max_gas_amount={estimate}");
        let list: Vec<Value> = self.post_bcs(&path, BCS_TRANSACTION, &bytes)?;
        list.into_iter().next().ok_or_else(|| ClientError::Protocol {
            url: self.base.clone(),
            reason: "an empty answer to a simulation".to_owned(),
        })
    }

    /// Waits until the transaction is committed and returns it, successful or not.
    ///
    /// # Errors
    /// [`ClientError::NotCommitted`] after `timeout`, or what the node answered.
    pub fn wait(&self, hash: &str, timeout: Duration) -> Result<Value, ClientError> {
        let start = Instant::now();
        loop {
            match self.get::<Value>(&format!("/transactions/wait_by_hash/{hash}")) {
                Ok(transaction) if transaction["type"] != "pending_transaction" => return Ok(transaction),
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
            if start.elapsed() >= timeout {
                return Err(ClientError::NotCommitted { hash: hash.to_owned(), seconds: timeout.as_secs() });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Calls a view function.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn view(
        &self,
        function: &str,
        type_arguments: &[String],
        arguments: &[Value],
    ) -> Result<Vec<Value>, ClientError> {
        self.post("/view", &json!({ "function": function, "type_arguments": type_arguments, "arguments": arguments }))
    }

    /// Calls a view function with BCS arguments.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn view_bcs(&self, call: &EntryFunction) -> Result<Vec<Value>, ClientError> {
        let bytes = bcs::to_bytes(call).expect("a call always serialises");
        self.post_bcs("/view", BCS_VIEW, &bytes)
    }

    /// Asks a faucet, whose address this client holds, for `amount`; returns the transaction's hash.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn fund(&self, address: Address, amount: u64) -> Result<String, ClientError> {
        let answer: Value = self.post("/fund", &json!({ "address": address.to_string(), "amount": amount }))?;
        answer["txn_hashes"][0].as_str().map(str::to_owned).ok_or_else(|| ClientError::Protocol {
            url: self.base.clone(),
            reason: "no txn_hashes in the faucet's answer".to_owned(),
        })
    }
}

/// What other nodes and light clients read: BCS, which the node is not trusted with.
impl Client {
    /// The BCS of the chain's genesis transaction.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn genesis(&self) -> Result<Vec<u8>, ClientError> {
        self.get_bytes("/noema/genesis", GENESIS_BYTES_MAX)
    }

    /// The certified checkpoint after the block at `height`; its certificate is not verified here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn checkpoint(&self, height: Height) -> Result<CertifiedCheckpoint, ClientError> {
        self.get_decoded(&format!("/noema/checkpoints/{height}"), CHECKPOINT_BYTES_MAX, |bytes| {
            decode("checkpoint", bytes)
        })
    }

    /// The node's newest certified checkpoint; its certificate is not verified here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn latest_checkpoint(&self) -> Result<CertifiedCheckpoint, ClientError> {
        self.get_decoded("/noema/checkpoints/latest", CHECKPOINT_BYTES_MAX, |bytes| decode("checkpoint", bytes))
    }

    /// The end of `epoch` and the committee that follows; `None` while it runs. Nothing is verified here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, ClientError> {
        let change = self.get_decoded(&format!("/noema/epochs/{epoch}"), CHECKPOINT_BYTES_MAX, |bytes| {
            decode("epoch change", bytes)
        });
        match change {
            Ok(change) => Ok(Some(change)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The block at `height` with its checkpoint. Nothing is verified here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn certified_block(&self, height: Height) -> Result<CertifiedBlock, ClientError> {
        self.get_decoded(&format!("/noema/blocks/{height}"), CERTIFIED_BLOCK_BYTES_MAX, CertifiedBlock::decode)
    }

    /// A value, or its absence, with its path to the state root of the block at `height`, or of the node's newest
    /// certified block. Nothing is verified here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn value_proof(&self, key: &StateKey, height: Option<Height>) -> Result<ValueProof, ClientError> {
        let bytes = bcs::to_bytes(key).expect("a state key always serialises");
        let mut path = "/noema/proof?key=".to_owned();
        path.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
        if let Some(height) = height {
            path.push_str(&format!("&height={height}"));
        }
        self.get_decoded(&path, STATE_PROOF_BYTES_MAX, ValueProof::decode)
    }

    fn get_bytes(&self, path: &str, limit: usize) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.get(&url).header("accept", BCS).call();
        read_body(&url, response, limit)
    }

    fn get_decoded<T>(
        &self,
        path: &str,
        limit: usize,
        decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, ClientError> {
        let bytes = self.get_bytes(path, limit)?;
        decode(&bytes)
            .map_err(|error| ClientError::Protocol { url: format!("{}{path}", self.base), reason: error.to_string() })
    }
}

fn read<T: DeserializeOwned>(
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<T, ClientError> {
    let body = read_body(url, response, JSON_BYTES_MAX)?;
    serde_json::from_slice(&body)
        .map_err(|error| ClientError::Protocol { url: url.to_owned(), reason: error.to_string() })
}

/// The body of a successful answer, or what the node said instead.
fn read_body(
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    limit: usize,
) -> Result<Vec<u8>, ClientError> {
    let transport = |error: ureq::Error| ClientError::Transport { url: url.to_owned(), reason: error.to_string() };
    let mut response = response.map_err(transport)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(limit as u64).read_to_vec().map_err(transport)?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    match serde_json::from_slice::<ApiError>(&body) {
        Ok(error) => Err(ClientError::Api(ApiError { status, ..error })),
        Err(_) => Err(ClientError::Protocol {
            url: url.to_owned(),
            reason: format!("status {status}: {}", String::from_utf8_lossy(&body)),
        }),
    }
}
