//! Where execution blocks end: always at a commit, as a function of the commits since the last end.
//!
//! An execution block ends at the commit that ends the epoch, that fills it (transactions or bytes), or that comes an
//! interval of commit time after the last end: a short interval if it holds transactions, a longer one if not. At an
//! end nothing is carried over, so that the state of consensus there says all: the last end was at its timestamp.

use noema_types::TimestampMs;

use crate::{Batch, Rules};

/// What the running execution block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slicer {
    last_end: TimestampMs,
    transactions: u64,
    bytes: u64,
}

impl Slicer {
    /// After the end of an execution block (or of the epoch before) at this time.
    pub(crate) fn new(last_end: TimestampMs) -> Self {
        Self { last_end, transactions: 0, bytes: 0 }
    }

    /// Takes a commit in; `true` if the execution block ends with it.
    pub(crate) fn add<'a>(
        &mut self,
        rules: &Rules,
        timestamp: TimestampMs,
        batches: impl IntoIterator<Item = &'a Batch>,
        epoch_end: bool,
    ) -> bool {
        for batch in batches {
            self.transactions += batch.transactions.len() as u64;
            self.bytes += batch.bytes() as u64;
        }
        let elapsed = timestamp.0.saturating_sub(self.last_end.0);
        let interval = if self.transactions > 0 { rules.block_interval_ms } else { rules.idle_block_interval_ms };
        let full = self.transactions >= rules.block_transactions || self.bytes >= rules.block_bytes;
        let ends = epoch_end || full || elapsed >= interval;
        if ends {
            *self = Self::new(timestamp);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use noema_types::{Author, Epoch, Round};

    use super::*;

    fn batch(transactions: usize, bytes: usize) -> Batch {
        let transaction = Bytes::from(vec![0; bytes]);
        Batch { epoch: Epoch(1), author: Author(0), created: Round(1), transactions: vec![transaction; transactions] }
    }

    #[test]
    fn each_limit_ends_a_block() {
        let rules = Rules {
            block_interval_ms: 50,
            idle_block_interval_ms: 1_000,
            block_transactions: 10,
            block_bytes: 100,
            ..Rules::default()
        };
        let mut slicer = Slicer::new(TimestampMs(1_000));
        let mut add = |time, batches: &[Batch], end| slicer.add(&rules, TimestampMs(time), batches, end);
        assert!(!add(1_999, &[], false), "idle");
        assert!(add(2_000, &[], false), "idle for long enough");
        assert!(!add(2_049, &[batch(1, 1)], false), "too early");
        assert!(add(2_050, &[], false), "late enough for what came before");
        assert!(!add(2_060, &[batch(5, 1), batch(4, 1)], false));
        assert!(add(2_061, &[batch(1, 1)], false), "ten transactions");
        assert!(!add(2_070, &[batch(1, 99)], false), "the count starts anew");
        assert!(add(2_071, &[batch(1, 1)], false), "a hundred bytes");
        assert!(add(2_072, &[], true), "the epoch's end");
    }
}
