//! Every kind of GGUF tensor against values computed from the description of its blocks, not by candle.

use std::io::Cursor;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use half::f16;
use noema_models::format::WeightSource;
use noema_models::import::GgufFile;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::gguf::{KINDS, gguf, metadata};

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Blocks of 32: `scale * (quant - middle)` or `scale * quant + least`; a fifth bit lies apart.
fn by_32(block: &[u8], has_least: bool, has_fifth: bool) -> Vec<f32> {
    let scale = half_at(block, 0);
    let least = if has_least { half_at(block, 2) } else { 0.0 };
    let mut at = if has_least { 4 } else { 2 };
    let mut fifth = 0;
    if has_fifth {
        fifth = u32::from_le_bytes(block[at..at + 4].try_into().expect("four bytes"));
        at += 4;
    }
    let middle = if has_least { 0 } else { 8 << u32::from(has_fifth) };
    let value = |i: usize| {
        let byte = block[at + i % 16];
        let low = if i < 16 { byte & 15 } else { byte >> 4 };
        let quant = i32::from(low) + ((fifth >> i & 1) << 4) as i32;
        scale * (quant - middle) as f32 + least
    };
    (0..32).map(value).collect()
}

/// Scale and least value of each of the eight groups of 32 in a block of 256: six bits each, packed into twelve bytes.
fn packed(bytes: &[u8], group: usize) -> (f32, f32) {
    let (scale, least) = if group < 4 {
        (bytes[group] & 63, bytes[group + 4] & 63)
    } else {
        let low = bytes[group + 4];
        (low & 15 | bytes[group - 4] >> 6 << 4, low >> 4 | bytes[group] >> 6 << 4)
    };
    (f32::from(scale), f32::from(least))
}

fn q45k(block: &[u8], has_fifth: bool) -> Vec<f32> {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    let (packs, rest) = (&block[4..16], &block[16..]);
    let (fifths, quants) = rest.split_at(if has_fifth { 32 } else { 0 });
    let value = |i: usize| {
        let group = i / 32;
        let byte = quants[group / 2 * 32 + i % 32];
        let low = if group.is_multiple_of(2) { byte & 15 } else { byte >> 4 };
        let fifth = if has_fifth { fifths[i % 32] >> group & 1 } else { 0 };
        let (own_scale, own_least) = packed(packs, group);
        scale * own_scale * f32::from(low + 16 * fifth) - least * own_least
    };
    (0..256).map(value).collect()
}

fn q6k(block: &[u8]) -> Vec<f32> {
    let (low, high, scales, scale) = (&block[..128], &block[128..192], &block[192..208], half_at(block, 208));
    let value = |i: usize| {
        let (part, quarter, at) = (i / 128, i % 128 / 32, i % 32);
        let byte = low[part * 64 + quarter % 2 * 32 + at];
        let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
        let two = high[part * 32 + at] >> (2 * quarter) & 3;
        let own = scales[i / 16].cast_signed();
        scale * f32::from(own) * (i32::from(four | two << 4) - 32) as f32
    };
    (0..256).map(value).collect()
}

fn values(kind: GgmlDType, bytes: &[u8]) -> Option<Vec<f32>> {
    let blocks =
        |size: usize, rule: &dyn Fn(&[u8]) -> Vec<f32>| Some(bytes.chunks_exact(size).flat_map(rule).collect());
    match kind {
        GgmlDType::F32 => blocks(4, &|b| vec![f32::from_bits(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))]),
        GgmlDType::F16 => blocks(2, &|b| vec![half_at(b, 0)]),
        GgmlDType::BF16 => blocks(2, &|b| vec![f32::from_bits(u32::from_le_bytes([0, 0, b[0], b[1]]))]),
        GgmlDType::Q4_0 => blocks(18, &|b| by_32(b, false, false)),
        GgmlDType::Q4_1 => blocks(20, &|b| by_32(b, true, false)),
        GgmlDType::Q5_0 => blocks(22, &|b| by_32(b, false, true)),
        GgmlDType::Q5_1 => blocks(24, &|b| by_32(b, true, true)),
        GgmlDType::Q8_0 => blocks(34, &|b| b[2..].iter().map(|q| half_at(b, 0) * f32::from(q.cast_signed())).collect()),
        GgmlDType::Q4K => blocks(144, &|b| q45k(b, false)),
        GgmlDType::Q5K => blocks(176, &|b| q45k(b, true)),
        GgmlDType::Q6K => blocks(210, &q6k),
        _ => None,
    }
}

/// Every tensor's values are those that its blocks describe, up to the rounding of one product.
#[test]
fn every_kind_of_tensor_means_what_its_description_says() {
    let mut checked = Vec::new();
    for kind in KINDS {
        let file = gguf(kind, &metadata(), |_| true);
        let mut source = GgufFile::open(Cursor::new(&file)).expect("opens");
        source.manifest().expect("sound");
        for (section, name, rows, columns) in
            [("layers.1.v", "blk.1.attn_v", 128, 256), ("layers.0.down", "blk.0.ffn_down", 256, 512)]
        {
            let mut reader = Cursor::new(&file);
            let content = candle_core::quantized::gguf_file::Content::read(&mut reader).expect("a gguf file");
            let info = &content.tensor_infos[&format!("{name}.weight")];
            let start = (content.tensor_data_offset + info.offset) as usize;
            let length = rows * columns / kind.block_size() * kind.type_size();
            let Some(expected) = values(kind, &file[start..start + length]) else { continue };
            // In two parts, as importers read them.
            let mut got = source.rows(section, 0, 32).expect("reads");
            got.extend(source.rows(section, 32, rows as u32 - 32).expect("reads"));
            assert_eq!(got.len(), expected.len());
            let most = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(most > 0.01, "{kind:?}: there is something to compare");
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() <= most * 1e-6, "{kind:?} {section}: {got}, not {expected}");
            }
            checked.push(kind);
        }
    }
    assert_eq!(checked.len(), 22, "eleven kinds, two tensors each");
}

/// Any bytes are blocks: bits that a quantiser rarely sets mean the same to both.
#[test]
fn blocks_of_random_bytes_mean_the_same() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for kind in KINDS.into_iter().filter(|kind| kind.block_size() > 1) {
        let Some(size) = values(kind, &[]).map(|_| kind.type_size()) else { continue };
        let mut bytes = vec![0; size * 64];
        random.fill_bytes(&mut bytes);
        for block in bytes.chunks_exact_mut(size) {
            // Scales that are numbers of a moderate size.
            for at in if size == 210 { vec![208] } else { vec![0, 2] } {
                block[at + 1] = block[at + 1] & 0x83 | 0x30;
            }
        }
        let expected = values(kind, &bytes).expect("a known kind");
        let count = expected.len();
        let tensor = candle_core::quantized::ggml_file::qtensor_from_ggml(kind, &bytes, vec![1, count], &Device::Cpu);
        let got: Vec<f32> = tensor
            .and_then(|tensor: QTensor| tensor.dequantize(&Device::Cpu))
            .and_then(|tensor: Tensor| tensor.flatten_all()?.to_vec1())
            .expect("dequantises");
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{kind:?} {i}: {got}, not {expected}");
        }
    }
}
