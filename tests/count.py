"""count.py TESTLOG.json...: what meson's test logs say, as one line `PASSED FAILED SKIPPED`; failures are named on standard error,
with their last lines.
A test that several logs have counts as in the last. count.py --tracer TESTLOG.json: names of the tests that failed by a crash of
LeakSanitizer's tracer and by nothing else, a line each.

A test program that prints TAP counts once for each of its tests, any other program once.
"""
import json
import re
import sys

TRACER = re.compile(
    r"^==\d+==(LeakSanitizer has encountered a fatal error\."
    r"|HINT: For debugging, try setting environment variable LSAN_OPTIONS=\S+"
    r"|HINT: LeakSanitizer does not work under ptrace \(strace, gdb, etc\))$\n?", re.M)
TROUBLE = re.compile(r"^==\d+==|^Bail out!|^not ok\b|runtime error:|-(CRITICAL|ERROR) \*\*|assertion failed", re.M)


def last_lines(log):
    """What it said at its end, the lines of tests that passed apart."""
    said = ((log.get("stdout") or "") + "\n" + (log.get("stderr") or "")).split("\n")
    return [line[:200] for line in said if line.strip() and not re.match(r"ok \d", line)][-25:]


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
        print(f"FAILED: {log['name']} ({log['result']})", *last_lines(log), sep="\n  ", file=sys.stderr)
        failed += failed == 0  # one that crashed or hung names no test
    return passed, failed, skipped


def tracer_crashed(log):
    """Leaks are looked for when a process ends, so that all its tests must have passed; the crash leaves its own three lines."""
    said = (log.get("stdout") or "") + "\n" + (log.get("stderr") or "")
    rest, lines = TRACER.subn("", said)
    plan = re.search(r"^1\.\.(\d+)", said, re.M)
    passed = len(re.findall(r"^ok \d+\b", said, re.M))
    return log["result"] in ("FAIL", "ERROR") and lines > 0 and not TROUBLE.search(rest) and (plan is None or passed == int(plan[1]))


names = sys.argv[1:2] == ["--tracer"]
logs = {}
for path in sys.argv[2 if names else 1 :]:
    for line in open(path, encoding="utf-8"):
        log = json.loads(line)
        logs[log["name"]] = log
if names:
    sys.stdout.writelines(name.split(" / ")[-1] + "\n" for name, log in logs.items() if tracer_crashed(log))
else:
    totals = [count(log) for log in logs.values()]
    print(*(sum(column) for column in zip(*totals)) if totals else (0, 0, 0))
