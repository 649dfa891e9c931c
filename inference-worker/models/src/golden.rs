//! The golden vector of the model code: a synthetic model's logits.

use noema_types::Hash;

use crate::{Compute, Model, ModelError, Step, Want, load_bytes, synthetic};

/// Frozen digest over the logits of [`self_test`].
const GOLDEN: &str = "0x65be39fc48ebd9bfd48e246f040bb37140c7d7108c7e6af9e5d71f403fdf424d";
const SEED: u64 = 20_260_101;
const TOKENS: usize = 150;
/// Length of the first chunk; the rest follows token by token.
const FIRST_CHUNK: usize = 100;

/// Runs a synthetic model on the kernel and threads in question. A machine that fails must not serve.
///
/// # Errors
/// [`ModelError::Golden`] when one bit of one logit differs.
pub fn self_test(compute: &Compute) -> Result<Hash, ModelError> {
    let loaded = load_bytes(&synthetic::tiny_llama(SEED), None)?;
    check(digest(compute, &**loaded.causal().expect("it continues texts"))?)
}

/// The same on a device.
pub(crate) fn self_test_on(device: &noema_cuda::Device) -> Result<Hash, ModelError> {
    let loaded = load_bytes(&synthetic::tiny_llama(SEED), None)?;
    let model = loaded.causal().expect("it continues texts").on_device(device)?;
    check(digest(&Compute::single(noema_numerics::Kernel::Scalar)?, &*model)?)
}

fn check(got: Hash) -> Result<Hash, ModelError> {
    if got.to_string() == GOLDEN {
        return Ok(got);
    }
    Err(ModelError::Golden { expected: GOLDEN, got })
}

fn digest(compute: &Compute, model: &dyn Model) -> Result<Hash, ModelError> {
    let manifest = model.manifest();
    let tokens: Vec<u32> = (0..TOKENS as u32).map(|i| i * i * 7 % manifest.vocab).collect();
    let (first, rest) = tokens.split_at(FIRST_CHUNK);
    let mut cache = model.new_cache();
    let mut hasher = blake3::Hasher::new();
    for tokens in std::iter::once(first).chain(rest.chunks(1)) {
        let mut steps = [Step { tokens, cache: &mut cache, want: Want::All }];
        let logits = model.forward(compute, &mut steps).pop().expect("one result per step")?;
        logits.hash_into(&mut hasher);
    }
    Ok(Hash(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use noema_numerics::Kernel;

    use super::*;

    #[test]
    fn every_kernel_gives_the_frozen_logits() {
        for kernel in Kernel::available() {
            for threads in [1, 2] {
                let compute = Compute::with_threads(kernel, threads).expect("an available kernel");
                assert_eq!(self_test(&compute).expect("golden").to_string(), GOLDEN);
            }
        }
    }
}
