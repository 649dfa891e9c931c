//! Records answers of the gateway on chain, by transactions of an account of this node's.

use std::sync::Arc;

use noema_crypto::{Ed25519KeyPair, read_key_file};
use noema_inference_api::JobId;
use noema_types::{
    Address, AuthKey, EntryFunction, Gas, Hash, ModuleId, RawTransaction, SignedTransaction, TransactionAuthenticator,
    TransactionPayload,
};
use parking_lot::Mutex;

use crate::api::ApiError;
use crate::chain::Chain;
use crate::clock::unix_now;
use crate::follower::Forwarder;
use crate::{GatewayConfig, NodeError};

const MAX_GAS: u64 = 20_000;
const EXPIRY_SECONDS: u64 = 60;

/// Signs with the key of the account that records.
#[derive(Debug)]
pub(crate) struct Settler {
    chain: Arc<Chain>,
    forwarder: Option<Arc<Forwarder>>,
    key: Ed25519KeyPair,
    address: Address,
    /// The next sequence number that was not handed out, and when the one before it expires.
    next: Mutex<Option<(u64, u64)>>,
    /// Every answer is recorded unless a request says otherwise.
    pub(crate) all: bool,
}

impl Settler {
    /// What the configuration asks for; none without a key.
    pub(crate) fn new(
        config: &GatewayConfig,
        chain: &Arc<Chain>,
        forwarder: Option<&Arc<Forwarder>>,
    ) -> Result<Option<Arc<Self>>, NodeError> {
        let Some(path) = &config.settle_key else {
            if config.settle_all {
                return Err(NodeError::System(
                    "answers are to be recorded on chain, and no account is there to do so\n\
                     hint: name its key as settle_key under [gateway] of node.toml"
                        .to_owned(),
                ));
            }
            return Ok(None);
        };
        let key = read_key_file(path)?;
        let address = AuthKey::ed25519(&key.public()).to_address();
        let (chain, forwarder) = (Arc::clone(chain), forwarder.cloned());
        Ok(Some(Arc::new(Self { chain, forwarder, key, address, next: Mutex::default(), all: config.settle_all })))
    }

    /// Submits the record of an answer; the hash of the transaction. It is not waited for.
    pub(crate) fn settle(&self, job: JobId, answer: Hash) -> Result<Hash, String> {
        let mut next = self.next.lock();
        let view = self.chain.view_at(None).map_err(|error| error.to_string())?;
        let account = Chain::account(&*view, self.address).map_err(|error| error.to_string())?;
        let account = account.ok_or_else(|| format!("the account {} does not exist", self.address))?;
        let now = unix_now().0 / 1_000;
        // What was handed out and has expired by now was never used, or the chain knows.
        let handed = next.filter(|(_, expiry)| *expiry > now).map_or(0, |(number, _)| number);
        let sequence_number = handed.max(account.sequence_number);
        let transaction = self.sign(job, answer, sequence_number, now + EXPIRY_SECONDS);
        let hash = transaction.hash();
        match self.submit(transaction) {
            Ok(()) => {
                *next = Some((sequence_number + 1, now + EXPIRY_SECONDS));
                Ok(hash)
            }
            Err(error) => {
                *next = None;
                Err(error.to_string())
            }
        }
    }

    fn submit(&self, transaction: SignedTransaction) -> Result<(), ApiError> {
        self.chain.submit(transaction.clone())?;
        let Some(forwarder) = &self.forwarder else { return Ok(()) };
        forwarder.send(&transaction).inspect_err(|_| self.chain.forget(&transaction))
    }

    fn sign(&self, job: JobId, answer: Hash, sequence_number: u64, expiry: u64) -> SignedTransaction {
        let name = |text: &str| text.parse().expect("a valid identifier");
        let bytes = |hash: Hash| bcs::to_bytes(&hash.0[..]).expect("bytes always serialise");
        let raw = RawTransaction {
            sender: self.address,
            sequence_number,
            payload: TransactionPayload::EntryFunction(EntryFunction {
                module: ModuleId::new(Address::ONE, name("settlement")),
                function: name("settle"),
                type_args: Vec::new(),
                args: vec![bytes(job.0), bytes(answer)],
            }),
            max_gas_amount: Gas(MAX_GAS),
            gas_unit_price: self.chain.gas_price_estimate(),
            expiration_timestamp_secs: expiry,
            chain_id: self.chain.chain_id(),
        };
        let signature = self.key.sign(&raw.signing_message());
        let authenticator = TransactionAuthenticator::Ed25519 { public_key: self.key.public(), signature };
        SignedTransaction { raw, authenticator }
    }
}
