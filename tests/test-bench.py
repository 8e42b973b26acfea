"""test-bench.py MINIVL_BENCH MINIVL_BENCH_WRONG: from anywhere, minivl-bench checks every shader and writes a report; with a shader that
computes wrongly, as in the other one, it says so."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH, WRONG = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))

STAGES = ['vision_tile', 'prefill_512', 'decode_step', 'decode_shape']


class Bench(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.kept.cleanup()

    def run_it(self, program, *arguments, code=0):
        path = os.path.join(self.kept.name, 'bench.json')
        result = subprocess.run([program, *arguments, '--json', path], cwd=self.kept.name, capture_output=True, text=True)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        with open(path, encoding='utf-8') as file:
            return result, json.load(file)

    def test_report(self):
        """A copy, far from the build tree."""
        program = shutil.copy(BENCH, self.kept.name)
        only = [argument for name in ['check', *STAGES] for argument in ['--only', name]]
        result, report = self.run_it(program, '--quick', *only)
        rows = report['rows']
        for name in STAGES:
            self.assertTrue(any(row['name'] == name and row['ns'] > 0 for row in rows), name)
            self.assertIn(f'\n| {name} ', result.stdout)
        self.assertEqual({row['name'] for row in rows}, {'check', *STAGES})
        checks = [row for row in rows if row['name'] == 'check']
        self.assertTrue(all(row['right'] and row['nmse'] <= 1e-10 for row in checks))
        self.assertEqual({row['shape'].split()[0] for row in checks}, {
            'matmul', 'matvec', 'norm', 'glu', 'copy', 'rows', 'gather', 'mask', 'top', 'attention', 'attention_decode', 'rope_kv',
            'unpack', 'resize_columns', 'resize_rows', 'patches', 'pixel_shuffle'})
        self.assertEqual({row['precision'] for row in checks if row['shape'].startswith('mat')}, {'f32', 'f16', 'bf16', 'q8', 'q4'})
        machine = report['machine']
        for name in ['device', 'device_type', 'driver', 'system']:
            self.assertTrue(machine[name], name)
        for name in ['read_gbps', 'muladd_gflops', 'copy_gbps', 'device_read_gbps', 'device_muladd_gflops']:
            self.assertGreater(machine[name], 0.1, name)
        self.assertEqual(machine['device_matrix_gflops'] is not None, report['geometry']['matrix_side'] > 0)
        self.assertIn(report['geometry']['bulk'], ['texel', 'storage'])
        model = report['model']
        self.assertEqual(model['layers'], 32)
        # The whole model takes as much longer as it is larger, and a segment as long as its parts.
        step = next(row for row in rows if row['name'] == 'decode_step')
        self.assertGreater(1e9 / model['decode_tokens_per_second'], 5 * step['ns'])
        parts = 8 * model['frame_seconds'] + 2140 / model['prefill_tokens_per_second'] + 64 / model['decode_tokens_per_second']
        self.assertAlmostEqual(model['segment_seconds'] / parts, 1, places=6)

    def test_one_precision(self):
        """Models of blocks have other numbers as well; none of their shaders is left out."""
        _, report = self.run_it(BENCH, '--quick', '--only', 'check', '--precision', 'q4')
        precisions = {row['precision'] for row in report['rows'] if row['shape'].startswith(('mat', 'gather'))}
        self.assertEqual(precisions, {'q4', 'bf16'})
        self.assertIsNone(report['model']['segment_seconds'])

    def test_gpu_kernels(self):
        """Nor is one of those that only GPUs have."""
        _, report = self.run_it(BENCH, '--quick', '--only', 'check', '--gpu-kernels', '--precision', 'f16')
        self.assertTrue(report['geometry']['gpu_kernels'] and report['geometry']['tiles'])

    def test_wrong(self):
        result, report = self.run_it(WRONG, '--quick', '--only', 'check', '--precision', 'f16', code=1)
        self.assertEqual({row['shape'].split()[0] for row in report['rows'] if not row['right']}, {'glu'})
        self.assertIn('WRONG', result.stdout)
        self.assertIn('computes wrongly', result.stderr)

    def test_usage(self):
        for arguments in [['--only', 'nothing'], ['--precision', 'f8'], ['word']]:
            result = subprocess.run([BENCH, *arguments], capture_output=True, text=True)
            self.assertEqual(result.returncode, 2)
            self.assertTrue(result.stderr.startswith('minivl-bench: '))


unittest.main(verbosity=2)
