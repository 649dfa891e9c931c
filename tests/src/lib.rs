//! Checks Noema end to end.
