//! Limits and measures of the tools.

/// Columns of a formatted line, where the text allows it.
pub const LINE_WIDTH: usize = 120;

/// Columns of one level of indentation.
pub const INDENT: usize = 4;

/// Stack of a thread that runs tests: natives and values recurse over at most 128 levels.
pub const TEST_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Stack of a thread that formats: it recurses over the tree, whose depth the parser bounds.
pub const FORMAT_STACK_BYTES: usize = 256 * 1024 * 1024;

/// Functions in the list of the most expensive ones.
pub const PROFILE_TOP: usize = 10;
