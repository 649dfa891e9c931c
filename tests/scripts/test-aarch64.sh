#!/usr/bin/env bash
# Runs the tests of the arithmetic as 64-bit ARM code: natively on such a machine, under qemu elsewhere.
# With ALL=1 also the golden vector of the model code, which compiles many more crates.
set -euo pipefail

target=aarch64-unknown-linux-gnu
if [[ $(uname -m) == aarch64 ]]; then
    run=()
else
    missing=()
    command -v qemu-aarch64 >/dev/null || command -v qemu-aarch64-static >/dev/null || missing+=(qemu-user)
    command -v aarch64-linux-gnu-gcc >/dev/null || missing+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    if ((${#missing[@]} > 0)); then
        echo "installing: ${missing[*]}" >&2
        sudo=()
        if ((EUID != 0)); then
            command -v sudo >/dev/null || { echo "error: missing ${missing[*]}; hint: install them as root" >&2; exit 2; }
            sudo=(sudo)
        fi
        "${sudo[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
    if [[ ! -d $(rustc --print sysroot)/lib/rustlib/$target ]]; then
        command -v rustup >/dev/null || {
            echo "error: this Rust has no standard library for $target; hint: install Rust by rustup, or run on an ARM machine" >&2
            exit 2
        }
        rustup target add "$target" >&2 || {
            echo "error: the standard library for $target cannot be installed; hint: it is fetched by rustup, over the network" >&2
            exit 2
        }
    fi
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator -L /usr/aarch64-linux-gnu"
    run=(--target "$target")
fi
cargo test --locked -p noema-numerics "${run[@]}"
if [[ -n ${ALL:-} ]]; then cargo test --locked -p noema-models --lib "${run[@]}" golden; fi
