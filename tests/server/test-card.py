#!/usr/bin/env python3
"""test-card.py PYTHON MINIVL_SERVER MINIVL_CHAT EXAMPLES HEADER CHECKPOINT FRAMES: the lines of examples/README.md's table "The model
card, side by side" run as they are written, and a row says the same on the command line as over HTTP. PYTHON is of the venv that run.sh
makes with tests/requirements.txt; without it the test is skipped."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

PYTHON, SERVER, CHAT, EXAMPLES, HEADER, CHECKPOINT, FRAMES = map(os.path.abspath, sys.argv[1:8])
if not os.access(PYTHON, os.X_OK):
    print(f'{PYTHON} is not there: bash tests/run.sh makes it')
    sys.exit(77)
if os.path.abspath(sys.executable) != PYTHON:
    os.execv(PYTHON, [PYTHON, *sys.argv])
del sys.argv[1:8]

from served import Server, film, read  # pylint: disable=wrong-import-position

# What the card and its examples call, each of which has a row.
CALLS = [
    'AutoModel.from_pretrained(', 'AutoTokenizer.from_pretrained(', 'generation_config = dict(', "load_image('./", 'history=history',
    'model.chat(tokenizer, None,', 'model.chat(tokenizer, pixel_values,', 'torch.cat(', 'num_patches_list=', 'model.batch_chat(',
    'load_video(', 'bound=', 'TextIteratorStreamer(', 'pipeline(', 'session_len=8192', 'ChatTemplateConfig(', "pipe(('describe",
    'IMAGE_TOKEN', 'pipe(prompts)', "load_image('https", 'GenerationConfig(', 'pipe.chat(', 'session=sess', 'lmdeploy serve api_server',
    'OpenAI(',
]


def read_section():
    """The lines in front of those over HTTP, and the rows: the card's call, and what does it in C, by minivl-chat and over HTTP."""
    text = read(os.path.join(EXAMPLES, 'README.md')).decode()
    section = text.split('## The model card, side by side\n')[1].split('\n## ')[0]
    rows = []
    for line in section.splitlines():
        if not line.startswith('| ') or line == '| the card | here | |':
            continue
        _, call, where, what, _ = line.split('|')
        if call.strip():
            rows.append((call.strip(), {}))
        rows[-1][1][where.strip(' `')] = re.findall(r'`([^`]+)`', what)
    return section.split('```python\n')[1].split('```')[0], rows


PREAMBLE, ROWS = read_section()


def run(line):
    """What a line of minivl-chat answers at last."""
    done = subprocess.run(['bash', '-c', 'set -e; ' + line], check=False, capture_output=True, encoding='utf-8',
                          env={**os.environ, 'PATH': os.path.dirname(CHAT) + ':' + os.environ['PATH']})
    assert done.returncode == 0, (line, done.stderr)
    lines = done.stdout.splitlines()
    if '--batch' in line:
        return [answer['rounds'][-1]['text'] for answer in sorted(map(json.loads, lines), key=lambda answer: answer['id'])]
    return lines[-1]


def text_of(answer):
    """Of a message, of a list of them, or of a text itself."""
    if isinstance(answer, list):
        return [text_of(one) for one in answer]
    return answer.strip() if isinstance(answer, str) else answer.content


class Card(unittest.TestCase):
    def start(self, line):
        """minivl-server by a line, but for the port."""
        server = Server(SERVER, *['0' if word == '23333' else word for word in shlex.split(line)[1:]])
        self.addCleanup(server.process.kill)  # of a test that has failed
        return server

    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        os.chdir(cls.kept.name)
        os.symlink(CHECKPOINT, 'Mini-InternVL-Chat-4B-V1-5')
        os.symlink(os.path.join(FRAMES, 'frame1.png'), 'a.png')
        os.symlink(os.path.join(FRAMES, 'frame8.png'), 'b.png')
        with open('clip.avi', 'wb') as file:
            file.write(film([read(os.path.join(FRAMES, f'frame{i // 10 + 1}.png')) for i in range(80)]))

    @classmethod
    def tearDownClass(cls):
        os.chdir('/')
        cls.kept.cleanup()

    def test_each_call_has_a_row(self):
        calls = '\n'.join(call for call, _ in ROWS)
        for call in CALLS:
            self.assertIn(call, calls)
        for call, ways in ROWS:
            self.assertTrue(ways and set(ways) <= {'C', 'minivl-chat', 'HTTP'}, call)

    def test_what_is_in_c_is_in_the_program(self):
        files = [os.path.join(EXAMPLES, 'quickstart.c'), HEADER]
        program = re.sub(r'\s+', ' ', ''.join(read(name).decode() for name in files))
        for _, ways in ROWS:
            for part in ways.get('C', []):
                self.assertIn(part, program)

    def test_lines_run_and_say_the_same(self):
        serve, = [line for call, ways in ROWS for line in ways.get('HTTP', []) if 'serve api_server' in call]
        server = self.start(serve)
        names = {}
        exec(PREAMBLE.replace(':23333', f':{server.port}'), names)  # pylint: disable=exec-used
        self.assertEqual(names['model'], 'Mini-InternVL-Chat-4B-V1-5')
        n_same = 0
        for call, ways in ROWS:
            said = [run(line) for line in ways.get('minivl-chat', [])]
            lines = [line for line in ways.get('HTTP', []) if not line.startswith(('minivl-server', '--'))]
            if not lines or call.startswith('`OpenAI('):
                continue
            for line in lines[:-1]:
                exec(line, names)  # pylint: disable=exec-used
            answer = text_of(eval(lines[-1], names))  # pylint: disable=eval-used
            self.assertEqual([answer], said, call)
            self.assertTrue(all(answer), call)
            n_same += 1
        names['client'].close()
        server.stop()
        self.assertGreaterEqual(n_same, 14)

    def test_servers_start(self):
        lines = [line for _, ways in ROWS for line in ways.get('HTTP', []) if line.startswith('minivl-server')]
        self.assertGreaterEqual(len(lines), 4)
        for line in lines:
            server = self.start(line)
            model, = json.loads(server.request('GET', '/v1/models')[2])['data']
            self.assertEqual(model['max_model_len'], 8192)
            self.assertEqual(model['id'], 'Mini-InternVL-Chat-4B-V1-5' if 'Mini-InternVL' in line else 'demo-model')
            server.stop()


unittest.main()
