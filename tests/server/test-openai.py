#!/usr/bin/env python3
"""test-openai.py PYTHON MINIVL_SERVER MINIVL_CHAT FRAMES SANITIZED: OpenAI's own client asks whatever the model's card does, and has the
tokens that minivl-chat has. PYTHON is of the venv that run.sh makes with tests/requirements.txt; without it the test is skipped.
SANITIZED: true or false."""
import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

PYTHON, PROGRAM, CHAT, FRAMES, SANITIZED = sys.argv[1:6]
if not os.access(PYTHON, os.X_OK):
    print(f'{PYTHON} is not there: bash tests/run.sh makes it')
    sys.exit(77)
if os.path.abspath(sys.executable) != os.path.abspath(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])
del sys.argv[1:6]

import openai  # pylint: disable=wrong-import-position
from served import Server, chat, data_uri, film, picture, read, text, user, video  # pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURE = os.path.join(HERE, '../../examples/pictures/overlay.png')
MODEL = 'Mini-InternVL-Chat-4B-V1-5'
CONTEXT = 8192
SAMPLED = {'temperature': 0.8, 'top_p': 0.8, 'extra_body': {'top_k': 40}}
SAMPLED_OPTIONS = ['--temperature', '0.8', '--top-p', '0.8', '--top-k', '40']
SIMILAR = 'What are the similarities and differences between these two images.'
DESCRIBE = "Describe this video in detail. Don't repeat."


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.images = [os.path.join(FRAMES, f'frame{i}.png') for i in [1, 8]]
        cls.clip = os.path.join(cls.kept.name, 'clip.avi')
        with open(cls.clip, 'wb') as file:
            file.write(film([read(os.path.join(FRAMES, f'frame{i // 10 + 1}.png')) for i in range(80)]))
        keys = os.path.join(cls.kept.name, 'keys')
        with open(keys, 'w', encoding='utf-8') as file:
            file.write('YOUR_API_KEY\n')
        cls.server = Server(PROGRAM, '--model-name', MODEL, '--context-size', str(CONTEXT), '--api-key-file', keys)
        cls.client = cls.make_client('YOUR_API_KEY')

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.stop()
        cls.kept.cleanup()

    @classmethod
    def make_client(cls, key, kind=openai.OpenAI):
        return kind(api_key=key, base_url=f'http://127.0.0.1:{cls.server.port}/v1', max_retries=0)

    def with_ids(self, **fields):
        """The arguments of a request that is answered with the tokens, too."""
        extra = {'return_token_ids': True, **fields.pop('extra_body', {})}
        return {'model': MODEL, 'extra_body': extra, **fields}

    def ask(self, *messages, **fields):
        return self.client.chat.completions.create(messages=messages, **self.with_ids(**fields))

    def chat(self, *arguments):
        return chat(CHAT, '--context-size', str(CONTEXT), *arguments)

    def assert_same(self, answer, said):
        """A completion and what minivl-chat tells of the same question."""
        choice = answer.choices[0]
        self.assertEqual(answer.prompt_token_ids, said['input_ids'])
        self.assertEqual(choice.token_ids, said['token_ids'])
        self.assertEqual((choice.message.content, choice.finish_reason), (said['text'], said['finish_reason']))
        self.assertEqual((answer.usage.prompt_tokens, answer.usage.completion_tokens), (said['prompt_tokens'], said['output_tokens']))

    def assert_rounds(self, contents, said, **fields):
        """Questions one after the other, each with the answers before it."""
        messages = []
        before = None
        self.assertEqual(len(contents), len(said))
        for content, one in zip(contents, said):
            messages.append(user(content))
            answer = self.ask(*messages, **fields)
            self.assert_same(answer, one)
            if before:  # but for its last token, which may become another one with what follows
                self.assertGreaterEqual(answer.usage.prompt_tokens_details.cached_tokens, before.usage.prompt_tokens - 1)
            before = answer
            messages.append(answer.choices[0].message)

    def test_the_card(self):
        """Its example as it stands, but for address and picture."""
        code = read(os.path.join(HERE, 'card-client.py')).decode()
        tiger = 'https://modelscope.oss-cn-beijing.aliyuncs.com/resource/tiger.jpeg'
        for old, new in {'http://0.0.0.0:23333': f'http://127.0.0.1:{self.server.port}',
                         tiger: data_uri(read(PICTURE), 'image/png')}.items():
            self.assertEqual(code.count(old), 1)
            code = code.replace(old, new)
        done = subprocess.run([sys.executable, '-'], input=code, capture_output=True, encoding='utf-8', check=True)
        self.assertTrue(done.stdout.startswith('ChatCompletion('), done.stdout)
        names = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)  # pylint: disable=exec-used
        names['client'].close()
        response = names['response']
        self.assertEqual(printed.getvalue(), f'{response}\n')
        self.assertEqual((names['model_name'], response.model), (MODEL, MODEL))
        self.assertTrue(response.choices[0].message.content)
        # With a seed it says what minivl-chat does.
        options = ['--temperature', '0.8', '--top-p', '0.8', '--image', PICTURE, 'describe this image\n<image>']
        for seed in range(3):
            seeded = code.replace('    temperature=', f'    seed={seed},\n    temperature=').replace('print(', '(')
            exec(seeded, names)  # pylint: disable=exec-used
            names['client'].close()
            expected, = self.chat('--seed', str(seed), *options)
            self.assertEqual(names['response'].choices[0].message.content, expected['text'])
            self.assertEqual(names['response'].usage.prompt_tokens, expected['prompt_tokens'])
            self.assertEqual(response.usage.prompt_tokens, expected['prompt_tokens'])

    def test_rounds(self):
        questions = ['Hello, who are you?', 'Can you tell me a story?']
        self.assert_rounds(questions, self.chat(*questions))

    def test_batch_prompts(self):
        """Prompts that are asked at once, pictures among them, by the client that does not wait."""
        lines = [{'images': [image], 'rounds': ['describe this image']} for image in self.images]
        lines += [{'rounds': [f'What happens at {hour}?']} for hour in range(6)]
        path = os.path.join(self.kept.name, 'batch.jsonl')
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(json.dumps({'id': i, **line}) + '\n' for i, line in enumerate(lines))
        done = subprocess.run([CHAT, '--context-size', str(CONTEXT), '--batch', path], capture_output=True, encoding='utf-8', check=True)
        said = {line['id']: line['rounds'][0] for line in map(json.loads, done.stdout.splitlines())}

        async def ask_all():
            async with self.make_client('YOUR_API_KEY', openai.AsyncOpenAI) as client:
                contents = [[picture(read(line['images'][0])), text(line['rounds'][0])] if 'images' in line else line['rounds'][0]
                            for line in lines]
                return await asyncio.gather(*(client.chat.completions.create(messages=[user(content)], **self.with_ids())
                                              for content in contents))

        for i, answer in enumerate(asyncio.run(ask_all())):
            self.assert_same(answer, said[i])

    def test_pictures_joined(self):
        first, second = map(read, self.images)
        content = [picture(first), picture(second, joined=True), text('Describe the two images in detail.')]
        said = self.chat('--joined', '--image', self.images[0], '--image', self.images[1], 'Describe the two images in detail.', SIMILAR)
        self.assert_rounds([content, SIMILAR], said)

    def test_pictures_apart(self):
        first, second = map(read, self.images)
        content = [text('Image-1: '), picture(first), text('\nImage-2: '), picture(second), text('\nDescribe the two images in detail.')]
        said = self.chat('--image', self.images[0], '--image', self.images[1], 'Describe the two images in detail.', SIMILAR)
        self.assert_rounds([content, SIMILAR], said)

    def test_a_video_over_rounds(self):
        clip = read(self.clip)
        questions = ['What happens?', 'What colour is the car?', DESCRIBE]
        self.assert_rounds([[video(clip), text(questions[0])], *questions[1:]], self.chat('--video', self.clip, *questions))
        said = self.chat('--video', self.clip + ':4:2-6', *questions[:2])
        self.assertEqual(len(said[0]['frames']), 4)
        self.assert_rounds([[video(clip, segments=4, start=2, stop=6), text(questions[0])], questions[1]], said)

    def test_stream(self):
        content = [video(read(self.clip)), text(DESCRIBE)]
        said, = self.chat('--video', self.clip, DESCRIBE)
        chunks = list(self.ask(user(content), stream=True, stream_options={'include_usage': True}))
        pieces = [chunk.choices[0].delta.content or '' for chunk in chunks if chunk.choices]
        self.assertEqual(''.join(pieces), said['text'])
        self.assertGreater(len([piece for piece in pieces if piece]), 2)
        self.assertEqual(chunks[-1].usage.completion_tokens, said['output_tokens'])
        last = chunks[-2]
        self.assertEqual((last.prompt_token_ids, last.choices[0].token_ids), (said['input_ids'], said['token_ids']))
        self.assertEqual(last.choices[0].finish_reason, said['finish_reason'])
        with self.client.chat.completions.stream(model=MODEL, messages=[user(content)]) as stream:
            self.assertEqual(stream.get_final_completion().choices[0].message.content, said['text'])

    def test_sampling(self):
        """Other seeds, other answers; each is minivl-chat's."""
        questions = ['describe this image', 'What is the woman doing?']
        drawn = set()
        for seed in range(4):
            said = self.chat(*SAMPLED_OPTIONS, '--seed', str(seed), '--image', self.images[0], *questions)
            self.assert_rounds([[picture(read(self.images[0])), text(questions[0])], questions[1]], said, seed=seed, **SAMPLED)
            drawn.add(said[1]['text'])
        wide = {**SAMPLED, 'temperature': 2, 'top_p': 1, 'max_tokens': 32}
        for seed in range(2):
            said, = self.chat('--temperature', '2', '--top-p', '1', '--top-k', '40', '--max-tokens', '32', '--seed', str(seed), 'Hello')
            self.assert_same(self.ask(user('Hello'), seed=seed, **wide), said)
            drawn.add(said['text'])
        self.assertGreater(len(drawn), 2)

    def test_the_context_is_filled(self):
        """A conversation of 8192 tokens, the answer among them; one more is refused."""
        if SANITIZED == 'true':
            self.skipTest('a sanitizer keeps 0.7 GB of what was freed for each 1000 tokens')
        model, = self.client.models.list().data
        self.assertEqual((model.id, model.max_model_len), (MODEL, CONTEXT))
        room = 24
        one, two = (self.ask(user('car ' * n), max_tokens=1).usage.prompt_tokens for n in [100, 200])
        n = 100 + (CONTEXT - room - one) * 100 // (two - one)
        question = 'car ' * n
        taken = self.ask(user(question), max_tokens=1).usage.prompt_tokens
        self.assertGreater(taken, CONTEXT - 2 * room)
        most = CONTEXT - taken
        said, = self.chat('--max-tokens', str(most), question)
        self.assert_same(self.ask(user(question), max_tokens=most), said)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(user(question), max_tokens=most + 1)
        self.assertEqual((caught.exception.code, caught.exception.param), ('context_length_exceeded', 'messages'))

    def test_logprobs(self):
        whole = self.ask(user('What happens?'), max_tokens=16, logprobs=True, top_logprobs=2)
        content = whole.choices[0].logprobs.content
        self.assertEqual(len(content), whole.usage.completion_tokens)
        self.assertEqual(len(content[0].top_logprobs), 2)

    def test_errors(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.ask(user('What happens?'), model='gpt-4')
        self.assertEqual(caught.exception.code, 'model_not_found')
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(user('What happens?'), n=2)
        self.assertEqual(caught.exception.param, 'n')
        with self.assertRaises(openai.AuthenticationError):
            self.make_client('another').models.list()


unittest.main()
