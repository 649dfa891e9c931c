//! Compares every kernel with the scalar arithmetic: at the start of every device, and over random shapes in tests.
//!
//! Inputs are streams of ChaCha20; results are compared bit by bit. Numbers are ordinary, extreme, subnormal and, now and
//! then, not finite: then the fault must be the one that the arithmetic names.

use noema_numerics::limits::BLOCK;
use noema_numerics::{Arithmetic, AttentionScratch, Kernel, KvBlock, NumericsError, Tiles};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::device::{Attention, Quantised};
use crate::{Buffer, CudaError, Device, Fault};

/// What numbers a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Between -8 and 8, some scaled down by powers of two.
    Ordinary,
    /// Also subnormals, zeros and any finite number.
    Extreme,
    /// Also infinities and NaN.
    Broken,
}

/// A stream of inputs.
#[derive(Debug)]
pub struct Source {
    random: ChaCha20Rng,
    values: Values,
}

impl Source {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64, values: Values) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self { random: ChaCha20Rng::from_seed(key), values }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.random.next_u32() as usize % bound
    }

    fn value(&mut self) -> f32 {
        let word = self.random.next_u32();
        let plain = ((word >> 8) as i32 - (1 << 23)) as f32 * f32::from_bits((127 - 20) << 23);
        match (self.values, word & 255) {
            (_, 0..16) => plain * f32::from_bits((67 + (word >> 8 & 63)) << 23),
            (Values::Extreme | Values::Broken, 16..20) => f32::from_bits(self.random.next_u32() & 0x807f_ffff),
            (Values::Extreme | Values::Broken, 20..22) => {
                let any = f32::from_bits(self.random.next_u32());
                if any.is_finite() { any } else { f32::MIN }
            }
            (Values::Extreme | Values::Broken, 22..24) => [0.0, -0.0][(word >> 8 & 1) as usize],
            (Values::Broken, 24) if word >> 8 & 7 == 0 => {
                [f32::INFINITY, f32::NEG_INFINITY, f32::NAN][(word >> 12) as usize % 3]
            }
            _ => plain,
        }
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        // Half of the vectors stay where sums and squares are finite.
        let modest = self.random.next_u32() & 1 == 0;
        let mut values: Vec<f32> = (0..count).map(|_| self.value()).collect();
        if modest {
            values.iter_mut().filter(|value| value.is_finite()).for_each(|value| *value = value.clamp(-50.0, 50.0));
        }
        values
    }

    fn weights(&mut self, count: usize) -> Vec<i8> {
        let limit = self.below(4) == 0;
        (0..count).map(|_| if limit { 127 } else { (self.below(255) as i32 - 127) as i8 }).collect()
    }
}

/// Row-by-row result of what ends in a quantisation.
type Expected = Result<(f32, Vec<i16>), NumericsError>;

struct Check<'a> {
    device: &'a Device,
    scalar: Arithmetic,
    operation: &'static str,
}

impl Check<'_> {
    fn wrong(&self, detail: String) -> CudaError {
        CudaError::Wrong { device: self.device.name().to_owned(), operation: self.operation, detail }
    }

    fn floats(&self, got: &[f32], expected: &[f32]) -> Result<(), CudaError> {
        // All NaN are one: none gets out.
        let bits = |value: f32| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
        let differs = got.iter().zip(expected).position(|(got, expected)| bits(*got) != bits(*expected));
        match differs {
            None => Ok(()),
            Some(at) => Err(self.wrong(format!("value {at} is {:?}, not {:?}", got[at], expected[at]))),
        }
    }

    fn quantised(&self, q: &Quantised, faults: &Buffer, n: usize, expected: &[Expected]) -> Result<(), CudaError> {
        let rows = expected.len();
        let [high, low] = [&q.high, &q.low].map(|plane| self.device.read(plane, rows * q.stride));
        let (high, low) = (high?, low?);
        let scales = self.device.read_floats(&q.scales, rows)?;
        let faults = self.device.read_words(faults, rows)?;
        for (row, expected) in expected.iter().enumerate() {
            let fault = Fault::read(faults[row]).map(Fault::error);
            let got =
                |i: usize| i32::from(high[row * q.stride + i].cast_signed()) * 256 + i32::from(low[row * q.stride + i]);
            let (scale, values) = match expected {
                Ok((scale, values)) if fault.is_none() => (*scale, values.clone()),
                Err(error) if fault.as_ref() == Some(error) => {
                    // After a bad score the row goes on as it is; whatever it holds is thrown away.
                    if *error == (NumericsError::NonFinite { what: "an attention score" }) {
                        continue;
                    }
                    (0.0, vec![0; n])
                }
                _ => return Err(self.wrong(format!("row {row} ends with {fault:?}, not as {expected:?}"))),
            };
            if scales[row].to_bits() != scale.to_bits() {
                return Err(self.wrong(format!("row {row} has the scale {:?}, not {scale:?}", scales[row])));
            }
            let all = values.into_iter().map(i32::from).chain(std::iter::repeat(0)).take(q.stride);
            if let Some((i, expected)) = all.enumerate().find(|&(i, expected)| got(i) != expected) {
                return Err(self.wrong(format!("value {i} of row {row} is {}, not {expected}", got(i))));
            }
        }
        Ok(())
    }

    /// Quantises what `compute` makes of each row, on the processor.
    fn expect(&self, rows: usize, mut compute: impl FnMut(usize) -> Result<Vec<f32>, NumericsError>) -> Vec<Expected> {
        let row = |row| {
            let values = compute(row)?;
            let mut q = vec![0; values.len()];
            self.scalar.quantise(&values, &mut q).map(|scale| (scale, q))
        };
        (0..rows).map(row).collect()
    }
}

fn check<'a>(device: &'a Device, operation: &'static str) -> Result<Check<'a>, CudaError> {
    Ok(Check { device, scalar: Arithmetic::new(Kernel::Scalar)?, operation })
}

/// Compares products of `rows x inputs` weights with `tokens` tokens, stored and added.
///
/// # Errors
/// [`CudaError::Wrong`] for the first difference.
pub fn product(
    device: &Device,
    source: &mut Source,
    rows: usize,
    inputs: usize,
    tokens: usize,
) -> Result<(), CudaError> {
    let check = check(device, "product")?;
    let (weights, scales) = (source.weights(rows * inputs), source.values(rows));
    let split = rows / 2;
    let tiles = Tiles::of(&weights, inputs);
    let matrix = if split == 0 {
        device.matrix(&[(&tiles, &scales)])?
    } else {
        let [first, second] =
            [&weights[..split * inputs], &weights[split * inputs..]].map(|part| Tiles::of(part, inputs));
        device.matrix(&[(&first, &scales[..split]), (&second, &scales[split..])])?
    };
    let limit = source.below(4) == 0;
    let one = |source: &mut Source| if limit { 32_767 } else { (source.below(65_535) as i32 - 32_767) as i16 };
    let q: Vec<i16> = (0..tokens * inputs).map(|_| one(source)).collect();
    let q_scales = source.values(tokens);
    let target = device.quantised(tokens, inputs)?;
    let plane = |byte: fn(i16) -> u8| {
        let mut bytes = vec![0; tokens * target.stride];
        for (bytes, q) in bytes.chunks_exact_mut(target.stride).zip(q.chunks_exact(inputs)) {
            bytes.iter_mut().zip(q).for_each(|(to, q)| *to = byte(*q));
        }
        device.bytes(&bytes)
    };
    device.copy(&plane(|q| (q >> 8) as u8)?, &target.high)?;
    device.copy(&plane(|q| (q & 255) as u8)?, &target.low)?;
    device.copy(&device.floats(&q_scales)?, &target.scales)?;
    let mut expected = vec![0.0; rows * tokens];
    check.scalar.product(tiles.slice(0, &scales), &q, &q_scales, &mut expected);
    let out = device.floats(&vec![f32::NAN; rows * tokens])?;
    device.product(&matrix, &target, tokens, &out, false)?;
    check.floats(&device.read_floats(&out, rows * tokens)?, &expected)?;
    let mut x = source.values(rows * tokens);
    let out = device.floats(&x)?;
    device.product(&matrix, &target, tokens, &out, true)?;
    check.scalar.add(&mut x, &expected);
    check.floats(&device.read_floats(&out, rows * tokens)?, &x)
}

/// Compares everything that computes rows of `n` values and quantises them, and the choice of rows.
///
/// # Errors
/// [`CudaError::Wrong`] for the first difference.
pub fn rows(device: &Device, source: &mut Source, rows: usize, n: usize) -> Result<(), CudaError> {
    let (x, second) = (source.values(rows * n), source.values(rows * n));
    let (gain, bias, epsilon) = (source.values(n), source.values(n), f32::from_bits(0x3727_c5ac));
    let row = |i: usize| &x[i * n..][..n];
    let q = device.quantised(rows, n)?;
    let (input, gains, biases) = (device.floats(&x)?, device.floats(&gain)?, device.floats(&bias)?);
    let fresh = || device.words(&vec![0; rows]);

    let check_ = check(device, "quantise")?;
    let faults = fresh()?;
    device.quantise(&input, rows, &q, &faults, 1)?;
    check_.quantised(&q, &faults, n, &check_.expect(rows, |i| Ok(row(i).to_vec())))?;

    let check_ = check(device, "rms_norm")?;
    let faults = fresh()?;
    device.rms_norm(&input, &gains, epsilon, rows, &q, &faults, 1)?;
    let expected = check_.expect(rows, |i| {
        let mut out = vec![0.0; n];
        check_.scalar.rms_norm(row(i), &gain, epsilon, &mut out).map(|()| out)
    });
    check_.quantised(&q, &faults, n, &expected)?;

    let check_ = check(device, "layer_norm")?;
    let faults = fresh()?;
    device.layer_norm(&input, [&gains, &biases], epsilon, rows, &q, &faults, 1)?;
    let expected = check_.expect(rows, |i| {
        let mut out = vec![0.0; n];
        check_.scalar.layer_norm(row(i), &gain, &bias, epsilon, &mut out).map(|()| out)
    });
    check_.quantised(&q, &faults, n, &expected)?;

    let check_ = check(device, "gelu")?;
    let faults = fresh()?;
    device.gelu(&input, rows, &q, &faults, 1)?;
    let expected = check_.expect(rows, |i| {
        let mut out = row(i).to_vec();
        check_.scalar.gelu(&mut out);
        Ok(out)
    });
    check_.quantised(&q, &faults, n, &expected)?;

    let check_ = check(device, "silu")?;
    let faults = fresh()?;
    let both: Vec<f32> = x.chunks(n).zip(second.chunks(n)).flat_map(|(gate, up)| [gate, up].concat()).collect();
    device.silu_mul(&device.floats(&both)?, rows, &q, &faults, 1)?;
    let expected = check_.expect(rows, |i| {
        let mut out = row(i).to_vec();
        check_.scalar.silu_mul(&mut out, &second[i * n..][..n]);
        Ok(out)
    });
    check_.quantised(&q, &faults, n, &expected)?;

    let check_ = check(device, "add_bias")?;
    let sums = device.floats(&x)?;
    device.add_bias(&sums, &biases, rows)?;
    let mut expected_sums = x.clone();
    expected_sums.chunks_exact_mut(n).for_each(|row| check_.scalar.add(row, &bias));
    check_.floats(&device.read_floats(&sums, rows * n)?, &expected_sums)?;

    let chosen: Vec<u32> = (0..rows as u32).rev().step_by(2).collect();
    let picked = device.quantised(chosen.len(), n)?;
    device.gather(&chosen, &q, &picked)?;
    let none = device.words(&vec![0; chosen.len()])?;
    let kept: Vec<Expected> = chosen.iter().map(|&i| expected[i as usize].clone().or(Ok((0.0, vec![0; n])))).collect();
    check(device, "gather")?.quantised(&picked, &none, n, &kept)?;

    let check_ = check(device, "argmax")?;
    let got = device.argmax(&input, n, rows)?;
    let expected: Vec<_> = (0..rows).map(|i| check_.scalar.argmax(row(i)).ok().map(|index| index as u32)).collect();
    if got == expected { Ok(()) } else { Err(check_.wrong(format!("{got:?}, not {expected:?}"))) }
}

/// Compares the reading of a table of `rows x n` weights.
///
/// # Errors
/// [`CudaError::Wrong`] for the first difference.
pub fn embed(device: &Device, source: &mut Source, rows: usize, n: usize) -> Result<(), CudaError> {
    let check = check(device, "embed")?;
    let (weights, scales) = (source.weights(rows * n), source.values(rows));
    let table = device.matrix(&[(&Tiles::of(&weights, n), &scales)])?;
    let tokens: Vec<u32> = (0..7).map(|_| source.below(rows) as u32).collect();
    let x = device.allocate(4 * tokens.len() * n)?;
    device.embed(&table, &device.words(&tokens)?, tokens.len(), &x)?;
    let mut expected = vec![0.0; tokens.len() * n];
    for (out, &token) in expected.chunks_exact_mut(n).zip(&tokens) {
        check.scalar.embed(&weights[token as usize * n..][..n], scales[token as usize], out);
    }
    check.floats(&device.read_floats(&x, expected.len())?, &expected)
}

/// Heads, key-value heads and the width of a head.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head, even.
    pub head_dim: usize,
}

/// Compares rotation, cache and attention of two layers over sequences of these lengths, each read from its start in one
/// batch: every position of every sequence.
///
/// # Errors
/// [`CudaError::Wrong`] for the first difference.
pub fn attention(device: &Device, source: &mut Source, shape: Heads, lengths: &[usize]) -> Result<(), CudaError> {
    let check = check(device, "attention")?;
    let Heads { heads, kv_heads, head_dim } = shape;
    let (width, half, longest) =
        ((heads + 2 * kv_heads) * head_dim, head_dim / 2, lengths.iter().copied().max().unwrap_or(1));
    let rows: usize = lengths.iter().sum();
    let (cos, sin) = (source.values(longest * half), source.values(longest * half));
    let tables: Vec<usize> = lengths
        .iter()
        .scan(0, |at, length| {
            let from = *at;
            *at += length.div_ceil(BLOCK);
            Some(from)
        })
        .collect();
    let count: usize = lengths.iter().map(|length| length.div_ceil(BLOCK)).sum();
    let layers = 2;
    let page_values = layers * kv_heads * 2 * head_dim * BLOCK;
    let pages = (0..count).map(|_| device.allocate(4 * page_values)).collect::<Result<Vec<_>, _>>()?;
    let per_row = |value: &dyn Fn(usize, usize) -> usize| -> Vec<u32> {
        let each = lengths.iter().enumerate().flat_map(|(s, &length)| (0..length).map(move |position| (s, position)));
        each.map(|(s, position)| value(s, position) as u32).collect()
    };
    let positions = device.words(&per_row(&|_, position| position))?;
    let first_pages = device.words(&per_row(&|s, _| tables[s]))?;
    let addresses = device.addresses(&pages.iter().map(Buffer::address).collect::<Vec<_>>())?;
    let (cos_, sin_) = (device.floats(&cos)?, device.floats(&sin)?);
    for layer in 0..layers {
        let mut x = source.values(rows * width);
        if layer == 1 {
            // Small scores: every position counts, so that the order of the pages' sums shows.
            x.iter_mut().for_each(|x| *x *= 0.0625);
        }
        let q = device.quantised(rows, heads * head_dim)?;
        let (out, faults) = (device.allocate(4 * rows * heads * head_dim)?, device.words(&vec![0; rows])?);
        let attention = Attention {
            heads,
            kv_heads,
            head_dim,
            layer,
            rows,
            pages_most: longest.div_ceil(BLOCK),
            positions: &positions,
            tables: &first_pages,
            pages: &addresses,
        };
        device.attend(&attention, &device.floats(&x)?, [&cos_, &sin_], &out, &q, &faults, 1)?;
        let floats = attend_on_processor(&check.scalar, shape, lengths, &x, &cos, &sin);
        let expected = check.expect(rows, |row| floats[row].clone());
        check.quantised(&q, &faults, heads * head_dim, &expected)?;
        let got = device.read_floats(&out, rows * heads * head_dim)?;
        for (got, expected) in got.chunks_exact(heads * head_dim).zip(&floats) {
            if let Ok(expected) = expected {
                check.floats(got, expected)?;
            }
        }
    }
    Ok(())
}

/// Attention of every row, by the scalar arithmetic.
fn attend_on_processor(
    scalar: &Arithmetic,
    Heads { heads, kv_heads, head_dim }: Heads,
    lengths: &[usize],
    x: &[f32],
    cos: &[f32],
    sin: &[f32],
) -> Vec<Result<Vec<f32>, NumericsError>> {
    let (width, half, size) = ((heads + 2 * kv_heads) * head_dim, head_dim / 2, head_dim * BLOCK);
    let (mut results, mut rows) = (Vec::new(), x.chunks_exact(width));
    for &length in lengths {
        let pages = length.div_ceil(BLOCK);
        let mut cache = vec![vec![(vec![0.0; size], vec![0.0; size]); pages]; kv_heads];
        for (position, row) in rows.by_ref().take(length).enumerate() {
            let mut row = row.to_vec();
            let angles = position * half..(position + 1) * half;
            for head in row[..(heads + kv_heads) * head_dim].chunks_exact_mut(head_dim) {
                scalar.rope(head, &cos[angles.clone()], &sin[angles.clone()]);
            }
            let (queries, rest) = row.split_at(heads * head_dim);
            let (keys, values) = rest.split_at(kv_heads * head_dim);
            let (page, at) = (position / BLOCK, position % BLOCK);
            for (head, cache) in cache.iter_mut().enumerate() {
                let (to_keys, to_values) = &mut cache[page];
                for d in 0..head_dim {
                    to_keys[d * BLOCK + at] = keys[head * head_dim + d];
                    to_values[at * head_dim + d] = values[head * head_dim + d];
                }
            }
            let mut out = vec![0.0; heads * head_dim];
            let group = heads / kv_heads * head_dim;
            let attended = cache.iter().zip(queries.chunks_exact(group)).zip(out.chunks_exact_mut(group)).try_for_each(
                |((cache, queries), out)| {
                    let blocks: Vec<_> = cache.iter().map(|(keys, values)| KvBlock { keys, values }).collect();
                    scalar.attend_group(queries, head_dim, &blocks, position + 1, &mut AttentionScratch::default(), out)
                },
            );
            results.push(attended.map(|()| out));
        }
    }
    results
}

/// Compares every kernel on inputs that are always the same.
///
/// # Errors
/// [`CudaError::Wrong`] for the first difference: the device must not serve.
pub fn self_test(device: &Device) -> Result<(), CudaError> {
    noema_numerics::self_test(Kernel::Scalar)?;
    for (seed, values) in [(1, Values::Ordinary), (2, Values::Extreme), (3, Values::Broken)] {
        let source = &mut Source::new(seed, values);
        for (count, inputs, tokens) in [(1, 1, 1), (9, 130, 2), (5, 576, 3), (3, 4_200, 4), (12, 33, 7), (150, 200, 70)]
        {
            product(device, source, count, inputs, tokens)?;
        }
        for (count, n) in [(2, 1), (3, 31), (2, 576), (1, 2_049), (1, 4_100)] {
            rows(device, source, count, n)?;
        }
        embed(device, source, 9, 70)?;
        attention(device, source, Heads { heads: 6, kv_heads: 2, head_dim: 20 }, &[66, 3])?;
        attention(device, source, Heads { heads: 9, kv_heads: 1, head_dim: 64 }, &[2, 1])?;
        // Rows of one value: the scale shows every bit of it.
        rows(device, source, 200, 1)?;
    }
    attention(device, &mut Source::new(6, Values::Ordinary), Heads { heads: 1, kv_heads: 1, head_dim: 8 }, &[140])?;
    // The largest sums there are.
    product(device, &mut Source::new(4, Values::Ordinary), 2, 65_793, 1)?;
    product(device, &mut Source::new(5, Values::Ordinary), 2, 65_793, 9)
}
