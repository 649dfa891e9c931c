//! Keeps versioned, authenticated state.
