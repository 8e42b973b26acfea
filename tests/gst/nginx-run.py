#!/usr/bin/python3
"""nginx-run.py BUILD [SEGMENTS]: four cameras on two minivl-servers behind a stock nginx, one of which is killed and started again as long
as there is work. Every segment must have its result, and only one. By hand: needs Debian's nginx-light."""
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../server'))
from served import Server  # pylint: disable=wrong-import-position

BUILD = os.path.abspath(sys.argv[1])
SEGMENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 25
CAMERAS = 4

# What a load balancer needs to be told: that bodies may be as large as pictures are, and that answers come piece by piece.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream engines {{ server 127.0.0.1:{ports[0]}; server 127.0.0.1:{ports[1]}; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 32m;
    proxy_buffering off;
    location / {{ proxy_pass http://engines; }}
  }}
}}
"""


class Engine:
    """A minivl-server that keeps its port when it is started again."""

    def __init__(self, port=0):
        program = os.path.join(BUILD, 'examples/server/minivl-server')
        self.server = Server(program, *(['--port', str(port)] if port else []))
        self.port = self.server.port

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()
        self.server.process.stdout.close()


def free_port():
    import socket  # pylint: disable=import-outside-toplevel
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def camera(name, port, folder):
    """A film of noise, so that no two frames are the same; as fast as it is answered."""
    line = ['gst-launch-1.0', '-q', 'videotestsrc', 'pattern=snow', f'num-buffers={SEGMENTS * 10}', '!',
            'video/x-raw,format=RGB,width=320,height=240,framerate=10/1', '!', 'minivl', 'name=m', f'stream={name}',
            f'endpoint=http://127.0.0.1:{port}/v1', 'segment-duration=1s', 'num-segments=2', 'max-tokens=24', 'endpoint-parallel=2',
            'alerts=Is there a dog?', '!', 'fakesink', 'm.text_src', '!', 'application/x-json', '!', 'filesink',
            f'location={folder}/{name}.jsonl']
    environment = dict(os.environ, GST_PLUGIN_PATH=os.path.join(BUILD, 'gst'), GST_REGISTRY=f'{folder}/registry-{name}.bin')
    return subprocess.Popen(line, env=environment)


def check(name, folder):
    """What the results end by."""
    with open(f'{folder}/{name}.jsonl', encoding='utf-8') as file:
        results = [json.loads(line) for line in file]
    segments = [result for result in results if result['kind'] == 'segment']
    assert [result['segment_start'] for result in segments] == [i * 10**9 for i in range(SEGMENTS)], name
    ids = [result['id'] for result in results]
    assert len(set(ids)) == len(ids), name
    return collections.Counter(result['finish_reason'] for result in segments)


def run(folder):
    engines = [Engine(), Engine()]
    port = free_port()
    with open(f'{folder}/nginx.conf', 'w', encoding='utf-8') as file:
        file.write(NGINX.format(folder=folder, ports=[engine.port for engine in engines], port=port))
    nginx = subprocess.Popen(['/usr/sbin/nginx', '-c', f'{folder}/nginx.conf', '-e', f'{folder}/error.log'])
    begun, kills = time.monotonic(), 0
    try:
        cameras = [camera(f'camera{i}', port, folder) for i in range(CAMERAS)]
        while any(process.poll() is None for process in cameras):
            time.sleep(random.uniform(2, 5))
            engines[1].kill()
            kills += 1
            time.sleep(random.uniform(0, 3))
            engines[1] = Engine(engines[1].port)
        assert all(process.wait() == 0 for process in cameras)
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait()
        for engine in engines:
            engine.kill()
    ends = sum((check(f'camera{i}', folder) for i in range(CAMERAS)), collections.Counter())
    with open(f'{folder}/access.log', encoding='utf-8') as file:
        codes = collections.Counter(line.split('"')[2].split()[0] for line in file)
    print(f'{CAMERAS} cameras of {SEGMENTS} segments in {time.monotonic() - begun:.0f} s, {kills} kills; results: {dict(ends)}; '
          f'nginx answered: {dict(codes)}')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as kept:
        os.chmod(kept, 0o755)  # nginx's workers are another user
        run(kept)
