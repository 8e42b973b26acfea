#!/usr/bin/env python3
"""test-readme.py MINIVL_SERVER UNIT SOURCE: the tables of examples/server/README.md have every error and metric there is, and its lines for
nginx and the unit of systemd hold. Its other lines and its options: test-lines.py, test-documents.py."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from served import Server, read

SOURCE, UNIT, PROGRAM = (os.path.abspath(sys.argv.pop()) for _ in range(3))
README = read(os.path.join(SOURCE, 'examples/server/README.md')).decode()


def blocks(kind):
    return re.findall(rf'^```{kind}\n(.*?)^```$', README, re.S | re.M)


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


class Readme(unittest.TestCase):
    def sources(self, *names):
        folder = os.path.join(SOURCE, 'examples/server')
        names = names or [name for name in os.listdir(folder) if name.endswith('.c')]
        return '\n'.join(read(os.path.join(folder, name)).decode() for name in names)

    def test_errors(self):
        rows = re.findall(r'^\| ([45][\d, ]*) \| (.*?) \|', README, re.M)
        told = {code for _, codes in rows for code in re.findall(r'`(\w+)`', codes)}
        there = set(re.findall(r'refuse \([^;]*?\b[45]\d\d, "(\w+)"', self.sources(), re.S)) | {'invalid_value', 'unsupported_parameter'}
        self.assertEqual(sorted(told), sorted(there))

    def test_metrics(self):
        server = Server(PROGRAM)
        server.complete('Hello', max_tokens=1)
        there = {re.sub(r'{.*', '', name) for name in server.metrics()}
        server.stop()
        section = README[README.index('## Metrics'):]
        rows = [line.split('|')[1] for line in section.splitlines() if line.startswith('| `') and 'minivl_' not in line]
        told = {'minivl_' + name for row in rows for name in re.findall(r'`(\w+)', row)}
        self.assertEqual(sorted(told), sorted(there))

    def test_unit(self):
        """By systemd's own judgement, with the program where it was built."""
        analyze = shutil.which('systemd-analyze')
        if not analyze:
            self.skipTest('there is no systemd-analyze')
        with tempfile.TemporaryDirectory() as folder:
            with open(UNIT, encoding='utf-8') as file:
                unit, n = re.subn(r'(?m)^(ExecStart=)\S+', lambda match: match[1] + PROGRAM, file.read())
            self.assertEqual(n, 1)
            path = os.path.join(folder, 'minivl-server.service')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(unit)
            for command in [['verify', '--man=no', path], ['security', '--offline=yes', '--threshold=20', path]]:
                done = subprocess.run([analyze, *command], capture_output=True, encoding='utf-8', check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout)

    def test_nginx(self):
        """Its lines, in a server of one's own: a stream comes through piece by piece, and who goes away is gone."""
        nginx = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin')
        if not nginx:
            self.skipTest('there is no nginx')
        server = Server(PROGRAM)
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            lines = blocks('nginx')[0].replace('23333', str(server.port))
            with open(os.path.join(folder, 'nginx.conf'), 'w', encoding='utf-8') as file:
                file.write(f'daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} user root;\n'
                           f'http {{ access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;\n'
                           f'uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; server {{ listen 127.0.0.1:{port};\n{lines}}} }}\n')
            proxy = subprocess.Popen([nginx, '-e', f'{folder}/log', '-c', f'{folder}/nginx.conf'])
            try:
                own, server.port = server.port, port
                for _ in range(600):
                    try:
                        socket.create_connection(('127.0.0.1', port)).close()
                        break
                    except OSError:
                        self.assertIsNone(proxy.poll())
                        time.sleep(0.1)
                self.assertGreater(len(server.stream('What happens?', max_tokens=16)), 3)
                self.assertEqual(server.request('GET', '/metrics')[0], 404)
                connection, response = server.open_stream('Go on.', max_tokens=4000, temperature=2, top_p=1, top_k=0)
                response.readline()
                response.close()
                connection.close()
                server.port = own
                server.wait_metric('minivl_requests_running', 0)
            finally:
                proxy.terminate()
                proxy.wait()
                server.stop()


unittest.main()
