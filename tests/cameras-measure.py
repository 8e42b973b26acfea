"""python3 tests/cameras-measure.py BUILD [SECONDS [MODEL]]: what cameras cost by minivl-cameras, as rows of examples/README.md's table.

1, 4 and 16 cameras of a real RTSP server on this machine (JPEG of 320x240 at 25 frames a second, as its process; what it takes is not
counted) are described for SECONDS (60) each, in segments of 10 s, after all of them are playing and the first answers are there.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
MODEL = sys.argv[3] if len(sys.argv) > 3 else 'demo'
TICK = os.sysconf('SC_CLK_TCK')
ENGINE = ('minivl-device', 'llvmpipe-')  # threads that compute, on a CPU's driver


def cpu_seconds(folder):
    """Of a process or thread: its name, and what it took so far."""
    name, fields = folder.joinpath('stat').read_text().partition('(')[2].rpartition(')')[::2]
    return name, sum(map(int, fields.split()[11:13])) / TICK


def engine_seconds(pid):
    taken = map(cpu_seconds, pathlib.Path(f'/proc/{pid}/task').iterdir())
    return sum(seconds for name, seconds in taken if name.startswith(ENGINE))


def seconds(pid):
    """Of the engine, and of all."""
    return engine_seconds(pid), cpu_seconds(pathlib.Path(f'/proc/{pid}'))[1]


def memory(pid):
    """Resident, MB; what is mapped of files apart."""
    line = next(line for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines() if line.startswith('RssAnon:'))
    return int(line.split()[1]) / 1000


def read_results(folder):
    results = []
    for path in folder.glob('*.jsonl'):
        results += [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines(keepends=True) if line.endswith('\n')]
    return results


def await_all(process, n, state):
    while n > 0:
        n -= json.loads(process.stdout.readline()).get('state') == state


def measure(folder, n, url):
    cameras = ''.join(f'[camera-{i}]\nuri={url}\ntimeout=300\n' for i in range(n))
    conf = folder / 'cameras.conf'
    conf.write_text(f'[minivl]\nmodel-path={MODEL}\n{cameras}')
    process = subprocess.Popen([BUILD / 'examples/cameras/minivl-cameras', '--journals', folder, conf], stdout=subprocess.PIPE,
                               encoding='utf-8', env={**os.environ, 'GST_PLUGIN_PATH': str(BUILD / 'gst')})
    await_all(process, n, 'playing')
    while len({result["stream"] for result in read_results(folder)}) < n:
        time.sleep(0.5)
    known, (engine, cpu), begin = len(read_results(folder)), seconds(process.pid), time.monotonic()
    time.sleep(SECONDS)
    new, took = read_results(folder), time.monotonic() - begin
    now, held = seconds(process.pid), memory(process.pid)
    process.send_signal(signal.SIGTERM)
    await_all(process, n, 'stopped')
    process.stdout.read()
    assert process.wait() == 0
    return row(n, len(new) - known, new, now[0] - engine, now[1] - cpu, held, took)


def row(n, count, results, engine, cpu, held, took):
    """count: of the results, those that came in the time that was measured."""
    answered = [result for result in results if result['output_tokens'] is not None]
    dropped = sum(result['finish_reason'] == 'dropped' for result in results)

    def mean(what):
        return sum(map(what, answered)) / max(1, len(answered))

    a_minute = 60 / took * count / n
    print(f'| {n} | {a_minute * mean(lambda result: len(result["frames"])):.0f} '
          f'| {a_minute * mean(lambda result: result["prompt_tokens"]):.0f} + {a_minute * mean(lambda result: result["output_tokens"]):.0f} '
          f'| {60 / took * engine / n:.2f} s | {60 / took * (cpu - engine) / n:.2f} s '
          f'| {mean(lambda result: result["timings"]["total"]) / 1e9:.2f} s | {dropped} | {held:.0f} MB |', flush=True)
    return held


def main():
    host = subprocess.Popen([BUILD / 'tests/gst/camera-host', '320', '240'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf-8')
    url = host.stdout.readline().strip()
    held = {}
    print('Each camera, a minute:')
    print('| cameras | frames seen | tokens, prompt + answer | CPU time of the engine | other CPU time '
          '| from the end of a segment to its result | dropped | memory, all |')
    print('|---|---|---|---|---|---|---|---|')
    for n in (1, 4, 16):
        with tempfile.TemporaryDirectory(prefix='minivl-cameras-') as folder:
            held[n] = measure(pathlib.Path(folder), n, url)
    print(f'A further camera: {(held[16] - held[1]) / 15:.1f} MB')
    host.stdin.close()
    assert host.wait() == 0


main()
