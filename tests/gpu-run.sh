#!/usr/bin/env bash
# run.sh [--quick] [REPORT]: checks minivl's shaders and models on the GPU of this machine, and measures them: at most eight minutes.
# Prints a table and writes REPORT (minivl-gpu-report.json), which is worth sending: it names GPU, driver, kernel and CPU, and has the
# figures. Nothing else is left behind. --quick shows, on a CPU's driver as well, that it runs, however long that takes. Of several GPUs,
# VK_DRIVER_FILES chooses a driver. Exit 1 if anything failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)

quick=() report=minivl-gpu-report.json
most=480 # seconds for all of it
for argument in "$@"; do
  case $argument in
    --quick) quick=(--quick --only check --only matvec --only decode_step) most=3600 ;;
    -*) echo "usage: run.sh [--quick] [REPORT]" >&2; exit 2 ;;
    *) report=$argument ;;
  esac
done

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{lib,log,cache}
# Nothing stays where the user's caches are, and none of theirs hides what the driver's compiler does.
export XDG_CACHE_HOME=$work/cache MESA_SHADER_CACHE_DIR=$work/cache __GL_SHADER_DISK_CACHE_PATH=$work/cache

# What this system has itself its driver may need as it is; the rest is taken from here.
known=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null)
for file in "$here"/lib/*; do
  [[ $known == *"${file##*/} (libc6,x86-64"* ]] || ln -s "$file" "$work/lib/"
done
export LD_LIBRARY_PATH=$work/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# --- steps ---

names=() outcomes=() passes=() failures=() times=()

# step NAME SECONDS PROGRAM [ARGUMENT...]: runs it for so long at most; what it says goes to a log.
step() {
  local name=$1 limit=$2 log="$work/log/$1" begin=$SECONDS code outcome

  shift 2
  [ ${#quick[@]} -eq 0 ] && [ "$limit" -le $((most - SECONDS)) ] || limit=$((most - SECONDS))
  if [ "$limit" -gt 0 ]; then
    printf '%s...\n' "$name"
    timeout "$limit" "$here/bin/$1" "${@:2}" >"$log" 2>&1
    code=$?
  else
    code=124
    : >"$log"
  fi
  case $code in
    0) outcome=passed ;;
    124) outcome="no time left" ;;
    *) outcome=FAILED ;;
  esac
  names+=("$name") outcomes+=("$outcome") times+=($((SECONDS - begin)))
  # TAP, or the lines of conformance
  passes+=("$(grep -cE '^(ok |PASS )' "$log")") failures+=("$(grep -cE '^(not ok |FAIL )' "$log")")
  [ "$outcome" = passed ] || tail -n 5 "$log" | sed 's/^/    /'
}

few=(q8 q4) precisions=(f32 f16 q8 q4) tests=(ops matmul attention sample picture memory stream selfcheck)
[ ${#quick[@]} -eq 0 ] || few=() precisions=(f16) tests=(sample)

step bench 300 minivl-bench "${quick[@]}" --json "$work/bench.json"
for precision in "${few[@]}"; do
  step "bench-$precision" 60 minivl-bench --precision "$precision" --only vision_tile --only prefill_512 --only decode_step \
    --json "$work/bench-$precision.json"
done
for precision in "${precisions[@]}"; do
  step "small-$precision" 30 conformance "$here/data/small" --precision "$precision"
  step "demo-$precision" 30 conformance "$here/data/demo" "$here/data/demo-model" --precision "$precision"
done
for test in "${tests[@]}"; do
  step "test-$test" 90 "test-$test"
done

# --- what came of it ---

# Text as a JSON string; tabs and what else is below a space become spaces.
quoted() {
  printf '"%s"' "$(tr '\001-\011\013-\037' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' | tr -d '\n')"
}

# The JSON of a bench, if it came so far.
figures() {
  if [ -s "$work/$1.json" ]; then cat "$work/$1.json"; else printf null; fi
}

{
  printf '{"minivl_gpu_report": 1,\n"kernel": %s,\n' "$(uname -srm | tr -d '\n' | quoted)"
  printf '"system": %s,\n' "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"\n' | quoted)"
  printf '"cpu": %s,\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1 | tr -d '\n' | quoted)"
  printf '"steps": ['
  for i in "${!names[@]}"; do
    [ "$i" -eq 0 ] || printf ','
    printf '\n{"name": "%s", "outcome": "%s", "passed": %d, "failed": %d, "seconds": %d' "${names[i]}" "${outcomes[i]}" "${passes[i]}" \
      "${failures[i]}" "${times[i]}"
    [ "${outcomes[i]}" = passed ] || printf ', "log": %s' "$(tail -n 40 "$work/log/${names[i]}" | quoted)"
    printf '}'
  done
  printf '\n],\n"bench": %s,\n"bench_q8": %s,\n"bench_q4": %s}\n' "$(figures bench)" "$(figures bench-q8)" "$(figures bench-q4)"
} >"$report" || exit 1

echo
cat "$work/log/bench"
for precision in "${few[@]}"; do
  grep "^| [vpd]" "$work/log/bench-$precision"
  tail -n 2 "$work/log/bench-$precision"
done
echo
printf '| %-16s | %-12s | %6s | %6s | %7s |\n' step outcome passed failed seconds
printf '| %-16s | %-12s | %6s | %6s | %7s |\n' --- --- --: --: --:
failed=0
for i in "${!names[@]}"; do
  printf '| %-16s | %-12s | %6d | %6d | %7d |\n' "${names[i]}" "${outcomes[i]}" "${passes[i]}" "${failures[i]}" "${times[i]}"
  [ "${outcomes[i]}" = passed ] || failed=$((failed + 1))
done
echo
echo "$((${#names[@]} - failed)) of ${#names[@]} steps passed, in $SECONDS s. The report is $report"
[ $failed -eq 0 ]
