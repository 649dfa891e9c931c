//! One test body over all kernels this machine has: bits are compared, never tolerances.

use proptest::collection::{SizeRange, vec};
use proptest::prelude::*;

use crate::limits::BLOCK;
use crate::{Arithmetic, AttentionScratch, Kernel, KvBlock, NumericsError, Sampling, Tiles, self_test};

/// Runs `operation` on every kernel and compares with the first, the scalar one.
fn truth<T: PartialEq + std::fmt::Debug>(operation: impl Fn(&Arithmetic) -> T) -> T {
    let mut all = Kernel::available().into_iter().map(|kernel| Arithmetic::new(kernel).expect("it is available"));
    let truth = operation(&all.next().expect("scalar is always there"));
    for arithmetic in all {
        assert_eq!(operation(&arithmetic), truth, "{} differs from scalar", arithmetic.kernel());
    }
    truth
}

fn agree<T: PartialEq + std::fmt::Debug>(operation: impl Fn(&Arithmetic) -> T) {
    truth(operation);
}

fn bits(values: &[f32]) -> Vec<u32> {
    // All NaN are one: which NaN an operation returns is not part of the standard, since none gets out.
    values.iter().map(|value| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }).collect()
}

/// Ordinary numbers, extreme ones, subnormals and both zeros.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        60 => -8.0f32..8.0,
        5 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
        5 => (0u32..0x0080_0000, any::<bool>()).prop_map(|(b, s)| f32::from_bits(b | u32::from(s) << 31)),
        5 => prop_oneof![Just(0.0), Just(-0.0), Just(f32::MIN_POSITIVE), Just(1e-30), Just(9.999e-31)],
    ]
}

/// Half of the vectors are kept in a modest range; some hold a value that is not finite.
fn numbers(length: impl Into<SizeRange>) -> impl Strategy<Value = Vec<f32>> {
    (vec(number(), length), 0..40u32, any::<prop::sample::Index>()).prop_map(|(mut values, dice, index)| {
        if dice >= 20 {
            values.iter_mut().for_each(|value| *value = value.clamp(-50.0, 50.0));
        }
        if dice < 3 && !values.is_empty() {
            let at = index.index(values.len());
            values[at] = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN][dice as usize];
        }
        values
    })
}

fn modest(length: usize) -> impl Strategy<Value = Vec<f32>> {
    vec(-8.0f32..8.0, length)
}

fn weights(length: usize) -> impl Strategy<Value = Vec<i8>> {
    vec(prop_oneof![3 => -127i8..=127, 1 => Just(-127i8), 1 => Just(127i8)], length)
}

fn activations(length: usize) -> impl Strategy<Value = Vec<i16>> {
    vec(prop_oneof![3 => -32_767i16..=32_767, 1 => Just(-32_767i16), 1 => Just(32_767i16)], length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn products_agree(
        (rows, inputs, tokens, w, q, scales, q_scales) in (1usize..20, 1usize..200, 1usize..40)
            .prop_flat_map(|(rows, inputs, tokens)| (
                Just(rows), Just(inputs), Just(tokens),
                weights(rows * inputs), activations(inputs * tokens), numbers(rows), numbers(tokens),
            ))
    ) {
        let out = truth(|arithmetic| {
            let mut out = vec![0.0; rows * tokens];
            arithmetic.product(Tiles::of(&w, inputs).slice(0, &scales), &q, &q_scales, &mut out);
            bits(&out)
        });
        // The definition once more, in the widest integers.
        let (row, token) = (rows / 2, tokens / 2);
        let exact: i128 = (0..inputs).map(|i| i128::from(w[row * inputs + i]) * i128::from(q[token * inputs + i])).sum();
        prop_assert_eq!(out[token * rows + row], bits(&[(exact as f32 * q_scales[token]) * scales[row]])[0]);
    }

    #[test]
    fn quantisation_agrees(x in numbers(0..300)) {
        agree(|arithmetic| {
            let mut q = vec![0; x.len()];
            arithmetic.quantise(&x, &mut q).map(|scale| (scale.to_bits(), q))
        });
    }

    #[test]
    fn quantisation_is_division_rounding_and_saturation(x in modest(50)) {
        let most = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let mut q = vec![0; x.len()];
        let arithmetic = Arithmetic::best().expect("a kernel");
        let scale = arithmetic.quantise(&x, &mut q).expect("finite");
        prop_assert_eq!(scale, most / 32_767.0);
        for (x, q) in x.iter().zip(q) {
            prop_assert_eq!((x / scale).round_ties_even().clamp(-32_767.0, 32_767.0) as i16, q);
        }
    }

    #[test]
    fn norms_agree((x, gain) in (1usize..300).prop_flat_map(|n| (numbers(n), numbers(n))), epsilon in 1e-8f32..1e-3) {
        agree(|arithmetic| {
            let mut out = vec![0.0; x.len()];
            arithmetic.rms_norm(&x, &gain, epsilon, &mut out).map(|()| bits(&out))
        });
        let bias: Vec<f32> = gain.iter().rev().copied().collect();
        agree(|arithmetic| {
            let mut out = vec![0.0; x.len()];
            arithmetic.layer_norm(&x, &gain, &bias, epsilon, &mut out).map(|()| bits(&out))
        });
    }

    #[test]
    fn softmax_and_friends_agree((x, y) in (1usize..300).prop_flat_map(|n| (numbers(n), numbers(n)))) {
        agree(|arithmetic| { let mut x = x.clone(); arithmetic.softmax(&mut x).map(|()| bits(&x)) });
        agree(|arithmetic| { let mut x = x.clone(); arithmetic.silu_mul(&mut x, &y); bits(&x) });
        agree(|arithmetic| { let mut x = x.clone(); arithmetic.add(&mut x, &y); bits(&x) });
        agree(|arithmetic| { let mut x = x.clone(); arithmetic.gelu(&mut x); bits(&x) });
        agree(|arithmetic| { let mut x = x.clone(); arithmetic.gelu_tanh(&mut x); bits(&x) });
        agree(|arithmetic| { let mut out = vec![0; x.len()]; arithmetic.unit_bytes(&x, &mut out).map(|()| out) });
        agree(|arithmetic| { let mut x = x.clone(); arithmetic.exp(&mut x); bits(&x) });
        agree(|arithmetic| arithmetic.argmax(&x));
        agree(|arithmetic| arithmetic.surprise(&x, x.len() / 2).map(f32::to_bits));
        agree(|arithmetic| {
            let mut draws = crate::Draws::new(3);
            arithmetic.sample(&x, Sampling { temperature_bps: 8_000, top_k: 9, top_p_bps: 9_000 }, &mut draws)
        });
    }

    #[test]
    fn rotation_and_embedding_agree(
        (head, cos, sin) in (1usize..70).prop_flat_map(|n| (numbers(2 * n), numbers(n), numbers(n))),
        (row, scale) in (weights(67), number()),
    ) {
        agree(|arithmetic| { let mut head = head.clone(); arithmetic.rope(&mut head, &cos, &sin); bits(&head) });
        agree(|arithmetic| { let mut out = [0.0; 67]; arithmetic.embed(&row, scale, &mut out); bits(&out) });
    }

    #[test]
    fn attention_agrees(
        (query, keys, values, len) in (1usize..80, 1usize..150).prop_flat_map(|(head_dim, len)| {
            let room = len.div_ceil(BLOCK) * BLOCK * head_dim;
            (numbers(head_dim), numbers(room), numbers(room), Just(len))
        })
    ) {
        let size = query.len() * BLOCK;
        let blocks: Vec<_> = keys.chunks(size).zip(values.chunks(size)).map(|(keys, values)| KvBlock { keys, values }).collect();
        agree(|arithmetic| {
            let mut out = vec![0.0; query.len()];
            arithmetic.attend(&query, &blocks, len, &mut AttentionScratch::default(), &mut out).map(|()| bits(&out))
        });
    }
}

#[test]
fn long_products_agree_at_every_limit() {
    for inputs in [4_095, 4_096, 4_097, 8_192, 8_200, 65_793] {
        for (weight, activation) in [(127, 32_767), (-127, 32_767), (127, -32_767), (-127, -32_767)] {
            let (w, q) = (vec![weight; 2 * inputs], vec![activation; inputs]);
            let out = truth(|arithmetic| {
                let mut out = [0.0; 2];
                arithmetic.product(Tiles::of(&w, inputs).slice(0, &[1.0, 0.5]), &q, &[1.0], &mut out);
                bits(&out)
            });
            let exact = inputs as i64 * i64::from(weight) * i64::from(activation);
            assert_eq!(out, bits(&[exact as f32, exact as f32 * 0.5]));
        }
    }
}

#[test]
fn products_of_many_tokens_agree_at_every_limit() {
    for (rows, inputs, tokens) in [(17, 511, 6), (16, 512, 7), (15, 513, 13), (33, 1_025, 11), (2, 65_793, 6)] {
        for (weight, activation) in [(127, 32_767), (-127, 32_767), (-127, -32_767)] {
            let (w, q) = (vec![weight; rows * inputs], vec![activation; inputs * tokens]);
            let out = truth(|arithmetic| {
                let mut out = vec![0.0; rows * tokens];
                let tiles = Tiles::of(&w, inputs);
                arithmetic.product(tiles.slice(0, &vec![1.0; rows]), &q, &vec![1.0; tokens], &mut out);
                bits(&out)
            });
            let exact = inputs as i64 * i64::from(weight) * i64::from(activation);
            assert_eq!(out, bits(&vec![exact as f32; rows * tokens]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn heads_that_share_keys_agree_with_each_alone(
        (queries, keys, values, head_dim, len) in (1usize..8, 1usize..80, 1usize..150).prop_flat_map(|(heads, head_dim, len)| {
            let room = len.div_ceil(BLOCK) * BLOCK * head_dim;
            (modest(heads * head_dim), modest(room), modest(room), Just(head_dim), Just(len))
        })
    ) {
        let size = head_dim * BLOCK;
        let blocks: Vec<_> = keys.chunks(size).zip(values.chunks(size)).map(|(keys, values)| KvBlock { keys, values }).collect();
        let together = truth(|arithmetic| {
            let mut out = vec![0.0; queries.len()];
            arithmetic.attend_group(&queries, head_dim, &blocks, len, &mut AttentionScratch::default(), &mut out).map(|()| bits(&out))
        });
        let alone = truth(|arithmetic| {
            let mut out = vec![0.0; queries.len()];
            for (query, out) in queries.chunks(head_dim).zip(out.chunks_mut(head_dim)) {
                arithmetic.attend(query, &blocks, len, &mut AttentionScratch::default(), out)?;
            }
            Ok::<_, NumericsError>(bits(&out))
        });
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn exp_and_ln_are_close_to_the_functions_they_are_named_after() {
    let arithmetic = Arithmetic::best().expect("a kernel");
    let mut x: Vec<f32> = (-8_700..=8_800).map(|i| i as f32 * 0.01).collect();
    let exact: Vec<f64> = x.iter().map(|&x| f64::from(x.clamp(-87.0, 88.0)).exp()).collect();
    arithmetic.exp(&mut x);
    for (x, exact) in x.iter().zip(exact) {
        assert!((f64::from(*x) / exact - 1.0).abs() < 2e-7, "exp {exact} came out as {x}");
    }
    for x in [1e-30f32, 0.1, 0.7, 0.70710677, 0.99, 1.0, 1.01, 1.414, 1.4143, 2.0, 10.0, 1e5, 3e38] {
        let (got, exact) = (f64::from(crate::scalar::ln(x)), f64::from(x).ln());
        assert!((got - exact).abs() <= exact.abs() * 2e-7 + 1e-9, "ln {x} came out as {got}");
    }
    let mut edge = [0.0, -0.0, f32::from_bits(1), f32::MAX, f32::MIN];
    arithmetic.exp(&mut edge);
    assert_eq!(edge[..3], [1.0; 3]);
    assert!(edge[3].is_finite() && edge[4] > 0.0);
}

#[test]
fn gelu_norms_and_directions_are_what_they_are_named_after() {
    let arithmetic = Arithmetic::best().expect("a kernel");
    // Phi(x) at 0, 0.5, 1, 2, 3, 5 to nine digits.
    let known = [(0.0, 0.5), (0.5, 0.691462461), (1.0, 0.841344746), (2.0, 0.977249868), (3.0, 0.998650102)];
    for (x, share) in known.into_iter().chain([(5.0, 0.999999713f64)]) {
        let mut both = [x as f32, -x as f32];
        arithmetic.gelu(&mut both);
        for (got, exact) in both.into_iter().zip([x * share, -x * (1.0 - share)]) {
            assert!((f64::from(got) - exact).abs() < 1e-6, "gelu of {x}: {got}, not {exact}");
        }
    }
    for x in (-80..=80).map(|i| f64::from(i) / 8.0) {
        let exact = 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh());
        let mut got = [x as f32];
        arithmetic.gelu_tanh(&mut got);
        assert!((f64::from(got[0]) - exact).abs() < 2e-6, "gelu by tanh of {x}: {}, not {exact}", got[0]);
    }
    let mut bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
    arithmetic.gelu_tanh(&mut bad);
    assert!(bad[..3].iter().all(|x| !x.is_finite()) && bad[3..].iter().all(|x| x.is_finite()), "{bad:?}");
    let x: Vec<f32> = (0..100).map(|i| (i * i % 37) as f32 - 11.5).collect();
    let (gain, bias, mut out) = (vec![2.0; 100], vec![0.5; 100], vec![0.0; 100]);
    arithmetic.layer_norm(&x, &gain, &bias, 1e-5, &mut out).expect("finite");
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / 100.0;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / 100.0;
    for (out, x) in out.iter().zip(&x) {
        let exact = (f64::from(*x) - mean) / (variance + 1e-5).sqrt() * 2.0 + 0.5;
        assert!((f64::from(*out) - exact).abs() < 1e-5, "{out}, not {exact}");
    }
    let mut unit = [9; 3];
    arithmetic.unit_bytes(&[3.0, -4.0, 0.0], &mut unit).expect("finite");
    assert_eq!(unit, [76, -102, 0]);
    arithmetic.unit_bytes(&[0.0; 3], &mut unit).expect("finite");
    assert_eq!(unit, [0; 3]);
}

#[test]
fn sums_go_by_sixteen_lanes() {
    // 2^24 absorbs a single 1: the result tells which elements were added to which lane.
    let mut x = vec![0.0f32; 33];
    (x[0], x[16], x[32], x[8]) = (16_777_216.0, 1.0, 1.0, 2.0);
    assert_eq!(crate::scalar::sum(&x), 16_777_218.0);
    (x[16], x[32], x[8]) = (2.0, 0.0, 1.0);
    assert_eq!(crate::scalar::sum(&x), 16_777_220.0);
    (x[1], x[2], x[8]) = (1.0, 1.0, 0.0);
    assert_eq!(crate::scalar::sum(&x), 16_777_220.0);
    (x[1], x[2], x[9]) = (1.0, 0.0, 1.0);
    assert_eq!(crate::scalar::sum(&x), 16_777_220.0);
}

#[test]
fn what_is_not_finite_is_an_error_of_its_job() {
    let arithmetic = Arithmetic::best().expect("a kernel");
    let is_numeric = |error: NumericsError| matches!(error, NumericsError::NonFinite { .. });
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let x = [1.0, bad, 2.0];
        assert!(is_numeric(arithmetic.quantise(&x, &mut [0; 3]).expect_err("quantise")));
        assert!(is_numeric(arithmetic.rms_norm(&x, &[1.0; 3], 1e-5, &mut [0.0; 3]).expect_err("norm")));
        assert!(is_numeric(arithmetic.softmax(&mut x.clone()).expect_err("softmax")));
        assert!(is_numeric(arithmetic.argmax(&x).expect_err("argmax")));
        assert!(is_numeric(arithmetic.surprise(&x, 0).expect_err("surprise")));
    }
    // Finite values whose squares are not.
    let overflow = arithmetic.rms_norm(&[1e20; 3], &[1.0; 3], 1e-5, &mut [0.0; 3]).expect_err("overflow");
    assert_eq!(overflow.to_string(), "EMODEL_NUMERIC: a sum of squares is infinite or not a number");
    // An infinity behind a gate stays visible.
    let mut gate = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    arithmetic.silu_mul(&mut gate, &[1.0; 3]);
    assert!(gate.iter().all(|value| !value.is_finite()), "{gate:?}");
}

#[test]
fn golden_vectors_are_the_frozen_ones_on_every_kernel() {
    for kernel in Kernel::available() {
        let report = self_test(kernel).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.checks.len(), 23);
    }
    for kernel in Kernel::ALL.into_iter().filter(|kernel| !Kernel::available().contains(kernel)) {
        assert!(matches!(self_test(kernel), Err(NumericsError::Unavailable { .. })));
    }
}
