//! Limits of the API.

use std::time::Duration;

/// Bytes of a request's body, at most.
pub(crate) const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Transactions and events of a page unless asked otherwise.
pub(crate) const PAGE_DEFAULT: u16 = 25;
/// Transactions and events of a page, at most.
pub(crate) const PAGE_MAX: u16 = 100;
/// Resources and modules of a page, by default and at most.
pub(crate) const STATE_PAGE_MAX: u16 = 9_999;
/// Requests that wait for a transaction, at most; further ones are answered at once.
pub(crate) const WAITERS_MAX: usize = 100;
/// How long a request waits for a transaction.
pub(crate) const WAIT_MAX: Duration = Duration::from_millis(1_000);
/// Gas of a view function, at most.
pub(crate) const VIEW_GAS_MAX: u64 = 2_000_000;
/// Views and simulations at a time, at most; further ones are refused: they may ask models and hold a thread each.
pub(crate) const SIMULATIONS_MAX: usize = 32;
/// Bytes of a table key in a request, at most.
pub(crate) const TABLE_KEY_BYTES_MAX: usize = 64 * 1024;
