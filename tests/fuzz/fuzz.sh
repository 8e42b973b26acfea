#!/usr/bin/env bash
# fuzz.sh TARGET SEEDS NAME [OPTION_OF_LIBFUZZER...]: makes the seeds, then lets the target run on them. What broke it stays in the
# current folder. All else is made in memory, and removed.
set -u
target=$1 seeds=$2 name=$3
shift 3
folder=$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)
TMPDIR=$(mktemp -d "$folder/minivl-fuzz.XXXXXX") || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

"$seeds" "$name" "$TMPDIR" || exit 1
mkdir "$TMPDIR/found"
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:allocator_may_return_null=0:detect_leaks=1" UBSAN_OPTIONS=print_stacktrace=1
"$target" -rss_limit_mb=512 -malloc_limit_mb=512 -timeout=10 -print_final_stats=1 -verbosity=0 "-artifact_prefix=$name-" "$@" \
  "$TMPDIR/found" "$TMPDIR/$name"
