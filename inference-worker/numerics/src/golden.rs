//! Golden vectors: inputs from a seed, frozen digests of the outputs.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::image::{self, Group, Levels};
use crate::limits::BLOCK;
use crate::{
    Arithmetic, AttentionScratch, Draws, Kernel, KvBlock, Lines, NumericsError, Sampling, Tiles, rope, weights,
};

/// One operation and the digest of its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The operation.
    pub operation: &'static str,
    /// BLAKE3 over the bits of all results, in hexadecimal.
    pub digest: String,
}

/// What a self-test computed; every digest is the frozen one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The kernel under test.
    pub kernel: Kernel,
    /// One entry per operation.
    pub checks: Vec<Check>,
}

type Golden = fn(&Arithmetic, &mut Source, &mut Digest) -> Result<(), NumericsError>;

/// Operations, how to exercise them, and the frozen digests.
const GOLDEN: [(&str, Golden, &str); 23] = [
    ("quantise", quantise, "3da70342cea7c4a10b80cc3b0496e6c824d1ad9c9f11faa6232a59ee73be9552"),
    ("product", product, "55f9b398c4cec48c5f04b158804f2640f0400c6e6f60f577b3f97844263ed0fc"),
    ("rms_norm", rms_norm, "87d3095059926af8f1eee25d2fb2caac715759318a9359ffea0cf903cdd5b4f2"),
    ("rope", rotate, "d956a5b8e37b61fee69000a8cb5affd7586a920a4627f8ea812d1cd34cb65a66"),
    ("attend_lines", attend_lines, "99b462efab3ba1b482e6a9c7b12dae8e291f54f831c28e6aa44847ecf1b73499"),
    ("attend", attend, "e27a0b4bad4d686ccf9605e90a75c50bd8defd153d6559b90e63817fbe8f34eb"),
    ("softmax", softmax, "ac96d2a4d7c41bf6bdb25c5166739b05d5726473a8504b1ce6a4ae85b466c824"),
    ("silu_mul", silu_mul, "432771df38e40700e57415f249554319309ee03be3a72cf735171ceac070b99c"),
    ("embed_add", embed_add, "b52cb7adeefc5332c1c21ad0ae41e40973b4a631e1de7faba87a399c53ec88e0"),
    ("exp", exp, "de39ddec8702825881d996f5d4256fbcb41a2dc6aa1d69ea8b112603ca8cee30"),
    ("surprise", surprise, "a6a9902e4fbcf79ced492c991d71ad3d79b5d9e1e4120835e690acd0483dc8ce"),
    ("sample", sample, "6619a519124ce66535441220fe369b1c4c5efb5aa8abef0ed1333af7ce8176b7"),
    ("layer_norm", layer_norm, "3b517a31a7fd010cff5cadd705427abe73c01a3f67849d07023e614fef89c8b9"),
    ("gelu", gelu, "1651867e267484d8262cc8a513230c5142b008d6022eee9fbac60a1fe5dba1d7"),
    ("unit_bytes", unit_bytes, "f67be4307ea25dc2089506adbeecaa2ab445bac57b004f2dc8dc63808b1a2c0a"),
    (
        "silu_quick_gelu_geglu",
        silu_quick_gelu_geglu,
        "90587eb2f1e1cbce30a424cb8b94530a51927a8729c42924ae8246a20cc673f7",
    ),
    ("group_norm", group_norm, "ae130ca210d51a3c9e64e54e2fbed1d2d2aaad31c6ca78206851d3b840f65797"),
    ("denoise", denoise, "f8bce12de763949593fbff480637b6d74d80c6c0cad1b739553a14032104f978"),
    ("noise", noise, "6d3e2c53db4e75a7c39d3f18d1539cf4d034781a0d4557479ad5245e31f4ee53"),
    ("pixels", pixels, "fbf1a4a5e713297ca645e25b79eb5950d47dcbbe96e95040d2797265dac91dc2"),
    ("rope_stretched", rotate_stretched, "3456e39aab66ac14d654748679e8ed6616270acea58c51f1baa3bc7df041f549"),
    ("penalise", penalise, "51ce8d2602254d9f66bd70822c0111ccd4d00734806567b5abd78e8b032f390f"),
    ("gelu_tanh", gelu_tanh, "277ddd2b8e6bc6ecaa53a7b0fb05f8650b79dedbf689fd42375c25cd0e4453d2"),
];

/// Recomputes every golden vector on a kernel. A machine that fails must not serve.
///
/// # Errors
/// [`NumericsError::Golden`] for the first operation that differs, or whatever keeps the kernel from running.
pub fn self_test(kernel: Kernel) -> Result<Report, NumericsError> {
    let checks = compute(kernel)?;
    for (check, (operation, _, expected)) in checks.iter().zip(GOLDEN) {
        if check.digest != expected {
            return Err(NumericsError::Golden { kernel, operation, expected, got: check.digest.clone() });
        }
    }
    Ok(Report { kernel, checks })
}

fn compute(kernel: Kernel) -> Result<Vec<Check>, NumericsError> {
    let arithmetic = Arithmetic::new(kernel)?;
    let check = |(operation, run, _): (&'static str, Golden, &str)| {
        let mut digest = Digest::default();
        run(&arithmetic, &mut Source::new(operation), &mut digest)?;
        Ok(Check { operation, digest: digest.0.finalize().to_hex().to_string() })
    };
    GOLDEN.into_iter().map(check).collect()
}

/// Inputs: a ChaCha20 stream keyed by the operation's name.
struct Source(ChaCha20Rng);

impl Source {
    fn new(operation: &str) -> Self {
        Self(ChaCha20Rng::from_seed(blake3::derive_key("noema numerics golden vectors", operation.as_bytes())))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    /// A multiple of 2^-20 in `[-8, 8)`, exact; one in sixteen is scaled by a power of two from 2^-60 to 2^3.
    fn value(&mut self) -> f32 {
        let word = self.0.next_u32();
        let value = ((word >> 8) as i32 - (1 << 23)) as f32 * f32::from_bits((127 - 20) << 23);
        if word & 15 == 0 { value * f32::from_bits((67 + (word >> 4 & 63).min(63)) << 23) } else { value }
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }

    fn weights(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| (self.below(255) as i32 - 127) as i8).collect()
    }
}

#[derive(Default)]
struct Digest(blake3::Hasher);

impl Digest {
    fn floats(&mut self, values: &[f32]) {
        for value in values {
            self.0.update(&value.to_bits().to_le_bytes());
        }
    }

    fn integers(&mut self, values: &[i16]) {
        for value in values {
            self.0.update(&value.to_le_bytes());
        }
    }
}

/// Lengths that leave every kind of remainder.
const LENGTHS: [usize; 8] = [1, 7, 16, 31, 64, 100, 576, 1_537];

fn quantise(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let mut q = vec![0; length];
        let scale = arithmetic.quantise(&source.values(length), &mut q)?;
        digest.integers(&q);
        digest.floats(&[scale]);
        let mut bytes = vec![0; length];
        let scale = weights::quantise_row(&source.values(length), &mut bytes)?;
        digest.integers(&bytes.into_iter().map(i16::from).collect::<Vec<_>>());
        digest.floats(&[scale]);
    }
    Ok(())
}

fn product(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for (count, inputs, tokens) in [(1, 1, 1), (5, 33, 3), (8, 576, 1), (3, 4_200, 2), (7, 100, 35), (2, 65_793, 1)] {
        let weights = source.weights(count * inputs);
        let scales = source.values(count);
        let q: Vec<i16> = (0..inputs * tokens).map(|_| (source.below(65_535) as i32 - 32_767) as i16).collect();
        let q_scales = source.values(tokens);
        let mut out = vec![0.0; count * tokens];
        arithmetic.product(Tiles::of(&weights, inputs).slice(0, &scales), &q, &q_scales, &mut out);
        digest.floats(&out);
    }
    // Everything at its limit: the largest sum there is.
    let inputs = 65_793;
    let (weights, q) = (vec![-127; inputs], vec![32_767; inputs]);
    let mut out = [0.0];
    arithmetic.product(Tiles::of(&weights, inputs).slice(0, &[1.0]), &q, &[1.0], &mut out);
    digest.floats(&out);
    Ok(())
}

fn rms_norm(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let (x, gain, mut out) = (source.values(length), source.values(length), vec![0.0; length]);
        arithmetic.rms_norm(&x, &gain, f32::from_bits(0x3727_c5ac), &mut out)?;
        digest.floats(&out);
    }
    Ok(())
}

fn rotate(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for half in [1, 3, 8, 32, 64] {
        let table = rope::table(100_000, 2 * half, 70);
        digest.floats(&table.cos);
        digest.floats(&table.sin);
        for position in [0, 1, 69] {
            let mut head = source.values(2 * half);
            let row = position * half..(position + 1) * half;
            arithmetic.rope(&mut head, &table.cos[row.clone()], &table.sin[row]);
            digest.floats(&head);
        }
    }
    Ok(())
}

fn attend(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for (head_dim, len) in [(1, 1), (8, 64), (20, 65), (64, 130), (64, 17), (100, 200)] {
        let data: Vec<_> = (0..usize::div_ceil(len, BLOCK))
            .map(|_| (source.values(head_dim * BLOCK), source.values(head_dim * BLOCK)))
            .collect();
        let blocks: Vec<_> = data.iter().map(|(keys, values)| KvBlock { keys, values }).collect();
        let (query, mut out) = (source.values(head_dim), vec![0.0; head_dim]);
        arithmetic.attend(&query, &blocks, len, &mut AttentionScratch::default(), &mut out)?;
        digest.floats(&out);
    }
    Ok(())
}

/// Several heads that share keys and values, at consecutive positions.
fn attend_lines(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for (heads, head_dim, len, count) in [(1, 8, 1, 3), (2, 20, 60, 9), (3, 64, 64, 2), (4, 36, 1, 17), (9, 16, 130, 5)]
    {
        let data: Vec<_> = (0..usize::div_ceil(len + count - 1, BLOCK))
            .map(|_| (source.values(head_dim * BLOCK), source.values(head_dim * BLOCK)))
            .collect();
        let blocks: Vec<_> = data.iter().map(|(keys, values)| KvBlock { keys, values }).collect();
        let width = heads * head_dim;
        let (queries, mut out) = (source.values(count * width), vec![0.0; count * width]);
        let lines = Lines { count, width, from: 0, columns: width };
        arithmetic.attend_lines(&queries, lines, head_dim, &blocks, len, &mut AttentionScratch::default(), &mut out)?;
        digest.floats(&out);
    }
    Ok(())
}

fn softmax(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let mut x = source.values(length);
        arithmetic.softmax(&mut x)?;
        digest.floats(&x);
    }
    Ok(())
}

fn silu_mul(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let (mut gate, up) = (source.values(length), source.values(length));
        arithmetic.silu_mul(&mut gate, &up);
        digest.floats(&gate);
    }
    Ok(())
}

fn embed_add(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let (row, y, mut x) = (source.weights(length), source.values(length), vec![0.0; length]);
        arithmetic.embed(&row, source.value(), &mut x);
        arithmetic.add(&mut x, &y);
        digest.floats(&x);
    }
    Ok(())
}

fn exp(arithmetic: &Arithmetic, _: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    // Multiples of 2^-6 from -100 to 100, past both clamps, and the smallest numbers.
    let mut x: Vec<f32> = (-6_400..=6_400).map(|i| i as f32 * f32::from_bits((127 - 6) << 23)).collect();
    x.extend([f32::from_bits(1), -f32::from_bits(1), f32::MIN_POSITIVE, 0.0, -0.0, f32::MAX, f32::MIN]);
    arithmetic.exp(&mut x);
    digest.floats(&x);
    Ok(())
}

fn surprise(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let logits = source.values(length);
        let index = source.below(length);
        digest.floats(&[arithmetic.surprise(&logits, index)?]);
    }
    Ok(())
}

fn sample(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    let mut draws = Draws::new(42);
    for (temperature_bps, top_k, top_p_bps) in [(0, 0, 10_000), (10_000, 0, 10_000), (7_000, 40, 9_500), (20_000, 5, 1)]
    {
        let sampling = Sampling { temperature_bps, top_k, top_p_bps };
        for _ in 0..20 {
            let logits = source.values(1_000);
            digest.0.update(&arithmetic.sample(&logits, sampling, &mut draws)?.to_le_bytes());
        }
    }
    Ok(())
}

fn layer_norm(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let (x, gain, bias) = (source.values(length), source.values(length), source.values(length));
        let mut out = vec![0.0; length];
        arithmetic.layer_norm(&x, &gain, &bias, f32::from_bits(0x3727_c5ac), &mut out)?;
        digest.floats(&out);
    }
    Ok(())
}

fn gelu(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    // Multiples of 2^-6 from -20 to 20, the smallest and largest numbers, and random ones.
    let mut x: Vec<f32> = (-1_280..=1_280).map(|i| i as f32 * f32::from_bits((127 - 6) << 23)).collect();
    x.extend([f32::from_bits(1), -f32::from_bits(1), f32::MIN_POSITIVE, 0.0, -0.0, f32::MAX, f32::MIN]);
    x.extend(source.values(1_000));
    arithmetic.gelu(&mut x);
    digest.floats(&x);
    Ok(())
}

fn unit_bytes(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let mut out = vec![0; length];
        arithmetic.unit_bytes(&source.values(length), &mut out)?;
        digest.integers(&out.into_iter().map(i16::from).collect::<Vec<_>>());
    }
    Ok(())
}

fn silu_quick_gelu_geglu(
    arithmetic: &Arithmetic,
    source: &mut Source,
    digest: &mut Digest,
) -> Result<(), NumericsError> {
    for length in LENGTHS {
        let [mut silu, mut quick, mut gated, mut gate] = [(); 4].map(|()| source.values(length));
        arithmetic.silu(&mut silu);
        arithmetic.quick_gelu(&mut quick);
        arithmetic.geglu(&mut gated, &mut gate);
        for values in [silu, quick, gated] {
            digest.floats(&values);
        }
    }
    Ok(())
}

fn group_norm(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for (places, groups, count) in [(1, 1, 1), (1, 2, 3), (15, 8, 2), (64, 32, 10), (1_000, 4, 5)] {
        let channels = groups * count;
        let mut image = source.values(places * channels);
        let (gain, bias) = (source.values(channels), source.values(channels));
        let factors: Result<Vec<_>, _> = (0..groups)
            .map(|group| Group { channels, first: group * count, count })
            .map(|group| arithmetic.group_factors(&image, group, f32::from_bits(0x3727_c5ac)))
            .collect();
        let factors = factors?;
        for place in image.chunks_exact_mut(channels) {
            arithmetic.group_norm(place, &factors, &gain, &bias);
        }
        digest.floats(&image);
    }
    Ok(())
}

fn denoise(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    let shares = image::signal_shares(0.00085, 0.012, 1_000);
    digest.floats(&shares);
    let waves = image::level_waves(20, 1_000);
    digest.floats(&waves.cos);
    digest.floats(&waves.sin);
    for (length, level) in LENGTHS.into_iter().zip([999, 951, 700, 400, 200, 100, 21, 1]) {
        let (mut x, mut without, with) = (source.values(length), source.values(length), source.values(length));
        arithmetic.guide(&mut without, &with, 7.5);
        let levels = Levels { from: shares[level], to: shares[level / 2] };
        arithmetic.denoise(&mut x, &without, levels);
        arithmetic.divide(&mut x, f32::from_bits(0x3e3a_8588));
        digest.floats(&x);
    }
    Ok(())
}

fn noise(_: &Arithmetic, _: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for seed in [0, 1, u64::MAX] {
        digest.floats(&image::noise(seed, 1_001));
    }
    Ok(())
}

fn pixels(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    // Multiples of 2^-8 from -2 to 2, which hold many ties, and random ones.
    let mut x: Vec<f32> = (-512..=512).map(|i| i as f32 * f32::from_bits((127 - 8) << 23)).collect();
    x.extend(source.values(1_000));
    let mut out = vec![0; x.len()];
    arithmetic.pixels(&x, &mut out)?;
    digest.0.update(&out);
    Ok(())
}

fn rotate_stretched(_: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    let bands =
        |factor_milli, context| rope::Stretch::Bands { factor_milli, low_milli: 1_000, high_milli: 4_000, context };
    let linear = |factor_milli| rope::Stretch::Linear { factor_milli };
    for (base, head_dim, stretch) in [
        (10_000, 64, linear(2_500)),
        (10_000, 6, linear(1_001)),
        (500_000, 128, bands(8_000, 8_192)),
        (500_000, 64, bands(32_000, 8_192)),
        (1_000_000, 80, bands(1_500, 333)),
    ] {
        let table = rope::stretched_table(base, head_dim, 90, stretch);
        digest.floats(&table.cos);
        digest.floats(&table.sin);
    }
    // Factors from 1 to 17.
    let factors: Vec<f32> = source.values(32).iter().map(|value| 9.0 + value.clamp(-8.0, 8.0)).collect();
    let table = rope::divided_table(500_000, &factors, 90);
    digest.floats(&table.cos);
    digest.floats(&table.sin);
    Ok(())
}

fn penalise(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    for penalty_bps in [10_000, 11_000, 13_337, 20_000, 5_000, 1, u32::MAX] {
        let mut logits = source.values(500);
        logits.extend([0.0, -0.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, f32::MIN]);
        arithmetic.penalise(&mut logits, (0..506).filter(|token| token % 3 != 1), penalty_bps);
        digest.floats(&logits);
    }
    Ok(())
}

fn gelu_tanh(arithmetic: &Arithmetic, source: &mut Source, digest: &mut Digest) -> Result<(), NumericsError> {
    // Multiples of 2^-6 from -20 to 20, the smallest and largest numbers, and random ones.
    let mut x: Vec<f32> = (-1_280..=1_280).map(|i| i as f32 * f32::from_bits((127 - 6) << 23)).collect();
    x.extend([f32::from_bits(1), -f32::from_bits(1), f32::MIN_POSITIVE, 0.0, -0.0, f32::MAX, f32::MIN]);
    x.extend(source.values(1_000));
    arithmetic.gelu_tanh(&mut x);
    digest.floats(&x);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_the_frozen_one() {
        let computed = compute(Kernel::Scalar).expect("scalar is always there");
        let computed: Vec<_> = computed.iter().map(|check| (check.operation, check.digest.as_str())).collect();
        assert_eq!(computed, GOLDEN.map(|(operation, _, digest)| (operation, digest)));
    }
}
