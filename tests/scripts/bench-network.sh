#!/usr/bin/env bash
# Measures commit latency of four validators with a real model, with and without inference.
#
#   bench-network.sh NOEMA_BINARY BENCH_NETWORK_BINARY [arguments]
set -euo pipefail
cd "$(dirname "$0")/../.."

noema=${1:?usage: bench-network.sh NOEMA_BINARY BENCH_NETWORK_BINARY}
bench=${2:?usage: bench-network.sh NOEMA_BINARY BENCH_NETWORK_BINARY}
shift 2
gguf=$(./inference-worker/models/fetch-weights.sh)
model=${NOEMA_CACHE:-$HOME/.cache/noema}/models/smollm2-135m-instruct.noema
mkdir -p "$(dirname "$model")"
[[ -f $model && ! $model -ot $gguf ]] || "$noema" model import "$gguf" --out "$model" >/dev/null
exec "$bench" "$model" "$@"
