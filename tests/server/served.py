"""What the tests of minivl-server share: a server that is started, and how it is asked, over HTTP as anybody does."""
import base64
import http.client
import io
import json
import os
import signal
import subprocess
import time

PATH = '/v1/chat/completions'


class Server:
    """Started on a free port, with the demo model unless options say otherwise."""

    def __init__(self, program, *options, loaded=True):
        self.process = subprocess.Popen([program, '--port', '0', *options], stdout=subprocess.PIPE, encoding='utf-8')
        line = self.process.stdout.readline()
        assert line.startswith('minivl-server: http://127.0.0.1:') and line.endswith('/v1\n'), line
        self.port = int(line.split(':')[3].split('/')[0])
        if loaded:
            self.wait_loaded()

    def wait_loaded(self):
        line = self.process.stdout.readline()
        assert line.endswith(' is loaded\n'), line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        said = self.process.stdout.read()
        self.process.stdout.close()
        assert code == 0 and said == '', (code, said)  # nothing of what was asked is told

    def connect(self, timeout=120):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)

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
        """A connection and its response, of which nothing was read yet."""
        connection = self.connect()
        body = json.dumps({'messages': [user(content)], 'stream': True, **fields})
        connection.request('POST', PATH, body, {'Content-Type': 'application/json'})
        return connection, connection.getresponse()

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
        status, headers, text = self.request('GET', '/metrics')
        assert status == 200 and headers['Content-Type'] == 'text/plain; version=0.0.4'
        rows = [line.rsplit(' ', 1) for line in text.splitlines() if not line.startswith('#')]
        return {name: float(value) for name, value in rows}

    def wait_metric(self, name, value):
        """Until a count is reached: what it counts is under way."""
        for _ in range(600):
            if self.metrics().get(name, 0) == value:
                return
            time.sleep(0.05)
        raise AssertionError((name, self.metrics()))


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


def chat(program, *arguments):
    """What minivl-chat says, a dictionary a round."""
    done = subprocess.run([program, '--json', *arguments], check=True, capture_output=True, encoding='utf-8')
    return [json.loads(line) for line in done.stdout.splitlines()]
