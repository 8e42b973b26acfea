"""test-gpu.py GPU_SH BUILD: the folder that gpu.sh makes has all it needs, is small enough, and its run.sh reports what it found."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

GPU_SH, BUILD = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
MOST = 60_000_000
GLIBC = ('libc.so', 'libm.so', 'libdl.so', 'librt.so', 'libpthread.so', 'ld-linux', 'linux-vdso')
ROWS = ['check', 'matvec', 'decode_step']


class Gpu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = os.path.join(cls.kept.name, 'minivl gpu')
        subprocess.run(['bash', GPU_SH, BUILD, cls.folder], check=True, capture_output=True, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def test_size(self):
        size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(self.folder) for name in names)
        self.assertLessEqual(size, MOST)

    def test_libraries(self):
        """Each is here, but for glibc's own; FFmpeg and GStreamer are not."""
        here = os.listdir(self.path('lib'))
        self.assertIn('libvulkan.so.1', here)
        for file in [self.path('bin', name) for name in os.listdir(self.path('bin'))] + [self.path('lib', name) for name in here]:
            listing = subprocess.run(['readelf', '-d', file], check=True, capture_output=True, text=True).stdout
            for line in listing.splitlines():
                if '(NEEDED)' in line:
                    name = line.split('[')[1].rstrip(']')
                    self.assertTrue(name in here or name.startswith(GLIBC), f'{file} needs {name}')
        self.assertFalse([name for name in here if name.startswith(('libav', 'libgst', 'libc.', 'libm.'))])

    def run_it(self, *arguments):
        report = os.path.join(self.kept.name, 'report.json')
        result = subprocess.run([self.path('run.sh'), *arguments, report], cwd=self.kept.name, capture_output=True, text=True)
        with open(report, encoding='utf-8') as file:
            return result, json.load(file)

    def test_quick(self):
        result, report = self.run_it('--quick')
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual({step['outcome'] for step in report['steps']}, {'passed'})
        steps = {step['name']: step for step in report['steps']}
        self.assertGreater(steps['small-f16']['passed'], 100)
        self.assertGreater(steps['demo-f16']['passed'], 10)
        self.assertGreater(steps['test-sample']['passed'], 5)
        self.assertTrue(report['bench']['machine']['device'])
        for name in ROWS:
            self.assertTrue(any(row['name'] == name and row['ns'] > 0 for row in report['bench']['rows']), name)
            self.assertIn(f'\n| {name} ', result.stdout)
        self.assertIn(f"{len(steps)} of {len(steps)} steps passed", result.stdout)

    def test_what_fails_is_told(self):
        """A program that fails, with words that JSON has no place for, and one that is not there."""
        whole, self.folder = self.folder, os.path.join(self.kept.name, 'failing')
        os.makedirs(self.path('bin'))
        for name in ['lib', 'data', 'run.sh']:
            os.symlink(os.path.join(whole, name), self.path(name))
        os.symlink('/bin/true', self.path('bin', 'conformance'))
        with open(self.path('bin', 'test-sample'), 'w', encoding='utf-8') as file:
            file.write('#!/bin/sh\nprintf \'ok 1 /a\\nnot ok 2 /b\\n# "no"\\t\\\\ \\033[0m\\n\'\nexit 3\n')
        os.chmod(self.path('bin', 'test-sample'), 0o755)
        result, report = self.run_it('--quick')
        steps = {step['name']: step for step in report['steps']}
        self.assertEqual(result.returncode, 1)
        self.assertEqual((steps['test-sample']['outcome'], steps['test-sample']['passed'], steps['test-sample']['failed']), ('FAILED', 1, 1))
        self.assertIn('# "no" \\', steps['test-sample']['log'])
        self.assertEqual(steps['small-f16']['outcome'], 'passed')
        self.assertIsNone(report['bench'])
        self.assertEqual(steps['bench']['outcome'], 'FAILED')


unittest.main(verbosity=2)
