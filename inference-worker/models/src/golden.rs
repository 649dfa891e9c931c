//! The golden vectors of the model code: what synthetic models of every family compute.

use noema_types::Hash;

use crate::{Compute, LoadedModel, ModelError, Network, Painter, Sketch, Step, Want, load_bytes, synthetic};

const SEED: u64 = 20_260_101;
const TOKENS: usize = 150;
/// Length of the first chunk; the rest follows token by token.
const FIRST_CHUNK: usize = 100;

/// A family, its synthetic model of a seed, and the frozen digest.
type Golden = (&'static str, fn(u64) -> Vec<u8>, &'static str);

/// Families, their synthetic models, and frozen digests: over all logits, over the bytes of embeddings, or over
/// an image.
const GOLDEN: [Golden; 6] = [
    ("llama", synthetic::tiny_llama, "0x65be39fc48ebd9bfd48e246f040bb37140c7d7108c7e6af9e5d71f403fdf424d"),
    (
        "llama with biases and stretched positions",
        synthetic::tiny_qwen,
        "0x9223d442d3894ec687dd2a9d1a3c34e27ecac8951821d1d256066c0ea38d5979",
    ),
    ("gpt-neox", synthetic::tiny_neox, "0x50c915c4e5de9ef0ada63e7bcbd7002bccdfcdbd60e21ea76133692e02cfc040"),
    (
        "gpt-neox with gelu by tanh",
        synthetic::tiny_neox_tanh,
        "0x07b1ecba571a10622d09e9ca4452cd9975dd9e9a8c1de61cf697ce41972be518",
    ),
    ("bert", synthetic::tiny_bert, "0x9db05a61f39d69e6ca96dbdbbe6027a485118e0e115c7bfccfbb1ae8a4e686f4"),
    (
        "latent diffusion",
        synthetic::tiny_diffusion,
        "0x61a689de70f40b37a6d8cdbca937e9868c3688f454076352517c21a53ba43b6d",
    ),
];

/// Runs a synthetic model of each family on the kernel and threads in question and returns what they computed. A machine
/// that fails must not serve.
///
/// # Errors
/// [`ModelError::Golden`] names the first family of which one bit differs.
pub fn self_tests(compute: &Compute) -> Result<Vec<(&'static str, Hash)>, ModelError> {
    let check = |(family, model, expected): Golden| {
        let got = digest(compute, &load_bytes(&model(SEED), None)?)?;
        let is_right = got.to_string() == expected;
        if is_right { Ok((family, got)) } else { Err(ModelError::Golden { family, expected, got }) }
    };
    GOLDEN.into_iter().map(check).collect()
}

/// As [`self_tests`]; one digest over those of all families.
///
/// # Errors
/// As [`self_tests`].
pub fn self_test(compute: &Compute) -> Result<Hash, ModelError> {
    let mut hasher = blake3::Hasher::new();
    for (_, digest) in self_tests(compute)? {
        hasher.update(&digest.0);
    }
    Ok(Hash(*hasher.finalize().as_bytes()))
}

/// As [`self_tests`], on a device, for those families that it has kernels for.
///
/// # Errors
/// As [`self_tests`]; [`ModelError::Device`].
pub fn self_tests_on(device: &noema_cuda::Device) -> Result<Vec<(&'static str, Hash)>, ModelError> {
    let compute = Compute::single(noema_numerics::Kernel::Scalar)?;
    let mut results = Vec::new();
    for (family, model, expected) in GOLDEN {
        let mut loaded = load_bytes(&model(SEED), None)?;
        loaded.network = match loaded.network.on_device(device) {
            Err(ModelError::ProcessorOnly { .. }) => continue,
            network => network?,
        };
        let got = digest(&compute, &loaded)?;
        if got.to_string() != expected {
            return Err(ModelError::Golden { family, expected, got });
        }
        results.push((family, got));
    }
    Ok(results)
}

fn digest(compute: &Compute, loaded: &LoadedModel) -> Result<Hash, ModelError> {
    let tokens: Vec<u32> = (0..TOKENS as u32).map(|i| i * i * 7 % loaded.manifest.vocab).collect();
    let (first, rest) = tokens.split_at(FIRST_CHUNK);
    let mut hasher = blake3::Hasher::new();
    match &loaded.network {
        Network::Causal(model) => {
            let mut cache = model.new_cache();
            for tokens in std::iter::once(first).chain(rest.chunks(1)) {
                let mut steps = [Step { tokens, cache: &mut cache, want: Want::All }];
                let logits = model.forward(compute, &mut steps).pop().expect("one result per step")?;
                logits.hash_into(&mut hasher);
            }
        }
        Network::Embedder(model) => {
            for embedding in model.embed(compute, &[first, &tokens, &[]]) {
                hasher.update(&embedding?.into_iter().map(i8::cast_unsigned).collect::<Vec<_>>());
            }
        }
        Network::Painter(painter) => {
            hasher.update(&image(compute, &**painter)?);
        }
    }
    Ok(Hash(*hasher.finalize().as_bytes()))
}

fn image(compute: &Compute, painter: &dyn Painter) -> Result<Vec<u8>, ModelError> {
    let (prompt, negative): (Vec<u32>, Vec<u32>) = ((0..20).collect(), (300..310).collect());
    // Sides that are odd on the way down.
    let (width, height) = (40, 24);
    let guidance_bps = 75_000;
    let sketch = Sketch { prompt: &prompt, negative: &negative, width, height, steps: 2, guidance_bps, seed: SEED };
    let mut canvas = painter.begin(&sketch)?;
    loop {
        if let Some(png) = painter.paint(compute, &mut canvas)? {
            return Ok(png);
        }
    }
}

#[cfg(test)]
mod tests {
    use noema_numerics::Kernel;

    use super::*;

    #[test]
    fn every_kernel_gives_the_frozen_results() {
        let frozen: Vec<_> = GOLDEN.iter().map(|(family, _, digest)| (*family, (*digest).to_owned())).collect();
        let mut all = Vec::new();
        for kernel in Kernel::available() {
            for threads in [1, 2] {
                let compute = Compute::with_threads(kernel, threads).expect("an available kernel");
                let computed = GOLDEN.map(|(family, model, _)| {
                    let loaded = load_bytes(&model(SEED), None).expect("loads");
                    (family, digest(&compute, &loaded).expect("finite").to_string())
                });
                assert_eq!(computed.to_vec(), frozen);
                assert_eq!(self_tests(&compute).expect("golden").len(), GOLDEN.len());
                all.push(self_test(&compute).expect("golden"));
            }
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
