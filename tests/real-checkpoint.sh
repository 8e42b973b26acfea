#!/usr/bin/env bash
# real-checkpoint.sh FOLDER [--run-folder-code] [OPTION...]: what a downloaded checkpoint does here, as one JSON report to send: the ten
# conversations of the model's card, one of them about a film. Needs no network. OPTION: as minivl-chat has them (--device D,
# --max-tokens N). Of FOLDER only data is read; conversation.py is read as text. With --run-folder-code the Python files in FOLDER are
# RUN, by transformers 4.37.2, which must be installed, and each answer's ids are held against that: only for a folder that you trust.
# The report is minivl-report.json here, or the file MINIVL_REPORT; the build is build/, or the folder MINIVL_BUILD. It is written after
# each conversation: on a CPU all of them take hours.
# Exit 0: all conversations are answered; 1: some are not, or --run-folder-code could not; where it cannot from the start, none is
# asked; 2: the folder cannot be opened.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
  echo "usage: tests/real-checkpoint.sh FOLDER [--run-folder-code] [OPTION...]" >&2
  exit 2
fi
folder=$(cd "$1" && pwd)
shift
run_code=false
if [ "${1:-}" = --run-folder-code ]; then
  run_code=true
  shift
fi
report=${MINIVL_REPORT:-$PWD/minivl-report.json}
build=${MINIVL_BUILD:-$here/build}

if [ ! -f "$build/build.ninja" ]; then
  meson setup "$build" "$here" || exit 2
fi
ninja -C "$build" tests/real-checkpoint examples/demo-model/yard || exit 2

# Before the answers, which may take hours, and not after them.
if $run_code; then
  echo "running the code in $folder: $(cd "$folder" && echo *.py)"
  python3 "$here/tests/real-checkpoint.py" "$folder" || exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/examples/demo-model/yard" "$work/yard.mkv" 1 2 3 >&2 || exit 2
"$build/tests/real-checkpoint" "$folder" "$report" "$work/yard.mkv" "$here/examples/pictures/overlay.png" \
  "$here/tests/data/small/images/box.png" "$work/tiles" "$@"
code=$?
[ $code -ne 2 ] || exit 2

if $run_code; then
  python3 "$here/tests/real-checkpoint.py" "$folder" "$report" "$work/tiles" || code=1
else
  echo "no code in $folder was run; --run-folder-code compares with transformers 4.37.2"
fi
echo "the report: $report"
exit $code
