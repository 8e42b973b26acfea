#!/usr/bin/env python3
"""test-benchmarks.py MINIVL_CHAT BENCHMARKS_PY: from files in the benchmarks' formats, made here, through --batch and back."""

import base64
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

BENCHMARKS, CHAT = sys.argv.pop(), sys.argv.pop()


def picture(kind):
    out = io.BytesIO()
    Image.frombytes('RGB', (8, 8), bytes(range(192))).save(out, kind)
    return out.getvalue()


def run(*arguments, code=0):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done.stdout, done.stderr


class Benchmarks(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.kept.cleanup()

    def path(self, name):
        return os.path.join(self.kept.name, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8', newline='') as file:
            file.write(text)
        return self.path(name)

    def ask(self, lines, code=0):
        self.write('in.jsonl', lines)
        run(CHAT, '--max-tokens', '4', '--batch', self.path('in.jsonl'), '--output', self.path('out.jsonl'), code=code)
        with open(self.path('out.jsonl'), encoding='utf-8') as file:
            return {line['id']: line for line in map(json.loads, file)}

    def benchmarks(self, *arguments, code=0):
        return run(sys.executable, BENCHMARKS, *arguments, code=code)

    def test_textvqa(self):
        for name in ['a1', 'b2']:
            with open(self.path(name + '.jpg'), 'wb') as file:
                file.write(picture('JPEG'))
        rows = [{'question_id': 34602 + i, 'image_id': name, 'question': f'what is "{i}" — é?', 'answers': ['x'] * 10,
                 'image_classes': ['Sign']} for i, name in enumerate(['a1', 'b2', 'gone'])]
        file = self.write('val.json', json.dumps({'dataset_type': 'val', 'dataset_version': '0.5.1', 'data': rows}))
        lines, _ = self.benchmarks('textvqa', file, self.kept.name)
        first = json.loads(lines.splitlines()[0])
        self.assertEqual(first, {'id': 34602, 'images': [self.path('a1.jpg') + ':24'],
                                 'rounds': ['what is "0" — é? Answer the question using a single word or phrase.']})
        done = self.ask(lines, code=2)
        out, said = self.benchmarks('textvqa-answers', file, self.path('out.jsonl'), code=1)
        self.assertEqual(json.loads(out), [{'question_id': 34602, 'answer': done[34602]['rounds'][0]['text']},
                                           {'question_id': 34603, 'answer': done[34603]['rounds'][0]['text']},
                                           {'question_id': 34604, 'answer': ''}])
        self.assertIn('1 of 3 have no answer: 34604', said)

    def test_mmbench(self):
        columns = ['index', 'question', 'hint', 'A', 'B', 'C', 'D', 'answer', 'category', 'image', 'l2-category', 'split']
        png = picture('PNG')  # whatever the name says
        rows = [['241', 'Which one?\nThe "left"', 'Look.', 'cat', 'dog', '', '', 'A', 'x', base64.b64encode(png).decode(), 'y', 'dev'],
                ['1000241', 'Which one?', '', 'dog', 'cat', 'cow', 'emu', 'B', 'x', '241', 'y', 'dev']]
        text = io.StringIO()
        csv.writer(text, delimiter='\t', lineterminator='\n').writerows([columns] + rows)
        file = self.write('dev.tsv', text.getvalue())
        lines, _ = self.benchmarks('mmbench', file, self.path('pictures'), '4')
        asked = [json.loads(line) for line in lines.splitlines()]
        end = "\nAnswer with the option's letter from the given choices directly."
        self.assertEqual([a['rounds'] for a in asked], [['Look.\nWhich one?\nThe "left"\nA. cat\nB. dog' + end],
                                                        ['Which one?\nA. dog\nB. cat\nC. cow\nD. emu' + end]])
        self.assertEqual([a['images'] for a in asked],
                         [[self.path(f'pictures/{i}.jpg:4')] for i in ('241', '1000241')])
        for index in ['241', '1000241']:
            with open(self.path(f'pictures/{index}.jpg'), 'rb') as written:
                self.assertEqual(written.read(), png)
        done = self.ask(lines)
        out, _ = self.benchmarks('mmbench-answers', file, self.path('out.jsonl'))
        back = list(csv.DictReader(io.StringIO(out), delimiter='\t'))
        self.assertEqual([list(row) for row in back], [[c for c in columns if c != 'image'] + ['prediction']] * 2)
        self.assertEqual([row['prediction'] for row in back], [done[i]['rounds'][0]['text'] for i in ('241', '1000241')])
        self.assertEqual(back[0]['question'], 'Which one?\nThe "left"')


unittest.main()
