#!/usr/bin/env bash
# On a machine with an NVIDIA card: compares it with the processor bit by bit (kernels, synthetic models, SmolLM2), then
# measures decoding and prefill for the shape of a model of one billion weights, and prints a table for docs/bench.md.
# Options by environment: DEVICE (0), PEAK_GBS and PEAK_TOPS (the card's peaks; known for some cards).
# DEVICE=emulated rehearses the comparison without a card. This script has not been run on a card so far.
set -euo pipefail
cd "$(dirname "$0")/../.."

device=${DEVICE:-0}
if [[ $device != emulated ]]; then
    command -v nvidia-smi >/dev/null || {
        echo "error: no NVIDIA driver (nvidia-smi is missing); hint: DEVICE=emulated rehearses without a card" >&2
        exit 2
    }
    name=$(nvidia-smi --query-gpu=name --format=csv,noheader -i "$device")
    # Memory in GB/s and dense 8-bit tensor operations in TOPS, from the makers' data sheets.
    case "$name" in
        *H200*) peaks=(4800 1979) ;;
        *H100*PCIe*) peaks=(2000 1513) ;;
        *H100*) peaks=(3350 1979) ;;
        *A100*80*) peaks=(2039 624) ;;
        *A100*) peaks=(1555 624) ;;
        *L40S*) peaks=(864 733) ;;
        *L4*) peaks=(300 242) ;;
        *"RTX 4090"*) peaks=(1008 660) ;;
        *) peaks=(0 0) ;;
    esac
    gbs=${PEAK_GBS:-${peaks[0]}} tops=${PEAK_TOPS:-${peaks[1]}}
    if [[ $gbs == 0 || $tops == 0 ]]; then
        echo "error: the peaks of $name are not known here; hint: set PEAK_GBS and PEAK_TOPS" >&2
        exit 2
    fi
    nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.mem --format=csv,noheader -i "$device"
fi
libraries=$(./inference-worker/cuda/fetch-nvrtc.sh)
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
cargo build --locked -p noema-models --features cuda --example gpu_check
programs=${CARGO_TARGET_DIR:-$HOME/.cache/noema/target}/debug/examples
arguments=("$device" "${gbs:-1}" "${tops:-1}")
if [[ $device != emulated ]]; then
    cargo build --locked -p noema --features cuda
    model=${NOEMA_CACHE:-$HOME/.cache/noema}/models/smollm2-135m-instruct.noema
    if [[ ! -f $model ]]; then
        mkdir -p "$(dirname "$model")"
        "${CARGO_TARGET_DIR:-$HOME/.cache/noema/target}/debug/noema" model import \
            "$(./inference-worker/models/fetch-weights.sh)" --out "$model" >/dev/null
    fi
    arguments+=("$model")
fi
"$programs/gpu_check" "${arguments[@]}"
if [[ $device != emulated ]]; then
    # The command line's way to the card: its tests, and one answer there and here.
    noema=${CARGO_TARGET_DIR:-$HOME/.cache/noema/target}/debug/noema
    "$noema" worker selftest --device "cuda:$device"
    digest() { "$noema" --json infer --model "$model" --prompt "The capital of France is" --max-new-tokens 32 "$@" |
        sed -n 's/.*"digest": *"\(0x[0-9a-f]*\)".*/\1/p'; }
    here=$(digest) there=$(digest --device "cuda:$device")
    [[ -n $here && $here == "$there" ]] || { echo "error: the answers differ: $here here, $there on the card" >&2; exit 1; }
    echo "noema infer: one answer here and on the card, $here"
fi
