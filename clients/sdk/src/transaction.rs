//! Building and signing transactions.

use noema_crypto::Ed25519KeyPair;
use noema_types::{
    Address, AuthKey, ChainId, Ed25519Signature, EntryFunction, Gas, Identifier, ModuleId, RawTransaction,
    SignedTransaction, TransactionAuthenticator, TransactionPayload, TypeTag, TypeTagParseError,
};

/// Seconds a transaction lives unless told otherwise.
const EXPIRY_SECONDS: u64 = 120;

/// A call of an entry function, ready to sign.
#[derive(Debug, Clone)]
pub struct TransactionBuilder {
    raw: RawTransaction,
}

/// Parses `ADDRESS::MODULE::NAME` and joins it with its arguments.
///
/// # Errors
/// [`TypeTagParseError`] if the text names no function.
pub fn entry_function(
    function: &str,
    type_args: Vec<TypeTag>,
    args: Vec<Vec<u8>>,
) -> Result<EntryFunction, TypeTagParseError> {
    let error = |reason| TypeTagParseError { text: function.to_owned(), reason };
    let (module, name) = function.rsplit_once("::").ok_or(error("expected ADDRESS::MODULE::NAME"))?;
    let module: ModuleId = module.parse()?;
    let function = Identifier::new(name).map_err(|_| error("invalid function name"))?;
    Ok(EntryFunction { module, function, type_args, args })
}

impl TransactionBuilder {
    /// A call by `sender`; `now_secs` is the time it is built, in seconds since 1970.
    #[must_use]
    pub fn new(sender: Address, sequence_number: u64, chain_id: ChainId, now_secs: u64, call: EntryFunction) -> Self {
        Self {
            raw: RawTransaction {
                sender,
                sequence_number,
                payload: TransactionPayload::EntryFunction(call),
                max_gas_amount: Gas(0),
                gas_unit_price: 0,
                expiration_timestamp_secs: now_secs.saturating_add(EXPIRY_SECONDS),
                chain_id,
            },
        }
    }

    /// Gas it may use, and the price of a unit.
    #[must_use]
    pub fn gas(mut self, max_amount: u64, unit_price: u64) -> Self {
        self.raw.max_gas_amount = Gas(max_amount);
        self.raw.gas_unit_price = unit_price;
        self
    }

    /// Signed by the account's Ed25519 key.
    #[must_use]
    pub fn sign(self, key: &Ed25519KeyPair) -> SignedTransaction {
        let signature = key.sign(&self.raw.signing_message());
        let authenticator = TransactionAuthenticator::Ed25519 { public_key: key.public(), signature };
        SignedTransaction { raw: self.raw, authenticator }
    }

    /// With a signature of zeros: what a simulation wants.
    #[must_use]
    pub fn unsigned(self, key: &Ed25519KeyPair) -> SignedTransaction {
        let signature = Ed25519Signature([0; Ed25519Signature::LENGTH]);
        let authenticator = TransactionAuthenticator::Ed25519 { public_key: key.public(), signature };
        SignedTransaction { raw: self.raw, authenticator }
    }
}

/// Address of a new account with this key.
#[must_use]
pub fn address_of(key: &Ed25519KeyPair) -> Address {
    AuthKey::ed25519(&key.public()).to_address()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_published_vector() {
        // The SDKs' vector: A sends 0x1::aptos_account::transfer(B, 1000), sequence 5, chain 77.
        let key = Ed25519KeyPair::from_private_bytes([0x11; 32]);
        let to: Address =
            "a32657fd60acb0433491a33d84823c04722ae76639b272873cc27d015232904e".parse().expect("an address");
        let args = vec![to.0.to_vec(), 1_000_u64.to_le_bytes().to_vec()];
        let call = entry_function("0x1::aptos_account::transfer", Vec::new(), args).expect("a function");
        let builder = TransactionBuilder::new(address_of(&key), 5, ChainId(77), 1_900_000_000 - EXPIRY_SECONDS, call);
        let signed = builder.gas(200_000, 100).sign(&key);
        assert_eq!(signed.hash().to_string(), "0x7578df7754976ef2a859b2ae7164c4c2b31394329aaca34d66f610037721ad91");
    }

    #[test]
    fn refuses_what_is_no_function() {
        for text in ["", "0x1::a", "z::b::c", "0x1::a::", "0x1::a::9"] {
            assert!(entry_function(text, Vec::new(), Vec::new()).is_err(), "{text}");
        }
    }
}
