//! What can go wrong.

use noema_numerics::NumericsError;
use noema_types::Hash;

/// Faults of files, of requests, and of the arithmetic.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file does not start like a canonical file.
    #[error("not a canonical model file: it starts with {got:02x?}")]
    Magic {
        /// First bytes of the file.
        got: [u8; 8],
    },
    /// The file ends too early.
    #[error("the file is cut off: {what} needs {needs} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        what: String,
        /// Bytes it needs.
        needs: u64,
        /// Bytes there are.
        left: u64,
    },
    /// The file goes on after its last section.
    #[error("{extra} bytes follow the last section")]
    TrailingBytes {
        /// How many.
        extra: u64,
    },
    /// The file's content is not what its root says.
    #[error("the file is damaged or another one: its root is {got}, expected {expected}")]
    Root {
        /// The root asked for.
        expected: Hash,
        /// The root of the bytes read.
        got: Hash,
    },
    /// The file breaks a rule of the format.
    #[error("malformed model file: {0}")]
    Malformed(String),
    /// A number of the shape is beyond its limit or does not fit the others.
    #[error("{what} is {got}: {rule}")]
    Shape {
        /// Which number.
        what: String,
        /// Its value.
        got: u64,
        /// The rule it breaks.
        rule: String,
    },
    /// The imported file cannot be read.
    #[error("cannot read the gguf file: {0}")]
    Gguf(String),
    /// A Hugging Face folder cannot be read.
    #[error("cannot read {file}: {reason}")]
    HuggingFace {
        /// Which file of it.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The imported file asks for something that is not built yet.
    #[error("{what} `{value}` is not supported; supported: {supported}")]
    Unsupported {
        /// Which feature.
        what: String,
        /// What the file says.
        value: String,
        /// What could be there.
        supported: &'static str,
    },
    /// The tokenizer's data contradict themselves.
    #[error("broken tokenizer: {0}")]
    Tokenizer(String),
    /// More tokens than the model can see.
    #[error("{tokens} tokens exceed the context of {context}")]
    ContextExceeded {
        /// Tokens, those in the cache included.
        tokens: u64,
        /// The model's context.
        context: u32,
    },
    /// No such token.
    #[error("token {token} is not in the vocabulary of {vocab}")]
    TokenOutOfRange {
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocab: u32,
    },
    /// A step without tokens.
    #[error("a step holds no token")]
    EmptyStep,
    /// A cache made for another model.
    #[error("the cache belongs to a model of another shape")]
    ForeignCache,
    /// The arithmetic refused: the job's values, or this machine.
    #[error(transparent)]
    Numerics(#[from] NumericsError),
    /// The golden vector came out different: this machine must not serve.
    #[error("the model code of {family} computes wrongly here: digest {got}, expected {expected}")]
    Golden {
        /// Which family.
        family: &'static str,
        /// Frozen digest.
        expected: &'static str,
        /// Digest computed here.
        got: Hash,
    },
    /// A device failed.
    #[error("device: {0}")]
    Device(String),
    /// A device has no kernels for a family.
    #[error("{what} run on processors only")]
    ProcessorOnly {
        /// Which models.
        what: String,
    },
    /// The thread pool could not be built.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// The system's answer.
        reason: String,
    },
}

impl ModelError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether another try with the same input cannot succeed.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Threads { .. } | Self::Device(_))
    }
}
