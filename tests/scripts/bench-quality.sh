#!/usr/bin/env bash
# Measures what the arithmetic costs in quality: SmolLM2-135M-Instruct on ordinary English, against an f32 forward pass
# of the same GGUF (inference-worker/models/examples/reference.rs). Exit code 1 when a bound is missed.
#
#   bench-quality.sh NOEMA_BINARY REFERENCE_BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."

noema=${1:?usage: bench-quality.sh NOEMA_BINARY REFERENCE_BINARY}
reference=${2:?usage: bench-quality.sh NOEMA_BINARY REFERENCE_BINARY}
cache=${NOEMA_CACHE:-$HOME/.cache/noema}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Tokens of one window, which starts with an empty cache; tokens of a prompt; new tokens of the greedy text.
window=512
prompt=64
new=64

gguf=$(./inference-worker/models/fetch-weights.sh)
model=$cache/models/smollm2-135m-instruct.noema
mkdir -p "$cache/models"
[[ -f $model && ! $model -ot $gguf ]] || "$noema" model import "$gguf" --out "$model" >/dev/null

"$noema" --json model tokenize "$model" --plain --text "$(cat tests/bench/english.txt)" >"$work/text.json"
"$noema" --json model show "$model" >"$work/model.json"
ends=$(python3 -c 'import json,sys; print(",".join(map(str, json.load(open(sys.argv[1]))["special"]["eos"])))' "$work/model.json")

# Windows of the whole text; prompts spread evenly over it, all of one length.
python3 - "$work" "$window" "$prompt" <<'PY'
import json, sys
work, window, prompt = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ids = json.load(open(f"{work}/text.json"))["ids"]
windows = [ids[i:i + window] for i in range(0, len(ids), window)]
windows = [w for w in windows if len(w) > 1]
prompts = [ids[i:i + prompt] for i in range(0, len(ids) - prompt, len(ids) // 16)][:16]
json.dump(windows, open(f"{work}/windows.json", "w"))
lines = lambda rows: "".join(" ".join(map(str, row)) + "\n" for row in rows)
open(f"{work}/windows.txt", "w").write(lines(windows))
open(f"{work}/prompts.txt", "w").write(lines(prompts))
PY
"$reference" "$gguf" score <"$work/windows.txt" >"$work/reference.txt"
"$reference" "$gguf" greedy "$new" "$ends" <"$work/prompts.txt" >"$work/greedy.txt"
paste -d ' ' "$work/prompts.txt" "$work/greedy.txt" |
    python3 -c 'import json,sys; json.dump([[int(w) for w in line.split()] for line in sys.stdin], sys.stdout)' >"$work/forced.json"
"$noema" --json model eval "$model" --ids "$work/windows.json" >"$work/ours.json"
"$noema" --json model eval "$model" --ids "$work/forced.json" >"$work/forced-ours.json"

python3 - "$work" "$prompt" <<'PY'
import json, math, sys
work, prompt = sys.argv[1], int(sys.argv[2])
read = lambda name: json.load(open(f"{work}/{name}"))
ours, forced = read("ours.json"), read("forced-ours.json")
windows, forced_ids = read("windows.json"), read("forced.json")
theirs = [line.split() for line in open(f"{work}/reference.txt")]
scored = sum(len(w) - 1 for w in windows)
assert scored == ours["scored"] and scored >= 4000, f"{scored} predictions are too few"
perplexity = math.exp(ours["nll"] / scored)
yardstick = math.exp(sum(float(row[0]) for row in theirs) / scored)
pairs = [(a, int(b)) for chunk, row in zip(ours["chunks"], theirs) for a, b in zip(chunk["argmax"], row[1:], strict=True)]
agreed = sum(a == b for a, b in pairs)
# The token at position i is what the reference drew after position i - 1.
drawn = [(chunk["argmax"][i - 1], ids[i]) for chunk, ids in zip(forced["chunks"], forced_ids) for i in range(prompt, len(ids))]
followed = sum(a == b for a, b in drawn)
print(f"SmolLM2-135M-Instruct, kernel {ours['kernel']}, against an f32 forward pass of the same GGUF")
rows = [
    ("perplexity over the reference's", 100 * (perplexity / yardstick - 1), "<=", 0.7, f"{perplexity:.4f} against {yardstick:.4f}, {scored} predictions"),
    ("next-token agreement", 100 * agreed / len(pairs), ">=", 95.0, f"{agreed} of {len(pairs)}"),
    ("agreement on its greedy text", 100 * followed / len(drawn), ">=", 96.0, f"{followed} of {len(drawn)}, {len(forced_ids)} prompts"),
]
missed = False
for what, got, sign, bound, detail in rows:
    met = got <= bound if sign == "<=" else got >= bound
    missed |= not met
    print(f"{what:<33} {got:+8.3f} %  bound {sign} {bound:4.1f} %  {'met' if met else 'MISSED':6}  ({detail})")
sys.exit(missed)
PY
