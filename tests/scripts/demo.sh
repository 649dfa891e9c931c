#!/usr/bin/env bash
# Shows the whole of Noema on one machine: two Move packages ask a real language model inside transactions.
#
#   demo.sh NOEMA_BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."

noema=${1:?usage: demo.sh NOEMA_BINARY}
cache=${NOEMA_CACHE:-$HOME/.cache/noema}
work=$(mktemp -d)
export NOEMA_HOME=$work/home
node=""

stop_node() {
    if [[ -n $node ]]; then
        kill "$node" 2>/dev/null || true
        wait "$node" 2>/dev/null || true
        node=""
    fi
}
cleanup() {
    local status=$?
    stop_node
    ((status == 0)) || { echo "the demo failed; the node said:" >&2; tail -n 20 "$work"/node.log >&2 || true; }
    rm -rf "$work"
}
trap cleanup EXIT

title() { printf '\n\033[1m== %s\033[0m\n' "$1"; }
field() { python3 -c 'import json,sys; v=json.load(sys.stdin)
for k in sys.argv[1].split("."): v=v[int(k)] if isinstance(v,list) else v[k]
print(v)' "$1"; }
free_port() { python3 - <<'PY'
import socket
for port in range(8080, 9000, 10):
    try:
        held = [socket.socket() for _ in range(3)]
        for i, s in enumerate(held): s.bind(("127.0.0.1", port + i))
        for s in held: s.close()
        print(port); break
    except OSError: pass
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
export NOEMA_URL=http://127.0.0.1:$port/v1 NOEMA_FAUCET_URL=http://127.0.0.1:$((port + 1))
start_node() { # further arguments
    "$noema" localnet --dir "$work/net" --port "$port" --model "$model" "$@" >"$work/node.out" 2>>"$work/node.log" &
    node=$!
    for _ in $(seq 600); do
        if curl -sf "$NOEMA_URL" >/dev/null 2>&1; then return; fi
        kill -0 "$node" 2>/dev/null || { node=""; echo "the node ended" >&2; return 1; }
        sleep 0.1
    done
    echo "the node does not answer" >&2
    return 1
}

title "A network of one validator"
start_node
cat "$work/node.out"

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
ask() {
    "$noema" --json move call "$me::scribe::write" --args "object:$onchain" "string:$prompt" u64:24 >"$work/tx.json"
    text=$("$noema" --json move view "$me::scribe::text" --args "address:$me" "u64:$1" | field 0)
    printf 'prompt      %s\nanswer      %s\ntransaction %s\ngas         %s\ndigest      %s\n' "$question" "$text" \
        "$(field hash <"$work/tx.json")" "$(field gas_used <"$work/tx.json")" "$(printf %s "$text" | sha256sum | cut -c1-64)"
    printf %s "$text" | sha256sum | cut -c1-64 >>"$work/digests"
}
title "A transaction asks the model (scribe::write)"
ask 0

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

title "The same question again: from the memo, and after a restart with another kernel"
ask 1
root=$(curl -sf "$NOEMA_URL" | field state_root)
height=$(curl -sf "$NOEMA_URL" | field block_height)
stop_node
start_node --kernel scalar
echo "restarted with the scalar kernel at height $(curl -sf "$NOEMA_URL" | field block_height)"
ask 2
if [[ $(sort -u "$work/digests" | wc -l) != 1 ]]; then
    echo "error: the answers differ" >&2
    exit 1
fi
echo "three answers, one digest; state root at height $height was $root"

title "The same bits from every kernel of this machine (noema infer)"
for kernel in scalar avx2 avx512; do
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

stop_node
title "Done: everything that was started is stopped"
