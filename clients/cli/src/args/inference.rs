//! Arguments of the commands around models: importing, looking into, asking, testing the machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LogArgs, NodeArgs};

/// How to compute. No choice made here changes a bit of any answer.
#[derive(Debug, Clone, Args)]
pub(crate) struct ComputeArgs {
    /// Kernel of the arithmetic: scalar, avx2, avx512 or neon; the fastest available when absent.
    #[arg(long, env = "NOEMA_KERNEL")]
    pub(crate) kernel: Option<String>,
    /// Threads; all cores when absent.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// NVIDIA device for models of the families that it has kernels for: cuda or cuda:N. Needs a program built with the
    /// feature `cuda`.
    #[arg(long, env = "NOEMA_DEVICE")]
    pub(crate) device: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Convert a published model into the canonical file and print its root.
    Import {
        /// A GGUF file, or a folder with `config.json`, `tokenizer.json` and safetensors.
        file: PathBuf,
        /// Name to store it under; from the file when absent.
        #[arg(long)]
        name: Option<String>,
        /// Where to write the canonical file; `~/.noema/models` when absent.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// List imported models.
    List,
    /// Show a model: shape, cost, roots.
    Show {
        /// Name, root or canonical file.
        model: String,
    },
    /// Delete an imported model.
    Remove {
        /// Name or root.
        model: String,
        /// Do not ask.
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Turn text into token ids, or token ids into text.
    Tokenize(TokenizeArgs),
    /// Evaluate a model on arrays of token ids: negative log-likelihood, most likely next tokens, digest of all logits.
    Eval(EvalArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TokenizeArgs {
    /// Name, root or canonical file.
    pub(crate) model: String,
    /// Text to turn into tokens. No token is put before it.
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// Token ids to turn into text, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ID,ID,...")]
    pub(crate) ids: Vec<u32>,
    /// Take the names of special tokens in the text as text, as in the words of a user.
    #[arg(long, conflicts_with = "ids")]
    pub(crate) plain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Name, root or canonical file.
    pub(crate) model: String,
    /// A JSON array of arrays of token ids. Each array starts with an empty cache; no token is added.
    #[arg(long, value_name = "FILE")]
    pub(crate) ids: PathBuf,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// Name, root or canonical file; the only imported model when absent.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The prompt. Names of special tokens in it are these tokens, except in a chat.
    #[arg(long, allow_hyphen_values = true, required_unless_present = "chat")]
    pub(crate) prompt: Option<String>,
    /// Make the prompt by the model's chat template: `--prompt` is what the user says; without it, lines of stdin are
    /// messages, the user's first, then the assistant's and the user's in turn.
    #[arg(long, conflicts_with_all = ["choice", "score", "embed"])]
    pub(crate) chat: bool,
    /// What the system says first, in a chat.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["choice", "score", "embed"])]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    #[command(flatten)]
    pub(crate) draw: DrawArgs,
    /// New tokens, at most.
    #[arg(long, default_value_t = 64)]
    pub(crate) max_new_tokens: u32,
    /// Temperature; 0 is greedy.
    #[arg(long, default_value = "0")]
    pub(crate) temperature: String,
    /// Nucleus; 1 keeps all candidates.
    #[arg(long, default_value = "1")]
    pub(crate) top_p: String,
    /// Candidates kept; 0 keeps all.
    #[arg(long, default_value_t = 0)]
    pub(crate) top_k: u32,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Makes tokens already in the prompt or the answer less likely; 1 changes nothing.
    #[arg(long, default_value = "1")]
    pub(crate) repetition_penalty: String,
    /// Strings that end the answer. Repeatable.
    #[arg(long)]
    pub(crate) stop: Vec<String>,
    #[command(flatten)]
    pub(crate) grammar: GrammarArgs,
    /// Print the answer piece by piece as it comes; the default on a terminal.
    #[arg(long, conflicts_with_all = ["choice", "score", "embed", "draw"])]
    pub(crate) stream: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// What is asked, if not a continuation.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub(crate) struct AskedArgs {
    /// Choose the likeliest of these continuations instead of generating. Repeatable.
    #[arg(long)]
    pub(crate) choice: Vec<String>,
    /// Print the negative log-likelihood of this continuation instead of generating.
    #[arg(long, value_name = "TEXT")]
    pub(crate) score: Option<String>,
    /// Print the embedding of the prompt instead of generating.
    #[arg(long)]
    pub(crate) embed: bool,
    /// Draw an image of the prompt, so many pixels across and down, instead of generating.
    #[arg(long, value_name = "WxH", requires = "output")]
    pub(crate) draw: Option<String>,
}

/// What an image is like.
#[derive(Debug, Clone, Args)]
pub(crate) struct DrawArgs {
    /// Denoising steps of an image.
    #[arg(long, default_value_t = 20, requires = "draw")]
    pub(crate) steps: u32,
    /// Weight of the prompt of an image over its negative prompt; 1 takes no notice of the latter.
    #[arg(long, default_value = "7.5", requires = "draw")]
    pub(crate) guidance: String,
    /// What an image should not show.
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true, requires = "draw")]
    pub(crate) negative_prompt: String,
    /// File that an image is written to, as PNG.
    #[arg(long, value_name = "FILE", requires = "draw")]
    pub(crate) output: Option<PathBuf>,
}

/// What an answer must satisfy, token by token.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false, conflicts_with = "AskedArgs")]
pub(crate) struct GrammarArgs {
    /// The answer is JSON of this JSON schema.
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// The answer matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub(crate) regex: Option<String>,
    /// The answer is text of this grammar, in llguidance's form of Lark.
    #[arg(long, value_name = "FILE")]
    pub(crate) lark: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Answer jobs for a node until a signal: test the arithmetic, load models, attach, come back when the node was away.
    Run(WorkerRunArgs),
    /// Print this worker's key, which the node's operator admits; made if there is none.
    Key {
        #[command(flatten)]
        key: WorkerKeyArgs,
    },
    /// List a node's workers, and its own pool.
    List {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Watch a node's inference: workers, queue, speed. `q` quits.
    Top {
        #[command(flatten)]
        node: NodeArgs,
        /// Print one frame as text and end.
        #[arg(long)]
        once: bool,
    },
    /// Test this machine's arithmetic against the golden vectors; exit code 1 if one bit differs.
    Selftest {
        /// Run this model on every kernel too: name, root or canonical file. Repeatable.
        #[arg(long = "model")]
        models: Vec<String>,
        /// Test this device too: cuda or cuda:N. Repeatable.
        #[arg(long = "device")]
        devices: Vec<String>,
    },
}

/// The worker's own key.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerKeyArgs {
    /// File of the worker's Ed25519 key; `~/.noema/worker.key` when absent, made at the first use.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerRunArgs {
    /// Where the node takes workers, HOST:PORT or https://HOST:PORT: `worker_listen` of its configuration.
    #[arg(long, env = "NOEMA_WORKER_NODE", value_name = "HOST:PORT")]
    pub(crate) node: String,
    /// Key that the node must have, as `noema worker list` on the node prints it.
    #[arg(long, env = "NOEMA_WORKER_NODE_KEY", value_name = "KEY")]
    pub(crate) node_key: String,
    #[command(flatten)]
    pub(crate) key: WorkerKeyArgs,
    /// What to call this worker; the beginning of its key when absent.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Model to hold: name, root or canonical file; the only imported one when absent. Repeatable.
    #[arg(long = "model")]
    pub(crate) models: Vec<String>,
    /// Jobs to take at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) jobs: u32,
    /// Seconds to finish jobs once it is told to stop; the rest goes back to the node.
    #[arg(long, default_value_t = 20)]
    pub(crate) grace: u64,
    /// End when stdin ends, as it does when the parent dies.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
