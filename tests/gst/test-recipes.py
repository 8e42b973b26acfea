"""The lines of examples/README.md's recipes as they stand, of what is installed, by the demo model on a film of its yard.

Only what is not there is replaced: a player's window. Brokers and hooks are real ones, on ports that are free.
"""
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

EXAMPLES, BUILD, PREFIX, BINDIR, LIBDIR, YARD, CAMERA_HOST = sys.argv[1:8]
SAYS = 'By day, a person leaves a bag. A red car arrives.'  # what the film of this seed shows
SEED = '1257'
MOSQUITTO = shutil.which('mosquitto', path=os.environ['PATH'] + ':/usr/sbin')
HADOLINT = pathlib.Path(EXAMPLES, '..', 'build-style', 'bin', 'hadolint')

folder = pathlib.Path(tempfile.mkdtemp(prefix='minivl-recipes-'))
environment = {}


def read_lines():
    """All lines of the section's shell blocks."""
    text = pathlib.Path(EXAMPLES, 'README.md').read_text(encoding='utf-8')
    section = text.split('\n## Recipes\n')[1].split('\n## ')[0]
    return [line for block in section.split('```sh\n')[1:] for line in block.split('```')[0].splitlines()]


def find(*parts):
    """The one line with all these parts."""
    found = [line for line in read_lines() if all(part in line for part in parts)]
    assert len(found) == 1, (parts, found)
    return found[0]


def setup():
    """Installs, and films."""
    installed = folder / 'installed'
    subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', installed], check=True)
    root = f'{installed}{PREFIX}'
    environment.update(os.environ)
    environment.pop('LD_LIBRARY_PATH', None)  # meson's, of the build tree, which would win
    environment.update({
        'PATH': f'{root}/{BINDIR}:{os.environ["PATH"]}',
        'GST_PLUGIN_PATH': f'{root}/{LIBDIR}/gstreamer-1.0',
        'GST_REGISTRY': f'{folder}/registry.bin',
        'MODEL': 'demo',
        'CAMERA': f'file://{folder}/yard.mkv',
        'FILM': 'yard.mkv',
    })
    shutil.copy(pathlib.Path(EXAMPLES, 'record-alerts.c'), folder)
    subprocess.run([YARD, folder / 'yard.mkv', SEED], check=True, stdout=subprocess.DEVNULL, env=environment)


def run(line, **more):
    done = subprocess.run(['sh', '-c', line], cwd=folder, env={**environment, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding='utf-8', check=False)
    assert done.returncode == 0, (line, done)
    return done.stdout


def reports(name):
    return [json.loads(line) for line in (folder / name).read_text(encoding='utf-8').splitlines()]


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


class Broker:
    """mosquitto. Another program may take the port before it does: then another port is tried."""

    def __init__(self):
        for _ in range(20):
            self.port = free_port()
            conf = folder / 'mosquitto.conf'
            conf.write_text(f'listener {self.port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\nlog_type all\n')
            self.process = subprocess.Popen([MOSQUITTO, '-c', conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8')
            if self.await_line(' running'):
                return
            self.close()
        raise AssertionError('no port for mosquitto')

    def await_line(self, part):
        return any(part in line for line in iter(self.process.stdout.readline, ''))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Hook(http.server.BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        self.got.append((self.headers['Content-Type'], self.rfile.read(int(self.headers['Content-Length']))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Recipes(unittest.TestCase):
    def assert_told(self, results):
        self.assertEqual([(result['kind'], result['text']) for result in results], [('segment', SAYS)])

    def test_json_lines(self):
        run(find('location=reports.jsonl'))
        self.assert_told(reports('reports.jsonl'))

    @unittest.skipUnless(shutil.which('mosquitto_pub') and MOSQUITTO, 'the packages mosquitto and mosquitto-clients are not here')
    def test_mqtt(self):
        broker = Broker()
        self.addCleanup(broker.close)
        reader = subprocess.Popen(['mosquitto_sub', '-h', '127.0.0.1', '-p', str(broker.port), '-q', '1', '-t', 'cameras/#', '-C', '1', '-v'],
                                  stdout=subprocess.PIPE, encoding='utf-8')
        self.assertTrue(broker.await_line('SUBACK'))
        threading.Thread(target=broker.await_line, args=('nothing',), daemon=True).start()  # its pipe must not fill
        run(find('mosquitto_pub'), BROKER='127.0.0.1', BROKER_PORT=str(broker.port))
        topic, text = reader.communicate()[0].split(' ', 1)
        self.assertEqual(topic, 'cameras/door')
        self.assert_told([json.loads(text)])

    @unittest.skipUnless(shutil.which('curl'), 'the package curl is not here')
    def test_webhook(self):
        server = http.server.HTTPServer(('127.0.0.1', 0), Hook)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run(find('$WEBHOOK'), WEBHOOK=f'http://127.0.0.1:{server.server_port}/reports')
        self.assertEqual([kind for kind, _ in Hook.got], ['application/json'])
        self.assert_told([json.loads(body) for _, body in Hook.got])

    def test_subtitles(self):
        for parts, name in ((('matroskamux', 'text-timestamp'), 'subtitled.mkv'), (('webvttenc',), 'film.vtt'), (('srtenc',), 'film.srt')):
            run(find(*parts))
            self.assertIn(SAYS.encode(), (folder / name).read_bytes())
        self.assertRegex((folder / 'film.vtt').read_text(), r'00:00:00\.000 --> 00:00:(09|10)\.')
        self.assertRegex((folder / 'film.srt').read_text(), r'00:00:00,000 --> 00:00:(09|10),')

    @unittest.skipUnless(CAMERA_HOST, 'the library of RTSP servers is not here')
    def test_an_rtsp_camera_that_breaks_and_returns(self):
        def command(line):
            host.stdin.write(line + '\n')
            host.stdin.flush()
            self.assertEqual(host.stdout.readline(), line + '\n')

        def await_state(state):
            for line in iter(process.stdout.readline, ''):
                told = json.loads(line)
                if told.get('camera') == 'door' and told.get('state') == state:
                    return
            self.fail(state)

        host = subprocess.Popen([CAMERA_HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf-8')
        url = host.stdout.readline().strip()
        process = subprocess.Popen(['sh', '-c', find('minivl-cameras', 'cameras.conf')], cwd=folder, env={**environment, 'CAMERA': url},
                                   stdout=subprocess.PIPE, encoding='utf-8', start_new_session=True)
        try:
            await_state('playing')
            command('unplug')
            await_state('failed')
            self.assertEqual(len(reports('door.jsonl')), 1)
            command('plug in')
            await_state('playing')
            os.killpg(process.pid, signal.SIGTERM)
            await_state('stopped')
            process.stdout.read()
            process.wait()
            self.assertEqual([result['id'] for result in reports('door.jsonl')], [1, 2])
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            host.stdin.close()
            host.stdout.close()
            self.assertEqual(host.wait(), 0)

    def test_alerts_that_start_a_recording(self):
        out = run(find('record-alerts.c'))
        kept = [line.split()[1] for line in out.splitlines() if line.startswith('kept ')]
        self.assertTrue(kept, out)
        self.assertEqual(sorted(kept), sorted(f'clips/{path.name}' for path in (folder / 'clips').glob('*.mkv')))

    def test_four_cameras_in_one_process(self):
        run(find('stream=a', 'stream=d'))
        for stream in 'abcd':
            self.assert_told(reports(f'{stream}.jsonl'))

    def test_in_a_player(self):
        out = run(find('playbin3') + ' video-sink=fakesink audio-sink=fakesink')
        self.assertIn(SAYS, out.replace('\\', ''))

    @unittest.skipUnless(shutil.which('systemd-analyze'), 'systemd is not here')
    def test_the_unit_is_right(self):
        unit = next((folder / 'installed').glob('**/minivl-cameras@.service'))
        text = unit.read_text().replace(f'{PREFIX}/{BINDIR}/', f'{folder}/installed{PREFIX}/{BINDIR}/')
        copy = folder / 'minivl-cameras@.service'
        copy.write_text(text)
        done = subprocess.run(['systemd-analyze', 'verify', '--man=no', folder / 'minivl-cameras@street.service'], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding='utf-8', check=False)
        self.assertNotIn('minivl-cameras', done.stdout)

    @unittest.skipUnless(HADOLINT.exists(), 'hadolint of tests/requirements.txt is not here')
    def test_the_container_file_is_right(self):
        done = subprocess.run([HADOLINT, pathlib.Path(EXAMPLES, 'Containerfile')], stdout=subprocess.PIPE, encoding='utf-8', check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ''))


if __name__ == '__main__':
    try:
        setup()
        unittest.main(argv=sys.argv[:1] + sys.argv[8:], verbosity=2)
    finally:
        shutil.rmtree(folder)
