//! Bounds on what a client may send and what it gets.

use std::time::Duration;

/// Largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest line of a message's head, in bytes.
pub const HEADER_LINE_BYTES_MAX: usize = 1024;

/// How long no edit must come before a package is checked for messages.
pub const CHECK_PAUSE: Duration = Duration::from_millis(120);

/// How many symbols a search of the workspace returns.
pub const SYMBOLS_MAX: usize = 256;

/// How many messages are sent for one file.
pub const DIAGNOSTICS_MAX: usize = 500;
