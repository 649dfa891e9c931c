//! Where answers go that memory has no room for.

use std::fmt;

use noema_inference_api::{Answer, JobId};
use noema_types::Hash;

/// A bounded store of answers by job. It may forget any of them at any time and need not be durable; what it returns
/// is checked, so that a damaged entry is one that is not there.
pub trait Spill: Send + Sync + fmt::Debug {
    /// Keeps bytes for a job.
    fn put(&self, id: JobId, bytes: &[u8]);

    /// The bytes kept for a job, if they are still there.
    fn get(&self, id: JobId) -> Option<Vec<u8>>;

    /// Forgets a job's bytes: they are damaged.
    fn remove(&self, _id: JobId) {}
}

const DOMAIN: &[u8] = b"NOEMA::SpilledAnswer";

fn checksum(id: JobId, answer: &[u8]) -> Hash {
    Hash::sha3(&[DOMAIN, &id.0.0, answer])
}

/// An answer's bytes behind a checksum over them and the job.
pub(crate) fn seal(id: JobId, answer: &Answer) -> Vec<u8> {
    let bytes = bcs::to_bytes(answer).expect("an answer always serialises");
    [checksum(id, &bytes).0.as_slice(), &bytes].concat()
}

/// The answer in sealed bytes, unless they are another job's or damaged.
pub(crate) fn open(id: JobId, sealed: &[u8]) -> Option<Answer> {
    let (sum, bytes) = sealed.split_at_checked(32)?;
    if sum != checksum(id, bytes).0 {
        return None;
    }
    bcs::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> JobId {
        JobId(Hash::sha3(&[&number.to_le_bytes()]))
    }

    proptest! {
        #[test]
        fn damage_is_absence(at in 0usize..200, bit in 0u8..8, random in proptest::collection::vec(any::<u8>(), 0..80)) {
            let answer = Answer::Chosen { index: 3, prompt_tokens: 5, choice_tokens: 8 };
            let sealed = seal(id(1), &answer);
            prop_assert_eq!(open(id(1), &sealed), Some(answer));
            prop_assert_eq!(open(id(2), &sealed), None);
            let mut damaged = sealed.clone();
            let at = at % sealed.len();
            damaged[at] ^= 1 << bit;
            prop_assert_eq!(open(id(1), &damaged), None);
            prop_assert_eq!(open(id(1), &sealed[..at]), None);
            prop_assert_eq!(open(id(1), &random), None);
        }
    }
}
