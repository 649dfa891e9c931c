#!/usr/bin/env bash
# Shows the whole of Noema on one machine: four validators agree on what a real language model answers inside
# transactions, one of them is killed and comes back with another kernel, and a light client checks the answer.
#
#   demo.sh NOEMA_BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."

noema=${1:?usage: demo.sh NOEMA_BINARY}
cache=${NOEMA_CACHE:-$HOME/.cache/noema}
work=$(mktemp -d)
export NOEMA_HOME=$work/home
network=""
restarted=""

stop_process() {
    if [[ -n $1 ]]; then
        kill "$1" 2>/dev/null || true
        wait "$1" 2>/dev/null || true
    fi
}
stop_all() {
    stop_process "$restarted"
    stop_process "$network"
    restarted=""
    network=""
}
cleanup() {
    local status=$?
    stop_all
    if ((status != 0)); then
        echo "the demo failed; the network said:" >&2
        tail -n 20 "$work"/network.log "$work"/net/*/node.log >&2 || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT

title() { printf '\n\033[1m== %s\033[0m\n' "$1"; }
field() { python3 -c 'import json,sys; v=json.load(sys.stdin)
for k in sys.argv[1].split("."): v=v[int(k)] if isinstance(v,list) else v[k]
print(v)' "$1"; }
# The first port from which four validators find theirs free.
free_port() { python3 - <<'PY'
import socket
for port in range(8080, 9000, 10):
    held = []
    try:
        for i in range(4):
            for offset in (0, 1, 2, 5):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port + 10 * i + offset))
        print(port); break
    except OSError: pass
    finally:
        for s in held: s.close()
else: raise SystemExit("no free ports between 8080 and 9000")
PY
}

title "A real model: SmolLM2-135M-Instruct"
gguf=$(./inference-worker/models/fetch-weights.sh)
model=$cache/models/smollm2-135m-instruct.noema
if [[ ! -f $model || $model -ot $gguf ]]; then
    mkdir -p "$cache/models"
    "$noema" model import "$gguf" --out "$model"
fi
"$noema" model show "$model"

port=$(free_port)
url() { echo "http://127.0.0.1:$((port + 10 * $1))/v1"; }
export NOEMA_URL NOEMA_FAUCET_URL=http://127.0.0.1:$((port + 1))
NOEMA_URL=$(url 0)

wait_for_api() { # validator, process
    for _ in $(seq 1200); do
        if curl -sf "$(url "$1")" >/dev/null 2>&1; then return; fi
        kill -0 "$2" 2>/dev/null || { echo "validator $1 ended" >&2; return 1; }
        sleep 0.1
    done
    echo "validator $1 does not answer" >&2
    return 1
}
height_of() { curl -sf "$(url "$1")" | field block_height; }
wait_for_height() { # validator, height
    for _ in $(seq 1200); do
        if (($(height_of "$1" || echo 0) >= $2)); then return; fi
        sleep 0.1
    done
    echo "validator $1 has no block $2" >&2
    return 1
}
# State root after a block, as a validator has it: its last transaction carries it.
root_at() { # validator, height
    curl -sf "$(url "$1")/blocks/by_height/$2?with_transactions=true" |
        python3 -c 'import json,sys; print(json.load(sys.stdin)["transactions"][-1]["state_checkpoint_hash"])'
}
answer_of() { # validator, note
    NOEMA_URL=$(url "$1") "$noema" --json move view "$me::scribe::text" --args "address:$me" "u64:$2" | field 0
}
digest() { printf %s "$1" | sha256sum | cut -c1-64; }

# One answer and one state root on these validators, or the demo ends here.
show_agreement() { # note, validators...
    local note=$1 height=0 validator own
    shift
    for validator in "$@"; do
        own=$(height_of "$validator")
        if ((own > height)); then height=$own; fi
    done
    : >"$work/agreement"
    for validator in "$@"; do
        wait_for_height "$validator" "$height"
        printf '%s %s\n' "$(digest "$(answer_of "$validator" "$note")")" "$(root_at "$validator" "$height")" >>"$work/agreement"
        printf 'validator-%s  answer sha256 %s  state root at height %s %s\n' "$validator" \
            "$(tail -n 1 "$work/agreement" | cut -c1-16)..." "$height" "$(tail -n 1 "$work/agreement" | cut -d' ' -f2)"
    done
    if [[ $(sort -u "$work/agreement" | wc -l) != 1 ]]; then
        echo "error: the validators differ" >&2
        exit 1
    fi
    echo "one answer, one state root on $# validators"
}

title "A network of four validators, each a process of its own"
"$noema" localnet --dir "$work/net" --port "$port" --model "$model" --validators 4 >"$work/network.out" 2>>"$work/network.log" &
network=$!
for _ in $(seq 3000); do
    if grep -q "Ctrl-C" "$work/network.out" 2>/dev/null; then break; fi
    kill -0 "$network" 2>/dev/null || { network=""; cat "$work/network.out"; echo "the network ended" >&2; exit 1; }
    sleep 0.1
done
for validator in 0 1 2 3; do wait_for_api "$validator" "$network"; done
cat "$work/network.out"

title "Two accounts"
for name in default seller; do
    "$noema" account new --name "$name" 2>/dev/null
    "$noema" account fund "$name" --amount 10000000000
done
me=$("$noema" --json account show default | field address)
seller=$("$noema" --json account show seller | field address)

title "Publishing from source: clients/examples/scribe, clients/examples/review_escrow"
"$noema" move publish -p clients/examples/scribe --named-addresses scribe=default
"$noema" move publish -p clients/examples/review_escrow --named-addresses review_escrow=default
onchain=$("$noema" --json move view 0x1::model::resident_models | field 0.0)
echo "model on chain: $onchain"

question="What is the capital of France?"
# The chat form that this model was tuned on.
prompt="<|im_start|>user
$question<|im_end|>
<|im_start|>assistant
"
ask() { # note
    "$noema" --json move call "$me::scribe::write" --args "object:$onchain" "string:$prompt" u64:24 >"$work/tx.json"
    text=$(answer_of 0 "$1")
    printf 'prompt      %s\nanswer      %s\ntransaction %s\ngas         %s\ndigest      %s\n' "$question" "$text" \
        "$(field hash <"$work/tx.json")" "$(field gas_used <"$work/tx.json")" "$(digest "$text")"
    digest "$text" >>"$work/digests"
}
title "A transaction asks the model through validator 0 (scribe::write); all four compute the answer"
ask 0
show_agreement 0 0 1 2 3

title "A review decides who gets the money (review_escrow::review)"
order=0
for review in "Wonderful, I love it. Works perfectly and arrived early." "Terrible. It broke after one day and nobody answers."; do
    "$noema" --json move call "$me::review_escrow::open" \
        --args "u64:$order" "address:$seller" u64:1000000 u64:2000000000 >/dev/null
    before=$("$noema" --json account show seller | field balance)
    "$noema" --json move call "$me::review_escrow::review" \
        --args "u64:$order" "object:$onchain" "string:$review" >"$work/tx.json"
    after=$("$noema" --json account show seller | field balance)
    status=$("$noema" --json move view "$me::review_escrow::status" --args "address:$me" "u64:$order" | field 0)
    verdict=$([[ $status == 1 ]] && echo "positive: the seller is paid" || echo "negative: the buyer is refunded")
    printf 'review      %s\nverdict     %s\nseller got  %s\ntransaction %s\ngas         %s\n\n' "$review" "$verdict" \
        "$((after - before))" "$(field hash <"$work/tx.json")" "$(field gas_used <"$work/tx.json")"
    order=$((order + 1))
done

title "kill -9 of validator 3: the other three go on, and answer the same question from their memos"
pid=$(awk '$1 == "validator-3" { print $NF }' "$work/network.out")
kill -9 "$pid"
ask 1
show_agreement 1 0 1 2

title "Validator 3 comes back with the scalar kernel, catches up, and answers with the others"
"$noema" node run --config "$work/net/validator-3/node.toml" --kernel scalar >"$work/restarted.out" 2>>"$work/network.log" &
restarted=$!
wait_for_api 3 "$restarted"
wait_for_height 3 "$(height_of 0)"
for _ in $(seq 600); do
    role=$(curl -sf "$(url 3)/noema/status" | field role)
    if [[ $role == validator ]]; then break; fi
    sleep 0.1
done
echo "validator 3 is a $role again"
show_agreement 1 0 1 2 3
ask 2
show_agreement 2 0 1 2 3
jobs=$(curl -sf "http://127.0.0.1:$((port + 32))/metrics" | awk '$1 == "noema_inference_jobs_run" { print $2 }')
echo "questions that validator 3 asked its model itself, on the scalar kernel: $jobs"
if [[ $(sort -u "$work/digests" | wc -l) != 1 ]]; then
    echo "error: the answers differ" >&2
    exit 1
fi
echo "three answers, one digest"

title "A light client verifies the answer from the genesis file alone (noema light verify)"
resource="$me/$me::scribe::Notebook"
NOEMA_URL=$(url 2) "$noema" light verify --genesis "$work/net/genesis.blob" --resource "$resource" | cut -c1-160
value=$(NOEMA_URL=$(url 2) "$noema" --json light verify --genesis "$work/net/genesis.blob" --resource "$resource" | field value)
# The notebook's BCS holds the text as it is.
if [[ $value != *$(printf %s "$text" | od -An -tx1 | tr -d ' \n')* ]]; then
    echo "error: the verified notebook does not hold the answer" >&2
    exit 1
fi
echo "the verified notebook holds the answer: $text"

title "The same bits from every kernel of this machine (noema infer)"
for kernel in scalar avx2 avx512 neon; do
    if result=$(NOEMA_KERNEL=$kernel "$noema" --json infer --model "$model" --prompt "Once upon a time" --max-new-tokens 48 2>"$work/infer.err"); then
        printf '%-8s %s  %s tokens/s\n' "$kernel" "$(field digest <<<"$result")" "$(field tokens_per_second <<<"$result")"
        field digest <<<"$result" >>"$work/kernels"
    else
        printf '%-8s not on this machine: %s\n' "$kernel" "$(head -n 1 "$work/infer.err")"
    fi
done
if [[ $(sort -u "$work/kernels" | wc -l) != 1 ]]; then
    echo "error: the kernels differ" >&2
    exit 1
fi

stop_all
title "Done: everything that was started is stopped"
