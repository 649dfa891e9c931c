//! Checks of a user's transaction before anything runs, in the order of their status numbers' precedence.
//!
//! A transaction that fails here is discarded: it costs nothing and leaves no trace. What needs the sender's account is
//! checked in Move, by `0x1::transaction_validation::prologue`, whose abort codes [`prologue_reason`] translates.

use noema_execution_api::{BlockContext, DiscardReason, GasSchedule, InternalGas, StateView, StatusCode, VmFault};
use noema_types::{AccountAuthenticator, Address, AuthKey, EntryFunction, ExecutableRef, Hash, SignedTransaction};
use serde::{Deserialize, Serialize};

use crate::accounts::read_account;
use crate::limits::{GAS_AMOUNT_MAX, GAS_UNIT_PRICE_MAX, GAS_UNIT_PRICE_MIN};
use crate::signatures::SignatureCheck;

/// What a transaction costs before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionCosts {
    /// Of every transaction.
    pub base: InternalGas,
    /// Bytes that cost nothing more.
    pub free_bytes: u64,
    /// Of each byte beyond those.
    pub byte: InternalGas,
    /// Of each signature beyond the first.
    pub signature: InternalGas,
    /// Of each byte of a module that is published: verification and linking.
    pub module_byte: InternalGas,
}

impl Default for TransactionCosts {
    fn default() -> Self {
        Self {
            base: InternalGas(20_000),
            free_bytes: 600,
            byte: InternalGas(50),
            signature: InternalGas(10_000),
            module_byte: InternalGas(200),
        }
    }
}

impl TransactionCosts {
    /// Of a transaction of `bytes` bytes with `signatures` signatures.
    #[must_use]
    pub fn intrinsic(&self, bytes: usize, signatures: usize) -> InternalGas {
        let bytes = self.byte.times((bytes as u64).saturating_sub(self.free_bytes));
        let signatures = self.signature.times((signatures as u64).saturating_sub(1));
        self.base.plus(bytes).plus(signatures)
    }
}

/// What validation found out about a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Validated<'a> {
    pub(crate) hash: Hash,
    pub(crate) call: &'a EntryFunction,
    pub(crate) intrinsic: InternalGas,
    /// Of the sender's signature; the account's own key where nobody signed (simulation).
    pub(crate) auth_key: AuthKey,
    pub(crate) payer: Address,
    /// Sender, then secondary signers: what the entry function's signer parameters get.
    pub(crate) signers: Vec<Address>,
}

/// How signatures are treated.
#[derive(Clone, Copy)]
pub(crate) enum Signatures<'a> {
    /// They must hold.
    Checked(&'a dyn SignatureCheck),
    /// They are not looked at, and an account that nobody signed for has the right key: simulation.
    Ignored,
}

pub(crate) type Checked<T> = Result<Result<T, DiscardReason>, VmFault>;

fn refuse<T>(status: StatusCode, message: impl Into<String>) -> Result<T, DiscardReason> {
    Err(DiscardReason::new(status, message))
}

/// Checks everything that Move does not.
pub(crate) fn validate<'a>(
    view: &dyn StateView,
    block: &BlockContext,
    tx: &'a SignedTransaction,
    costs: &TransactionCosts,
    schedule: &GasSchedule,
    signatures: Signatures<'_>,
) -> Checked<Validated<'a>> {
    let stateless = || {
        let size = check_size(tx)?;
        let call = check_form(tx)?;
        if tx.raw.chain_id != block.chain_id {
            let (got, expected) = (tx.raw.chain_id, block.chain_id);
            return refuse(StatusCode::BAD_CHAIN_ID, format!("transaction is for chain {got}, this is {expected}"));
        }
        let intrinsic = costs.intrinsic(size, tx.authenticator.signature_count());
        check_gas(tx, schedule.to_units(intrinsic).0)?;
        check_expiry(tx, block)?;
        let hash = tx.hash();
        if let Signatures::Checked(check) = signatures
            && let Err(message) = check.check(tx, hash)
        {
            return refuse(StatusCode::INVALID_SIGNATURE, message);
        }
        Ok((hash, call, intrinsic))
    };
    let (hash, call, intrinsic) = match stateless() {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    let auth_key = match key_of(view, tx.sender(), &tx.authenticator.sender(), signatures)? {
        Ok(key) => key,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Err(reason) = check_cosigners(view, tx, signatures)? {
        return Ok(Err(reason));
    }
    let secondary = tx.authenticator.cosigners().map_or(&[][..], |others| others.addresses);
    let signers = [tx.sender()].into_iter().chain(secondary.iter().copied()).collect();
    Ok(Ok(Validated { hash, call, intrinsic, auth_key, payer: tx.fee_payer(), signers }))
}

fn check_size(tx: &SignedTransaction) -> Result<usize, DiscardReason> {
    let (size, limit) = (tx.size(), tx.bytes_max());
    if size > limit {
        let message = format!("transaction has {size} bytes, over the limit of {limit}");
        return refuse(StatusCode::EXCEEDED_MAX_TRANSACTION_SIZE, message);
    }
    tx.check_limits()
        .map_err(|error| DiscardReason::new(StatusCode::EXCEEDED_MAX_TRANSACTION_SIZE, error.to_string()))?;
    Ok(size)
}

fn check_form(tx: &SignedTransaction) -> Result<&EntryFunction, DiscardReason> {
    let unsupported = |what: &str| refuse(StatusCode::FEATURE_UNDER_GATING, format!("{what} are not supported"));
    let payload = &tx.raw.payload;
    if payload.multisig_address().is_some() {
        return unsupported("multisig transactions");
    }
    if payload.replay_protection_nonce().is_some() {
        return unsupported("orderless transactions");
    }
    match payload.executable() {
        ExecutableRef::EntryFunction(call) => Ok(call),
        ExecutableRef::Script(_) => unsupported("script payloads"),
        ExecutableRef::Empty => unsupported("empty payloads"),
    }
}

fn check_gas(tx: &SignedTransaction, intrinsic: u64) -> Result<(), DiscardReason> {
    let (amount, price) = (tx.raw.max_gas_amount.0, tx.raw.gas_unit_price);
    if amount > GAS_AMOUNT_MAX {
        let message = format!("max gas amount {amount} exceeds the limit of {GAS_AMOUNT_MAX}");
        return refuse(StatusCode::MAX_GAS_UNITS_EXCEEDS_MAX_GAS_UNITS_BOUND, message);
    }
    if amount < intrinsic {
        let message = format!("max gas amount {amount} is below the {intrinsic} that the transaction costs at least");
        return refuse(StatusCode::MAX_GAS_UNITS_BELOW_MIN_TRANSACTION_GAS_UNITS, message);
    }
    if price < GAS_UNIT_PRICE_MIN {
        let message = format!("gas unit price {price} is below the minimum of {GAS_UNIT_PRICE_MIN}");
        return refuse(StatusCode::GAS_UNIT_PRICE_BELOW_MIN_BOUND, message);
    }
    if price > GAS_UNIT_PRICE_MAX {
        let message = format!("gas unit price {price} exceeds the limit of {GAS_UNIT_PRICE_MAX}");
        return refuse(StatusCode::GAS_UNIT_PRICE_ABOVE_MAX_BOUND, message);
    }
    Ok(())
}

fn check_expiry(tx: &SignedTransaction, block: &BlockContext) -> Result<(), DiscardReason> {
    let (expiry, now) = (tx.raw.expiration_timestamp_secs, block.timestamp_us / 1_000_000);
    if expiry <= now {
        let message = format!("transaction expired at {expiry} s, the block is of {now} s");
        return refuse(StatusCode::TRANSACTION_EXPIRED, message);
    }
    Ok(())
}

/// The authentication key that an account's signers hash to.
fn key_of(
    view: &dyn StateView,
    address: Address,
    authenticator: &AccountAuthenticator,
    signatures: Signatures<'_>,
) -> Checked<AuthKey> {
    match (authenticator.auth_key(), signatures) {
        (Some(key), _) => Ok(Ok(key)),
        (None, Signatures::Ignored) => {
            let account = read_account(view, address)?;
            Ok(Ok(account.map_or(AuthKey(address.0), |account| account.auth_key)))
        }
        (None, Signatures::Checked(_)) => {
            Ok(refuse(StatusCode::INVALID_SIGNATURE, format!("nobody signed for {address}")))
        }
    }
}

/// The keys of secondary signers and payer; the sender's is the prologue's to check.
fn check_cosigners(view: &dyn StateView, tx: &SignedTransaction, signatures: Signatures<'_>) -> Checked<()> {
    let Some(others) = tx.authenticator.cosigners() else { return Ok(Ok(())) };
    let mut addresses = vec![tx.sender()];
    for address in others.addresses {
        if addresses.contains(address) {
            return Ok(refuse(StatusCode::SIGNERS_CONTAIN_DUPLICATES, format!("{address} signs twice")));
        }
        addresses.push(*address);
    }
    let secondary = others.addresses.iter().copied().zip(others.authenticators);
    for (address, authenticator) in secondary.chain(others.fee_payer) {
        if address == Address::ZERO && matches!(signatures, Signatures::Ignored) {
            continue;
        }
        let got = match key_of(view, address, authenticator, signatures)? {
            Ok(key) => key,
            Err(reason) => return Ok(Err(reason)),
        };
        let expected = read_account(view, address)?.map_or(AuthKey(address.0), |account| account.auth_key);
        if got != expected {
            let message = format!("{address} is signed for with the key {got}, but has {expected}");
            return Ok(refuse(StatusCode::INVALID_AUTH_KEY, message));
        }
    }
    Ok(Ok(()))
}

/// The validation status behind an abort code of the prologue; `None` for any other.
pub(crate) fn prologue_reason(code: u64, tx: &SignedTransaction) -> Option<DiscardReason> {
    let raw = &tx.raw;
    let (sender, number) = (raw.sender, raw.sequence_number);
    let (status, message) = match code {
        1001 => (StatusCode::INVALID_AUTH_KEY, format!("the key that signed does not open account {sender}")),
        1002 => (
            StatusCode::SEQUENCE_NUMBER_TOO_OLD,
            format!("sequence number {number} of account {sender} was used already"),
        ),
        1003 => (
            StatusCode::SEQUENCE_NUMBER_TOO_NEW,
            format!("sequence number {number} is ahead of that of account {sender}"),
        ),
        1004 => (StatusCode::SENDING_ACCOUNT_DOES_NOT_EXIST, format!("account {sender} does not exist")),
        1005 => {
            let (payer, price, amount) = (tx.fee_payer(), raw.gas_unit_price, raw.max_gas_amount);
            let message = format!("account {payer} cannot pay for {amount} units of gas at {price} each");
            (StatusCode::INSUFFICIENT_BALANCE_FOR_TRANSACTION_FEE, message)
        }
        1006 => {
            let message = format!("transaction expired at {} s", raw.expiration_timestamp_secs);
            (StatusCode::TRANSACTION_EXPIRED, message)
        }
        1007 => (StatusCode::BAD_CHAIN_ID, format!("transaction is for chain {}", raw.chain_id)),
        1008 => (
            StatusCode::SEQUENCE_NUMBER_TOO_BIG,
            format!("sequence number {number} of account {sender} is the last there is"),
        ),
        _ => return None,
    };
    Some(DiscardReason::new(status, message))
}
