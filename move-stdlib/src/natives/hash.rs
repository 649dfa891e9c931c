//! Natives of `0x1::hash`.

use blake2::Blake2b;
use blake2::digest::consts::U32;
use noema_execution_api::{NativeArgs, NativeContext, NativeResult, NativeTable, Value};
use noema_types::Address;
use ripemd::Ripemd160;
use sha2::{Digest, Sha256, Sha512};
use sha3::{Keccak256, Sha3_256, Sha3_512};

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "hash",
        &[
            ("sha2_256", digest::<Sha256>),
            ("sha2_512", digest::<Sha512>),
            ("sha3_256", digest::<Sha3_256>),
            ("sha3_512", digest::<Sha3_512>),
            ("keccak256", digest::<Keccak256>),
            ("blake2b_256", digest::<Blake2b<U32>>),
            ("ripemd160", digest::<Ripemd160>),
            ("sip_hash", sip_hash),
        ],
    );
}

/// Bytes that a call is charged for beside its data: every function here pads, and works through a last block.
const BLOCK_BYTES: usize = 64;

/// `native public fun NAME(data: vector<u8>): vector<u8>;`
fn digest<D: Digest>(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let data = args.bytes()?;
    context.charge_bytes(data.len().saturating_add(BLOCK_BYTES))?;
    Ok(vec![Value::Bytes(D::digest(&data).to_vec())])
}

/// `native public fun sip_hash(data: vector<u8>): u64;`
fn sip_hash(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let data = args.bytes()?;
    context.charge_bytes(data.len())?;
    Ok(vec![Value::U64(sip_2_4(&data))])
}

/// SipHash-2-4 with the key zero (Aumasson, Bernstein: SipHash, a fast short-input PRF).
fn sip_2_4(data: &[u8]) -> u64 {
    let mut state = [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let mut words = data.chunks_exact(8);
    for word in &mut words {
        absorb(&mut state, u64::from_le_bytes(word.try_into().expect("chunks have 8 bytes")));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    // The last word ends with the length modulo 256.
    last[7] = (data.len() % 256) as u8;
    absorb(&mut state, u64::from_le_bytes(last));
    state[2] ^= 0xFF;
    for _ in 0..4 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        #[allow(deprecated, reason = "the library's SipHasher is SipHash-2-4, for which nothing replaced it")]
        fn sip_hash_is_the_librarys(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut hasher = std::hash::SipHasher::new_with_keys(0, 0);
            hasher.write(&data);
            prop_assert_eq!(sip_2_4(&data), hasher.finish());
        }
    }
}
