//! Ed25519 as contracts see it: ZIP-215's equation, without keys and commitments of small order.
//!
//! A key of small order signs many messages with one signature, which a contract never wants. Transactions keep to plain
//! ZIP-215, so that batches and single checks agree.

use ed25519_consensus::VerificationKey;
use noema_types::{Ed25519PublicKey, Ed25519Signature};

use crate::verify_ed25519;

/// The y-coordinates of the eight points of small order, encodings above the field's prime included; the sign bit is
/// clear. (Chalkias, Garillot, Nikolaenko: Taming the many EdDSAs, table 5.)
const SMALL_ORDER_Y: [[u8; 32]; 7] = [
    low(0),
    low(1),
    high(0xEC),
    high(0xED),
    high(0xEE),
    [
        0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0, 0xD5, 0xDF,
        0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
    ],
    [
        0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F, 0x2A, 0x20,
        0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
    ],
];

const fn low(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = first;
    bytes
}

const fn high(first: u8) -> [u8; 32] {
    let mut bytes = [0xFF; 32];
    bytes[0] = first;
    bytes[31] = 0x7F;
    bytes
}

fn has_small_order(mut point: [u8; 32]) -> bool {
    point[31] &= 0x7F;
    SMALL_ORDER_Y.contains(&point)
}

/// Whether the bytes are a point of the curve that is not of small order.
#[must_use]
pub fn is_strict_ed25519_key(public_key: &Ed25519PublicKey) -> bool {
    !has_small_order(public_key.0) && VerificationKey::try_from(public_key.0).is_ok()
}

/// Whether `signature` is `public_key`'s over `message`, and neither the key nor the signature's commitment is of small
/// order.
#[must_use]
pub fn verify_ed25519_strict(public_key: &Ed25519PublicKey, message: &[u8], signature: &Ed25519Signature) -> bool {
    let mut commitment = [0; 32];
    commitment.copy_from_slice(&signature.0[..32]);
    !has_small_order(public_key.0) && !has_small_order(commitment) && verify_ed25519(public_key, message, signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ed25519KeyPair;

    #[test]
    fn small_order_keys_sign_nothing() {
        // With the identity as key and commitment, and s = 0, the equation holds for every message.
        let key = Ed25519PublicKey(low(1));
        let mut signature = [0; 64];
        signature[0] = 1;
        let signature = Ed25519Signature(signature);
        assert!(verify_ed25519(&key, b"anything", &signature));
        assert!(!verify_ed25519_strict(&key, b"anything", &signature));
        for y in SMALL_ORDER_Y {
            assert!(VerificationKey::try_from(y).is_ok(), "{y:02x?} is on the curve");
            assert!(!is_strict_ed25519_key(&Ed25519PublicKey(y)));
        }
    }

    #[test]
    fn ordinary_signatures_verify() {
        let pair = Ed25519KeyPair::from_private_bytes([7; 32]);
        let signature = pair.sign(b"message");
        assert!(is_strict_ed25519_key(&pair.public()));
        assert!(verify_ed25519_strict(&pair.public(), b"message", &signature));
        assert!(!verify_ed25519_strict(&pair.public(), b"massage", &signature));
    }
}
