#!/usr/bin/python3
"""llama-run.py BUILD: pipelines of real gst-launch-1.0 on llama.cpp's server as PyPI's llama-cpp-python[server] has it, with the random
model of tiny-gguf.py. Every segment must have its result, and only one. By hand, in an environment with that package and gguf."""
import atexit
import collections
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PLUGIN = os.path.join(os.path.abspath(sys.argv[1]), 'gst')
VISION = ('--clip_model_path', 'mmproj.gguf', '--chat_format', 'mtmd')
# Else each question breaks off the answer that is under way.
PATIENT = ('--interrupt_requests', 'false')
ALERTS = 'alerts=Is there a dog?;Is there a cat?;Is the door open?;Does it rain?'


class Server:
    """One that is there. It keeps its port when it is started again."""

    def __init__(self, folder, *options):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        self.folder, self.options, self.process = folder, options, None
        atexit.register(self.kill)
        self.start()

    def start(self):
        command = [sys.executable, '-m', 'llama_cpp.server', '--model', 'model.gguf', '--host', '127.0.0.1', '--port', str(self.port),
                   '--n_threads', '1', '--verbose', 'false', *self.options]
        with open(f'{self.folder}/server.log', 'ab') as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        while True:
            try:
                urllib.request.urlopen(f'http://127.0.0.1:{self.port}/v1/models').close()
                return
            except urllib.error.HTTPError:  # it wants a key
                return
            except OSError:
                if self.process.poll() is not None:
                    with open(f'{self.folder}/server.log', encoding='utf-8') as log:
                        sys.exit(log.read())
                time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Line:
    """A pipeline, of so many segments of a second of noise; of 0, it is live and goes on until it is stopped."""

    numbers = itertools.count()

    def __init__(self, server, segments, *settings):
        name = f'{server.folder}/camera{next(self.numbers)}'
        self.segments, self.out = segments, f'{name}.jsonl'
        line = ['gst-launch-1.0', '-e', 'videotestsrc', f'is-live={int(segments == 0)}', 'pattern=snow',
                f'num-buffers={segments * 10 or -1}', '!',
                'video/x-raw,format=RGB,width=320,height=240,framerate=10/1', '!', 'minivl', 'name=m', 'segment-duration=1s',
                'num-segments=2', 'max-tokens=60', f'endpoint=http://127.0.0.1:{server.port}/v1', *settings, '!', 'fakesink',
                'm.text_src', '!', 'application/x-json', '!', 'filesink', f'location={self.out}', 'buffer-mode=unbuffered']
        environment = dict(os.environ, GST_PLUGIN_PATH=PLUGIN, GST_REGISTRY=f'{name}.bin')
        self.process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8')
        atexit.register(self.process.kill)

    def read(self):
        with open(self.out, encoding='utf-8') as file:
            return [json.loads(line) for line in file if line.endswith('\n')]

    def wait(self, works, n):
        """Until so many more segments were answered, or were not."""
        def count():
            return sum((reason in ('stop', 'length')) == works for reason in of(self.read(), 'segment', 'finish_reason'))
        n += count()
        while count() < n:
            assert self.process.poll() is None
            time.sleep(0.1)

    def finish(self):
        """Its results, and what gst-launch-1.0 said."""
        said, _ = self.process.communicate()
        assert self.process.returncode == 0, said
        results = self.read()
        starts = [result['segment_start'] for result in results if result['kind'] == 'segment']
        assert starts == [i * 10**9 + starts[0] for i in range(self.segments or len(starts))], starts
        assert len({result['id'] for result in results}) == len(results)
        return results, said


def of(results, kind, member):
    return [result[member] for result in results if result['kind'] == kind]


def tell(name, results):
    counts = collections.Counter((result['kind'], result['finish_reason']) for result in results)
    print(f'{name}: ' + ', '.join(f'{n} {kind} {reason}' for (kind, reason), n in sorted(counts.items())), flush=True)


def check(name, server, *settings, works=True):
    results, said = Line(server, 6, *settings).finish()
    tell(name, results)
    assert (set(of(results, 'segment', 'finish_reason')) <= {'stop', 'length'}) == works, said
    assert ('endpoint: 127.0.0.1' not in said) == works, said  # a warning of an alert may also be that it is neither yes nor no
    return results, said


def check_pictures(server):
    plain = [check(f'{n} at once', server, f'endpoint-parallel={n}', 'history-size=0')[0] for n in (1, 4)]
    assert of(plain[0], 'segment', 'text') == of(plain[1], 'segment', 'text')
    assert len(set(of(plain[0], 'segment', 'text'))) > 1  # the frames are all that differs
    for n in (1, 4):
        tokens = of(check(f'alerts, {n} at once', server, f'endpoint-parallel={n}', ALERTS)[0], 'alert', 'output_tokens')
        assert tokens and set(tokens) == {1}  # by logprobs
    assert len(of(check('summaries', server, 'summary-interval=2s', 'history-size=2')[0], 'summary', 'text')) == 3
    warm = [of(check(f'temperature, seed {seed}', server, 'temperature=0.8', f'seed={seed}')[0], 'segment', 'text') for seed in (5, 5, 6)]
    assert warm[0] == warm[1] != warm[2]
    assert 'json_object' in check('json-schema', server, 'json-schema={"type":"integer"}', works=False)[1]


def check_four(server):
    settings = [ALERTS, 'endpoint-parallel=4', 'max-backlog=16']
    lines = [Line(server, 8, *settings) for _ in range(4)]
    for line in lines:
        results, said = line.finish()
        tell('one of four cameras', results)
        assert 'endpoint: 127.0.0.1' not in said, said


def check_key(folder):
    for name, key in (('key', 'a-key'), ('other', 'another-key')):
        with open(f'{folder}/{name}', 'w', encoding='utf-8') as file:
            file.write(key)
    server = Server(folder, *VISION, *PATIENT, '--api_key', 'a-key')
    said = check('key', server, f'api-key-file={folder}/key', ALERTS)[1]
    said += check('wrong key', server, f'api-key-file={folder}/other', works=False)[1]
    assert 'status 401' in said and 'a-key' not in said and 'another-key' not in said
    server.kill()


def check_restarts(server, *settings):
    line = Line(server, 0, ALERTS, *settings)
    while not os.path.exists(line.out):
        time.sleep(0.1)
    for _ in range(2):
        line.wait(True, 5)
        server.kill()
        line.wait(False, 3)
        server.start()
    line.wait(True, 5)
    line.process.send_signal(signal.SIGINT)
    tell('killed twice, ' + ' '.join(settings), line.finish()[0])


def run(folder):
    subprocess.run([sys.executable, os.path.join(HERE, '../tiny-gguf.py'), folder], check=True)
    server = Server(folder, *VISION, *PATIENT, '--n_ctx', '4096')
    check_pictures(server)
    check_four(server)
    for settings in (['endpoint-parallel=1'], ['endpoint-parallel=4', 'history-size=0']):
        check_restarts(server, *settings)
    server.kill()
    server = Server(folder, *VISION, *PATIENT, '--n_ctx', '4096', '--logits_all', 'false')
    tokens = of(check('alerts without logprobs', server, ALERTS)[0], 'alert', 'output_tokens')
    assert tokens and min(tokens) > 1
    server.kill()
    server = Server(folder, *VISION, *PATIENT, '--n_ctx', '512')
    check('history beyond the context', server, 'history-size=8')
    server.kill()
    server = Server(folder, *PATIENT, '--n_ctx', '4096')
    assert len(set(of(check('without a vision tower', server)[0], 'segment', 'text'))) == 1  # it leaves out the pictures
    server.kill()
    check_key(folder)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as kept:
        run(kept)
