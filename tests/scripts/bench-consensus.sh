#!/usr/bin/env bash
# Measures consensus alone: four validators as processes on this machine, real connections, logs synced to disk, opaque
# transactions of 512 bytes, an open-loop generator in each validator, no execution.
#
#   bench-consensus.sh BENCH_VALIDATOR [RATE ...]      rates in transactions per second over all four
set -euo pipefail

binary=${1:?usage: bench-consensus.sh BENCH_VALIDATOR [RATE ...]}
shift
rates=("${@:-1000 8000 20000 40000 50000}")
read -ra rates <<<"${rates[*]}"
seconds=${SECONDS_EACH:-15}
work=$(mktemp -d)
pids=()
cleanup() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

echo "four validators, 512-byte transactions, $seconds s each after 5 s of warm-up, $(nproc) cores"
echo "yardstick, on such a machine: MystenLabs/mysticeti (2024) 8000 tx/s at 0.45 s mean, saturated at 13000 to 22000"
printf '%10s %10s %9s %9s %9s %9s %12s %14s\n' offered committed 'mean ms' 'p50 ms' 'p95 ms' 'cpu s/s' 'cpu s/GB' 'sent/committed'
for rate in "${rates[@]}"; do
    pids=()
    for index in 0 1 2 3; do
        "$binary" --index "$index" --validators 4 --rate $((rate / 4)) --size 512 --seconds "$seconds" --warm-up 5 \
            --port "${PORT:-27000}" --dir "$work/$rate-$index" >"$work/$rate-$index.json" 2>"$work/$rate-$index.log" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || { echo "a validator failed:" >&2; tail -n 5 "$work"/"$rate"-*.log >&2; exit 1; }
    done
    pids=()
    python3 - "$rate" "$seconds" "$work/$rate"-*.json <<'PY'
import json, sys
rate, seconds = int(sys.argv[1]), float(sys.argv[2])
all = [json.load(open(path)) for path in sys.argv[3:]]
mean = lambda key: sum(one[key] for one in all) / len(all)
committed, cpu, sent = mean("tx_per_s"), sum(one["cpu_s"] for one in all), sum(one["bytes_sent"] for one in all)
volume = committed * 512 * seconds
print(f"{rate:>10} {committed:>10.0f} {mean('latency_ms_mean'):>9.0f} {mean('latency_ms_p50'):>9.0f} {mean('latency_ms_p95'):>9.0f} "
      f"{cpu / seconds:>9.2f} {cpu / (volume / 1e9):>12.1f} {sent / volume:>14.2f}")
PY
    rm -rf "$work/$rate"-?
done
