//! Transactions as users sign them.
//!
//! Bytes, signing messages and hashes equal those of Aptos; see the vectors in `tests/vectors.rs`.

mod authenticator;
mod payload;

use serde::{Deserialize, Serialize};

pub use authenticator::{AccountAuthenticator, Cosigners, TransactionAuthenticator};
pub use payload::{
    EntryFunction, Executable, ExecutableRef, ExtendedPayload, ExtraConfig, Multisig, MultisigPayload, Script,
    TransactionArgument, TransactionPayload,
};

use crate::encoding::{DecodeError, decode};
use crate::limits::{
    PUBLISH_TRANSACTION_BYTES_MAX, SECONDARY_SIGNERS_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_SIGNATURES_MAX,
};
use crate::{Address, ChainId, Gas, Hash};

/// What a sender asks for, before anyone signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawTransaction {
    /// Account whose sequence number is used, and whose signer the payload gets.
    pub sender: Address,
    /// Must equal the account's, unless the payload carries a nonce.
    pub sequence_number: u64,
    /// What to run.
    pub payload: TransactionPayload,
    /// Gas it may use, at most.
    pub max_gas_amount: Gas,
    /// Price of a unit of gas, in the smallest unit of the native coin.
    pub gas_unit_price: u64,
    /// Unix time after which it cannot be committed, in seconds.
    pub expiration_timestamp_secs: u64,
    /// The chain it is meant for.
    pub chain_id: ChainId,
}

/// What signers sign where there is more than one. The order of variants is the wire format.
#[derive(Serialize)]
enum RawTransactionWithData<'a> {
    MultiAgent { raw: &'a RawTransaction, secondary_signer_addresses: &'a [Address] },
    FeePayer { raw: &'a RawTransaction, secondary_signer_addresses: &'a [Address], fee_payer_address: Address },
}

/// A transaction and its signatures, which may not be valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTransaction {
    /// What is signed.
    pub raw: RawTransaction,
    /// Who signed it.
    pub authenticator: TransactionAuthenticator,
}

fn message(domain: &[u8], value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Hash::sha3(&[domain]).0.to_vec();
    bcs::serialize_into(&mut bytes, value).expect("a transaction always serialises into memory");
    bytes
}

impl RawTransaction {
    /// What a sender that signs alone signs.
    #[must_use]
    pub fn signing_message(&self) -> Vec<u8> {
        message(b"APTOS::RawTransaction", self)
    }

    /// What every signer signs where there are several or somebody else pays.
    ///
    /// The sender and the secondary signers may sign with `0x0` in place of the fee payer, whom they need not know.
    #[must_use]
    pub fn signing_message_with_data(&self, secondary: &[Address], fee_payer: Option<Address>) -> Vec<u8> {
        let secondary_signer_addresses = secondary;
        let data = match fee_payer {
            None => RawTransactionWithData::MultiAgent { raw: self, secondary_signer_addresses },
            Some(fee_payer_address) => {
                RawTransactionWithData::FeePayer { raw: self, secondary_signer_addresses, fee_payer_address }
            }
        };
        message(b"APTOS::RawTransactionWithData", &data)
    }
}

impl SignedTransaction {
    /// Reads a transaction from the network: canonical bytes, nothing left over, within every limit of size.
    ///
    /// # Errors
    /// [`DecodeError`]. The signatures are not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let what = "signed transaction";
        let too_large = |limit| DecodeError::TooLarge { what, size: bytes.len(), limit };
        if bytes.len() > PUBLISH_TRANSACTION_BYTES_MAX {
            return Err(too_large(PUBLISH_TRANSACTION_BYTES_MAX));
        }
        let transaction: Self = decode(what, bytes)?;
        if bytes.len() > transaction.bytes_max() {
            return Err(too_large(transaction.bytes_max()));
        }
        transaction.check_limits()?;
        Ok(transaction)
    }

    /// Checks every limit but that on bytes, which [`Self::decode`] and [`Self::bytes_max`] check.
    ///
    /// # Errors
    /// [`DecodeError::OverLimit`].
    pub fn check_limits(&self) -> Result<(), DecodeError> {
        let over = |of, count, limit| Err(DecodeError::OverLimit { what: "signed transaction", of, count, limit });
        self.raw.payload.check_limits()?;
        if let Some(others) = self.authenticator.cosigners() {
            let count = others.addresses.len().max(others.authenticators.len());
            if count > SECONDARY_SIGNERS_MAX {
                return over("secondary signers", count, SECONDARY_SIGNERS_MAX);
            }
        }
        match self.authenticator.signature_count() {
            count if count > TRANSACTION_SIGNATURES_MAX => over("signatures", count, TRANSACTION_SIGNATURES_MAX),
            _ => Ok(()),
        }
    }

    /// Canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        bcs::to_bytes(self).expect("a transaction always serialises")
    }

    /// Count of the canonical bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        bcs::serialized_size(self).expect("a transaction always serialises")
    }

    /// Bytes it may have, at most: more when it publishes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        if self.raw.payload.publishes() { PUBLISH_TRANSACTION_BYTES_MAX } else { TRANSACTION_BYTES_MAX }
    }

    /// The name of the transaction: what clients ask for. Covers the signatures.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::sha3(&[&Hash::sha3(&[b"APTOS::Transaction"]).0, &[0], &self.to_bytes()])
    }

    /// The account that sends it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.raw.sender
    }

    /// The account that pays for it.
    #[must_use]
    pub fn fee_payer(&self) -> Address {
        self.authenticator.cosigners().and_then(|others| others.fee_payer).map_or(self.raw.sender, |(payer, _)| payer)
    }
}
