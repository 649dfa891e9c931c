//! Why a transaction is not admitted.

use noema_types::{Address, AuthKey, ChainId, DecodeError};

/// Why a transaction is not admitted. [`Rejection::status_code`] gives the number that clients know it by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A signature does not verify.
    #[error("invalid signature: {0}")]
    InvalidSignature(String),
    /// The signatures are good, but by other keys than the account's.
    #[error("account {account} is signed for with the authentication key {got}, but has {expected}")]
    InvalidAuthKey {
        /// The account.
        account: Address,
        /// Its authentication key.
        expected: AuthKey,
        /// Key of who signed.
        got: AuthKey,
    },
    /// The sequence number is used up.
    #[error("sequence number {got} is too old: account {sender} is at {current}")]
    SequenceNumberTooOld {
        /// The sender.
        sender: Address,
        /// Its next sequence number.
        current: u64,
        /// The transaction's.
        got: u64,
    },
    /// The sequence number is too far ahead to wait for.
    #[error("sequence number {got} is too new: account {sender} is at {current} and may be {ahead_max} ahead")]
    SequenceNumberTooNew {
        /// The sender.
        sender: Address,
        /// Its next sequence number.
        current: u64,
        /// The transaction's.
        got: u64,
        /// How far ahead a transaction may be.
        ahead_max: u64,
    },
    /// The payer cannot pay the largest possible fee.
    #[error("account {payer} holds {balance}, less than the largest possible fee of {fee_max}")]
    InsufficientBalance {
        /// Who pays.
        payer: Address,
        /// What it holds.
        balance: u64,
        /// Price times the largest amount of gas.
        fee_max: u128,
    },
    /// It can no longer be committed.
    #[error("transaction expired at {expired_at} s, and it is {now} s")]
    Expired {
        /// Its expiry.
        expired_at: u64,
        /// The time.
        now: u64,
    },
    /// The sender does not exist and nobody else pays.
    #[error("account {0} does not exist")]
    SenderDoesNotExist(Address),
    /// Too many bytes.
    #[error("transaction has {size} bytes, over the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Too many arguments, types or signers.
    #[error(transparent)]
    OverLimit(DecodeError),
    /// It may use more gas than any transaction.
    #[error("max gas amount {got} exceeds the limit of {limit}")]
    MaxGasTooHigh {
        /// Its largest amount of gas.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// It may use less gas than any transaction does.
    #[error("max gas amount {got} is below the minimum of {limit}")]
    MaxGasTooLow {
        /// Its largest amount of gas.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// It pays too little.
    #[error("gas unit price {got} is below the minimum of {limit}")]
    GasPriceTooLow {
        /// Its price.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// It pays more than can be meant.
    #[error("gas unit price {got} exceeds the limit of {limit}")]
    GasPriceTooHigh {
        /// Its price.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// It is for another chain.
    #[error("transaction is for chain {got}, and this is chain {expected}")]
    BadChainId {
        /// This chain.
        expected: ChainId,
        /// The transaction's.
        got: ChainId,
    },
    /// A form of transaction that this chain does not run.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// Another transaction has its sequence number and pays no less, or is already on its way.
    #[error("sequence number {sequence_number} of {sender} is taken: {reason}")]
    InvalidUpdate {
        /// The sender.
        sender: Address,
        /// The sequence number.
        sequence_number: u64,
        /// Why the other one stays.
        reason: String,
    },
    /// The pool, or the sender's share of it, is full.
    #[error("mempool is full: {what} has {count}, the limit is {limit}")]
    Full {
        /// What is full.
        what: &'static str,
        /// How much it holds.
        count: usize,
        /// How much it may hold.
        limit: usize,
    },
    /// State could not be read: the node's own fault.
    #[error("account state could not be read: {0}")]
    State(String),
}

impl Rejection {
    /// Number of the validation status, where the reason has one.
    #[must_use]
    pub fn status_code(&self) -> Option<u64> {
        match self {
            Self::InvalidSignature(_) => Some(1),
            Self::InvalidAuthKey { .. } => Some(2),
            Self::SequenceNumberTooOld { .. } => Some(3),
            Self::SequenceNumberTooNew { .. } => Some(4),
            Self::InsufficientBalance { .. } => Some(5),
            Self::Expired { .. } => Some(6),
            Self::SenderDoesNotExist(_) => Some(7),
            Self::TooLarge { .. } | Self::OverLimit(_) => Some(10),
            Self::MaxGasTooHigh { .. } => Some(13),
            Self::MaxGasTooLow { .. } => Some(14),
            Self::GasPriceTooLow { .. } => Some(15),
            Self::GasPriceTooHigh { .. } => Some(16),
            Self::BadChainId { .. } => Some(23),
            Self::Unsupported(_) => Some(26),
            Self::InvalidUpdate { .. } | Self::Full { .. } | Self::State(_) => None,
        }
    }

    /// Name of the validation status, where the reason has one.
    #[must_use]
    pub fn status_name(&self) -> Option<&'static str> {
        Some(match self.status_code()? {
            1 => "INVALID_SIGNATURE",
            2 => "INVALID_AUTH_KEY",
            3 => "SEQUENCE_NUMBER_TOO_OLD",
            4 => "SEQUENCE_NUMBER_TOO_NEW",
            5 => "INSUFFICIENT_BALANCE_FOR_TRANSACTION_FEE",
            6 => "TRANSACTION_EXPIRED",
            7 => "SENDING_ACCOUNT_DOES_NOT_EXIST",
            10 => "EXCEEDED_MAX_TRANSACTION_SIZE",
            13 => "MAX_GAS_UNITS_EXCEEDS_MAX_GAS_UNITS_BOUND",
            14 => "MAX_GAS_UNITS_BELOW_MIN_TRANSACTION_GAS_UNITS",
            15 => "GAS_UNIT_PRICE_BELOW_MIN_BOUND",
            16 => "GAS_UNIT_PRICE_ABOVE_MAX_BOUND",
            23 => "BAD_CHAIN_ID",
            26 => "FEATURE_UNDER_GATING",
            _ => "UNKNOWN_VALIDATION_STATUS",
        })
    }

    /// Whether the same transaction may be admitted later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. }
                | Self::State(_)
                | Self::SequenceNumberTooNew { .. }
                | Self::InsufficientBalance { .. }
                | Self::SenderDoesNotExist(_)
        )
    }
}
