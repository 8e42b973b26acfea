#!/usr/bin/env python3
"""test-quickstart.py QUICKSTART MINIVL_CHAT CHECKPOINT FRAMES: the example that an application begins with has the conversations of the
model's card, and says in each what minivl-chat says, with as many tokens."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

FRAMES, CHECKPOINT, CHAT, QUICKSTART = (sys.argv.pop() for _ in range(4))
SEGMENTS = 8
SIMILAR = 'What are the similarities and differences between these two images.'
DESCRIBE = "Describe this video in detail. Don't repeat."
PREFIX = ''.join(f'Frame{i + 1}: <image>\n' for i in range(SEGMENTS))


class Quickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A film of the yard, as frames and as a lossless file; no frame of it is equal to another."""
        cls.kept = tempfile.TemporaryDirectory()
        frames = [Image.open(os.path.join(FRAMES, f'frame{i // 3 + 1}.png')) for i in range(24)]
        for i, frame in enumerate(frames):
            frame.putpixel((i, 0), (255, i, 0))
            frame.save(cls.path(f'{i:02}.ppm'))
        frames[0].save(cls.path('film.png'), save_all=True, append_images=frames[1:], duration=40)
        cls.pictures = [cls.path('a.ppm'), cls.path('b.ppm')]
        frames[1].resize((300, 100)).save(cls.pictures[0])
        frames[23].save(cls.pictures[1])
        cls.frames = [cls.path(f'{i:02}.ppm') for i in range(24)]
        cls.done = cls.run_it(*cls.pictures)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.kept.name, name)

    @classmethod
    def run_it(cls, first, second):
        return subprocess.run([QUICKSTART, CHECKPOINT, first, second, *cls.frames], check=False, capture_output=True, encoding='utf-8')

    def chat(self, *options, **conversations):
        """What minivl-chat answers, all in one run: the rounds of each."""
        with open(self.path('in.jsonl'), 'w', encoding='utf-8') as file:
            file.writelines(json.dumps({'id': name, **line}) + '\n' for name, line in conversations.items())
        arguments = [CHAT, '--model', CHECKPOINT, '--max-tokens', '1024', *options, '--batch', self.path('in.jsonl')]
        done = subprocess.run(arguments, check=True, capture_output=True, encoding='utf-8')
        return {line['id']: line['rounds'] for line in map(json.loads, done.stdout.splitlines())}

    def test_ten_conversations(self):
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ''))
        first, second = self.pictures
        story = ['Hello, who are you?', 'Can you tell me a story?']
        detail, poem = '<image>\nPlease describe the image in detail.', 'Please write a poem according to the image.'
        both = '<image>\nDescribe the two images in detail.'
        apart = 'Image-1: <image>\nImage-2: ' + both
        batch, panda = '<image>\nDescribe the image in detail.', PREFIX + 'What is the red panda doing?'
        woman = ['describe this image', 'What is the woman doing?']
        asked = {
            'text': {'rounds': story},
            'once': {'images': [first], 'rounds': ['<image>\nPlease describe the image shortly.']},
            'twice': {'images': [first], 'rounds': [detail, poem]},
            'joined': {'images': [first, second], 'joined': True, 'rounds': [both, SIMILAR]},
            'apart': {'images': [first, second], 'rounds': [apart, SIMILAR]},
            'sixth': {'images': [first], 'rounds': [batch]},
            'seventh': {'images': [second], 'rounds': [batch]},
            'video': {'video': self.path('film.png'), 'rounds': [panda, DESCRIBE]},
        }
        said = self.chat(**asked)
        shown = said['video'][0]['frames']
        self.assertEqual(len(set(shown)), SEGMENTS)
        streamed = {'images': [self.frames[i] + ':1' for i in shown], 'joined': True, 'rounds': [DESCRIBE]}
        streamed_text = self.chat(streamed=streamed)['streamed'][0]['text']
        asked['drawn'] = {'images': [first], 'rounds': woman}
        said |= self.chat('--temperature', '0.8', '--top-k', '40', '--top-p', '0.8', '--seed', '1', drawn=asked['drawn'])

        def told(*names):
            return ''.join('User: {}\nAssistant: {}\n[{} tokens asked, # of them known; {} answered: {}]\n'.format(
                question, answer['text'], answer['prompt_tokens'], answer['output_tokens'], answer['finish_reason'])
                for name in names for question, answer in zip(asked[name]['rounds'], said[name], strict=True))

        expected = ['1: text alone\n' + told('text'), '2: a picture\n' + told('once'),
                    '3: a picture, in two rounds\n' + told('twice'), '4: two pictures, joined\n' + told('joined'),
                    '5: two pictures, apart\n' + told('apart'), '6 and 7: at once\n' + told('sixth', 'seventh'),
                    '8: a video\n' + told('video'), f'9: a streamed answer\n{streamed_text}\n', '10: sampled answers\n' + told('drawn')]
        out = re.sub(r', \d+ of them known', ', # of them known', self.done.stdout)
        self.assertTrue(out.startswith(os.path.basename(CHECKPOINT) + ' on '), out)
        self.assertEqual(out.split('\n', 1)[1], ''.join('\n' + part for part in expected))

    def test_a_further_round_knows_the_one_before(self):
        """But for its last token, which may become another one with what follows."""
        part = None
        counts = []
        for line in self.done.stdout.splitlines():
            if re.match(r'\d+.*: ', line):
                part, counts = line, []
            found = re.match(r'\[(\d+) tokens asked, (\d+) of them known; (\d+) answered', line)
            if not found:
                continue
            counts.append([int(n) for n in found.groups()])
            self.assertGreater(counts[-1][2], 0, part)
            if len(counts) == 2 and 'at once' not in part:
                self.assertGreaterEqual(counts[1][1], counts[0][0] - 1, part)

    def test_a_file_that_is_missing_is_named(self):
        done = self.run_it(self.pictures[0], self.path('no-such-picture'))
        self.assertEqual(done.returncode, 1)
        self.assertIn('no-such-picture', done.stderr)

    def test_a_file_that_is_no_picture_is_named(self):
        for text in ['P6\n40 40\n255\n', 'P6\n1 1\n65535\nabcdef', 'P6\n1 1\n255\nabcd', 'P5\n1 1\n255\na', '']:
            with open(self.path('bad.ppm'), 'w', encoding='utf-8') as file:
                file.write(text)
            done = self.run_it(self.pictures[0], self.path('bad.ppm'))
            self.assertEqual(done.returncode, 1)
            self.assertIn('bad.ppm is no binary PPM', done.stderr)


unittest.main()
