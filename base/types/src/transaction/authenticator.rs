//! Who signed a transaction.

use serde::{Deserialize, Serialize};

use crate::keys::{
    Abstraction, AnyPublicKey, AnySignature, Ed25519PublicKey, Ed25519Signature, MultiEd25519PublicKey,
    MultiEd25519Signature, MultiKey, MultiKeySignature,
};
use crate::{Address, AuthKey};

/// Keys and signatures of everyone who signed a transaction. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionAuthenticator {
    /// The sender alone, with a plain Ed25519 key.
    Ed25519 {
        /// Key of the sender.
        public_key: Ed25519PublicKey,
        /// Signature of the sender.
        signature: Ed25519Signature,
    },
    /// The sender alone, with a MultiEd25519 key.
    MultiEd25519 {
        /// Keys of the sender.
        public_key: MultiEd25519PublicKey,
        /// Signatures of the sender.
        signature: MultiEd25519Signature,
    },
    /// The sender and others.
    MultiAgent {
        /// Authenticator of the sender.
        sender: AccountAuthenticator,
        /// The other signers, in the order of the function's signer parameters.
        secondary_signer_addresses: Vec<Address>,
        /// Authenticator of each of them.
        secondary_signers: Vec<AccountAuthenticator>,
    },
    /// The sender, perhaps others, and who pays the fee.
    FeePayer {
        /// Authenticator of the sender.
        sender: AccountAuthenticator,
        /// The other signers, in the order of the function's signer parameters.
        secondary_signer_addresses: Vec<Address>,
        /// Authenticator of each of them.
        secondary_signers: Vec<AccountAuthenticator>,
        /// Who pays.
        fee_payer_address: Address,
        /// Authenticator of who pays.
        fee_payer_signer: AccountAuthenticator,
    },
    /// The sender alone, with a key of any kind.
    SingleSender {
        /// Authenticator of the sender.
        sender: AccountAuthenticator,
    },
}

/// Keys and signatures of one account. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountAuthenticator {
    /// A plain Ed25519 key.
    Ed25519 {
        /// The key.
        public_key: Ed25519PublicKey,
        /// The signature.
        signature: Ed25519Signature,
    },
    /// A MultiEd25519 key.
    MultiEd25519 {
        /// The keys.
        public_key: MultiEd25519PublicKey,
        /// The signatures.
        signature: MultiEd25519Signature,
    },
    /// A key of any kind.
    SingleKey {
        /// The key.
        public_key: AnyPublicKey,
        /// The signature.
        signature: AnySignature,
    },
    /// Several keys of any kind.
    MultiKey {
        /// The keys.
        public_keys: MultiKey,
        /// The signatures.
        signature: MultiKeySignature,
    },
    /// Nobody signed: for simulation only.
    NoAccountAuthenticator,
    /// Account abstraction: decoding it is an error.
    Abstraction(Abstraction),
}

/// The authenticators of everyone but the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigners<'a> {
    /// The secondary signers.
    pub addresses: &'a [Address],
    /// Authenticator of each of them.
    pub authenticators: &'a [AccountAuthenticator],
    /// Who pays the fee in the sender's place.
    pub fee_payer: Option<(Address, &'a AccountAuthenticator)>,
}

impl TransactionAuthenticator {
    /// The sender's authenticator.
    #[must_use]
    pub fn sender(&self) -> AccountAuthenticator {
        match self {
            Self::Ed25519 { public_key, signature } => {
                AccountAuthenticator::Ed25519 { public_key: *public_key, signature: *signature }
            }
            Self::MultiEd25519 { public_key, signature } => {
                AccountAuthenticator::MultiEd25519 { public_key: public_key.clone(), signature: signature.clone() }
            }
            Self::MultiAgent { sender, .. } | Self::FeePayer { sender, .. } | Self::SingleSender { sender } => {
                sender.clone()
            }
        }
    }

    /// Everyone but the sender; `None` where the sender signs alone.
    #[must_use]
    pub fn cosigners(&self) -> Option<Cosigners<'_>> {
        match self {
            Self::Ed25519 { .. } | Self::MultiEd25519 { .. } | Self::SingleSender { .. } => None,
            Self::MultiAgent { secondary_signer_addresses, secondary_signers, .. } => Some(Cosigners {
                addresses: secondary_signer_addresses,
                authenticators: secondary_signers,
                fee_payer: None,
            }),
            Self::FeePayer {
                secondary_signer_addresses,
                secondary_signers,
                fee_payer_address,
                fee_payer_signer,
                ..
            } => Some(Cosigners {
                addresses: secondary_signer_addresses,
                authenticators: secondary_signers,
                fee_payer: Some((*fee_payer_address, fee_payer_signer)),
            }),
        }
    }

    /// Signatures in it, over all signers.
    #[must_use]
    pub fn signature_count(&self) -> usize {
        let others = self.cosigners().map_or(0, |others| {
            let secondary: usize = others.authenticators.iter().map(AccountAuthenticator::signature_count).sum();
            secondary + others.fee_payer.map_or(0, |(_, payer)| payer.signature_count())
        });
        others + self.sender().signature_count()
    }
}

impl AccountAuthenticator {
    /// What the keys hash to; `None` where there is no key.
    #[must_use]
    pub fn auth_key(&self) -> Option<AuthKey> {
        match self {
            Self::Ed25519 { public_key, .. } => Some(AuthKey::ed25519(public_key)),
            Self::MultiEd25519 { public_key, .. } => Some(AuthKey::multi_ed25519(public_key)),
            Self::SingleKey { public_key, .. } => Some(AuthKey::single_key(public_key)),
            Self::MultiKey { public_keys, .. } => Some(AuthKey::multi_key(public_keys)),
            Self::NoAccountAuthenticator => None,
            Self::Abstraction(never) => match *never {},
        }
    }

    /// Signatures in it.
    #[must_use]
    pub fn signature_count(&self) -> usize {
        match self {
            Self::Ed25519 { .. } | Self::SingleKey { .. } => 1,
            Self::MultiEd25519 { signature, .. } => signature.signatures.len(),
            Self::MultiKey { signature, .. } => signature.signatures.len(),
            Self::NoAccountAuthenticator => 0,
            Self::Abstraction(never) => match *never {},
        }
    }
}
