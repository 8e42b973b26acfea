#!/usr/bin/env bash
# run.sh [--sanitize]: installs what is missing (Debian 12 and 13), builds, runs every suite on the CPU's Vulkan driver with the validation
# layers on, and ends with the line `N passed, N failed`. --sanitize runs the suites under ASan and UBSan as well. With CI=true in
# the environment it does that, and builds with clang too. Exit 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1

sanitize=${CI:-false}
case "${1:-}" in
  --sanitize) sanitize=true ;;
  "") ;;
  *) echo "usage: tests/run.sh [--sanitize]" >&2; exit 2 ;;
esac

passed=0 failed=0 skipped=0
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

# A step that is not a test: fine, or one failure.
must() {
  local what=$1

  shift
  "$@" && return 0
  echo "FAILED: $what" >&2
  failed=$((failed + 1))
  return 1
}

# configure FOLDER OPTION...
configure() {
  local folder=$1

  shift
  if [ -f "$folder/build.ninja" ]; then
    meson setup --reconfigure "$folder" --werror "$@"
  else
    rm -rf "$folder"
    meson setup "$folder" --werror "$@"
  fi
}

configure_clang() {
  CC=clang CXX=clang++ configure build-clang
}

# again_if_tracer FOLDER LOG: tests in which nothing but LeakSanitizer's tracer crashed, after all had passed, are run once more and
# counted by that. It says nothing of the test; whatever else fails once is a fault, a race is one, and counts. What was repeated is
# told.
again_if_tracer() {
  local folder=$1 log=$2 names

  : >"$log.again"
  mapfile -t names < <(python3 tests/count.py --tracer "$log")
  [ ${#names[@]} -ge 1 ] || return 0
  echo "once more, for LeakSanitizer's tracer crashed: ${names[*]}"
  cp "$log" "$log.first"
  meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier 3 "${names[@]}"
  cp "$log" "$log.again"
  cp "$log.first" "$log"
}

# suites FOLDER OPTION_OF_MESON_TEST...: runs them and counts
suites() {
  local folder=$1 log p f s

  shift
  log=$folder/meson-logs/testlog.json
  rm -f "$log"
  meson test -C "$folder" --no-rebuild --print-errorlogs "$@"
  if [ ! -f "$log" ]; then
    must "meson test in $folder" false
    return
  fi
  again_if_tracer "$folder" "$log"
  read -r p f s < <(python3 tests/count.py "$log" "$log.again" 2> >(tee -a "$failures" >&2))
  echo "$folder: $p passed, $f failed, $s skipped"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# The style is checked by one version of clang-format, whichever Debian has, and minivl-server asked by OpenAI's own client; where they
# cannot be had these tests are skipped.
style() {
  cmp -s tests/requirements.txt build-style/requirements.txt && return
  python3 -m venv build-style && build-style/bin/pip install -q -r tests/requirements.txt \
    && cp tests/requirements.txt build-style/ \
    || echo "clang-format and openai are not there: format is not checked, nor is that client" >&2
}

# The width of the device's vectors is nothing to a sanitizer, which sees the same code on the host; nor are the kernels themselves, whose
# longest tests take ten minutes each there: what records them is run by all models.
sanitized() {
  meson test -C "$1" --list 2>/dev/null | sed -n 's|.* / ||p' | grep -vE -- '-lanes$|^(attention|matmul|selfcheck)$' | sort -u
}

run() {
  # The device is the one every machine has: lavapipe. The other variable would win over this one.
  unset VK_DRIVER_FILES
  export VK_ICD_FILENAMES
  VK_ICD_FILENAMES=$(bash tests/lavapipe.sh) || { must "the CPU's Vulkan driver" false; return; }

  must "SwiftShader" bash tests/swiftshader.sh build-swiftshader
  must "gcc build" configure build -Dswiftshader="$PWD/build-swiftshader/icd.json" && must "gcc build" meson compile -C build \
    && suites build --no-suite by-hand
  if [ "${CI:-false}" = true ]; then
    must "clang build" configure_clang && must "clang build" meson compile -C build-clang && suites build-clang --suite host --suite fuzz
  fi
  if [ "$sanitize" = true ]; then
    # Threads of the driver run code that no sanitizer knows; its own leak is told in tests/lsan.supp.
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    must "sanitized build" configure build-sanitize -Db_sanitize=address,undefined \
      && must "sanitized build" meson compile -C build-sanitize \
      && suites build-sanitize --timeout-multiplier 3 $(sanitized build-sanitize)
  fi
}

must "packages" bash examples/install-packages.sh examples/packages.txt tests/packages.txt && style && run
cat "$failures" >&2 # again, for whoever sees only the end
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
