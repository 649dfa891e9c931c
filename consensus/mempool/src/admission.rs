//! Checks before the pool: first those that need no state, then those against accounts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_types::{AccountAuthenticator, Address, AuthKey, ChainId, ExecutableRef, Hash, SignedTransaction};

use crate::Rejection;

/// Seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixSeconds(pub u64);

/// Verifies signatures: all of a transaction's signers, over the messages its authenticator asks for.
///
/// A pure function of the transactions. It says nothing about whose keys they are.
pub trait SignatureVerifier {
    /// One verdict per transaction, in order; the error says which signature is bad.
    fn verify_batch(&self, transactions: &[&SignedTransaction]) -> Vec<Result<(), String>>;
}

/// What admission needs to know of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// The next sequence number.
    pub sequence_number: u64,
    /// What its signers must hash to.
    pub auth_key: AuthKey,
}

/// Accounts as of the last committed block.
pub trait LedgerView {
    /// The account, if it exists.
    ///
    /// # Errors
    /// What the store said.
    fn account(&self, address: Address) -> Result<Option<AccountState>, String>;

    /// Units of the native coin it holds; 0 if it does not exist.
    ///
    /// # Errors
    /// What the store said.
    fn balance(&self, address: Address) -> Result<u64, String>;
}

/// Bounds on what a transaction may ask and pay for gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasBounds {
    /// Least price of a unit.
    pub price_min: u64,
    /// Highest price of a unit.
    pub price_max: u64,
    /// Least amount a transaction may allow itself.
    pub amount_min: u64,
    /// Largest amount a transaction may allow itself.
    pub amount_max: u64,
}

/// Rules that need no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticRules {
    /// This chain.
    pub chain_id: ChainId,
    /// Bounds on gas.
    pub gas: GasBounds,
}

/// A transaction that passed every check that needs no state, signatures included.
#[derive(Debug, Clone)]
pub struct VerifiedTransaction {
    transaction: Arc<SignedTransaction>,
    hash: Hash,
    bytes: Bytes,
}

impl VerifiedTransaction {
    fn new(transaction: SignedTransaction) -> Self {
        let (hash, bytes) = (transaction.hash(), Bytes::from(transaction.to_bytes()));
        Self { transaction: Arc::new(transaction), hash, bytes }
    }

    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &Arc<SignedTransaction> {
        &self.transaction
    }

    /// Its name.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Its canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn sender(&self) -> Address {
        self.transaction.raw.sender
    }

    pub(crate) fn sequence_number(&self) -> u64 {
        self.transaction.raw.sequence_number
    }

    pub(crate) fn price(&self) -> u64 {
        self.transaction.raw.gas_unit_price
    }
}

impl fmt::Display for VerifiedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.hash, f)
    }
}

/// Checks transactions as far as no state is needed; signatures of those that pass are verified in one batch.
#[must_use]
pub fn verify(
    transactions: Vec<SignedTransaction>,
    rules: &StaticRules,
    now: UnixSeconds,
    verifier: &dyn SignatureVerifier,
) -> Vec<Result<VerifiedTransaction, Rejection>> {
    let checks: Vec<Result<(), Rejection>> = transactions.iter().map(|tx| check_static(tx, rules, now)).collect();
    let to_verify: Vec<&SignedTransaction> =
        transactions.iter().zip(&checks).filter(|(_, check)| check.is_ok()).map(|(tx, _)| tx).collect();
    let mut verdicts = verifier.verify_batch(&to_verify).into_iter();
    transactions
        .into_iter()
        .zip(checks)
        .map(|(transaction, check)| {
            check?;
            // A verifier that answers too little has verified too little.
            let verdict = verdicts.next().unwrap_or_else(|| Err("the verifier gave no verdict".to_owned()));
            verdict.map_err(Rejection::InvalidSignature)?;
            Ok(VerifiedTransaction::new(transaction))
        })
        .collect()
}

fn check_static(tx: &SignedTransaction, rules: &StaticRules, now: UnixSeconds) -> Result<(), Rejection> {
    let raw = &tx.raw;
    let (size, limit) = (tx.size(), tx.bytes_max());
    if size > limit {
        return Err(Rejection::TooLarge { size, limit });
    }
    tx.check_limits().map_err(Rejection::OverLimit)?;
    if raw.chain_id != rules.chain_id {
        return Err(Rejection::BadChainId { expected: rules.chain_id, got: raw.chain_id });
    }
    check_gas(raw.max_gas_amount.0, raw.gas_unit_price, &rules.gas)?;
    if raw.expiration_timestamp_secs <= now.0 {
        return Err(Rejection::Expired { expired_at: raw.expiration_timestamp_secs, now: now.0 });
    }
    if raw.payload.multisig_address().is_some() {
        return Err(Rejection::Unsupported("multisig transactions"));
    }
    if raw.payload.replay_protection_nonce().is_some() {
        return Err(Rejection::Unsupported("orderless transactions"));
    }
    match raw.payload.executable() {
        ExecutableRef::EntryFunction(_) => Ok(()),
        ExecutableRef::Script(_) => Err(Rejection::Unsupported("script payloads")),
        ExecutableRef::Empty => Err(Rejection::Unsupported("empty payloads")),
    }
}

fn check_gas(amount: u64, price: u64, bounds: &GasBounds) -> Result<(), Rejection> {
    if amount > bounds.amount_max {
        return Err(Rejection::MaxGasTooHigh { got: amount, limit: bounds.amount_max });
    }
    if amount < bounds.amount_min {
        return Err(Rejection::MaxGasTooLow { got: amount, limit: bounds.amount_min });
    }
    if price < bounds.price_min {
        return Err(Rejection::GasPriceTooLow { got: price, limit: bounds.price_min });
    }
    if price > bounds.price_max {
        return Err(Rejection::GasPriceTooHigh { got: price, limit: bounds.price_max });
    }
    Ok(())
}

/// The sender's state, after checking everybody's keys and the payer's balance.
///
/// An account that does not exist yet has its address as key and may send at sequence number 0 if somebody else pays.
pub(crate) fn check_accounts(tx: &SignedTransaction, view: &dyn LedgerView) -> Result<AccountState, Rejection> {
    let account = |address| view.account(address).map_err(Rejection::State);
    let (sender, payer) = (tx.sender(), tx.fee_payer());
    let state = match account(sender)? {
        Some(state) => state,
        None if payer != sender => fresh(sender),
        None => return Err(Rejection::SenderDoesNotExist(sender)),
    };
    check_key(sender, state.auth_key, &tx.authenticator.sender())?;
    if let Some(others) = tx.authenticator.cosigners() {
        let signers = others.addresses.iter().copied().zip(others.authenticators).chain(others.fee_payer);
        for (address, authenticator) in signers {
            let expected = account(address)?.unwrap_or_else(|| fresh(address)).auth_key;
            check_key(address, expected, authenticator)?;
        }
    }
    let balance = view.balance(payer).map_err(Rejection::State)?;
    let fee_max = u128::from(tx.raw.max_gas_amount.0) * u128::from(tx.raw.gas_unit_price);
    if u128::from(balance) < fee_max {
        return Err(Rejection::InsufficientBalance { payer, balance, fee_max });
    }
    Ok(state)
}

fn fresh(address: Address) -> AccountState {
    AccountState { sequence_number: 0, auth_key: AuthKey(address.0) }
}

fn check_key(account: Address, expected: AuthKey, authenticator: &AccountAuthenticator) -> Result<(), Rejection> {
    match authenticator.auth_key() {
        Some(got) if got == expected => Ok(()),
        Some(got) => Err(Rejection::InvalidAuthKey { account, expected, got }),
        None => Err(Rejection::InvalidSignature(format!("nobody signed for {account}"))),
    }
}
