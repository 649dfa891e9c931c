//! Named limits of values that cross the wire.

/// Bytes of an identifier, at most.
pub const IDENTIFIER_BYTES_MAX: usize = 128;

/// Nesting of a type tag, at most.
pub const TYPE_TAG_DEPTH_MAX: usize = 8;

/// Nodes of a type tag, at most.
pub const TYPE_TAG_NODES_MAX: usize = 128;

/// Nested containers in the BCS of anything decoded from outside, at most: a payload's wrappers and the deepest type tag.
pub const BCS_DEPTH_MAX: usize = 40;

/// Bytes of a signed transaction, at most.
pub const TRANSACTION_BYTES_MAX: usize = 64 << 10;

/// Bytes of a signed transaction that publishes a package, at most.
pub const PUBLISH_TRANSACTION_BYTES_MAX: usize = 1 << 20;

/// Signatures on one transaction, at most, over all its signers.
pub const TRANSACTION_SIGNATURES_MAX: usize = 32;

/// Secondary signers of one transaction, at most.
pub const SECONDARY_SIGNERS_MAX: usize = 31;

/// Keys of a multi-key account, at most: what a signature bitmap of 4 bytes can name.
pub const MULTI_KEYS_MAX: usize = 32;

/// Keys of a MultiEd25519 account, at least.
pub const MULTI_ED25519_KEYS_MIN: usize = 2;

/// Bytes of a multi-key signature's bitmap, at most.
pub const BITMAP_BYTES_MAX: usize = 4;

/// Type arguments of a call, at most.
pub const TYPE_ARGS_MAX: usize = 32;

/// Arguments of a call, at most.
pub const CALL_ARGS_MAX: usize = 128;

/// Validators of one committee, at most.
pub const COMMITTEE_VALIDATORS_MAX: usize = 512;

/// Bytes of a validator's network address, at most.
pub const NETWORK_ADDRESS_BYTES_MAX: usize = 256;

/// Siblings of a path in the state tree, at most: one a bit of a key's hash.
pub const PROOF_SIBLINGS_MAX: usize = 256;

/// Bytes of a proof of one value, at most, the value included.
pub const STATE_PROOF_BYTES_MAX: usize = 16 << 20;

/// Nested containers in a block that comes from another node, at most: transactions, write sets and their wrappers.
pub const BLOCK_DEPTH_MAX: usize = 64;

/// Bytes of a certified block, at most.
pub const CERTIFIED_BLOCK_BYTES_MAX: usize = 256 << 20;

/// Bytes of a genesis transaction, at most: the framework's modules and what it begins with.
pub const GENESIS_BYTES_MAX: usize = 64 << 20;

/// Bytes of a certified checkpoint with the committee that follows it, at most.
pub const CHECKPOINT_BYTES_MAX: usize = 1 << 20;

/// Bytes of a chunk of a snapshot, at most: one value of any size fits.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 32 << 20;

// A validator is three keys, an account, a stake and an address; a checkpoint is far below the rest.
const _: () = assert!(COMMITTEE_VALIDATORS_MAX * (NETWORK_ADDRESS_BYTES_MAX + 256) <= CHECKPOINT_BYTES_MAX / 2);
const _: () = assert!(BLOCK_DEPTH_MAX > BCS_DEPTH_MAX);
const _: () = assert!(STATE_PROOF_BYTES_MAX < SNAPSHOT_CHUNK_BYTES_MAX);
const _: () = assert!(TRANSACTION_BYTES_MAX <= PUBLISH_TRANSACTION_BYTES_MAX);
const _: () = assert!(MULTI_KEYS_MAX <= BITMAP_BYTES_MAX * 8);
const _: () = assert!(SECONDARY_SIGNERS_MAX < TRANSACTION_SIGNATURES_MAX);
// A struct tag is two containers a level: its variant and its struct; a transaction wraps it in seven at most.
const _: () = assert!(TYPE_TAG_DEPTH_MAX * 2 + 8 <= BCS_DEPTH_MAX);
