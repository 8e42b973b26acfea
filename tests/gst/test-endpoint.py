#!/usr/bin/python3
"""test-endpoint.py PLUGIN YARD [MINIVL_SERVER]: the plugin as people use it, by gst-launch-1.0, with an engine on another machine: TLS, the
key, and minivl-server, whose answers are those of the engine in the process. Without minivl-server that part is skipped."""
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../server'))
from served import Server  # pylint: disable=wrong-import-position

PLUGIN, YARD = sys.argv[1:3]
SERVER = sys.argv[3] if len(sys.argv) > 3 else None
del sys.argv[1:]
KEY = 'sk-of-nobody-else'
BALL = ['videotestsrc', 'num-buffers=20', '!', 'video/x-raw,format=RGB,width=96,height=64,framerate=10/1']


class Desk(http.server.BaseHTTPRequestHandler):
    """Says yes to all, once; with other_port it sends everybody there instead."""
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        self.server.requests.append(dict(self.headers))
        self.rfile.read(int(self.headers['Content-Length']))
        body = json.dumps({'choices': [{'message': {'content': 'Yes.'}, 'finish_reason': 'stop'}]}).encode()
        if self.server.other_port:
            self.send_response(307)
            self.send_header('Location', f'http://localhost:{self.server.other_port}/v1/chat/completions')
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):  # pylint: disable=arguments-differ
        pass


class Listening:
    """A desk on a port that the kernel chooses, with a certificate if there is a context for one."""

    def __init__(self, context=None, other_port=None):
        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Desk)
        self.http.requests, self.http.other_port = [], other_port
        if context:
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *what):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def launch(source, *settings, debug=False, code=0):
    """The results, and all that was said."""
    with tempfile.NamedTemporaryFile() as out:
        line = ['gst-launch-1.0', '-v', '-m', *source, '!', 'minivl', 'name=m', *settings, '!', 'fakesink', 'm.text_src', '!',
                'application/x-json', '!', 'filesink', f'location={out.name}']
        environment = dict(os.environ, **({'GST_DEBUG': '*:6', 'GST_DEBUG_NO_COLOR': '1'} if debug else {}))
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=environment)
        said = done.stdout.decode(errors='replace')
        assert done.returncode == code, said
        with open(out.name, encoding='utf-8') as file:
            return [json.loads(text) for text in file], said


class Endpoint(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = cls.kept.name
        cls.key_file = os.path.join(cls.folder, 'key')
        with open(cls.key_file, 'w', encoding='utf-8') as file:
            file.write(KEY + '\n')

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def test_no_libsoup(self):
        """It aborts beside another major version of itself, which applications have."""
        needed = subprocess.run(['ldd', PLUGIN], capture_output=True, check=True, encoding='utf-8').stdout
        self.assertIn('libcurl', needed)
        self.assertNotIn('libsoup', needed)

    def test_the_key_is_seen_by_the_server_alone(self):
        """In -v's dump of properties and in all of GStreamer's log there is the file's name, and no key."""
        with Listening() as desk:
            results, said = launch(BALL, f'endpoint=http://127.0.0.1:{desk.port}/v1', f'api-key-file={self.key_file}',
                                   'segment-duration=1s', debug=True)
            self.assertEqual([result['text'] for result in results], ['Yes.', 'Yes.'])
            self.assertEqual({request['Authorization'] for request in desk.http.requests}, {f'Bearer {KEY}'})
        self.assertIn(self.key_file, said)
        self.assertNotIn(KEY, said)

    def test_the_key_goes_to_no_other_host(self):
        with Listening() as other, Listening(other_port=other.port) as desk:
            results, said = launch(BALL, f'endpoint=http://127.0.0.1:{desk.port}/v1', f'api-key-file={self.key_file}',
                                   'segment-duration=1s')
            self.assertEqual([result['finish_reason'] for result in results], ['error', 'error'])
            self.assertEqual((len(desk.http.requests), len(other.http.requests)), (2, 0))
        self.assertIn('redirects are not followed', said)

    def test_certificates_are_verified(self):
        certificate, key = os.path.join(self.folder, 'cert.pem'), os.path.join(self.folder, 'key.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key,
                        '-out', certificate, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with Listening(context) as desk:
            trusted, _ = launch(BALL, f'endpoint=https://localhost:{desk.port}/v1', f'ca-file={certificate}', 'segment-duration=1s')
            self.assertEqual([result['text'] for result in trusted], ['Yes.', 'Yes.'])
            self.assertEqual(len(desk.http.requests), 2)
            unknown, said = launch(BALL, f'endpoint=https://localhost:{desk.port}/v1', 'segment-duration=1s')
            self.assertEqual([result['finish_reason'] for result in unknown], ['error', 'error'])
            self.assertIn('Set ca-file', said)
            other, _ = launch(BALL, f'endpoint=https://127.0.0.1:{desk.port}/v1', f'ca-file={certificate}', 'segment-duration=1s')
            self.assertEqual([result['finish_reason'] for result in other], ['error', 'error'])
            self.assertEqual(len(desk.http.requests), 2)  # it is sent nothing where its name is another

    @unittest.skipUnless(SERVER, 'minivl-server is not built, for want of libsoup')
    def test_minivl_server_answers_as_the_engine_does(self):
        """What the demo model says of its yard, and by what probability an alert rises, by JPEG of the best quality."""
        film = os.path.join(self.folder, 'yard.mkv')
        subprocess.run([YARD, '--seconds', '10', film, '1257', '13427'], check=True, capture_output=True)
        source = ['filesrc', f'location={film}', '!', 'decodebin', '!', 'videoconvert']
        asked = ['alerts=Did someone leave a bag?;Is there a dog?', 'summary-interval=1h', 'history-size=1']
        here, _ = launch(source, 'model-path=demo', *asked)
        server = Server(SERVER, '--api-key-file', self.key_file)
        try:
            there, _ = launch(source, f'endpoint=http://127.0.0.1:{server.port}/v1', f'api-key-file={self.key_file}', 'jpeg-quality=100',
                              *asked)
        finally:
            server.stop()
        same = ['id', 'kind', 'text', 'finish_reason', 'question', 'active', 'segment_start', 'segment_stop', 'frames', 'tiles',
                'prompt_tokens', 'output_tokens', 'prompt']
        self.assertGreater(len(here), 2)
        self.assertEqual([[result[name] for name in same] for result in there], [[result[name] for name in same] for result in here])
        for a, b in zip(there, here):
            if a['score'] is not None:
                self.assertAlmostEqual(a['score'], b['score'], delta=0.05)


unittest.main()
