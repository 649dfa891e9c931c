//! `noema model eval`: a model on given tokens, in numbers that other machines can check bit by bit.
//!
//! Every array of the file starts with an empty cache, and no token is added to it. Logits do not depend on how a
//! sequence is cut into steps, so that at most [`PIECE_TOKENS`] rows of them are in memory at a time.

use std::path::Path;

use noema_models::{Compute, LoadedModel, Model, ModelError, Sketch, Step, Want};
use noema_numerics::{NumericsError, micro_nats};
use noema_types::Hash;
use serde_json::{Value, json};

use crate::args::EvalArgs;
use crate::home::Home;
use crate::machine;
use crate::output::{CliError, CliResult, Context, Output};

/// Tokens whose logits are in memory at a time.
const PIECE_TOKENS: usize = 64;
/// Bytes of a file of ids, at most.
const IDS_BYTES_MAX: u64 = 256 << 20;

/// What one array of tokens gave.
#[derive(Debug, Clone, PartialEq)]
struct Chunk {
    tokens: usize,
    /// Negative log-likelihood of every token after the first, in nats: the f32 surprises, added in f64 in their order.
    nats: f64,
    /// The same, each surprise rounded to whole micro-nats first: exact on every machine.
    micro_nats: i64,
    /// The likeliest next token after each token; the lowest id among equals.
    argmax: Vec<u32>,
    /// BLAKE3 over the bits of all logits.
    digest: Hash,
}

/// Runs the command.
pub(crate) fn run(output: Output, args: &EvalArgs) -> CliResult {
    let arrays = read(&args.ids)?;
    let compute = machine::compute(&args.compute)?;
    let path = super::find(&Home::find()?, Some(&args.model))?;
    let spinner = output.spinner("loading the model");
    let mut loaded = super::read(&path)?;
    if let Some(device) = machine::device(&args.compute)? {
        loaded = loaded.placed_on(&device).map_err(CliError::fault)?;
    }
    let model = causal(&loaded)?;
    check(&arrays, loaded.manifest.vocab, loaded.manifest.context)?;
    let mut chunks = Vec::with_capacity(arrays.len());
    for (index, array) in arrays.iter().enumerate() {
        spinner.set_message(format!("array {} of {}", index + 1, arrays.len()));
        chunks.push(evaluate(model, &compute, array).map_err(|error| {
            let message = format!("array {index}: {error}");
            match error {
                ModelError::Numerics(NumericsError::NonFinite { .. }) => CliError::verdict(message),
                _ => CliError::fault(message),
            }
        })?);
    }
    spinner.finish_and_clear();
    let micro: i64 = chunks.iter().map(|chunk| chunk.micro_nats).sum();
    let nats: f64 = chunks.iter().map(|chunk| chunk.nats).sum();
    let scored: usize = chunks.iter().map(|chunk| chunk.tokens - 1).sum();
    output.result(
        || {
            let lines: Vec<_> = chunks.iter().enumerate().map(|(index, chunk)| chunk.line(index)).collect();
            let mean = nats / scored.max(1) as f64;
            format!(
                "{}\ntotal    {nats} nats ({micro} micro-nats) over {scored} next tokens, perplexity {:.6}",
                lines.join("\n"),
                mean.exp(),
            )
        },
        || {
            json!({
                "model": loaded.root,
                "kernel": compute.arithmetic().kernel().name(),
                "threads": compute.threads(),
                "chunks": chunks.iter().map(Chunk::json).collect::<Vec<_>>(),
                "nll": nats,
                "micro_nats": micro,
                "scored": scored,
            })
        },
    );
    Ok(())
}

/// The network, if it continues texts.
fn causal(loaded: &LoadedModel) -> CliResult<&dyn Model> {
    let model = loaded.causal().ok_or_else(|| {
        CliError::fault(format!("`{}` embeds texts, it does not continue them", loaded.manifest.name))
            .hint("evaluate a model that generates")
    })?;
    Ok(&**model)
}

fn read(path: &Path) -> CliResult<Vec<Vec<u32>>> {
    const FORM: &str = "the file is a JSON array of arrays of token ids, for example [[504,3575,282],[1,4093]]";
    let at = path.display();
    let length = std::fs::metadata(path).context(format!("cannot read {at}"))?.len();
    if length > IDS_BYTES_MAX {
        return Err(CliError::fault(format!("{at} has {length} bytes, more than {IDS_BYTES_MAX}"))
            .hint("evaluate it in several files"));
    }
    let bytes = std::fs::read(path).context(format!("cannot read {at}"))?;
    let arrays: Vec<Vec<u32>> =
        serde_json::from_slice(&bytes).map_err(|error| CliError::fault(format!("{at}: {error}")).hint(FORM))?;
    if arrays.is_empty() {
        return Err(CliError::fault(format!("{at} holds no array")).hint(FORM));
    }
    Ok(arrays)
}

/// Finds what the model would refuse before any work is done.
fn check(arrays: &[Vec<u32>], vocab: u32, context: u32) -> CliResult {
    for (index, array) in arrays.iter().enumerate() {
        if array.is_empty() {
            return Err(CliError::fault(format!("array {index} is empty")).hint("leave it out"));
        }
        if array.len() > context as usize {
            let message = format!("array {index} has {} tokens, the model sees {context}", array.len());
            return Err(CliError::fault(message).hint(format!("cut it into arrays of at most {context} tokens")));
        }
        if let Some((position, id)) = array.iter().enumerate().find(|(_, id)| **id >= vocab) {
            let message = format!("array {index}, position {position}: token {id} is not in the vocabulary of {vocab}");
            return Err(
                CliError::fault(message).hint("the ids are another model's; `noema model tokenize` makes this one's")
            );
        }
    }
    Ok(())
}

fn evaluate(model: &dyn Model, compute: &Compute, tokens: &[u32]) -> Result<Chunk, ModelError> {
    let (arithmetic, mut cache, mut hasher) = (compute.arithmetic(), model.new_cache(), blake3::Hasher::new());
    let (mut nats, mut micro, mut argmax) = (0.0, 0, Vec::with_capacity(tokens.len()));
    for piece in tokens.chunks(PIECE_TOKENS) {
        let mut steps = [Step { tokens: piece, cache: &mut cache, want: Want::All }];
        let logits = model.forward(compute, &mut steps).pop().expect("one result per step")?;
        logits.hash_into(&mut hasher);
        for row in 0..logits.rows() {
            let row = logits.row(row);
            argmax.push(arithmetic.argmax(row)? as u32);
            if let Some(&next) = tokens.get(argmax.len()) {
                let surprise = arithmetic.surprise(row, next as usize)?;
                nats += f64::from(surprise);
                micro += micro_nats(surprise);
            }
        }
    }
    assert_eq!(argmax.len(), tokens.len(), "every token has logits");
    Ok(Chunk { tokens: tokens.len(), nats, micro_nats: micro, argmax, digest: Hash(hasher.finalize().into()) })
}

impl Chunk {
    fn line(&self, index: usize) -> String {
        let Self { tokens, nats, micro_nats, digest, .. } = self;
        format!("{index:<8} {tokens} tokens, {nats} nats ({micro_nats} micro-nats), logits {digest}")
    }

    fn json(&self) -> Value {
        json!({
            "tokens": self.tokens,
            "nll": self.nats,
            "micro_nats": self.micro_nats,
            "argmax": self.argmax,
            "digest": self.digest,
        })
    }
}

/// Digest of a model's answer to fixed tokens: all logits of a chunk and of single tokens, or embeddings.
pub(crate) fn fixed_digest(loaded: &LoadedModel, compute: &Compute) -> Result<Hash, ModelError> {
    const TOKENS: u32 = 24;
    const FIRST_STEP: usize = 17;
    let vocab = u64::from(loaded.manifest.vocab);
    let count = TOKENS.min(loaded.manifest.context / 2).max(1);
    let tokens: Vec<u32> = (1..=u64::from(count)).map(|i| (i * i * 7919 % vocab) as u32).collect();
    let mut hasher = blake3::Hasher::new();
    if let Some(embedder) = loaded.embedder() {
        let embedding = embedder.embed(compute, &[&tokens]).pop().expect("one result per text")?;
        hasher.update(&embedding.into_iter().map(i8::cast_unsigned).collect::<Vec<_>>());
    }
    if let Some(painter) = loaded.painter() {
        let (prompt, negative) = tokens.split_at(tokens.len() / 2);
        let sketch = Sketch { prompt, negative, width: 24, height: 16, steps: 2, guidance_bps: 75_000, seed: 7 };
        let mut canvas = painter.begin(&sketch)?;
        let png = loop {
            if let Some(png) = painter.paint(compute, &mut canvas)? {
                break png;
            }
        };
        hasher.update(&png);
    }
    if let Some(model) = loaded.causal() {
        let mut cache = model.new_cache();
        let (first, rest) = tokens.split_at(FIRST_STEP.min(tokens.len()));
        for tokens in std::iter::once(first).chain(rest.chunks(1)) {
            let mut steps = [Step { tokens, cache: &mut cache, want: Want::All }];
            model.forward(compute, &mut steps).pop().expect("one result per step")?.hash_into(&mut hasher);
        }
    }
    Ok(Hash(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use noema_models::{load_bytes, synthetic};
    use noema_numerics::Kernel;

    use super::*;

    #[test]
    fn numbers_do_not_depend_on_kernel_or_threads_and_follow_their_definition() {
        let loaded = load_bytes(&synthetic::tiny_llama(3), None).expect("loads");
        let model = causal(&loaded).expect("it generates");
        let tokens: Vec<u32> = (0..PIECE_TOKENS as u32 * 2 + 5).map(|i| i * 31 % 263).collect();
        let single = Compute::single(Kernel::Scalar).expect("always there");
        let expected = evaluate(model, &single, &tokens).expect("finite");
        for kernel in Kernel::available() {
            for threads in [1, 3] {
                let compute = Compute::with_threads(kernel, threads).expect("available");
                assert_eq!(evaluate(model, &compute, &tokens).expect("finite"), expected);
            }
        }
        // One step over everything gives the same logits, and the definition written out the same numbers.
        let (mut cache, mut hasher) = (model.new_cache(), blake3::Hasher::new());
        let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::All }];
        let logits = model.forward(&single, &mut steps).pop().expect("one").expect("finite");
        logits.hash_into(&mut hasher);
        assert_eq!(Hash(hasher.finalize().into()), expected.digest);
        let mut nats = 0.0;
        for (i, &next) in tokens.iter().enumerate().skip(1) {
            let row = logits.row(i - 1);
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(row[expected.argmax[i - 1] as usize], most);
            let total: f64 = row.iter().map(|value| f64::from(value - most).exp()).sum();
            nats += total.ln() - f64::from(row[next as usize] - most);
        }
        assert!((nats - expected.nats).abs() < 1e-3, "{nats} {expected:?}");
        assert!((expected.micro_nats as f64 / 1e6 - expected.nats).abs() < 1e-3);
    }

    #[test]
    fn refusals_name_the_place() {
        let message = |arrays: &[Vec<u32>]| check(arrays, 10, 3).expect_err("refused").message;
        assert_eq!(message(&[vec![1], vec![]]), "array 1 is empty");
        assert_eq!(message(&[vec![1, 2, 3, 4]]), "array 0 has 4 tokens, the model sees 3");
        assert_eq!(message(&[vec![1], vec![1, 10]]), "array 1, position 1: token 10 is not in the vocabulary of 10");
        assert!(check(&[vec![9, 9, 9]], 10, 3).is_ok());
    }
}
