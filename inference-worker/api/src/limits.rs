//! Limits of a job, checked before any work.

/// Bytes of a prompt, at most.
pub const PROMPT_BYTES_MAX: usize = 256 * 1024;
/// Tokens a job may ask for, at most.
pub const NEW_TOKENS_MAX: u32 = 4_096;
/// Choices of one `choose` job, at most.
pub const CHOICES_MAX: usize = 64;
/// Bytes of one choice, at most.
pub const CHOICE_BYTES_MAX: usize = 4 * 1024;
/// Stop strings of one job, at most.
pub const STOPS_MAX: usize = 8;
/// Bytes of one stop string, at most.
pub const STOP_BYTES_MAX: usize = 256;
/// Basis points in one.
pub const BASIS_POINTS: u32 = 10_000;
/// Temperature in basis points, at most (10.0).
pub const TEMPERATURE_BPS_MAX: u32 = 100_000;
/// Repetition penalty in basis points, at most (10.0).
pub const REPETITION_PENALTY_BPS_MAX: u32 = 100_000;
/// Bytes of a grammar, at most.
pub const GRAMMAR_BYTES_MAX: usize = 64 * 1024;
/// Pixels of an image's side, at most.
pub const DRAWING_SIDE_MAX: u32 = 1_024;
/// Denoising steps of an image, at most.
pub const DRAWING_STEPS_MAX: u32 = 200;
/// Guidance of an image in basis points, at most (100.0).
pub const GUIDANCE_BPS_MAX: u32 = 1_000_000;
