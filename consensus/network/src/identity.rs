//! Who is who, inside TLS 1.3: both sides prove Ed25519 keys, without certificates.
//!
//! Keys travel as raw public keys (RFC 7250), so there is nothing to parse: what is presented must be, byte for byte,
//! the encoding of a key in the set of peers, and the handshake's signature must be that key's. The chain is the
//! application protocol (ALPN), so it is part of what both sides sign; who is on another chain gets no further than
//! the first message. The epoch is no part of it: connections outlive epochs, and every message above carries its own.

use std::sync::Arc;

use noema_crypto::Ed25519KeyPair;
use noema_types::{Ed25519PublicKey, Hash};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, ServerConfig,
    SignatureScheme,
};

use crate::error::NetworkError;

/// DER of a SubjectPublicKeyInfo with an Ed25519 key, before the key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of a PKCS #8 private key of Ed25519, before the key (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Version of the wire format, in the application protocol.
const PROTOCOL: &str = "noema/1/";

/// Says which keys may connect, at the moment of asking.
pub(crate) trait Admission: Send + Sync + std::fmt::Debug {
    fn admits(&self, key: &Ed25519PublicKey) -> bool;
}

/// This validator's key and chain, ready for handshakes.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    key: Ed25519PublicKey,
    chain: Hash,
    protocol: Vec<u8>,
    certified: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

/// Accepts who presents a key that is admitted and proves it.
#[derive(Debug)]
struct Verifier<A> {
    admission: A,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Admits one key: the one that was dialled.
#[derive(Debug)]
struct Only(Ed25519PublicKey);

impl Admission for Only {
    fn admits(&self, key: &Ed25519PublicKey) -> bool {
        *key == self.0
    }
}

impl Admission for Arc<dyn Admission> {
    fn admits(&self, key: &Ed25519PublicKey) -> bool {
        self.as_ref().admits(key)
    }
}

/// The key in a SubjectPublicKeyInfo, if it is exactly one of Ed25519.
pub(crate) fn key_of(spki: &[u8]) -> Option<Ed25519PublicKey> {
    let key = spki.strip_prefix(&SPKI_PREFIX)?;
    key.try_into().ok().map(Ed25519PublicKey)
}

fn spki_of(key: &Ed25519PublicKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], &key.0].concat()
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        // The first is the cheapest where the processor has AES, which servers' do.
        cipher_suites: vec![
            ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
            ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    }
}

impl Identity {
    pub(crate) fn new(key: &Ed25519KeyPair, chain: Hash) -> Result<Self, NetworkError> {
        Self::presenting(key.public(), key, chain)
    }

    /// Presents one key and signs with another, as an impostor would.
    pub(crate) fn presenting(
        public: Ed25519PublicKey,
        signer: &Ed25519KeyPair,
        chain: Hash,
    ) -> Result<Self, NetworkError> {
        let private = PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], &signer.private_bytes()].concat());
        let signing = ring::sign::any_eddsa_type(&private).map_err(|error| NetworkError::Tls(error.to_string()))?;
        let certified = CertifiedKey::new(vec![CertificateDer::from(spki_of(&public))], signing);
        let protocol = format!("{PROTOCOL}{chain}").into_bytes();
        Ok(Self { key: public, chain, protocol, certified: Arc::new(certified), provider: Arc::new(provider()) })
    }

    /// The same key for something else than messages between validators.
    pub(crate) fn speaking(self, protocol: Vec<u8>) -> Self {
        Self { protocol, ..self }
    }

    pub(crate) fn key(&self) -> Ed25519PublicKey {
        self.key
    }

    pub(crate) fn chain(&self) -> Hash {
        self.chain
    }

    /// What both sides must have agreed on.
    pub(crate) fn protocol(&self) -> Vec<u8> {
        self.protocol.clone()
    }

    fn verifier<A: Admission>(&self, admission: A) -> Arc<Verifier<A>> {
        Arc::new(Verifier { admission, algorithms: self.provider.signature_verification_algorithms })
    }

    /// For those that dial us.
    pub(crate) fn server(&self, admission: Arc<dyn Admission>) -> Result<ServerConfig, NetworkError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| NetworkError::Tls(error.to_string()))?
            .with_client_cert_verifier(self.verifier(admission))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&self.certified))));
        config.alpn_protocols = vec![self.protocol()];
        // A resumed session would skip the proof of the key, and the set of peers may have changed.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// For dialling the peer of that key.
    pub(crate) fn client(&self, peer: Ed25519PublicKey) -> Result<ClientConfig, NetworkError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| NetworkError::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(Only(peer)))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&self.certified))));
        config.alpn_protocols = vec![self.protocol()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }
}

/// A name for the sake of the interface; it is never sent.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from("noema").expect("a DNS name")
}

impl<A: Admission> Verifier<A> {
    fn check(&self, presented: &CertificateDer<'_>) -> Result<(), Error> {
        let key = key_of(presented).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.admission.admits(&key) {
            Ok(())
        } else {
            tracing::debug!(%key, "a key that is not expected");
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(presented.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.algorithms)
    }
}

fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
}

impl<A: Admission> ServerCertVerifier for Verifier<A> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl<A: Admission> ClientCertVerifier for Verifier<A> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_as_written() {
        let key = Ed25519PublicKey([7; 32]);
        assert_eq!(key_of(&spki_of(&key)), Some(key));
        assert_eq!(key_of(&spki_of(&key)[..43]), None);
        assert_eq!(key_of(&[spki_of(&key), vec![0]].concat()), None);
    }

    #[test]
    fn no_tls_of_before_1_3() {
        assert!(provider().cipher_suites.iter().all(|suite| suite.tls13().is_some()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_key_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..64), prefix: bool) {
            if prefix {
                bytes.splice(..bytes.len().min(12), SPKI_PREFIX);
            }
            if let Some(key) = key_of(&bytes) {
                prop_assert_eq!(spki_of(&key), bytes);
            }
        }
    }
}
