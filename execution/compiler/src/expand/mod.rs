//! Flattens syntax trees into modules by address and name.

pub mod ast;
