//! Compiles Move source into verified bytecode, with diagnostics.
