//! Bounds on what the compiler accepts.

/// Largest source file, in bytes; positions are 32 bits wide.
pub const SOURCE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How deep expressions, types, patterns and blocks may nest, operator and call chains included. Every pass recurses
/// over the tree, so this bounds the stack of all of them.
pub const NESTING_MAX: u32 = 200;

/// How many errors of one file the parser reports before it gives up on the file.
pub const SYNTAX_ERRORS_MAX: usize = 50;

/// Largest `Move.toml`, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;

/// How many packages one program may consist of.
pub const PACKAGES_MAX: usize = 512;

/// How many entries a folder of kept results may hold before it is emptied.
pub const CACHE_ENTRIES_MAX: usize = 4096;

/// How many source files one package may hold.
pub const SOURCE_FILES_MAX: usize = 10_000;
