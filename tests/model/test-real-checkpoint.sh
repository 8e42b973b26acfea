#!/usr/bin/env bash
# test-real-checkpoint.sh BUILD FOLDER: real-checkpoint.sh on a folder of this format: its report, and what it says of code in it.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
broken=0
export MINIVL_BUILD=$1 MINIVL_REPORT=$work/report.json

check() {
  local what=$1

  shift
  "$@" && return
  echo "$what"
  broken=1
}

# Would leave a trace if anything ran it.
cp -r "$2" "$work/folder"
echo "open('$work/ran', 'w')" | tee "$work/folder/conversation.py" >"$work/folder/modeling_internvl_chat.py"

said=$(bash "$root/tests/real-checkpoint.sh" "$work/folder" --max-tokens 4 2>&1)
check "exit $? and not 0: $said" [ $? -eq 0 ]
check "does not say that no code was run" grep -q "no code in .*/folder was run" <<<"$said"
check "ran the folder's code" [ ! -e "$work/ran" ]
python3 - "$work/report.json" <<'END' || broken=1
import json, sys
report = json.load(open(sys.argv[1]))
assert len(report['conversations']) == 10, len(report['conversations'])
for c in report['conversations']:
    assert 'error' not in c and len(c['rounds']) in (1, 2), c['name']
    for r in c['rounds']:
        assert len(r['margins']) == r['answer']['output_tokens'] and min(r['margins'], default=0) >= 0, c['name']
by_name = {c['name']: c['rounds'] for c in report['conversations']}
assert len(by_name['film'][0]['answer']['frames']) == 8
assert len(by_name['two-joined'][0]['answer']['tiles']) == 2
assert all(report[key] > 0 for key in ('weight_bytes', 'device_bytes', 'load_ns', 'total_ns')), report
assert all(0 < report['largest'][key] < 65504 for key in ('k', 'v', 'residual', 'vision_residual')), report['largest']
END

mkdir "$work/modules"
echo "__version__ = '0'" >"$work/modules/transformers.py"
said=$(PYTHONPATH=$work/modules MINIVL_REPORT=$work/none.json bash "$root/tests/real-checkpoint.sh" "$work/folder" --run-folder-code 2>&1)
check "exit $? and not 1 where nothing can be compared" [ $? -eq 1 ]
check "does not say why nothing can be compared" grep -q "transformers is 0; 4.37.2 is wanted" <<<"$said"
check "asks where nothing can be compared" [ ! -e "$work/none.json" ]

said=$(bash "$root/tests/real-checkpoint.sh" "$work/folder" --max-tokens 100000 2>&1)
check "an answer that does not fit is no failure" [ $? -eq 1 ]
check "the report has no error" grep -q '"error":' "$work/report.json"

MINIVL_REPORT=/dev/null/report.json bash "$root/tests/real-checkpoint.sh" "$work/folder" --max-tokens 1 >/dev/null 2>&1
check "does not mind a report that cannot be written" [ $? -eq 2 ]

rm "$work/folder/config.json"
said=$(bash "$root/tests/real-checkpoint.sh" "$work/folder" 2>&1)
check "opens what is no checkpoint" [ $? -eq 2 ]
check "does not say what is missing" grep -q "config.json" <<<"$said"
exit $broken
