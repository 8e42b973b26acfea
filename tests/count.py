"""count.py TESTLOG.json...: what meson's test logs say, as one line `PASSED FAILED SKIPPED`; failures are named on standard error.

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


totals = [count(json.loads(line)) for path in sys.argv[1:] for line in open(path, encoding="utf-8")]
print(*(sum(column) for column in zip(*totals)) if totals else (0, 0, 0))
