//! Limits of the gateway.

/// Bytes of a request's body, at most: a prompt at its limit with every character escaped, and room for the rest.
pub(crate) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Requests that are answered at a time, at most; further ones are told to come back. Each holds a thread.
pub(crate) const REQUESTS_MAX: usize = 64;
/// Seconds after which a refused client should try again.
pub(crate) const RETRY_AFTER_SECS: u64 = 1;
/// Messages of one conversation, at most.
pub(crate) const MESSAGES_MAX: usize = 2_048;
/// Texts of one request for embeddings, at most.
pub(crate) const INPUTS_MAX: usize = 64;
/// Tools of one request, at most.
pub(crate) const TOOLS_MAX: usize = 128;
/// New tokens of a chat that names no number, at most; half the context where that is less.
pub(crate) const CHAT_TOKENS_DEFAULT: u32 = 1_024;
/// New tokens of a completion that names no number, as the vendor documents.
pub(crate) const COMPLETION_TOKENS_DEFAULT: u32 = 16;
/// Side of an image that names none.
pub(crate) const IMAGE_SIDE_DEFAULT: u32 = 512;
/// Denoising steps of an image that names none.
pub(crate) const IMAGE_STEPS_DEFAULT: u32 = 20;
/// Guidance of an image that names none, in basis points.
pub(crate) const IMAGE_GUIDANCE_BPS_DEFAULT: u32 = 75_000;
/// Instructions a chat template may run.
pub(crate) const TEMPLATE_FUEL: u64 = 5_000_000;
