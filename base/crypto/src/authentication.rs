//! Checks who signed a transaction.
//!
//! Every account authenticator must hold over the message its signer signs: the sender's alone over the raw
//! transaction; everyone's over the raw transaction with the list of secondary signers and the fee payer where there
//! are any. Sender and secondary signers may have signed with `0x0` in the fee payer's place, since they need not know
//! who will pay; the payer signs with its own address.
//!
//! Whether the keys are those of the accounts is not decided here: validation compares
//! [`AccountAuthenticator::auth_key`] with state, after the signatures hold, so that a bad signature is reported
//! before a wrong key.

use noema_types::{
    AccountAuthenticator, Address, AnyPublicKey, AnySignature, MultiEd25519PublicKey, MultiEd25519Signature, MultiKey,
    MultiKeySignature, SignedTransaction, TransactionAuthenticator,
};

use crate::{Ed25519Item, verify_ed25519, verify_ed25519_batch, verify_secp256k1};

/// Why a transaction is not signed by those it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A signature does not hold.
    #[error("invalid signature of {signer}")]
    InvalidSignature {
        /// Whose it should be.
        signer: Address,
    },
    /// The authenticator says that nobody signed.
    #[error("no signature of {signer}")]
    Unsigned {
        /// Who should have signed.
        signer: Address,
    },
    /// A key of one scheme with a signature of another.
    #[error("signature of {signer} is of another scheme than its key")]
    SchemeMismatch {
        /// Whose it is.
        signer: Address,
    },
    /// A scheme that this chain does not verify.
    #[error("{scheme} signatures are not supported (signer {signer})")]
    Unsupported {
        /// Whose it is.
        signer: Address,
        /// The scheme.
        scheme: &'static str,
    },
    /// Fewer of an account's keys signed than must.
    #[error("{got} signatures of {signer}, {required} required")]
    TooFewSignatures {
        /// Whose they are.
        signer: Address,
        /// Signatures given.
        got: usize,
        /// Signatures needed.
        required: usize,
    },
    /// The bitmap does not name as many keys as there are signatures, or a key that is not there.
    #[error("bitmap of {signer} does not match its {signatures} signatures and {keys} keys")]
    Bitmap {
        /// Whose it is.
        signer: Address,
        /// Signatures given.
        signatures: usize,
        /// Keys of the account.
        keys: usize,
    },
    /// Not one authenticator for each secondary signer.
    #[error("{authenticators} authenticators for {addresses} secondary signers")]
    SignerCount {
        /// Secondary signers.
        addresses: usize,
        /// Authenticators given.
        authenticators: usize,
    },
}

/// Checks every signature on a transaction.
///
/// # Errors
/// [`AuthError`], of the first signer whose signature does not hold: sender, secondary signers, fee payer.
pub fn verify_transaction(transaction: &SignedTransaction) -> Result<(), AuthError> {
    let (raw, sender) = (&transaction.raw, transaction.authenticator.sender());
    let Some(others) = transaction.authenticator.cosigners() else {
        return verify_account(raw.sender, &sender, &[&raw.signing_message()]);
    };
    let (addresses, authenticators) = (others.addresses, others.authenticators);
    if addresses.len() != authenticators.len() {
        return Err(AuthError::SignerCount { addresses: addresses.len(), authenticators: authenticators.len() });
    }
    let named = raw.signing_message_with_data(addresses, others.fee_payer.map(|(payer, _)| payer));
    let unnamed = others.fee_payer.map(|_| raw.signing_message_with_data(addresses, Some(Address::ZERO)));
    let mut messages = vec![named.as_slice()];
    messages.extend(unnamed.as_deref());

    verify_account(raw.sender, &sender, &messages)?;
    for (address, authenticator) in addresses.iter().zip(authenticators) {
        verify_account(*address, authenticator, &messages)?;
    }
    match others.fee_payer {
        Some((payer, authenticator)) => verify_account(payer, authenticator, &[&named]),
        None => Ok(()),
    }
}

/// For each transaction, what [`verify_transaction`] says of it; plain Ed25519 senders are checked in one batch.
#[must_use]
pub fn verify_transactions(transactions: &[&SignedTransaction]) -> Vec<Result<(), AuthError>> {
    let mut results = Vec::with_capacity(transactions.len());
    let mut plain = Vec::new();
    for (index, transaction) in transactions.iter().enumerate() {
        match &transaction.authenticator {
            TransactionAuthenticator::Ed25519 { public_key, signature } => {
                plain.push((index, public_key, transaction.raw.signing_message(), signature));
                results.push(Ok(()));
            }
            _ => results.push(verify_transaction(transaction)),
        }
    }
    let items: Vec<_> = plain
        .iter()
        .map(|(_, public_key, message, signature)| Ed25519Item { public_key, message, signature })
        .collect();
    for ((index, ..), holds) in plain.iter().zip(verify_ed25519_batch(&items)) {
        if !holds {
            results[*index] = Err(AuthError::InvalidSignature { signer: transactions[*index].raw.sender });
        }
    }
    results
}

/// Checks that `signer`'s authenticator holds over one of `messages`, all of its signatures over the same.
///
/// # Errors
/// [`AuthError`].
pub fn verify_account(
    signer: Address,
    authenticator: &AccountAuthenticator,
    messages: &[&[u8]],
) -> Result<(), AuthError> {
    let over_one = |check: &dyn Fn(&[u8]) -> bool| {
        if messages.iter().any(|message| check(message)) { Ok(()) } else { Err(AuthError::InvalidSignature { signer }) }
    };
    match authenticator {
        AccountAuthenticator::Ed25519 { public_key, signature } => {
            over_one(&|message| verify_ed25519(public_key, message, signature))
        }
        AccountAuthenticator::MultiEd25519 { public_key, signature } => {
            let pairs = pair_multi_ed25519(signer, public_key, signature)?;
            over_one(&|message| pairs.iter().all(|(key, signature)| verify_ed25519(key, message, signature)))
        }
        AccountAuthenticator::SingleKey { public_key, signature } => {
            check_scheme(signer, public_key, signature)?;
            over_one(&|message| verify_any(public_key, message, signature))
        }
        AccountAuthenticator::MultiKey { public_keys, signature } => {
            let pairs = pair_multi_key(signer, public_keys, signature)?;
            over_one(&|message| pairs.iter().all(|(key, signature)| verify_any(key, message, signature)))
        }
        AccountAuthenticator::NoAccountAuthenticator => Err(AuthError::Unsigned { signer }),
        AccountAuthenticator::Abstraction(never) => match *never {},
    }
}

/// The keys and signatures that belong together, at least as many as the threshold.
fn pair<'a, K, S>(
    signer: Address,
    keys: &'a [K],
    signatures: &'a [S],
    positions: impl Iterator<Item = usize>,
    required: u8,
) -> Result<Vec<(&'a K, &'a S)>, AuthError> {
    let bitmap = AuthError::Bitmap { signer, signatures: signatures.len(), keys: keys.len() };
    let signing = positions.map(|position| keys.get(position).ok_or(bitmap)).collect::<Result<Vec<_>, _>>()?;
    if signing.len() != signatures.len() {
        return Err(bitmap);
    }
    let (got, required) = (signatures.len(), usize::from(required));
    if got < required {
        return Err(AuthError::TooFewSignatures { signer, got, required });
    }
    Ok(signing.into_iter().zip(signatures).collect())
}

type Pairs<'a, K, S> = Vec<(&'a K, &'a S)>;

fn pair_multi_ed25519<'a>(
    signer: Address,
    key: &'a MultiEd25519PublicKey,
    signature: &'a MultiEd25519Signature,
) -> Result<Pairs<'a, noema_types::Ed25519PublicKey, noema_types::Ed25519Signature>, AuthError> {
    pair(signer, key.keys(), &signature.signatures, signature.signers(), key.threshold())
}

fn pair_multi_key<'a>(
    signer: Address,
    key: &'a MultiKey,
    signature: &'a MultiKeySignature,
) -> Result<Pairs<'a, AnyPublicKey, AnySignature>, AuthError> {
    let pairs = pair(signer, key.keys(), &signature.signatures, signature.bitmap.signers(), key.required())?;
    for (key, signature) in &pairs {
        check_scheme(signer, key, signature)?;
    }
    Ok(pairs)
}

fn check_scheme(signer: Address, key: &AnyPublicKey, signature: &AnySignature) -> Result<(), AuthError> {
    match (key, signature) {
        (AnyPublicKey::Ed25519(_), AnySignature::Ed25519(_))
        | (AnyPublicKey::Secp256k1(_), AnySignature::Secp256k1(_)) => Ok(()),
        (AnyPublicKey::Secp256r1(_), _) => Err(AuthError::Unsupported { signer, scheme: "secp256r1" }),
        _ => Err(AuthError::SchemeMismatch { signer }),
    }
}

fn verify_any(key: &AnyPublicKey, message: &[u8], signature: &AnySignature) -> bool {
    match (key, signature) {
        (AnyPublicKey::Ed25519(key), AnySignature::Ed25519(signature)) => verify_ed25519(key, message, signature),
        (AnyPublicKey::Secp256k1(key), AnySignature::Secp256k1(signature)) => verify_secp256k1(key, message, signature),
        _ => false,
    }
}
