#!/usr/bin/env bash
# Measures the Move VM and inference. Plain numbers of this machine; ratios where a yardstick is at hand.
#
#   bench.sh NOEMA_BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."

noema=${1:?usage: bench.sh NOEMA_BINARY}
cache=${NOEMA_CACHE:-$HOME/.cache/noema}
NOEMA_HOME=$(mktemp -d)
export NOEMA_HOME
trap 'rm -rf "$NOEMA_HOME"' EXIT
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo "Move, metered, best of 5"
for call in "fib u64:27" "loop_sum u64:2000000" "sort u64:800" "points u64:100000" "wide u64:200000"; do
    read -r name argument <<<"$call"
    for interpreter in reference fast; do
        result=$(NOEMA_VM=$interpreter "$noema" --json move run -p tests/bench "0x42::bench::$name" \
            --args "$argument" --repeat 5)
        printf '%-10s %-10s %10s us  %12s instructions  %14s gas\n' "$name" "$interpreter" \
            "$(field time_us <<<"$result")" "$(field instructions <<<"$result")" "$(field gas <<<"$result")"
    done
done

echo
echo "Inference, SmolLM2-135M-Instruct, one stream, 64 new tokens; the yardstick is the scalar kernel"
gguf=$(./inference-worker/models/fetch-weights.sh)
model=$cache/models/smollm2-135m-instruct.noema
mkdir -p "$cache/models"
[[ -f $model && ! $model -ot $gguf ]] || "$noema" model import "$gguf" --out "$model" >/dev/null
base=""
for kernel in scalar avx2 avx512 neon; do
    if result=$("$noema" --json infer --kernel "$kernel" --model "$model" --prompt "Once upon a time" --max-new-tokens 64 2>/dev/null); then
        rate=$(field tokens_per_second <<<"$result")
        base=${base:-$rate}
        printf '%-8s %8s tokens/s  %s x scalar\n' "$kernel" "$rate" "$(python3 -c "print(round($rate/$base, 1))")"
    else
        printf '%-8s not on this machine\n' "$kernel"
    fi
done
