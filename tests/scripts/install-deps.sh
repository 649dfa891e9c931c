#!/usr/bin/env bash
# Installs what a fresh Debian machine with Rust lacks. Does nothing when all is there.
set -euo pipefail

declare -A packages=(
    [clang]=clang [cmake]=cmake [curl]=curl [g++]=g++ [make]=make [npm]=npm [pip3]=python3-pip [pkg-config]=pkg-config
    [python3]=python3 [unzip]=unzip
)
missing=()
for command in "${!packages[@]}"; do
    command -v "$command" >/dev/null || missing+=("${packages[$command]}")
done
# bindgen loads libclang at build time.
compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || compgen -G '/usr/lib/*/libclang*.so*' >/dev/null \
    || missing+=(libclang-dev)
# Debian splits venv off; other Pythons bring it.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then missing+=(python3-venv); fi
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
if ! command -v cargo >/dev/null; then
    echo "error: cargo is not installed; hint: see https://rustup.rs" >&2
    exit 2
fi
