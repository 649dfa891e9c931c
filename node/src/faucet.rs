//! Gives the native coin away on a local network, through ordinary transactions of a rich account.

use std::sync::Arc;

use noema_crypto::Ed25519KeyPair;
use noema_types::{
    Address, ChainId, EntryFunction, Gas, Hash, ModuleId, RawTransaction, SignedTransaction, TransactionAuthenticator,
    TransactionPayload,
};
use parking_lot::Mutex;

use crate::api::{ApiError, ApiResult};
use crate::chain::Chain;
use crate::clock::unix_now;
use crate::genesis::GenesisSpec;

const MAX_GAS: u64 = 200_000;
const EXPIRY_SECONDS: u64 = 60;

/// Signs with the key of the account that genesis made rich.
#[derive(Debug)]
pub(crate) struct Faucet {
    chain: Arc<Chain>,
    key: Ed25519KeyPair,
    address: Address,
    chain_id: ChainId,
    /// Serialises sequence numbers; holds the next one that was not handed out, if known.
    next: Mutex<Option<u64>>,
}

impl Faucet {
    /// Amount when the request names none.
    pub(crate) const DEFAULT_AMOUNT: u64 = 100_000_000;
    /// Amount of one request, at most.
    const AMOUNT_MAX: u64 = 1_000_000_000_000;

    /// A faucet of a local network.
    pub(crate) fn new(chain: Arc<Chain>) -> Self {
        let (address, key) = GenesisSpec::localnet_faucet();
        Self { address, key, chain_id: chain.chain_id(), chain, next: Mutex::new(None) }
    }

    /// Submits a transaction that sends exactly `amount` to `to`, whose account it creates; waits until it is committed.
    pub(crate) fn fund(&self, to: Address, amount: u64) -> ApiResult<Hash> {
        if amount > Self::AMOUNT_MAX {
            return Err(ApiError::invalid_input(format!("the faucet gives at most {} at a time", Self::AMOUNT_MAX)));
        }
        let mut next = self.next.lock();
        let view = self.chain.view_at(None)?;
        let on_chain = Chain::account(&*view, self.address)?.map_or(0, |account| account.sequence_number);
        let sequence_number = next.map_or(on_chain, |number| number.max(on_chain));
        let transaction = self.sign(to, amount, sequence_number);
        let hash = transaction.hash();
        match self.chain.submit(transaction) {
            Ok(()) => *next = Some(sequence_number + 1),
            Err(error) => {
                *next = None;
                return Err(error);
            }
        }
        drop(next);
        let committed = self.chain.wait_committed(hash);
        if committed.is_err() {
            // What was handed out may never be used: start again from the chain.
            *self.next.lock() = None;
        }
        committed.map(|()| hash)
    }

    fn sign(&self, to: Address, amount: u64, sequence_number: u64) -> SignedTransaction {
        let name = |text: &str| text.parse().expect("a valid identifier");
        let raw = RawTransaction {
            sender: self.address,
            sequence_number,
            payload: TransactionPayload::EntryFunction(EntryFunction {
                module: ModuleId::new(Address::ONE, name("aptos_account")),
                function: name("transfer"),
                type_args: Vec::new(),
                args: vec![to.0.to_vec(), amount.to_le_bytes().to_vec()],
            }),
            max_gas_amount: Gas(MAX_GAS),
            gas_unit_price: self.chain.gas_price_estimate(),
            expiration_timestamp_secs: unix_now().0 / 1_000 + EXPIRY_SECONDS,
            chain_id: self.chain_id,
        };
        let signature = self.key.sign(&raw.signing_message());
        let authenticator = TransactionAuthenticator::Ed25519 { public_key: self.key.public(), signature };
        SignedTransaction { raw, authenticator }
    }
}
