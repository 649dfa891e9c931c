//! Token buckets in whole nanoseconds (the generic cell rate algorithm): what passes in any span of time is at most the
//! burst, or one message where that is more, and the rate times the span.

const NANOS_PER_S: u128 = 1_000_000_000;

/// One bucket. Time is passed in.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    per_s: u64,
    burst_ns: u64,
    /// When all that has passed would have passed at the plain rate.
    paid_ns: u64,
}

impl Bucket {
    pub(crate) fn new(per_s: u64, burst: u64) -> Self {
        assert!(per_s > 0, "a rate of nothing would wait for ever");
        Self { per_s, burst_ns: nanos(burst, per_s), paid_ns: 0 }
    }

    /// Lets `amount` pass and says for how many nanoseconds it must wait first.
    pub(crate) fn take(&mut self, now_ns: u64, amount: u64) -> u64 {
        self.paid_ns = self.paid_ns.max(now_ns).saturating_add(nanos(amount, self.per_s));
        self.paid_ns.saturating_sub(self.burst_ns).saturating_sub(now_ns)
    }
}

fn nanos(amount: u64, per_s: u64) -> u64 {
    u64::try_from((u128::from(amount) * NANOS_PER_S).div_ceil(u128::from(per_s))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_bucket_gives_its_burst_at_once_and_then_the_rate() {
        let mut bucket = Bucket::new(1_000, 500);
        assert_eq!(bucket.take(0, 500), 0);
        assert_eq!(bucket.take(0, 1), 1_000_000, "a thousandth of a second each");
        assert_eq!(bucket.take(0, 99), 100_000_000);
        assert_eq!(bucket.take(10_000_000_000, 500), 0, "full again");
        assert_eq!(bucket.take(10_000_000_000, 500), 500_000_000);
    }

    proptest! {
        #[test]
        fn no_span_passes_more_than_burst_and_rate(
            per_s in 1u64..1_000_000_000,
            burst in 0u64..1_000_000_000,
            takes in prop::collection::vec((0u64..2_000_000_000, 0u64..10_000_000), 1..40),
        ) {
            let mut bucket = Bucket::new(per_s, burst);
            let (mut now, mut passed) = (0, Vec::new());
            for (pause, amount) in takes {
                now += pause;
                now += bucket.take(now, amount);
                passed.push((now, amount));
            }
            for first in 0..passed.len() {
                let mut sum = 0u128;
                for (at, amount) in &passed[first..] {
                    sum += u128::from(*amount);
                    let span = u128::from(at - passed[first].0);
                    // Times are rounded to nanoseconds, hence the rest.
                    let rest = u128::from(per_s) * passed.len() as u128 / NANOS_PER_S + 1;
                    let allowed = u128::from(burst.max(passed[first].1)) + span * u128::from(per_s) / NANOS_PER_S + rest;
                    prop_assert!(sum <= allowed, "{sum} > {allowed}");
                }
            }
        }
    }
}
