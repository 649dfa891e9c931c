//! Kernels for 64-bit ARM with NEON.
//!
//! Products, attention and maxima are written by hand. Everything else is the scalar text: NEON and the fused
//! multiply-add belong to every 64-bit ARM processor, so the compiler already turns that text into vector code, and a
//! second copy of it would only be a second place to be wrong.
#![allow(unsafe_code, reason = "vector loads and stores take pointers; each block says why they are in bounds")]

mod attention;
mod product;

use std::arch::aarch64::*;

pub(crate) use attention::{add_weighted, scores};
pub(crate) use product::product;

use crate::{NumericsError, scalar};

/// Compiles scalar functions for NEON.
macro_rules! as_scalar {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {$(
        #[target_feature(enable = "neon")]
        pub(crate) fn $name($($argument: $kind),*) $(-> $result)? {
            scalar::$name($($argument),*)
        }
    )*};
}

as_scalar! {
    quantise(x: &[f32], q: &mut [i16]) -> Result<f32, NumericsError>;
    rms_norm(x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), NumericsError>;
    layer_norm(x: &[f32], gain: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), NumericsError>;
    gelu(x: &mut [f32]);
    gelu_tanh(x: &mut [f32]);
    unit_bytes(x: &[f32], out: &mut [i8]) -> Result<(), NumericsError>;
    rope(head: &mut [f32], cos: &[f32], sin: &[f32]);
    silu_mul(gate: &mut [f32], up: &[f32]);
    add(x: &mut [f32], y: &[f32]);
    embed(row: &[i8], scale: f32, out: &mut [f32]);
    exp_all(x: &mut [f32]);
    surprise(logits: &[f32], index: usize) -> Result<f32, NumericsError>;
}

/// Values of one vector.
const WIDTH: usize = 4;

/// The largest of finite values. Which zero it returns where both are the largest is left open.
#[target_feature(enable = "neon")]
fn maximum(x: &[f32]) -> f32 {
    let mut lanes = [vdupq_n_f32(f32::NEG_INFINITY); 4];
    let (whole, rest) = x.as_chunks::<{ 4 * WIDTH }>();
    for chunk in whole {
        for (i, lane) in lanes.iter_mut().enumerate() {
            // SAFETY: vector `i` of four is inside the chunk.
            *lane = vmaxq_f32(*lane, unsafe { vld1q_f32(chunk.as_ptr().add(i * WIDTH)) });
        }
    }
    let [a, b, c, d] = lanes;
    let most = vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, b), vmaxq_f32(c, d)));
    rest.iter().fold(most, |most, &value| if value > most { value } else { most })
}

#[target_feature(enable = "neon")]
pub(crate) fn softmax(x: &mut [f32]) -> Result<(), NumericsError> {
    scalar::check_finite(x, "an attention score")?;
    let most = maximum(x);
    scalar::softmax_below(x, most);
    Ok(())
}

#[target_feature(enable = "neon")]
pub(crate) fn argmax(x: &[f32]) -> Result<usize, NumericsError> {
    scalar::check_finite(x, "a logit")?;
    let most = maximum(x);
    Ok(x.iter().position(|&value| value == most).expect("the maximum is one of the values"))
}
