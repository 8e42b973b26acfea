"""What the tests of minivl-server share: a server that is started, and how it is asked, over HTTP as anybody does."""
import base64
import http.client
import io
import json
import os
import signal
import socket
import struct
import subprocess
import time
import zlib

PATH = '/v1/chat/completions'
JSON = {'Content-Type': 'application/json'}
# Of the random checkpoint: an answer that is in hand for as long as it is wanted.
ENDLESS = {'max_tokens': 7000}
PATIENCE = 300  # seconds that anything is waited for


class Server:
    """Started on a free port, with the demo model unless options say otherwise."""

    def __init__(self, program, *options, host='127.0.0.1', loaded=True, **more):
        command = [program, '--port', '0', '--host', host, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding='utf-8', **more)
        line = self.process.stdout.readline()
        address = f'[{host}]' if ':' in host else host
        assert line.startswith(f'minivl-server: http://{address}:') and line.endswith('/v1\n'), line
        self.host = host
        self.n_looks = 0  # at metrics
        self.port = int(line.rsplit(':', 1)[1].split('/')[0])
        if loaded:
            self.wait_loaded()

    def wait_loaded(self):
        line = self.process.stdout.readline()
        assert line.endswith(' is loaded\n'), line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        said = self.process.stdout.read()
        self.process.stdout.close()
        assert code == 0 and said == '', (code, said)  # nothing of what was asked is told

    def connect(self, timeout=120):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def say(self, sent, n=1):
        """What is said to a connection on which this is sent: status, headers and body of n answers."""
        with socket.create_connection((self.host, self.port), 120) as client:
            client.sendall(sent)
            with client.makefile('rb') as file:
                return [read_answer(file, sent.startswith(b'HEAD')) for _ in range(n)]

    def request(self, method, path, body=None, headers=None):
        """Status, headers and body of a request of its own connection."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()
        finally:
            connection.close()

    def post(self, fields, headers=None, path=PATH):
        """Status, headers and JSON."""
        body = fields if isinstance(fields, (bytes, str)) else json.dumps(fields)
        status, got, text = self.request('POST', path, body, {'Content-Type': 'application/json', **(headers or {})})
        return status, got, json.loads(text)

    def complete(self, content, **fields):
        """The completion of one question, or of messages."""
        messages = content if isinstance(content, list) and content and 'role' in content[0] else [user(content)]
        status, _, answer = self.post({'messages': messages, **fields})
        assert status == 200, answer
        return answer

    def text(self, content, **fields):
        return self.complete(content, **fields)['choices'][0]['message']['content']

    def open_stream(self, content, **fields):
        """A connection and its response, of which nothing was read yet. Who closes the former goes away, even if it is for one request
        and has left its socket to the latter."""
        connection = self.connect()
        body = json.dumps({'messages': [user(content)], 'stream': True, **fields})
        connection.request('POST', PATH, body, {'Content-Type': 'application/json'})
        response = connection.getresponse()
        close = connection.close
        connection.close = lambda: (response.close(), close())
        return connection, response

    def stream(self, content, **fields):
        """The events of a stream that ends as it should."""
        connection, response = self.open_stream(content, **fields)
        assert response.status == 200 and response.getheader('Content-Type') == 'text/event-stream'
        events = response.read().decode().split('\n\n')
        connection.close()
        assert events[-2:] == ['data: [DONE]', ''], events[-2:]
        assert all(event.startswith('data: ') for event in events[:-1])
        return [json.loads(event[len('data: '):]) for event in events[:-2]]

    def metrics(self):
        self.n_looks += 1
        status, headers, text = self.request('GET', '/metrics')
        assert status == 200 and headers['Content-Type'] == 'text/plain; version=0.0.4'
        rows = [line.rsplit(' ', 1) for line in text.splitlines() if not line.startswith('#')]
        return {name: float(value) for name, value in rows}

    def wait_metric(self, name, value):
        """Until a count is reached: what it counts is under way."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.metrics().get(name, 0) == value:
                return
            time.sleep(0.05)
        raise AssertionError((name, self.metrics()))


def read_answer(file, without_body=False):
    """As it is sent."""
    status = int(file.readline().split()[1])
    headers = http.client.parse_headers(file)
    body = b''
    if status == 100:
        return read_answer(file, without_body)
    if headers['Transfer-Encoding'] == 'chunked':
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
    elif not without_body and status != 204:
        body = file.read(int(headers['Content-Length']) if 'Content-Length' in headers else -1)
    return status, headers, body.decode()


def user(content):
    return {'role': 'user', 'content': content}


def text(words):
    return {'type': 'text', 'text': words}


def data_uri(data, kind='application/octet-stream'):
    return f'data:{kind};base64,' + base64.b64encode(data).decode()


def picture(data, **fields):
    return {'type': 'image_url', 'image_url': {'url': data_uri(data), **fields}}


def video(data, **fields):
    return {'type': 'video_url', 'video_url': {'url': data_uri(data), **fields}}


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def png(width, height, seed=0):
    from PIL import Image
    out = io.BytesIO()
    pixels = bytes((x * 7 + y * 3 + c * 50 + seed * 31) % 256 for y in range(height) for x in range(width) for c in range(3))
    Image.frombytes('RGB', (width, height), pixels).save(out, 'PNG')
    return out.getvalue()


def film(frames, fps=10):
    """An AVI of PNG files, all of one size."""
    def chunk(name, data):
        return name + struct.pack('<I', len(data)) + data + b'\0' * (len(data) % 2)

    width, height = struct.unpack('>II', frames[0][16:24])
    main = struct.pack('<14I', 1000000 // fps, 0, 0, 0, len(frames), 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = struct.pack('<4s4sIHHIIIIIIII4H', b'vids', b'MPNG', 0, 0, 0, 0, 1, fps, 0, len(frames), 0, 0, 0, 0, 0, width, height)
    bitmap = struct.pack('<IiiHH4sIiiII', 40, width, height, 1, 24, b'MPNG', width * height * 3, 0, 0, 0, 0)
    header = chunk(b'avih', main) + chunk(b'LIST', b'strl' + chunk(b'strh', stream) + chunk(b'strf', bitmap))
    pictures = b''.join(chunk(b'00dc', frame) for frame in frames)
    return chunk(b'RIFF', b'AVI ' + chunk(b'LIST', b'hdrl' + header) + chunk(b'LIST', b'movi' + pictures))


def chat(program, *arguments):
    """What minivl-chat says, a dictionary a round."""
    done = subprocess.run([program, '--json', *arguments], check=True, capture_output=True, encoding='utf-8')
    return [json.loads(line) for line in done.stdout.splitlines()]


def bomb(width, height):
    """A PNG that says it is so large."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) + chunk(
        b'IDAT', zlib.compress(bytes(1 << 20), 9)) + chunk(b'IEND', b'')


def resident(pid):
    """KiB of memory that a process has."""
    with open(f'/proc/{pid}/status', encoding='utf-8') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmRSS:'))
