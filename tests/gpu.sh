#!/usr/bin/env bash
# gpu.sh [BUILD [FOLDER]]: builds what is worth knowing of a GPU (in BUILD: build), and copies it with the libraries that it needs into
# FOLDER (BUILD/minivl-gpu): at most 60 MB, to be taken to any x86-64 Linux with glibc 2.36 and a Vulkan driver, and run there:
# FOLDER/run.sh. Build it on the oldest system that it is to run on: glibc is the system's own.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-build}
folder=${2:-$build/minivl-gpu}
most=60 # MB

# The op suites that know no device by name; the shaders, and the self-check that finds a device that computes wrongly.
programs=(
  tests/minivl-bench tests/conformance
  tests/ops/test-{attention,matmul,memory,ops,picture,sample,stream} tests/selfcheck/test-selfcheck
)

# libraries PROGRAM...: `name path` of those that are not glibc's own.
libraries() {
  ldd "$@" | sed -nE 's/^\s+(\S+) => (\/\S+) .*/\1 \2/p' | sort -u \
    | grep -vE '^(libc|libm|libdl|librt|libpthread|libresolv|libutil|ld-linux[^ ]*)\.so'
}

[ -f "$build/build.ninja" ] || meson setup "$build"
ninja -C "$build" "${programs[@]}"
rm -rf "$folder"
mkdir -p "$folder"/{bin,lib,data,licences}
for program in "${programs[@]}"; do
  strip --strip-unneeded -o "$folder/bin/${program##*/}" "$build/$program"
done
libraries "$folder"/bin/* | while read -r name path; do
  cp -L "$path" "$folder/lib/$name"
  # Of a system that keeps them.
  path=$(realpath "$path")
  package=$(dpkg-query -S "*/${path##*/}" 2>/dev/null | head -n 1 | cut -d: -f1) || continue
  cp "/usr/share/doc/$package/copyright" "$folder/licences/$package" 2>/dev/null || true
done
cp LICENSE "$folder/licences/minivl"
cp -R tests/data/small tests/data/demo "$folder/data/"
cp -R examples/demo-model/checkpoint "$folder/data/demo-model"
cp tests/gpu-run.sh "$folder/run.sh"
chmod +x "$folder/run.sh"

size=$(du -sm --apparent-size "$folder" | cut -f1)
echo "$folder: $size MB; take it to a machine with a GPU, and run its run.sh"
[ "$size" -le $most ] || { echo "more than $most MB" >&2; exit 1; }
