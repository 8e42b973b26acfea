#!/usr/bin/env python3
"""test-http.py MINIVL_SERVER MAKE_CHECKPOINT DEMO_CHECKPOINT SANITIZED: what HTTP allows, asked as clients, proxies and their faults do; what is
computed together and once; and how the server ends."""
import concurrent.futures
import http.client
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import endless
from served import ENDLESS, JSON, PATH, Server, bomb, picture, png, read_answer, text, user

SANITIZED, DEMO, MAKE_CHECKPOINT, PROGRAM = (sys.argv.pop() for _ in range(4))
HEALTH = b'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'
ASK = json.dumps({'messages': [user('What happens?')], 'max_tokens': 8})
QUIET = {'G_MESSAGES_DEBUG': 'all', 'G_DEBUG': ''}


def post(body, *headers, version='1.1'):
    """A request, written out; without a length if the headers tell one."""
    lines = [f'POST {PATH} HTTP/{version}', 'Host: a', 'Content-Type: application/json', *headers]
    if not any(line.startswith(('Transfer-Encoding', 'Content-Length')) for line in lines):
        lines.append(f'Content-Length: {len(body)}')
    return '\r\n'.join([*lines, '', '']).encode() + (body if isinstance(body, bytes) else body.encode())


def chunked(body, size=10, extension='', trailer=''):
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return ''.join(f'{len(piece):x}{extension}\r\n{piece}\r\n' for piece in pieces) + f'0\r\n{trailer}\r\n'


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM)
        cls.expected = cls.server.post(ASK)[2]['choices'][0]['message']['content']

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def assert_answer(self, answer):
        status, _, body = answer
        self.assertEqual((status, json.loads(body)['choices'][0]['message']['content']), (200, self.expected))

    def assert_refused(self, answer, status, code):
        error = json.loads(answer[2])['error']
        self.assertEqual((answer[0], error['code']), (status, code))
        self.assertEqual(sorted(error), ['code', 'message', 'param', 'type'])

    def test_chunked_bodies(self):
        for body in [chunked(ASK), chunked(ASK, 1), chunked(ASK, 10, ';name=value'), chunked(ASK, 1000, '', 'X-Sum: 5\r\n')]:
            self.assert_answer(self.server.say(post(body, 'Transfer-Encoding: chunked'))[0])

    def test_expect(self):
        self.assert_answer(self.server.say(post(ASK, 'Expect: 100-continue'))[0])
        with socket.create_connection((self.server.host, self.server.port), 120) as client, client.makefile('rb') as file:
            head, body = post(ASK, 'Expect: 100-continue').split(b'\r\n\r\n', 1)
            client.sendall(head + b'\r\n\r\n')
            self.assertTrue(file.readline().startswith(b'HTTP/1.1 100'))
            http.client.parse_headers(file)
            client.sendall(body)
            self.assert_answer(read_answer(file))
        with socket.create_connection((self.server.host, self.server.port), 120) as client, client.makefile('rb') as file:
            client.sendall(post('', 'Expect: 100-continue', f'Content-Length: {1 << 40}'))
            self.assert_refused(read_answer(file), 413, 'body_too_large')  # the body is not asked for

    def test_pipelined(self):
        stream = post(json.dumps({**json.loads(ASK), 'stream': True}))
        if self.server.request('GET', '/health')[1].get('Connection') == 'close':
            self.skipTest('libsoup before 3.3: a connection has one request')
        answers = self.server.say(post(ASK) + stream + HEALTH + post('{') + post(ASK), 5)
        self.assert_answer(answers[0])
        self.assertTrue(answers[1][2].endswith('data: [DONE]\n\n'))
        self.assertEqual((answers[2][0], json.loads(answers[2][2])['status']), (200, 'ok'))
        self.assert_refused(answers[3], 400, 'invalid_json')
        self.assert_answer(answers[4])

    def test_http_1_0(self):
        """Ends with the answer, which is not in chunks."""
        answer, = self.server.say(post(ASK, version='1.0'))
        self.assert_answer(answer)
        answer, = self.server.say(post(json.dumps({**json.loads(ASK), 'stream': True}), version='1.0'))
        self.assertEqual((answer[0], answer[1]['Transfer-Encoding']), (200, None))
        self.assertTrue(answer[2].startswith('data: {') and answer[2].endswith('data: [DONE]\n\n'))

    def test_head_and_options(self):
        for path in ['/health', '/metrics', '/v1/models']:
            whole = self.server.request('GET', path)
            status, headers, body = self.server.say(f'HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n'.encode())[0]
            self.assertEqual((status, headers['Content-Type'], body), (200, whole[1]['Content-Type'], ''))
            self.assertEqual(self.server.request('DELETE', path)[1]['Allow'], 'GET, HEAD')
            self.assertEqual(self.server.request('OPTIONS', path)[0], 204)
        for method in ['HEAD', 'GET', 'PUT']:
            self.assertEqual(self.server.request(method, PATH)[0], 405)
        self.assertEqual(self.server.request('OPTIONS', '/nothing')[0], 404)

    def test_addresses_of_other_kinds(self):
        for path in ['/v1/chat/completions/', '/v1/chat', '//v1/models', '/health/../v1/models/x', '/v1/models%2f']:
            self.assert_refused(self.server.say(f'GET {path} HTTP/1.1\r\nHost: a\r\n\r\n'.encode())[0], 404, 'unknown_url')
        self.assertEqual(self.server.request('GET', '/v1/models?limit=3&x')[0], 200)

    def test_what_is_no_request(self):
        for said in [b'GARBAGE\r\n\r\n', b'GET /health HTTP/1.1\r\n\r\n', post('{}', 'Content-Length: abc'),
                     post('{}', 'Transfer-Encoding: what'), b'GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n',
                     b'GET https://a/health HTTP/1.1\r\nHost: a\r\n\r\n', b'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n']:
            if SANITIZED == 'true' and (b'abc' in said or b'what' in said):
                continue  # libsoup before 3.6 leaks its address
            answer = self.server.say(said)[0]
            self.assertIn(answer[0], [400, 501], said)
            self.assert_refused(answer, answer[0], 'bad_request')

    def test_who_breaks_off_is_not_a_fault_of_the_servers(self):
        before = self.server.metrics().get('minivl_requests_total{code="499"}', 0)
        with socket.create_connection((self.server.host, self.server.port), 120) as client:
            client.sendall(post('{"mess', 'Content-Length: 100'))
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(1), b'')
        self.server.wait_metric('minivl_requests_total{code="499"}', before + 1)

    def test_bodies_in_other_codings(self):
        for coding in ['gzip', 'br', 'deflate, identity']:
            self.assert_refused(self.server.say(post(b'\x1f\x8b\x08\0', f'Content-Encoding: {coding}'))[0], 415, 'content_encoding')
        self.assert_answer(self.server.say(post(ASK, 'Content-Encoding: identity'))[0])

    def test_equal_pictures_are_encoded_once(self):
        """By whoever they are shown, and asked for at the same time."""
        before = self.server.metrics()
        contents = [[picture(png(70, 50, 9), detail='low'), text(f'What happens at {n}?')] for n in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda content: self.server.text(content, max_tokens=2), contents))
        self.server.text([picture(png(70, 50, 9), detail='low'), picture(png(71, 50, 9), detail='low')], max_tokens=1)
        after = self.server.metrics()
        counts = [after[name] - before[name] for name in ['minivl_pictures_total', 'minivl_pictures_encoded_total']]
        self.assertEqual(counts, [10, 2])


class Connections(unittest.TestCase):
    def start(self, *options):
        server = Server(PROGRAM, *options)
        self.addCleanup(server.stop)
        return server

    def connect(self, server, say=b''):
        client = socket.create_connection((server.host, server.port), 120)
        client.sendall(say)
        self.addCleanup(client.close)
        return client

    def assert_health(self, client):
        with client.makefile('rb') as file:
            self.assertEqual(read_answer(file)[0], 200)

    def test_more_wait_for_others_to_close(self):
        server = self.start('--connections', '4')
        idle = [self.connect(server) for _ in range(4)]
        fifth = self.connect(server, HEALTH)
        self.assertEqual(select.select([fifth], [], [], 0.5)[0], [])
        idle[0].close()
        self.assert_health(fifth)
        for client in [*idle[1:], fifth]:
            client.close()
        server.wait_metric('minivl_connections', 1)  # the one that asks

    def test_a_lack_of_descriptors_passes(self):
        server = self.start()
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        last = max(int(name) for name in os.listdir(f'/proc/{server.process.pid}/fd'))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (last + 2, limits[1]))
        clients = [self.connect(server) for _ in range(64)]
        time.sleep(0.5)  # for it to find out that there are no more
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        for client in clients:
            client.sendall(HEALTH)
            self.assert_health(client)

    def test_they_leave_nothing(self):
        server = self.start()
        for _ in range(300):
            self.assertEqual(server.request('GET', '/health')[0], 200)
        server.wait_metric('minivl_connections', 1)


class Together(unittest.TestCase):
    """With a model whose answers last."""
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.model = os.path.join(cls.kept.name, 'random')
        endless.make(MAKE_CHECKPOINT, DEMO, cls.model)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def start(self, *options, **more):
        server = Server(PROGRAM, '--model', self.model, *options, **more)
        self.addCleanup(server.process.stdout.close)
        self.addCleanup(server.process.wait)
        self.addCleanup(server.process.kill)
        return server

    def hold(self, server, content='Go on.', **fields):
        """An answer that is being given."""
        connection, response = server.open_stream(content, **{**ENDLESS, **fields})
        self.assertTrue(response.readline().startswith(b'data: '))
        return connection, response

    def test_answers_are_computed_together(self):
        """Each step of the device gives a token to all eight, those of pictures among them."""
        server = self.start()
        contents = [[picture(png(60, 40, n), detail='low'), text('What?')] if n % 2 else f'What happens at {n}?' for n in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            held = list(pool.map(lambda content: self.hold(server, content, max_tokens=1500), contents))
        steps, answers = [], []
        while len(steps) < 2 or steps[-1] < steps[0] + 30:
            metrics = server.metrics()
            self.assertEqual(metrics['minivl_requests_running'], 8)
            steps.append(metrics['minivl_decode_steps_total'])
            answers.append(metrics['minivl_decode_step_answers_total'])
        for connection, response in held:
            response.close()
            connection.close()
        together = (answers[-1] - answers[0]) / (steps[-1] - steps[0])
        self.assertGreater(together, 7.5)
        server.stop()

    def test_it_ends_with_an_error_for_each(self):
        """Those that are answered, that are streamed, that wait, and that come later."""
        server = self.start('--parallel', '3', '--queue', '2')
        streams = [self.hold(server) for _ in range(2)]
        answers = []
        body = json.dumps({'messages': [user('Hello')], **ENDLESS})
        others = [threading.Thread(target=lambda: answers.append(server.post(body))) for _ in range(3)]
        for other in others:
            other.start()
        server.wait_metric('minivl_requests_running', 3)
        server.wait_metric('minivl_requests_waiting', 2)
        server.stop()  # with exit code 0
        for connection, response in streams:
            events = response.read().decode().split('\n\n')
            self.assertEqual(json.loads(events[-2][len('data: '):])['error']['code'], 'shutting_down')
            connection.close()
        for other in others:
            other.join()
        self.assertEqual([(status, answer['error']['code']) for status, _, answer in answers], [(503, 'shutting_down')] * 3)
        for _, headers, _ in answers:
            self.assertGreaterEqual(int(headers['Retry-After']), 1)
        with self.assertRaises(OSError):
            server.request('GET', '/health')

    def test_who_does_not_read_is_not_waited_for(self):
        for twice in [False, True]:
            server = self.start()
            with socket.create_connection((server.host, server.port), 120) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(b'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n' * 20000)
                held = self.hold(server)
                if twice:
                    server.process.send_signal(signal.SIGINT)
                server.stop()
                held[0].close()
                held[1].close()

    def test_bodies_together(self):
        """Of many large bodies those that are too much at once are told to come later, and then have room again."""
        server = self.start('--max-body', '2', '--max-bodies', '3', '--parallel', '1')
        held = [self.hold(server)]
        big = json.dumps({'messages': [user('a' * ((2 << 20) - 200))], 'max_tokens': 1})
        waiting = server.connect()
        waiting.request('POST', PATH, big, JSON)
        server.wait_metric('minivl_requests_waiting', 1)
        self.assertGreater(server.metrics()['minivl_body_bytes'], (2 << 20) - 300)
        for body in [big, (big[at:at + 65536].encode() for at in range(0, len(big), 65536))]:
            connection = server.connect()
            connection.request('POST', PATH, body, JSON)
            response = connection.getresponse()
            self.assertEqual((response.status, json.loads(response.read())['error']['code']), (429, 'bodies_full'))
            self.assertGreaterEqual(int(response.getheader('Retry-After')), 1)
            connection.close()
        waiting.close()
        for connection, response in held:
            response.close()
            connection.close()
        server.wait_metric('minivl_body_bytes', 0)
        self.assertNotEqual(server.post(big)[0], 429)
        server.stop()

    def test_ipv6(self):
        for host, others in {'::1': ['::1'], '::': ['::1', '127.0.0.1']}.items():
            server = self.start(host=host)
            for server.host in others:
                self.assertEqual(server.request('GET', '/health')[0], 200)
            server.stop()

    def test_nothing_of_it_is_told(self):
        """Neither keys nor what is said or shown, whatever is asked for of logs."""
        keys = os.path.join(self.kept.name, 'keys')
        with open(keys, 'w', encoding='utf-8') as file:
            file.write('key-one\r\n\r\n# key-none\r\nkey-two')
        server = self.start('--api-key-file', keys, stderr=subprocess.PIPE, env={**os.environ, **QUIET})
        for key, status in {'key-one': 200, 'key-two': 200, 'key-three': 401, '# key-none': 401}.items():
            headers = {'Authorization': f'Bearer {key}'}
            for content in ['said-this', [picture(png(9, 9)), text('said-this')]]:
                self.assertEqual(server.post({'messages': [user(content)], 'max_tokens': 1}, headers)[0], status)
        headers = {'Authorization': 'Bearer key-one', **JSON}
        for body in ['{"said-this', json.dumps({'messages': 'said-this'}), json.dumps({'messages': [user([picture(b'said-this')])]}),
                     json.dumps({'messages': [user([picture(bomb(30000, 30000)), text('said-this')])]})]:
            self.assertEqual(server.request('POST', PATH, body, headers)[0], 400)
        server.process.send_signal(signal.SIGTERM)
        said = ''.join(server.process.communicate(timeout=120))
        self.assertNotIn('key-', said)
        self.assertNotIn('said-this', said)


unittest.main()
