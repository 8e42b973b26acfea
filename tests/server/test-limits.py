#!/usr/bin/env python3
"""test-limits.py MINIVL_SERVER MAKE_CHECKPOINT DEMO_CHECKPOINT SANITIZED: who may ask, how much, how fast and for how long; and that who
goes away, sends too much or nothing costs the others nothing."""
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from PIL import Image

import endless
from served import ENDLESS, JSON, PATH, Server, bomb, picture, png, resident, text, user, video

SANITIZED, DEMO, MAKE_CHECKPOINT, PROGRAM = (sys.argv.pop() for _ in range(4))


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.random = cls.path('random')
        endless.make(MAKE_CHECKPOINT, DEMO, cls.random)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.kept.name, name)

    def start(self, *options, **more):
        server = Server(PROGRAM, *options, **more)
        self.addCleanup(server.stop)
        return server

    def start_random(self, *options):
        return self.start('--model', self.random, *options)

    def hold(self, server):
        """An answer that is being given."""
        connection, response = server.open_stream('Go on.', **ENDLESS)
        self.assertEqual(response.status, 200)
        self.assertTrue(response.readline().startswith(b'data: '))
        return connection, response

    def test_keys(self):
        with open(self.path('keys'), 'w', encoding='utf-8') as file:
            file.write('# mine\nsecret-1\n\n  secret-2  \n')
        server = self.start('--api-key-file', self.path('keys'))
        body = json.dumps({'messages': [user('Hello')], 'max_tokens': 1})
        for key in ['secret-1', 'secret-2']:
            headers = {'Authorization': 'Bearer ' + key, **JSON}
            self.assertEqual(server.request('POST', PATH, body, headers)[0], 200)
            self.assertEqual(server.request('GET', '/v1/models', headers=headers)[0], 200)
        for value in [None, 'Bearer ', 'Bearer secret', 'Bearer secret-11', 'Bearer # mine', 'secret-1', 'Basic secret-1']:
            headers = {**({'Authorization': value} if value else {}), **JSON}
            for method, path in [('POST', PATH), ('GET', '/v1/models'), ('GET', '/metrics')]:
                status, got, answer = server.request(method, path, body if method == 'POST' else None, headers)
                self.assertEqual((status, json.loads(answer)['error']['code']), (401, 'invalid_api_key'))
                self.assertEqual(got['WWW-Authenticate'], 'Bearer')
        self.assertEqual(server.request('GET', '/health')[0], 200)

    def test_loading(self):
        """While a file of the checkpoint does not come, nothing is answered but that."""
        model = self.path('slow')
        shutil.copytree(DEMO, model)
        late = os.path.join(model, 'tokenizer.model')
        with open(late, 'rb') as file:
            content = file.read()
        os.remove(late)
        os.mkfifo(late)
        server = self.start('--model', model, '--model-name', 'slow-one', loaded=False)
        status, _, body = server.request('GET', '/health')
        self.assertEqual((status, json.loads(body)['status']), (503, 'loading'))
        for method, path, body in [('GET', '/v1/models', None), ('POST', PATH, '{}')]:
            status, headers, answer = server.request(method, path, body, JSON)
            self.assertEqual((status, json.loads(answer)['error']['code']), (503, 'loading'))
            self.assertIn('Retry-After', headers)
        plain = late + '.plain'
        with open(plain, 'wb') as file:
            file.write(content)
        fifo = os.open(late, os.O_WRONLY)  # whoever waits for it is let go on with what is written
        os.replace(plain, late)
        os.write(fifo, content)
        os.close(fifo)
        server.wait_loaded()
        self.assertEqual(server.request('GET', '/health')[0], 200)
        self.assertEqual(server.complete('Hello', model='slow-one', max_tokens=1)['model'], 'slow-one')

    def test_bad_usage(self):
        for options, says in [(['--port', '99999'], '--port'), (['--host', 'nowhere'], '--host'), (['--model', '/no/such'], '/no/such'),
                              (['--precision', 'f64'], '--precision'), (['--queue', '-1'], '--queue'), (['x'], 'options'),
                              (['--api-key-file', '/no/such'], '/no/such'), (['--api-key-file', os.devnull], '--api-key-file'),
                              (['--parallel', '0'], '--parallel'), (['--max-pixels', '65'], '--max-pixels')]:
            done = subprocess.run([PROGRAM, *options], capture_output=True, encoding='utf-8', check=False, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(says, done.stderr)
        server = self.start()
        done = subprocess.run([PROGRAM, '--port', str(server.port)], capture_output=True, encoding='utf-8', check=False, timeout=60)
        self.assertEqual(done.returncode, 1)

    def test_bodies(self):
        server = self.start('--max-body', '1')
        words = 'a' * ((1 << 20) - 100)
        self.assertNotEqual(server.post({'messages': [user(words)]})[0], 413)
        status, _, answer = server.post({'messages': [user(words + 'a' * 100)]})
        self.assertEqual((status, answer['error']['code']), (413, 'body_too_large'))

        def chunks():
            for _ in range(40):
                yield b'a' * (1 << 16)
        connection = server.connect()
        connection.request('POST', PATH, chunks(), JSON)
        response = connection.getresponse()
        self.assertEqual((response.status, json.loads(response.read())['error']['code']), (413, 'body_too_large'))
        connection.close()
        self.assertEqual(server.request('POST', PATH, '{}', {})[0], 415)
        self.assertEqual(server.request('POST', PATH, '{}', {'Content-Type': 'text/plain'})[0], 415)

    def test_a_body_of_a_gigabyte_takes_no_memory(self):
        server = self.start()

        before = resident(server.process.pid)
        block = bytes(1 << 20)
        connection = server.connect()
        connection.request('POST', PATH, (block for _ in range(1024)), JSON)
        response = connection.getresponse()
        self.assertEqual(response.status, 413)
        response.read()
        connection.close()
        if SANITIZED != 'true':  # which keeps 256 MiB of what was freed
            self.assertLess(resident(server.process.pid) - before, 100 << 10)

    def test_headers(self):
        server = self.start('--max-header', '4')
        self.assertEqual(server.request('GET', '/health', headers={'X-Long': 'a' * 3000})[0], 200)
        self.assertEqual(server.request('GET', '/health', headers={'X-Long': 'a' * 5000})[0], 431)
        with socket.create_connection(('127.0.0.1', server.port)) as client:  # libsoup's own limit, 100 KiB
            self.send_all(client, b'GET /health HTTP/1.1\r\nHost: a\r\nX-Long: ' + b'a' * 200000 + b'\r\n\r\n')
            self.assertNotIn(b'200 OK', self.read_end(client))

    def test_media(self):
        server = self.start('--max-pictures', '3', '--max-pixels', '1')
        small = picture(png(8, 8))

        def code(content):
            status, _, answer = server.post({'messages': [user(content + [text('What?')])], 'max_tokens': 1})
            return status, answer.get('error', {}).get('code'), answer.get('error', {}).get('message')
        self.assertEqual(code([small] * 3)[0], 200)
        self.assertEqual(code([small] * 4)[:2], (400, 'too_many_pictures'))
        self.assertEqual(code([small, video(b'x', segments=3)])[:2], (400, 'too_many_pictures'))
        status, name, message = code([picture(bomb(1025, 1025))])
        self.assertEqual((status, name), (400, 'invalid_media'))
        self.assertIn('1025x1025', message)
        self.assertEqual(code([picture(bomb(60000, 60000))])[:2], (400, 'invalid_media'))
        self.assertEqual(code([video(png(1025, 1025), segments=1)])[:2], (400, 'invalid_media'))
        self.assertEqual(code([video(png(1000, 1000), segments=1)])[0], 200)

    def test_length_of_videos(self):
        server = self.start('--max-video-time', '2')
        for n_frames, expected in [(9, 200), (12, 400)]:  # five a second
            frames = [Image.open(io.BytesIO(png(16, 16, seed))) for seed in range(n_frames)]
            out = io.BytesIO()
            frames[0].save(out, 'GIF', save_all=True, append_images=frames[1:], duration=200)
            status, _, answer = server.post({'messages': [user([video(out.getvalue(), segments=2)])], 'max_tokens': 1})
            self.assertEqual(status, expected, answer)
        self.assertIn('too long', answer['error']['message'])

    def test_files_that_name_others_are_not_read(self):
        server = self.start()
        with open(self.path('clip.ppm'), 'wb') as file:
            file.write(b'P6 8 8 255\n' + bytes(192))
        at = self.path('clip.ppm')
        for content in [f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{at}\n#EXT-X-ENDLIST\n', f'ffconcat version 1.0\nfile {at}\n']:
            for part in [picture(content.encode()), video(content.encode())]:
                status, _, answer = server.post({'messages': [user([part, text('What?')])], 'max_tokens': 1})
                self.assertEqual((status, answer['error']['code']), (400, 'invalid_media'), answer)

    def test_decoding_has_a_limit_of_memory(self):
        if SANITIZED == 'true':
            self.skipTest('a sanitizer takes terabytes of addresses')
        server = self.start('--decode-memory', '256')
        out = io.BytesIO()
        Image.new('RGB', (8000, 8000)).save(out, 'PNG')
        status, _, answer = server.post({'messages': [user([picture(out.getvalue())])], 'max_tokens': 1})
        self.assertEqual(status, 400)
        self.assertIn(answer['error']['code'], ['invalid_media', 'media_limit'])
        self.assertEqual(server.post({'messages': [user([picture(png(8, 8))])], 'max_tokens': 1})[0], 200)

    def test_remote_media(self):
        server = self.start('--allow-remote-media', '127.0.0.1', '--allow-remote-media', 'localhost', '--allow-remote-media', '169.254.169.254')

        def code(url):
            part = {'type': 'image_url', 'image_url': {'url': url}}
            status, _, answer = server.post({'messages': [user([part])], 'max_tokens': 1})
            self.assertEqual(status, 400)
            return answer['error']['code'], answer['error']['message']
        own = f'127.0.0.1:{server.port}/health'
        self.assertEqual(code('http://example.com/a.png')[0], 'remote_media_not_allowed')
        for url in ['http://' + own, f'http://localhost:{server.port}/health', 'http://169.254.169.254/latest', 'https://' + own]:
            name, message = code(url)
            self.assertEqual(name, 'invalid_value')
            self.assertIn('private', message)
        for url in ['file:///etc/passwd', 'ftp://127.0.0.1/a', 'x', '', 'http://', 'http:///a', 'http://[::1', '/etc/passwd']:
            self.assertIn('no data: URI', code(url)[1])

    def test_queue(self):
        server = self.start_random('--parallel', '1', '--queue', '1')
        first = self.hold(server)
        second = server.connect()
        second.request('POST', PATH, json.dumps({'messages': [user('Hello')], 'max_tokens': 2}), JSON)
        server.wait_metric('minivl_requests_waiting', 1)
        status, headers, answer = server.post({'messages': [user('Hello')]})
        self.assertEqual((status, answer['error']['code'], answer['error']['type']), (429, 'queue_full', 'rate_limit_error'))
        self.assertGreaterEqual(int(headers['Retry-After']), 1)
        self.assertEqual(server.request('GET', '/health')[0], 200)
        first[0].close()
        first[1].close()
        response = second.getresponse()
        self.assertEqual(response.status, 200)
        response.read()
        second.close()
        self.assertEqual(server.post({'messages': [user('Hello')], 'max_tokens': 1})[0], 200)

    def test_who_goes_away_is_not_answered(self):
        server = self.start_random('--parallel', '2', '--queue', '4')
        body = json.dumps({'messages': [user('Hello')], **ENDLESS})
        gone = []
        for n in range(4):  # two that are being answered, two that wait
            gone.append(server.connect())
            gone[-1].request('POST', PATH, body, JSON)
            server.wait_metric('minivl_requests_running', min(n + 1, 2))
        server.wait_metric('minivl_requests_waiting', 2)
        for connection in gone:
            connection.close()
        server.wait_metric('minivl_requests_running', 0)
        server.wait_metric('minivl_requests_waiting', 0)
        server.wait_metric('minivl_requests_total{code="499"}', 4)
        connection, response = self.hold(server)
        connection.close()
        response.close()
        server.wait_metric('minivl_requests_running', 0)
        server.wait_metric('minivl_requests_total{code="499"}', 5)

    def test_request_time(self):
        status, seconds = 504, 1
        while status == 504:  # a machine that has no time for a first token gets more of it
            seconds *= 2
            server = self.start_random('--request-time', str(seconds), '--parallel', '1')
            status, _, answer = server.post({'messages': [user('Hello')], **ENDLESS})
        answers = []
        late = threading.Thread(target=lambda: answers.append(server.post({'messages': [user('Hello')], **ENDLESS})))
        self.assertEqual((status, answer['choices'][0]['finish_reason']), (200, 'length'))
        self.assertLess(answer['usage']['completion_tokens'], ENDLESS['max_tokens'])
        connection, response = self.hold(server)
        late.start()
        events = response.read().decode()
        self.assertIn('"finish_reason":"length"', events)
        self.assertTrue(events.endswith('data: [DONE]\n\n'))
        connection.close()
        late.join()
        self.assertIn(answers[0][0], [200, 504])  # it waited as long as it may, or had just begun

    def send_all(self, client, data):
        try:
            client.sendall(data)
        except OSError:  # the server has closed
            pass

    def read_end(self, client):
        """Whatever comes until the server closes."""
        client.settimeout(30)
        got = []
        try:
            while not got or got[-1]:
                got.append(client.recv(1 << 16))
        except ConnectionResetError:
            pass
        return b''.join(got)

    def test_slow_clients(self):
        server = self.start('--idle-time', '1')
        head = f'POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n'
        for sent in ['', 'GET /health HT', head, head + '{"messages"']:
            with socket.create_connection(('127.0.0.1', server.port)) as client:
                client.sendall(sent.encode())
                since = time.monotonic()
                self.read_end(client)
                self.assertLess(time.monotonic() - since, 20)
        with socket.create_connection(('127.0.0.1', server.port)) as client:  # a byte now and then
            with self.assertRaises(OSError):
                for _ in range(100):
                    client.sendall(b'G')
                    time.sleep(0.2)
        self.assertEqual(server.request('GET', '/health')[0], 200)

    def test_who_does_not_read_holds_up_nobody(self):
        server = self.start('--idle-time', '2')
        n = 20000  # more than the buffers of both ends hold
        ask = b'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'
        with socket.create_connection(('127.0.0.1', server.port)) as client:
            sender = threading.Thread(target=self.send_all, args=(client, ask * n))
            sender.start()
            open_ones = 2
            while open_ones > 1:  # until it is given up, but for the one that asks
                self.assertEqual(server.post({'messages': [user('Hello')], 'max_tokens': 1})[0], 200)
                open_ones = server.metrics()['minivl_connections']
            self.assertLess(len(self.read_end(client).split(b'HTTP/1.1 200 OK')), n)
            sender.join()

    def test_pages_from_elsewhere(self):
        body = json.dumps({'messages': [user('Hello')], 'max_tokens': 1})
        headers = {'Origin': 'https://page.example', **JSON}
        for options, allowed in [([], None), (['--allow-origin', 'https://other.example'], None),
                                 (['--allow-origin', 'https://page.example'], 'https://page.example'),
                                 (['--allow-origin', '*'], 'https://page.example')]:
            server = self.start(*options)
            for method in ['OPTIONS', 'POST']:
                status, got, _ = server.request(method, PATH, body if method == 'POST' else None, headers)
                self.assertEqual(status, 204 if method == 'OPTIONS' else 200)
                self.assertEqual(got.get('Access-Control-Allow-Origin'), allowed)
            self.assertNotIn('Access-Control-Allow-Origin', server.request('GET', '/health')[1])
            status, got, _ = server.request('POST', PATH, body, {'Expect': '100-continue', **headers})
            self.assertEqual((status, got.get('Access-Control-Allow-Origin')), (200, allowed))

    def test_it_ends_with_answers_in_hand(self):
        server = Server(PROGRAM, '--model', self.random)
        connections = [self.hold(server) for _ in range(3)]
        since = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - since, 30)
        for connection, response in connections:
            connection.close()
            response.close()


unittest.main()
