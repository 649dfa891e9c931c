#!/usr/bin/env bash
# Builds llama.cpp for this machine's processor (minutes, once) and measures our inference against it.
# usage: bench-inference.sh NOEMA_BINARY [REPETITIONS]
set -euo pipefail

noema=${1:?usage: bench-inference.sh NOEMA_BINARY [REPETITIONS]}
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
cache="${NOEMA_CACHE:-$HOME/.cache/noema}"
"$root/tests/scripts/install-deps.sh"
gguf=$("$root/inference-worker/models/fetch-weights.sh")
canonical="$cache/models/smollm2-135m-instruct.noema"
export CARGO_TARGET_DIR="$cache/target-bench-inference"
# llama.cpp is compiled for the processor at hand only if Rust is, and with -O3 only in this profile.
export RUSTFLAGS="-C target-cpu=native" LLAMA_LIB_PROFILE=Release
cargo build --quiet --manifest-path "$root/tests/bench-inference/Cargo.toml"
mkdir -p "$cache/models"
[[ -f $canonical && ! $canonical -ot $gguf ]] || "$noema" model import "$gguf" --out "$canonical" >/dev/null
exec "$CARGO_TARGET_DIR/debug/noema-bench-inference" "$gguf" "$canonical" "$@"
