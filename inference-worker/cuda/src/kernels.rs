//! Sources of the kernels and the way they are compiled.

/// What a kernel may be named in a launch.
pub const NAMES: [&str; 19] = [
    "product_1",
    "product_2",
    "product_3",
    "product_4",
    "product_many",
    "embed",
    "add_bias",
    "quantise",
    "rms_norm",
    "layer_norm",
    "silu",
    "gelu_rows",
    "gather",
    "argmax",
    "rope_and_cache",
    "scores",
    "softmax",
    "weighted",
    "combine",
];

/// Instructions that C++ has no words for, as inline assembly.
pub(crate) const INSTRUCTIONS: &str = include_str!("kernels/instructions.cuh");

/// The kernels, for a compiler that knows the instructions.
pub(crate) const KERNELS: [&str; 4] = [
    include_str!("kernels/arithmetic.cuh"),
    include_str!("kernels/product.cu"),
    include_str!("kernels/rows.cu"),
    include_str!("kernels/attention.cu"),
];

/// The whole source for NVRTC.
#[must_use]
pub fn source() -> String {
    [&[INSTRUCTIONS], &KERNELS[..]].concat().join("\n")
}

/// Options of the compiler for an architecture such as `sm_90`: no contraction, no fast math, subnormals kept, division and
/// square root correctly rounded.
#[must_use]
pub fn options(architecture: &str) -> Vec<String> {
    ["--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true", "--std=c++17"]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("--gpu-architecture={architecture}")])
        .collect()
}

/// Instructions that must not be in the assembly of a kernel: they round otherwise, flush subnormals, approximate, leave
/// the rounding open (and so to be contracted), or add in no fixed order.
pub const FORBIDDEN: [&str; 17] = [
    ".ftz", ".approx", "div.full", "ex2.", "lg2.", "rsqrt", "rcp.", "sin.", "cos.", "tanh.", "atom.", "\tred.",
    " red.", "add.f32", "sub.f32", "mul.f32", "mad.f32",
];

/// The forbidden instructions that some assembly holds.
#[must_use]
pub fn forbidden(assembly: &str) -> Vec<String> {
    // Comments and directives are not instructions.
    let lines = assembly.lines().map(|line| line.split("//").next().unwrap_or_default());
    let instructions = lines.filter(|line| !line.trim_start().starts_with('.'));
    let found = instructions.filter(|line| FORBIDDEN.iter().any(|forbidden| line.contains(forbidden)));
    found.map(|line| line.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_in_the_sources() {
        let source = source();
        for name in NAMES {
            let defined = [format!("__global__ void {name}("), format!("FEW({name}, ")];
            assert!(defined.iter().any(|text| source.contains(text)), "{name}");
        }
        assert_eq!(
            source.matches("__global__ void ").count() + source.matches("FEW(product_").count(),
            NAMES.len() + 1
        );
    }

    #[test]
    fn kernels_leave_no_float_operation_to_the_compiler() {
        let source = source();
        for word in ["expf", "__expf", "rsqrt", "atomic", "fmaf(", "sqrtf", "double", "use_fast_math"] {
            assert!(!source.contains(word), "{word}");
        }
    }

    #[test]
    fn forbidden_instructions_are_found_and_others_are_not() {
        let fine = "\t.version 8.0\n\tadd.rn.f32 %f1, %f2, %f3;\n\tfma.rn.f32 %f1, %f2, %f3, %f4;\n\tst.shared.u32 [%r1], %r2;";
        assert_eq!(forbidden(fine), Vec::<String>::new());
        for wrong in ["\tmul.ftz.f32 %f1, %f2, %f3;", "\tex2.approx.f32 %f1, %f2;", "\tred.global.add.f32 [%r1], %f1;"]
        {
            assert_eq!(forbidden(&format!("{fine}\n{wrong}")), [wrong.trim()]);
        }
        assert_eq!(forbidden("\tadd.f32 %f1, %f2, %f3;").len(), 1);
    }
}
