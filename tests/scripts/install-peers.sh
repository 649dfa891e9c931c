#!/usr/bin/env bash
# Installs what tests compare with: the official Move compiler and binary reader (WebAssembly, npm), the official Sui
# Move VM and verifier (`sui-sandbox`, PyPI), and Aptos' Python SDK, which must work against a node unmodified, as must the `openai` and `anthropic` packages.
set -euo pipefail
dir="${NOEMA_CACHE:-$HOME/.cache/noema}/peers"
mkdir -p "$dir"
cd "$dir"
if [[ ! -d node_modules/@zktx.io/sui-move-builder || ! -d node_modules/@mysten/move-bytecode-template ]]; then
    [[ -f package.json ]] || echo '{ "private": true, "type": "module" }' >package.json
    npm install --silent --no-audit --no-fund @zktx.io/sui-move-builder@0.5.1 @mysten/move-bytecode-template@0.4.1 >&2
fi
if [[ ! -x sdk/bin/python ]] || ! sdk/bin/python -c 'import aptos_sdk' 2>/dev/null; then
    python3 -m venv sdk >&2
    sdk/bin/pip install --quiet --disable-pip-version-check aptos-sdk==0.11.0 >&2
fi
if [[ ! -x llm/bin/python ]] || ! llm/bin/python -c 'import anthropic, openai' 2>/dev/null; then
    python3 -m venv llm >&2
    llm/bin/pip install --quiet --disable-pip-version-check openai==3.54.0 anthropic==2.12.0 >&2
fi
if [[ ! -x move/bin/python ]] || ! move/bin/python -c 'import sui_sandbox' 2>/dev/null; then
    python3 -m venv move >&2
    move/bin/pip install --quiet --disable-pip-version-check --only-binary :all: sui-sandbox==0.22.0 >&2
fi
