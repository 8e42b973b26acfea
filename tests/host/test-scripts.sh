#!/usr/bin/env bash
# The scripts' own rules, in a tree of their own where meson and the installation are played. Exit 1 if one is broken.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
broken=0

# check WHAT COMMAND...
check() {
  local what=$1

  shift
  "$@" && return
  echo "$what"
  broken=1
}

says() {
  grep -qF -- "$1" <<<"$said"
}

# program NAME: a program in PATH, of what stands on standard input.
program() {
  { echo '#!/bin/sh'; cat; } >"$tree/bin/$1"
  chmod +x "$tree/bin/$1"
}

# script NAME: sets said and code; NAME is run as somebody whose environment names another driver.
script() {
  said=$(cd "$tree" && env -u CI PATH="$tree/bin:$PATH" VK_DRIVER_FILES=/nonexistent bash "$1" 2>&1)
  code=$?
}

mkdir -p "$tree"/{bin,examples,tests,build-style,drivers}
cp "$root/examples/demo.sh" "$tree/examples/"
cp "$root/tests/run.sh" "$tree/tests/"
echo 'exit 0' >"$tree/examples/install-packages.sh"
touch "$tree"/{tests,build-style}/requirements.txt

# --- demo.sh ---

program meson <<<'echo "ERROR: Dependency nowhere not found"; exit 1'
script examples/demo.sh
check "demo.sh: meson's failure is not its own" [ $code -eq 1 ]
check "demo.sh: meson's words are not shown" says "ERROR: Dependency nowhere not found"

program meson <<<'mkdir -p build; touch build/build.ninja; echo "Build type: native"'
program ninja <<<'exit 3'
script examples/demo.sh
check "demo.sh: does not go on where meson succeeds" [ $code -eq 3 ]
check "demo.sh: says all of what meson says" [ -z "$said" ]
rm -r "$tree/build"

# --- install-packages.sh ---

# dpkg-query knows what is in $tree/installed, apt-cache what is in $tree/archive; apt-get notes what it installs.
installing() {
  said=$(cd "$tree" && PATH="$tree/bin:$PATH" bash "$root/examples/install-packages.sh" wanted 2>&1)
  code=$?
}

program dpkg-query <<<"grep -qx \"\$4\" '$tree/installed' && echo installed"
program apt-cache <<<"grep -qx \"\$2\" '$tree/archive'"
program apt-get <<<"echo \"\$*\" | grep -v update >>'$tree/asked'; exit 0"
program sudo <<<'[ "$1" = -n ] && shift; exec "$@"'
printf '%s\n' one two 'some?' 'none?' >"$tree/wanted"
printf '%s\n' one >"$tree/installed"
printf '%s\n' one two some >"$tree/archive"
installing
check "install-packages.sh: fails where all can be had" [ $code -eq 0 ]
check "install-packages.sh: does not install what is missing" grep -q -- '--no-install-recommends two$' "$tree/asked"
check "install-packages.sh: does not install what only some releases have" grep -q -- '--no-install-recommends some$' "$tree/asked"
rm "$tree/asked"
printf '%s\n' one two some >"$tree/installed"
installing
check "install-packages.sh: fails where nothing is missing" [ $code -eq 0 ]
check "install-packages.sh: asks apt though nothing can be installed" [ ! -e "$tree/asked" ]
printf '%s\n' one two >"$tree/installed"
program apt-get <<<'exit 1'
installing
check "install-packages.sh: fails without what can be done without" [ $code -eq 0 ]
printf '%s\n' two >"$tree/installed"
installing
check "install-packages.sh: does not fail without what is needed" [ $code -ne 0 ]
rm "$tree/bin/"{dpkg-query,apt-cache,apt-get,sudo}

# --- the driver ---

lavapipe="$root/tests/lavapipe.sh"
said=$(bash "$lavapipe" "$tree/drivers" 2>&1)
check "lavapipe.sh: finds what is not there" [ $? -eq 1 ]
check "lavapipe.sh: does not say what is missing" says mesa-vulkan-drivers
for name in lvp_icd.json lvp_icd.i386.json "lvp_icd.$(uname -m).json"; do
  touch "$tree/drivers/$name"
done
check "lavapipe.sh: takes another machine's driver" [ "$(bash "$lavapipe" "$tree/drivers")" = "$tree/drivers/lvp_icd.$(uname -m).json" ]
rm "$tree/drivers/lvp_icd."{i386,"$(uname -m)"}.json
check "lavapipe.sh: does not know Mesa 25's name" [ "$(bash "$lavapipe" "$tree/drivers")" = "$tree/drivers/lvp_icd.json" ]

program meson <<<'echo "meson runs with ${VK_DRIVER_FILES-none} and $VK_ICD_FILENAMES"; exit 1'
echo 'exit 1' >"$tree/tests/lavapipe.sh"
script tests/run.sh
check "run.sh: goes on without a driver" [ $code -eq 1 ]
check "run.sh: builds without a driver" eval '! says "meson runs"'
check "run.sh: does not say that it has no driver" says "FAILED: the CPU's Vulkan driver"
check "run.sh: does not count that it has no driver" says "0 passed, 1 failed"

echo 'echo /the/driver' >"$tree/tests/lavapipe.sh"
script tests/run.sh
check "run.sh: another driver wins" says "meson runs with none and /the/driver"

exit $broken
