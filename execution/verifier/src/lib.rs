//! Verifies Move bytecode, pass by pass.
