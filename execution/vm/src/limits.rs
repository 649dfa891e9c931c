//! Limits of a run.

use noema_execution_api::VALUE_DEPTH_MAX;

/// Frames, the running one included, at most.
pub const FRAMES_MAX: usize = 1_025;
/// Values on the operand stack, summed over all frames, at most.
pub const OPERANDS_MAX: usize = 1_024;
/// Nesting of a closed type, at most.
pub const TYPE_DEPTH_MAX: usize = 16;
/// Nodes of a closed type, at most.
pub const TYPE_NODES_MAX: usize = 128;
/// Nodes of the shape of a closed type (itself, its fields' types, theirs, and variants), counted as a tree, at most.
pub const LAYOUT_NODES_MAX: u64 = 512;
/// Memory of what a session may make, by `Value::memory_size`, at most. What it takes apart counts back, what it drops
/// does not: the limit bounds the work of copying too. What it reads from the state has the same limit once more.
pub const MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Frames of a stack trace that an error carries, at most: the innermost ones.
pub const TRACE_FRAMES_MAX: usize = 32;
/// Versions of one module that the code cache holds, at most.
pub const CACHED_VERSIONS_MAX: usize = 4;
/// Modules that the code cache holds, at most; it starts anew when full.
pub const CACHED_MODULES_MAX: usize = 16_384;

/// Words of a struct or enum that lies flat inside others and in slots, at most.
pub(crate) const FLAT_WORDS_MAX: usize = 32;
/// Nodes of the shape of any type that a function uses, counted as a tree, at most.
pub(crate) const SHAPE_NODES_MAX: u64 = 2_048;
/// Locals of a function, at most: their positions have 8 bits.
const LOCALS_MAX: usize = 256;
/// Words of the fast interpreter's stack: all frames with the most and widest locals, and all operands.
pub(crate) const STACK_WORDS: usize = (FRAMES_MAX * LOCALS_MAX + 2 * OPERANDS_MAX) * FLAT_WORDS_MAX;
/// Functions that a world of lowered code holds, about; it is not used by new sessions from then on.
pub(crate) const WORLD_FUNCTIONS_MAX: usize = 65_536;
/// Worlds of lowered code that a machine holds, at most.
pub(crate) const WORLDS_MAX: usize = 8;

/// Limits that a caller may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmLimits {
    /// Frames, the running one included.
    pub frames: usize,
    /// Values on the operand stack, summed over all frames.
    pub operands: usize,
    /// Nesting of a value.
    pub value_depth: usize,
    /// Memory of what a session may make, and of what it may read.
    pub memory_bytes: u64,
}

impl Default for VmLimits {
    fn default() -> Self {
        Self {
            frames: FRAMES_MAX,
            operands: OPERANDS_MAX,
            value_depth: VALUE_DEPTH_MAX,
            memory_bytes: MEMORY_BYTES_MAX,
        }
    }
}
