//! Every kernel, emulated, against the scalar arithmetic: random shapes, bits.

use std::sync::OnceLock;

use noema_cuda::checks::{self, Heads, Source, Values};
use noema_cuda::{CudaError, Device};

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| Device::emulated().unwrap_or_else(|error| panic!("{error}")))
}

const KINDS: [Values; 3] = [Values::Ordinary, Values::Extreme, Values::Broken];

#[test]
fn products_of_random_shapes_agree() {
    let device = device();
    for seed in 100..130 {
        let source = &mut Source::new(seed, KINDS[seed as usize % 3]);
        let (rows, inputs) = (1 + source.below(60), 1 + source.below(300));
        let tokens = if seed % 2 == 0 { 1 + source.below(8) } else { 9 + source.below(90) };
        checks::product(device, source, rows, inputs, tokens).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    // More than one tile in both directions, and more than one step.
    for (rows, inputs, tokens) in [(129, 65, 65), (260, 128, 64), (128, 1_000, 130)] {
        checks::product(device, &mut Source::new(1, Values::Ordinary), rows, inputs, tokens).expect("agrees");
    }
}

#[test]
fn rows_of_random_widths_agree() {
    let device = device();
    for seed in 200..245 {
        let source = &mut Source::new(seed, KINDS[seed as usize % 3]);
        let (rows, n) = (1 + source.below(6), 1 + source.below(if seed % 5 == 0 { 5_000 } else { 300 }));
        checks::rows(device, source, rows, n).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        checks::rows(device, source, 100, 1).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        checks::embed(device, source, 1 + rows, n).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn attention_of_random_shapes_agrees() {
    let device = device();
    for seed in 300..312 {
        let source = &mut Source::new(seed, KINDS[seed as usize % 3]);
        let (kv_heads, most) = (1 + source.below(2), if seed % 4 == 0 { 10 } else { 3 });
        let heads =
            Heads { heads: kv_heads * (1 + source.below(most)), kv_heads, head_dim: 2 * (1 + source.below(40)) };
        let lengths: Vec<usize> = (0..1 + source.below(2)).map(|_| 1 + source.below(70)).collect();
        checks::attention(device, source, heads, &lengths).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    // More than two pages: their order counts.
    let heads = Heads { heads: 2, kv_heads: 1, head_dim: 8 };
    checks::attention(device, &mut Source::new(3, Values::Ordinary), heads, &[140]).expect("agrees");
}

#[test]
fn a_program_or_a_machine_without_devices_says_so() {
    let error = Device::open(0).expect_err("no device here");
    match error {
        // A machine with a card has one device 0, but not so many.
        CudaError::NotBuilt | CudaError::Missing { .. } => assert!(error.to_string().contains("hint"), "{error}"),
        other => panic!("{other}"),
    }
}
