"""count.py, on test logs that say what meson's do: what counts, and that nothing but a crash of LeakSanitizer's tracer is run again."""
import json
import os
import subprocess
import sys
import tempfile

COUNT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "count.py")
PASSED = "1..2\nok 1 /a/b\nok 2 /a/c\n"
CRASH = (
    "==7==LeakSanitizer has encountered a fatal error.\n"
    "==7==HINT: For debugging, try setting environment variable LSAN_OPTIONS=verbosity=1:log_threads=1\n"
    "==7==HINT: LeakSanitizer does not work under ptrace (strace, gdb, etc)\n"
)


def run(*args):
    return subprocess.run([sys.executable, COUNT, *args], check=True, capture_output=True, text=True).stdout


def write(folder, name, *logs):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        for test, result, stdout, stderr in logs:
            file.write(json.dumps({"name": "minivl:gst / " + test, "result": result, "stdout": stdout, "stderr": stderr}) + "\n")
    return path


with tempfile.TemporaryDirectory() as folder:
    first = write(
        folder, "first.json",
        ("fine", "OK", PASSED, ""),
        ("plain", "OK", "said", ""),
        ("tracer", "ERROR", PASSED, CRASH),
        ("tracer-plain", "FAIL", "said\n" + CRASH, ""),
        ("failed", "FAIL", "1..2\nok 1 /a/b\nnot ok 2 /a/c\n", CRASH),
        ("bailed", "ERROR", "1..2\nok 1 /a/b\nBail out! assertion failed (a == b)\n", ""),
        ("stopped", "ERROR", "1..2\nok 1 /a/b\n", CRASH),
        ("leaked", "ERROR", PASSED, CRASH + "==7==ERROR: LeakSanitizer: detected memory leaks\n"),
        ("undefined", "ERROR", PASSED, CRASH + "a.c:1:2: runtime error: index 3 out of bounds\n"),
        ("hung", "TIMEOUT", PASSED, CRASH),
        ("skipped", "OK", "1..1\nok 1 /a/b # SKIP none\n", ""))
    assert run("--tracer", first) == "tracer\ntracer-plain\n", run("--tracer", first)
    assert run(first) == "14 8 1\n", run(first)
    second = write(folder, "second.json", ("tracer", "OK", PASSED, ""), ("tracer-plain", "OK", "said", ""))
    assert run(first, second) == "15 6 1\n", run(first, second)
    assert run("--tracer", second) == ""
    assert run(write(folder, "none.json")) == "0 0 0\n"
