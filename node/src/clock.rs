//! The only clock of a node; everything below it gets time as a value.

use std::time::{SystemTime, UNIX_EPOCH};

use noema_types::TimestampMs;

/// Milliseconds since 1970.
pub(crate) fn unix_now() -> TimestampMs {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
