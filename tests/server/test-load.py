#!/usr/bin/env python3
"""test-load.py MINIVL_SERVER SANITIZED SECONDS: 64 clients at once, a quarter of which go away in mid-answer, while others send what is no
request, read or write slowly, show bombs or send a gigabyte. Each request has its answer or an error, each answer is what the same
request has alone, and the server is as large afterwards as it was before."""
import collections
import http.client
import json
import os
import random
import socket
import struct
import sys
import threading
import time
import unittest

from served import JSON, PATH, Server, bomb, picture, png, resident, text, user

SECONDS, SANITIZED, PROGRAM = (sys.argv.pop() for _ in range(3))
MOST_GROWTH = 24 << 10  # KiB; of a leak of 2 KiB a request two minutes show more
BODIES = 64 << 10       # KiB of the largest bodies: a short warm-up need not have had as many at once
PATIENCE = 900          # seconds that an answer is waited for: a test that hangs fails

PICTURES = [png(90 + 30 * n, 60, n) for n in range(4)]
ASKS = [{'messages': [user(f'What happens at {hour}?')], 'max_tokens': 8 + hour} for hour in range(12)] + [
    {'messages': [user([picture(PICTURES[n % 4], detail='low'), text(f'What is in picture {n}?')])], 'max_tokens': 16} for n in range(8)] + [
    {'messages': [user('Hello'), {'role': 'assistant', 'content': 'Yes?'}, user('What happens?')], 'max_tokens': 24},
    {'messages': [{'role': 'system', 'content': 'Be brief.'}, user('What happens?')], 'max_tokens': 24}]
LONG = {'max_tokens': 400, 'temperature': 2, 'top_p': 1, 'top_k': 0}

HEAD = f'POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n'.encode()
GARBAGE = [b'GARBAGE\r\n\r\n', b'\r\n\r\n\r\n\r\n', b'\0' * 300 + b'\r\n\r\n', b'GET /nothing HTTP/9.9\r\n\r\n', b'GET\r\n\r\n',
           b'GET /health HTTP/1.1\r\nno colon\r\n\r\n', HEAD + b'Content-Length: abc\r\n\r\n', HEAD + b'Content-Length: -5\r\n\r\n',
           HEAD + b'Content-Length: 99999999999999999999999\r\n\r\n', HEAD + b'Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n',
           HEAD + b'Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}', HEAD + b'Transfer-Encoding: what\r\n\r\n{}',
           HEAD + b'Content-Length: 2\r\n\r\n[]', HEAD + b'Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0',
           b'\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03' + bytes(200) + b'\r\n\r\n']
if SANITIZED == 'true':  # libsoup before 3.6 leaks the address of these
    GARBAGE = [said for said in GARBAGE if not any(word in said for word in [b': abc', b': what', b': 999'])]


def content(answer):
    return answer['choices'][0]['message']['content'], answer['choices'][0]['finish_reason'], answer['usage']['completion_tokens']


def mangle(body, dice):
    """The body of a request as it was not meant."""
    data = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        how = dice.randrange(4)
        if how == 0:
            data[at] = dice.randrange(256)
        elif how == 1:
            del data[at:at + dice.randint(1, 20)]
        elif how == 2:
            data[at:at] = data[at:at + dice.randint(1, 40)]
        else:
            data[at:at] = dice.choice([b'{', b'[', b'"', b'\\ud800', b'1e999', b'null', b',', b'\xff', b'-'])
        data = data or bytearray(b'{')
    return bytes(data)


class Crowd:
    """Clients, each a thread that does one thing over and over, and what they had for it."""

    def __init__(self, server, alone):
        self.server = server
        self.alone = alone
        self.lock = threading.Lock()
        self.seen = collections.Counter()  # by status; 'gone': by those who did not wait for it
        self.wrong = []

    def count(self, status):
        with self.lock:
            self.seen[status] += 1

    def check(self, fine, *what):
        if not fine:
            with self.lock:
                self.wrong.append(what)

    def post(self, body, headers=None):
        """Status and JSON, whichever it is."""
        connection = self.server.connect(PATIENCE)
        try:
            connection.request('POST', PATH, body, headers or JSON)
            response = connection.getresponse()
            answer = json.loads(response.read())
            self.count(response.status)
            return response.status, answer
        finally:
            connection.close()

    # --- what they do: dice is each one's own ---

    def whole(self, dice):
        n = dice.randrange(len(ASKS))
        status, answer = self.post(json.dumps(ASKS[n]))
        self.check(status == 200 and content(answer) == self.alone[n], 'whole', ASKS[n], status, answer, self.alone[n])

    def read_stream(self, response, n, pause=0):
        """The answer of a stream, read slowly if asked for."""
        said, finish, tokens = '', None, None
        for line in response:
            time.sleep(pause)
            if line.startswith(b'data: {'):
                event = json.loads(line[len(b'data: '):])
                for choice in event.get('choices', []):
                    said += choice['delta'].get('content', '')
                    finish = choice['finish_reason'] or finish
                tokens = (event.get('usage') or {}).get('completion_tokens', tokens)
        self.check(line == b'\n' and (said, finish, tokens) == self.alone[n], 'stream', ASKS[n], (said, finish, tokens), self.alone[n])

    def streams(self, dice, pause=0):
        n = dice.randrange(len(ASKS))
        connection = self.server.connect(PATIENCE)
        connection.request('POST', PATH, json.dumps({**ASKS[n], 'stream': True, 'stream_options': {'include_usage': True}}), JSON)
        response = connection.getresponse()
        self.check(response.status == 200, 'stream', response.status)
        self.read_stream(response, n, pause)
        self.count(response.status)
        connection.close()

    def reads_slowly(self, dice):
        self.streams(dice, 0.05)

    def goes_away(self, dice):
        """With the first word, or before; with and without a word of it."""
        connection = self.server.connect(PATIENCE)
        body = json.dumps({'messages': [user('Go on.')], 'stream': True, 'seed': dice.randrange(1 << 30), **LONG})
        connection.request('POST', PATH, body, JSON)
        if dice.randrange(2):  # with a reset
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if dice.randrange(4):
            response = connection.getresponse()
            for _ in range(3):
                response.readline()
            response.close()
        connection.close()
        self.count('gone')

    def writes_slowly(self, dice):
        n = dice.randrange(len(ASKS))
        body = json.dumps(ASKS[n]).encode()

        def pieces():
            for at in range(0, len(body), len(body) // 10 + 1):
                time.sleep(0.1)
                yield body[at:at + len(body) // 10 + 1]
        status, answer = self.post(pieces())
        self.check(status == 200 and content(answer) == self.alone[n], 'slowly', ASKS[n], status, answer)

    def leaves_half(self, dice):
        with socket.create_connection(('127.0.0.1', self.server.port)) as client:
            client.sendall(HEAD + b'Content-Length: 1000\r\n\r\n{"messages": ' + b' ' * dice.randrange(900))
            time.sleep(0.1)
        self.count('gone')

    def mangles(self, dice):
        body = mangle(json.dumps({**dice.choice(ASKS), 'max_tokens': 2}).encode(), dice)
        status, answer = self.post(body)
        self.check(status in [200, 400, 404] and ('error' in answer) == (status != 200), 'mangled', body, status, answer)

    def talks_nonsense(self, dice):
        """Whatever it is, it is answered with an error, or the connection is closed."""
        said = dice.choice(GARBAGE)
        with socket.create_connection(('127.0.0.1', self.server.port), PATIENCE) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            try:
                answer = client.recv(1 << 16)
            except ConnectionResetError:
                answer = b''
        self.count('nonsense')
        self.check(answer == b'' or (answer.startswith(b'HTTP/1.') and answer.split()[1][:1] in b'45'), 'nonsense', said, answer)

    def shows_a_bomb(self, dice):
        side = dice.choice([30000, 65535, 9000])
        status, answer = self.post(json.dumps({'messages': [user([picture(bomb(side, side)), text('What?')])], 'max_tokens': 1}))
        self.check(status == 400 and answer['error']['param'] == 'messages[0].content[0]', 'bomb', status, answer)

    def sends_a_gigabyte(self, dice):
        """Told beforehand, and not: then as much of it as a body may have is held for a moment."""
        block = bytes(1 << 20)
        for headers in [{'Content-Length': str(1 << 30), **JSON}, JSON]:
            status, answer = self.post((block for _ in range(1024)), headers)
            self.check(status == 413 and answer['error']['code'] == 'body_too_large', 'gigabyte', status, answer)

    def looks(self, dice):
        path = dice.choice(['/health', '/metrics', '/v1/models', '/nothing', '/v1/chat/completions'])
        status, _, _ = self.server.request(dice.choice(['GET', 'HEAD', 'OPTIONS']), path)
        self.count(status)
        self.check(status in [200, 204, 404, 405], path, status)
        time.sleep(0.05)

    # --- all of them ---

    CLIENTS = [(goes_away, 16), (whole, 20), (streams, 14), (mangles, 3), (talks_nonsense, 2), (reads_slowly, 2), (writes_slowly, 2),
               (leaves_half, 1), (shows_a_bomb, 2), (sends_a_gigabyte, 1), (looks, 1)]

    def client(self, what, seed, until):
        dice = random.Random(seed)
        try:
            while True:
                what(self, dice)
                if time.monotonic() >= until:
                    return
        except (OSError, ValueError, LookupError, http.client.HTTPException) as error:
            self.check(False, what.__name__, repr(error))

    def run(self, seconds, seed):
        """Each of them at least once."""
        until = time.monotonic() + seconds
        kinds = [what for what, n in self.CLIENTS for _ in range(n)]
        threads = [threading.Thread(target=self.client, args=(what, seed + n, until)) for n, what in enumerate(kinds)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in ['running', 'waiting']:
            self.server.wait_metric(f'minivl_requests_{name}', 0)
        self.server.wait_metric('minivl_body_bytes', 0)
        self.server.wait_metric('minivl_connections', 1)  # the one that asks
        return len(kinds)


class Load(unittest.TestCase):
    def size(self, server):
        """Of the process: KiB, descriptors and children."""
        pid = server.process.pid
        with open(f'/proc/{pid}/task/{pid}/children', encoding='utf-8') as file:
            children = len(file.read().split())
        return resident(pid), len(os.listdir(f'/proc/{pid}/fd')), children

    def requests(self, server):
        """By status."""
        counts = {name.split('"')[1]: int(n) for name, n in server.metrics().items() if name.startswith('minivl_requests_total')}
        return collections.Counter({int(code): n for code, n in counts.items()})

    def test_64_clients(self):
        server = Server(PROGRAM, env={**os.environ, 'VK_INSTANCE_LAYERS': ''})  # a validation layer keeps what it has seen
        self.addCleanup(server.stop)
        alone = [content(server.complete(ask['messages'], max_tokens=ask['max_tokens'])) for ask in ASKS]
        crowd = Crowd(server, alone)
        seconds = float(SECONDS)
        self.assertEqual(crowd.run(seconds / 3, 0), 64)
        warm = self.size(server)
        before, looks = self.requests(server), server.n_looks
        crowd.seen.clear()
        crowd.run(seconds * 2 / 3, 1000)
        end = self.size(server)
        answered = self.requests(server) - before
        print(f'{sum(crowd.seen.values())} requests: {dict(crowd.seen)}; KiB, descriptors, children: {warm}, then {end}', flush=True)
        self.assertEqual(crowd.wrong[:3], [])
        self.assertGreaterEqual(crowd.seen['gone'], 16)
        missing = answered[200] + answered[499] - crowd.seen[200] - crowd.seen['gone'] - (server.n_looks - looks)
        self.assertIn(missing, range(crowd.seen['nonsense'] + 1))
        self.assertEqual((answered[429], answered[503]), (0, 0))
        self.assertEqual([code for code in answered if code >= 500], [])
        self.assertLessEqual(end[1], warm[1] + 3)  # a connection may just be closing
        self.assertEqual(end[2], 0)
        if SANITIZED != 'true':  # which keeps what was freed, and tells of leaks when it ends
            self.assertLess(end[0] - warm[0], MOST_GROWTH + (BODIES if seconds < 60 else 0))
        again = [content(server.complete(ask['messages'], max_tokens=ask['max_tokens'])) for ask in ASKS]
        self.assertEqual(again, alone)


unittest.main()
