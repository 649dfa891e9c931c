//! Reads, writes and disassembles Move binaries.
