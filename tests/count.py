"""count.py TESTLOG.json...: what meson's test logs say, as one line `PASSED FAILED SKIPPED`; failures are named on standard error.
A test that several logs have counts as in the last. count.py --failed TESTLOG.json: names of the tests that failed, a line each.

A test program that prints TAP counts once for each of its tests, any other program once.
"""
import json
import re
import sys


def count(log):
    tap = re.findall(r"^(ok|not ok) \d+\b(?:[^#\n]*)(# *SKIP)?", log.get("stdout") or "", re.M | re.I)
    passed = sum(1 for verdict, skip in tap if verdict == "ok" and not skip)
    failed = sum(1 for verdict, skip in tap if verdict != "ok")
    skipped = sum(1 for verdict, skip in tap if verdict == "ok" and skip)
    if log["result"] in ("OK", "EXPECTEDFAIL"):
        passed += not tap
    elif log["result"] == "SKIP":
        skipped += not tap
    else:
        print(f"FAILED: {log['name']} ({log['result']})", file=sys.stderr)
        failed += failed == 0  # one that crashed or hung names no test
    return passed, failed, skipped


def failed(log):
    return log["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")


names = sys.argv[1:2] == ["--failed"]
logs = {}
for path in sys.argv[2 if names else 1 :]:
    for line in open(path, encoding="utf-8"):
        log = json.loads(line)
        logs[log["name"]] = log
if names:
    print(*(name.split(" / ")[-1] for name, log in logs.items() if failed(log)), sep="\n")
else:
    totals = [count(log) for log in logs.values()]
    print(*(sum(column) for column in zip(*totals)) if totals else (0, 0, 0))
