//! Formats, documents, tests and profiles Move packages.
//!
//! What `noema move fmt`, `doc`, `test`, `disassemble` and `new` do, without a command line: texts and compiled programs
//! go in, texts and figures come out. Nothing here reads or writes files.
//!
//! # Guarantees
//! - [`fmt`]: formatting changes white space and commas at the end of lists only, keeps every comment, is idempotent, and
//!   never changes what a program compiles to. A text that does not parse is left alone.
//! - [`unit_tests`]: verdicts, gas, coverage and profiles are the same for any number of threads.
//! - [`doc`]: every link leads to an anchor that exists.

pub mod coverage;
pub mod disassemble;
pub mod doc;
pub mod fmt;
pub mod limits;
pub mod new_package;
mod positions;
pub mod profile;
mod recorder;
pub mod trace;
pub mod unit_tests;
