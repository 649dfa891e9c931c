//! Unix time that never goes back.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use noema_types::TimestampMs;

/// The system's clock, held where it would go back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    last: Cell<u64>,
}

impl Clock {
    /// The time now.
    pub(crate) fn now(&self) -> TimestampMs {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(system.as_millis()).unwrap_or(u64::MAX).max(self.last.get());
        self.last.set(now);
        TimestampMs(now)
    }
}
