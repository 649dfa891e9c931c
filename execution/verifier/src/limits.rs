//! Limits of what is verified. They are part of the protocol: changing one changes which modules are valid.

/// Loops inside one another, at most.
pub const LOOP_DEPTH_MAX: usize = 5;
/// Type parameters of a function or datatype, at most.
pub const TYPE_PARAMETERS_MAX: usize = 32;
/// Parameters of a function, at most.
pub const PARAMETERS_MAX: usize = 128;
/// Basic blocks of a function, at most.
pub const BASIC_BLOCKS_MAX: usize = 1024;
/// Weight of a type, at most: datatypes and type parameters weigh [`TYPE_NODE_WEIGHT`], everything else 1.
pub const TYPE_NODES_MAX: usize = 256;
/// What a datatype or a type parameter weighs in a type.
pub const TYPE_NODE_WEIGHT: usize = 4;
/// Values pushed in one basic block, at most.
pub const PUSHES_PER_BLOCK_MAX: u64 = 10_000;
/// Structs and enums of a module, at most.
pub const DATATYPES_MAX: usize = 200;
/// Fields of a struct or of a variant, at most.
pub const FIELDS_MAX: usize = 30;
/// Variants of an enum, at most.
pub const VARIANTS_MAX: usize = 127;
/// Functions of a module, at most.
pub const FUNCTIONS_MAX: usize = 1_000;
/// Length of a chain of modules that use each other, at most.
pub const DEPENDENCY_DEPTH_MAX: usize = 100;
/// Bytes of an identifier, at most.
pub const IDENTIFIER_BYTES_MAX: usize = 128;
/// Elements of a vector in a constant, at most.
pub const CONSTANT_VECTOR_ELEMENTS_MAX: u64 = 1024 * 1024;
/// Operands on the stack within a function, at most.
pub const OPERAND_STACK_MAX: u64 = 1024;
/// Work of the verifier on one function, at most. A unit is one visit of a type node, local or borrow edge; ordinary code
/// takes about two per byte of the module.
pub const METER_UNITS_PER_FUNCTION: u64 = 4_000_000;
/// Work of the verifier on one module, at most.
pub const METER_UNITS_PER_MODULE: u64 = 12_000_000;
/// Different paths by which one reference may borrow from another before they are taken as one unknown path.
pub const BORROW_PATHS_MAX: usize = 10;

const _: () = assert!(IDENTIFIER_BYTES_MAX == noema_types::limits::IDENTIFIER_BYTES_MAX);
const _: () = assert!(TYPE_PARAMETERS_MAX <= noema_bytecode::limits::TYPE_PARAMETERS_MAX);

/// The limits that a caller may set, for tools and tests. `default()` is the chain's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the constant that is its default")]
pub struct Limits {
    pub loop_depth: usize,
    pub type_parameters: usize,
    pub parameters: usize,
    pub basic_blocks: usize,
    pub type_nodes: usize,
    pub pushes_per_block: u64,
    pub datatypes: usize,
    pub fields: usize,
    pub variants: usize,
    pub functions: usize,
    pub dependency_depth: usize,
    pub operand_stack: u64,
    pub meter_units_per_function: u64,
    pub meter_units_per_module: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            loop_depth: LOOP_DEPTH_MAX,
            type_parameters: TYPE_PARAMETERS_MAX,
            parameters: PARAMETERS_MAX,
            basic_blocks: BASIC_BLOCKS_MAX,
            type_nodes: TYPE_NODES_MAX,
            pushes_per_block: PUSHES_PER_BLOCK_MAX,
            datatypes: DATATYPES_MAX,
            fields: FIELDS_MAX,
            variants: VARIANTS_MAX,
            functions: FUNCTIONS_MAX,
            dependency_depth: DEPENDENCY_DEPTH_MAX,
            operand_stack: OPERAND_STACK_MAX,
            meter_units_per_function: METER_UNITS_PER_FUNCTION,
            meter_units_per_module: METER_UNITS_PER_MODULE,
        }
    }
}
