//! Draws a token from logits.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::{Arithmetic, NumericsError, scalar};

/// How to draw. Basis points are divided by 10,000, once, in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Temperature in basis points; 0 takes the largest logit.
    pub temperature_bps: u32,
    /// Candidates kept; 0 keeps all.
    pub top_k: u32,
    /// Probability mass kept, in basis points; 10,000 and more keeps all.
    pub top_p_bps: u32,
}

/// A token and its probability among all that top-k left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Index of the logit.
    pub id: u32,
    /// Probability.
    pub probability: f32,
}

/// The stream of draws of one job: ChaCha20 with the seed as the first 8 bytes of its key (little-endian), all other
/// bytes of key and nonce 0, one 32-bit word per draw.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha20Rng);

impl Draws {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha20Rng::from_seed(key))
    }

    /// The next draw, uniform in `[0, 1)`: `(word >> 8) * 2^-24`, exact.
    pub fn next_unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * f32::from_bits(0x3380_0000)
    }
}

impl Arithmetic {
    /// The next token. Greedy sampling draws nothing.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn sample(&self, logits: &[f32], sampling: Sampling, draws: &mut Draws) -> Result<u32, NumericsError> {
        if sampling.temperature_bps == 0 {
            return self.argmax(logits).map(|index| index as u32);
        }
        let candidates = self.candidates(logits, sampling)?;
        let total = candidates.iter().fold(0.0, |sum, candidate| sum + candidate.probability);
        let target = draws.next_unit() * total;
        let mut sum = 0.0;
        let hit = candidates.iter().find(|candidate| {
            sum += candidate.probability;
            target < sum
        });
        Ok(hit.or(candidates.last()).expect("at least one candidate is kept").id)
    }

    /// Makes tokens less likely that are there already, before temperature: a positive logit is divided by
    /// `f32(penalty_bps) / 10000`, any other multiplied. Each token is named once; 10,000 changes no bit.
    ///
    /// # Panics
    /// If a token is no index of the logits.
    pub fn penalise(&self, logits: &mut [f32], tokens: impl IntoIterator<Item = u32>, penalty_bps: u32) {
        if penalty_bps == 10_000 {
            return;
        }
        let penalty = penalty_bps as f32 / 10_000.0;
        for token in tokens {
            let logit = &mut logits[token as usize];
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
    }

    /// What top-k and top-p leave, by descending logit, then ascending id.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn candidates(&self, logits: &[f32], sampling: Sampling) -> Result<Vec<Candidate>, NumericsError> {
        assert!(!logits.is_empty() && sampling.temperature_bps > 0, "candidates need logits and a temperature");
        let temperature = sampling.temperature_bps as f32 / 10_000.0;
        let mut sorted: Vec<(f32, u32)> = logits.iter().zip(0..).map(|(logit, id)| (logit / temperature, id)).collect();
        if sorted.iter().any(|(logit, _)| !logit.is_finite()) {
            return Err(NumericsError::NonFinite { what: "a logit" });
        }
        let order = |a: &(f32, u32), b: &(f32, u32)| {
            // Adding zero turns -0 into +0: equal logits compare equal.
            (b.0 + 0.0).total_cmp(&(a.0 + 0.0)).then(a.1.cmp(&b.1))
        };
        let kept = if sampling.top_k == 0 { sorted.len() } else { sorted.len().min(sampling.top_k as usize) };
        if kept < sorted.len() {
            sorted.select_nth_unstable_by(kept, order);
            sorted.truncate(kept);
        }
        sorted.sort_unstable_by(order);
        let most = sorted[0].0;
        let mut powers: Vec<f32> = sorted.iter().map(|(logit, _)| logit - most).collect();
        self.exp(&mut powers);
        let total = scalar::sum(&powers);
        let mut candidates: Vec<Candidate> =
            sorted.iter().zip(powers).map(|(&(_, id), power)| Candidate { id, probability: power / total }).collect();
        if sampling.top_p_bps < 10_000 {
            truncate_to_mass(&mut candidates, sampling.top_p_bps as f32 / 10_000.0);
        }
        Ok(candidates)
    }
}

/// Keeps the shortest prefix whose probabilities, added in order, reach `mass`; at least one candidate.
fn truncate_to_mass(candidates: &mut Vec<Candidate>, mass: f32) {
    let mut sum = 0.0;
    let enough = candidates.iter().position(|candidate| {
        sum += candidate.probability;
        sum >= mass
    });
    if let Some(last) = enough {
        candidates.truncate(last + 1);
    }
}

/// Nats as whole micro-nats, rounded once, ties to even: likelihoods are added and compared as integers.
#[must_use]
pub fn micro_nats(nats: f32) -> i64 {
    (f64::from(nats) * 1e6).round_ties_even() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampling = Sampling { temperature_bps: 10_000, top_k: 0, top_p_bps: 10_000 };

    fn arithmetic() -> Arithmetic {
        Arithmetic::new(crate::Kernel::Scalar).expect("scalar is always there")
    }

    #[test]
    fn draws_are_the_published_key_stream() {
        // ChaCha20 with key, nonce and counter 0: the stream starts 76 b8 e0 ad a0 f1 3d 90.
        let mut draws = Draws::new(0);
        assert_eq!(draws.next_unit(), (0xade0_b876u32 >> 8) as f32 / 16_777_216.0);
        assert_eq!(draws.next_unit(), (0x903d_f1a0u32 >> 8) as f32 / 16_777_216.0);
    }

    #[test]
    fn ties_keep_the_order_of_ids() {
        let candidates = arithmetic().candidates(&[0.0, 1.0, -0.0, 1.0], ALL).expect("finite");
        assert_eq!(candidates.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 3, 0, 2]);
        let kept = arithmetic().candidates(&[0.0, 1.0, -0.0, 1.0], Sampling { top_k: 3, ..ALL }).expect("finite");
        assert_eq!(kept.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 3, 0]);
    }

    #[test]
    fn the_nucleus_keeps_at_least_one() {
        let logits = [3.0, 2.0, 1.0, 0.0];
        for (top_p_bps, kept) in [(0, 1), (6_000, 1), (7_000, 2), (9_000, 3), (9_900, 4), (10_000, 4)] {
            let candidates = arithmetic().candidates(&logits, Sampling { top_p_bps, ..ALL }).expect("finite");
            assert_eq!(candidates.len(), kept, "top_p {top_p_bps}");
        }
    }

    #[test]
    fn frequencies_follow_probabilities() {
        let (mut draws, mut counts) = (Draws::new(7), [0u32; 3]);
        for _ in 0..30_000 {
            let id = arithmetic().sample(&[0.0, 1.0, 2.0], ALL, &mut draws).expect("finite");
            counts[id as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([2_701i64, 7_341, 19_958]) {
            assert!((i64::from(*count) - expected).abs() < 300, "{counts:?}");
        }
    }

    #[test]
    fn greedy_takes_the_lowest_of_the_largest_and_bad_logits_are_refused() {
        let greedy = Sampling { temperature_bps: 0, ..ALL };
        let mut draws = Draws::new(1);
        assert_eq!(arithmetic().sample(&[1.0, 5.0, 5.0], greedy, &mut draws), Ok(1));
        for sampling in [greedy, ALL] {
            assert!(arithmetic().sample(&[1.0, f32::NAN], sampling, &mut draws).is_err());
            assert!(arithmetic().sample(&[1.0, f32::INFINITY], sampling, &mut draws).is_err());
        }
        // A tiny temperature drives large logits out of the finite numbers.
        assert!(arithmetic().sample(&[1e38, 1.0], Sampling { temperature_bps: 1, ..ALL }, &mut draws).is_err());
    }

    #[test]
    fn penalties_divide_what_is_positive_and_multiply_the_rest() {
        let mut logits = [3.0, -3.0, 0.0, 5.0, -0.0];
        arithmetic().penalise(&mut logits, [0, 1, 2, 4], 15_000);
        assert_eq!(logits.map(f32::to_bits), [2.0f32, -4.5, 0.0, 5.0, -0.0].map(f32::to_bits));
        let before = [f32::MIN_POSITIVE / 2.0, -1.1, 7.3];
        let mut after = before;
        arithmetic().penalise(&mut after, 0..3, 10_000);
        assert_eq!(after.map(f32::to_bits), before.map(f32::to_bits));
    }

    #[test]
    fn micro_nats_round_once() {
        assert_eq!(micro_nats(1.5), 1_500_000);
        assert_eq!(micro_nats(-0.25), -250_000);
    }
}
