//! Computes the normative arithmetic, bit for bit.
