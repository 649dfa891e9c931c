#!/usr/bin/env bash
# Installs the official Move compiler and binary reader (WebAssembly, npm), which tests compare with.
set -euo pipefail
dir="${NOEMA_CACHE:-$HOME/.cache/noema}/peers"
mkdir -p "$dir"
cd "$dir"
if [[ ! -d node_modules/@zktx.io/sui-move-builder || ! -d node_modules/@mysten/move-bytecode-template ]]; then
    [[ -f package.json ]] || echo '{ "private": true, "type": "module" }' >package.json
    npm install --silent --no-audit --no-fund @zktx.io/sui-move-builder@0.5.1 @mysten/move-bytecode-template@0.4.1 >&2
fi
