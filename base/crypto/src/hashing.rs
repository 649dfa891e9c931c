//! BLAKE3 under a domain.

use noema_types::Hash;

/// BLAKE3 of `parts` under `domain`, which is BLAKE3's key-derivation context: a constant, unique to its use.
///
/// Each part goes in behind its length, so no two lists of parts hash the same bytes.
#[must_use]
pub fn blake3_hash(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_borders_of_parts_count() {
        let hashes = [
            blake3_hash("noema test a", &[b"ab", b"c"]),
            blake3_hash("noema test a", &[b"a", b"bc"]),
            blake3_hash("noema test a", &[b"abc"]),
            blake3_hash("noema test a", &[b"abc", b""]),
            blake3_hash("noema test b", &[b"abc"]),
        ];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "{index}");
        }
    }
}
