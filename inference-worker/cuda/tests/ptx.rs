//! NVRTC compiles every kernel, and the assembly holds no forbidden instruction. Needs libnvrtc: `make cuda-compile`.

use noema_cuda::{Device, kernels};

#[test]
fn kernels_compile_without_forbidden_instructions() {
    // Real architectures: the assembler runs as well.
    for architecture in ["sm_80", "sm_86", "sm_89", "sm_90"] {
        let assembly = Device::compile(architecture).unwrap_or_else(|error| panic!("{error}"));
        for name in kernels::NAMES {
            assert!(assembly.contains(&format!(".entry {name}(")), "{architecture}: {name}");
        }
        assert_eq!(kernels::forbidden(&assembly), Vec::<String>::new(), "{architecture}");
        for wanted in ["fma.rn.f32", "div.rn.f32", "sqrt.rn.f32", "dp4a.s32.u32", "mma.sync.aligned.m16n8k32"] {
            assert!(assembly.contains(wanted), "{architecture}: {wanted}");
        }
    }
}
