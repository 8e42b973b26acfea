#!/usr/bin/env python3
"""test-server.py MINIVL_SERVER MINIVL_CHAT PICTURES: what is answered over HTTP is what minivl-chat says."""
import base64
import concurrent.futures
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

from served import PATH, Server, chat, data_uri, picture, png, read, text, user, video

PICTURES, CHAT, PROGRAM = (sys.argv.pop() for _ in range(3))
SAMPLED = {'temperature': 0.8, 'top_k': 40, 'top_p': 0.8}
QUESTION = 'What happens here?'
IMAGE_START, IMAGE_END, TILE_TOKENS = 651, 652, 16  # of the demo model


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.server = Server(PROGRAM)
        for name, size in {'wide.png': (330, 110), 'square.png': (90, 90)}.items():
            with open(cls.path(name), 'wb') as file:
                file.write(png(*size))
        frames = [Image.open(io.BytesIO(png(96, 64, seed))) for seed in range(30)]
        frames[0].save(cls.path('film.gif'), save_all=True, append_images=frames[1:], duration=200)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.kept.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.kept.name, name)

    def wide(self, **fields):
        return picture(read(self.path('wide.png')), **fields)

    def square(self, **fields):
        return picture(read(self.path('square.png')), **fields)

    def assert_same(self, answer, round_of_chat):
        """A completion and what minivl-chat tells of the same question."""
        choice, usage = answer['choices'][0], answer['usage']
        self.assertEqual(choice['message']['content'], round_of_chat['text'])
        self.assertEqual(choice['finish_reason'], round_of_chat['finish_reason'])
        self.assertEqual(usage['prompt_tokens'], round_of_chat['prompt_tokens'])
        self.assertEqual(usage['completion_tokens'], round_of_chat['output_tokens'])
        self.assertEqual(usage['total_tokens'], usage['prompt_tokens'] + usage['completion_tokens'])

    def test_models_and_health(self):
        status, _, body = self.server.request('GET', '/v1/models')
        self.assertEqual(status, 200)
        self.assertEqual([model['id'] for model in json.loads(body)['data']], ['demo-model'])
        status, _, body = self.server.request('GET', '/health')
        self.assertEqual((status, json.loads(body)['status']), (200, 'ok'))

    def test_shape(self):
        answer = self.server.complete(QUESTION, model='demo-model', max_tokens=8)
        self.assertEqual(answer['object'], 'chat.completion')
        self.assertEqual(answer['model'], 'demo-model')
        self.assertTrue(answer['id'].startswith('chatcmpl-'))
        self.assertEqual(len(answer['choices']), 1)
        choice = answer['choices'][0]
        self.assertEqual((choice['index'], choice['message']['role'], choice['logprobs']), (0, 'assistant', None))
        self.assertNotEqual(answer['id'], self.server.complete(QUESTION, max_tokens=1)['id'])

    def test_text(self):
        for name in ['max_tokens', 'max_completion_tokens']:
            answer = self.server.complete('Hello, who are you?', **{name: 12})
            self.assert_same(answer, chat(CHAT, '--max-tokens', '12', 'Hello, who are you?')[0])

    def test_system(self):
        messages = [{'role': 'system', 'content': 'Be brief.'}, user(QUESTION)]
        expected = chat(CHAT, '--max-tokens', '12', '--system', 'Be brief.', QUESTION)[0]
        self.assert_same(self.server.complete(messages, max_tokens=12), expected)
        messages[0] = {'role': 'developer', 'content': [text('Be brief.')]}
        self.assert_same(self.server.complete(messages, max_tokens=12), expected)
        messages[0] = {'role': 'system', 'content': ''}
        self.assert_same(self.server.complete(messages, max_tokens=12), chat(CHAT, '--max-tokens', '12', '--system', '', QUESTION)[0])

    def test_a_picture_in_front_is_what_chat_shows(self):
        for detail, tiles in {'low': 1, 'auto': 6, 'high': 12}.items():
            answer = self.server.complete([self.wide(detail=detail), text(QUESTION)], max_tokens=16)
            self.assert_same(answer, chat(CHAT, '--max-tokens', '16', '--image', f'{self.path("wide.png")}:{tiles}', QUESTION)[0])
        answer = self.server.complete([self.wide(), text(QUESTION)], max_tokens=16)
        self.assert_same(answer, chat(CHAT, '--max-tokens', '16', '--image', self.path('wide.png'), QUESTION)[0])
        answer = self.server.complete([self.wide(detail='high', max_tiles=2), text(QUESTION)], max_tokens=16)
        self.assert_same(answer, chat(CHAT, '--max-tokens', '16', '--image', self.path('wide.png') + ':2', QUESTION)[0])

    def test_marks_stand_where_pictures_do(self):
        images = ['--image', self.path('wide.png'), '--image', self.path('square.png'), '--max-tokens', '16']
        cases = [
            ([self.wide(), self.square(), text(QUESTION)], '<image>\n<image>\n' + QUESTION),
            ([text('First'), self.wide(), text('then'), self.square(), text(QUESTION)], 'First\n<image>\nthen\n<image>\n' + QUESTION),
            ([text('Image-1: '), self.wide(), text('\nImage-2: '), self.square(), text('\n' + QUESTION)],
             'Image-1: <image>\nImage-2: <image>\n' + QUESTION),
            ([text(QUESTION), self.wide(), self.square()], QUESTION + '\n<image>\n<image>'),
            ([self.wide(), self.square(), text('A <image> and a <image>: ' + QUESTION)], 'A <image> and a <image>: ' + QUESTION),
        ]
        for content, prompt in cases:
            self.assert_same(self.server.complete(content, max_tokens=16), chat(CHAT, *images, prompt)[0])
        status, _, body = self.server.post({'messages': [user([self.wide(), text('<image> <image>')])]})
        self.assertEqual((status, body['error']['param']), (400, 'messages'))

    def test_joined_pictures_are_the_tiles_of_one_mark(self):
        images = ['--joined', '--image', self.path('wide.png'), '--image', self.path('square.png'), '--max-tokens', '16']
        joined = [self.wide(), self.square(joined=True)]
        expected = chat(CHAT, *images, QUESTION, 'And then?')
        messages = [user([*joined, text(QUESTION)])]
        answer = self.server.complete(messages, max_tokens=16, return_token_ids=True)
        self.assert_same(answer, expected[0])
        self.assertEqual(answer['prompt_token_ids'], expected[0]['input_ids'])
        messages += [answer['choices'][0]['message'], user('And then?')]
        self.assert_same(self.server.complete(messages, max_tokens=16), expected[1])
        answer = self.server.complete([*joined, text('In <image>: ' + QUESTION)], max_tokens=16)
        self.assert_same(answer, chat(CHAT, *images, 'In <image>: ' + QUESTION)[0])
        status, _, body = self.server.post({'messages': [user([*joined, text('<image> <image>')])]})
        self.assertEqual((status, body['error']['param']), (400, 'messages'))
        # The next mark is another one's again.
        content = [text('A: '), *joined, text('\nB: '), self.square(joined=False), text('\n' + QUESTION)]
        answer = self.server.complete(content, max_tokens=16, return_token_ids=True)
        starts = [i for i, token in enumerate(answer['prompt_token_ids']) if token == IMAGE_START]
        tiles = [answer['prompt_token_ids'][i:].index(IMAGE_END) - 1 for i in starts]
        self.assertEqual(tiles, [(4 + 1) * TILE_TOKENS, TILE_TOKENS])

    def test_videos(self):
        film = self.path('film.gif')
        answer = self.server.complete([video(read(film)), text(QUESTION)], max_tokens=32)
        self.assert_same(answer, chat(CHAT, '--max-tokens', '32', '--video', film, QUESTION)[0])
        answer = self.server.complete([video(read(film), segments=3, start=1, stop=4.5), text(QUESTION)], max_tokens=32)
        self.assert_same(answer, chat(CHAT, '--max-tokens', '32', '--video', film + ':3:1-4.5', QUESTION)[0])
        content = [text('Compare'), self.square(), text('with'), video(read(film), segments=2), text(QUESTION)]
        prompt = 'Compare\n<image>\nwith\nFrame1: <image>\nFrame2: <image>\n' + QUESTION
        expected = chat(CHAT, '--max-tokens', '16', '--image', self.path('square.png'), '--video', film + ':2', prompt)[0]
        self.assert_same(self.server.complete(content, max_tokens=16), expected)
        answer = self.server.complete([video(read(film), segments=2), video(read(film), segments=1), text(QUESTION)], max_tokens=16)
        prompt = 'Frame1: <image>\nFrame2: <image>\nFrame1: <image>\n' + QUESTION
        expected = chat(CHAT, '--max-tokens', '16', *['--image', self.path('square.png') + ':1'] * 3, prompt)[0]
        self.assertEqual(answer['usage']['prompt_tokens'], expected['prompt_tokens'])

    def test_every_kind_of_picture(self):
        names = sorted(os.listdir(PICTURES))
        self.assertGreater(len(names), 40)
        lines = [{'id': name, 'rounds': [QUESTION], 'images': [os.path.join(PICTURES, name) + ':1']} for name in names]
        with open(self.path('batch.jsonl'), 'w', encoding='utf-8') as file:
            file.writelines(json.dumps(line) + '\n' for line in lines)
        done = subprocess.run([CHAT, '--max-tokens', '4', '--batch', self.path('batch.jsonl')], capture_output=True, encoding='utf-8',
                              check=False)
        expected = {line['id']: line for line in map(json.loads, done.stdout.splitlines())}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            contents = [[picture(read(os.path.join(PICTURES, name)), detail='low'), text(QUESTION)] for name in names]
            answers = pool.map(lambda content: self.server.post({'messages': [user(content)], 'max_tokens': 4}), contents)
            for name, (status, _, body) in zip(names, answers):
                if 'error' in expected[name]:
                    self.assertEqual(status, 400, name)
                else:
                    self.assertEqual(status, 200, (name, body))
                    self.assert_same(body, expected[name]['rounds'][0])

    def test_further_rounds_compute_what_is_new(self):
        first, second = chat(CHAT, '--max-tokens', '16', '--image', self.path('wide.png'), QUESTION, 'And then?')
        messages = [user([self.wide(), text(QUESTION)])]
        answer = self.server.complete(messages, max_tokens=16)
        self.assert_same(answer, first)
        encoded = self.server.metrics()['minivl_stage_seconds_total{stage="encode"}']
        messages += [answer['choices'][0]['message'], user('And then?')]
        further = self.server.complete(messages, max_tokens=16)
        self.assert_same(further, second)
        self.assertGreaterEqual(further['usage']['prompt_tokens_details']['cached_tokens'], answer['usage']['prompt_tokens'] - 1)
        self.assertEqual(self.server.metrics()['minivl_stage_seconds_total{stage="encode"}'], encoded, 'the picture was encoded again')

    def test_sampling(self):
        options = ['--temperature', '0.8', '--top-k', '40', '--top-p', '0.8', '--seed', '7', '--max-tokens', '24']
        for fields in [{}, {'repetition_penalty': 1.5}]:
            more = ['--repetition-penalty', '1.5'] if fields else []
            answer = self.server.complete(QUESTION, seed=7, max_tokens=24, **SAMPLED, **fields)
            self.assert_same(answer, chat(CHAT, *options, *more, QUESTION)[0])
        drawn = {self.server.text(QUESTION, max_tokens=24, temperature=2, top_p=1, top_k=0) for _ in range(4)}
        self.assertGreater(len(drawn), 1, 'without a seed each answer is another')

    def test_stop(self):
        whole = self.server.text(QUESTION, max_tokens=32)
        words = whole.split()
        self.assertGreater(len(words), 2)
        for stop in [words[2], [words[2], 'never said']]:
            answer = self.server.complete(QUESTION, max_tokens=32, stop=stop)
            self.assertEqual(answer['choices'][0]['message']['content'], whole[:whole.index(words[2])].strip())
            self.assertEqual(answer['choices'][0]['finish_reason'], 'stop')

    def test_length(self):
        self.assertEqual(self.server.complete(QUESTION, max_tokens=1)['choices'][0]['finish_reason'], 'length')

    def test_stream(self):
        whole = self.server.complete([self.wide(), text(QUESTION)], max_tokens=24)
        events = self.server.stream([self.wide(), text(QUESTION)], max_tokens=24)
        self.assertEqual(events[0]['choices'][0]['delta'], {'role': 'assistant', 'content': ''})
        self.assertEqual({event['object'] for event in events}, {'chat.completion.chunk'})
        self.assertEqual(len({event['id'] for event in events}), 1)
        pieces = [event['choices'][0]['delta'].get('content', '') for event in events]
        self.assertEqual(''.join(pieces), whole['choices'][0]['message']['content'])
        self.assertGreater(len([piece for piece in pieces if piece]), 2)
        reasons = [event['choices'][0]['finish_reason'] for event in events]
        self.assertEqual(reasons, [None] * (len(events) - 1) + [whole['choices'][0]['finish_reason']])
        self.assertNotIn('usage', events[-1])

    def test_stream_with_usage(self):
        whole = self.server.complete(QUESTION, max_tokens=24)
        events = self.server.stream(QUESTION, max_tokens=24, stream_options={'include_usage': True})
        self.assertEqual(events[-1]['choices'], [])
        for name in ['prompt_tokens', 'completion_tokens', 'total_tokens']:
            self.assertEqual(events[-1]['usage'][name], whole['usage'][name])
        self.assertTrue(all(event['usage'] is None for event in events[:-1]))

    def test_whole_characters(self):
        """Of random tokens, bytes among them, each event is UTF-8."""
        for seed in range(4):
            fields = {'max_tokens': 200, 'temperature': 2, 'top_p': 1, 'top_k': 0, 'seed': seed}
            pieces = [event['choices'][0]['delta'].get('content', '') for event in self.server.stream(QUESTION, **fields)]
            self.assertEqual(''.join(pieces), self.server.text(QUESTION, **fields))

    def check_logprobs(self, answer, content, n_top):
        self.assertEqual(len(content), answer['usage']['completion_tokens'])
        said = b''.join(bytes(token['bytes']) for token in content)
        self.assertEqual(said.decode().strip(), answer['choices'][0]['message']['content'])
        for token in content:
            self.assertLessEqual(token['logprob'], 0)
            self.assertEqual(len(token['top_logprobs']), n_top)
            best = [other['logprob'] for other in token['top_logprobs']]
            self.assertEqual(best, sorted(best, reverse=True))
            if best:
                self.assertEqual(token['top_logprobs'][0]['token'], token['token'])  # the best is taken

    def test_logprobs(self):
        fields = {'max_tokens': 16, 'logprobs': True}
        for n_top in [0, 3]:
            answer = self.server.complete(QUESTION, top_logprobs=n_top, **fields)
            self.check_logprobs(answer, answer['choices'][0]['logprobs']['content'], n_top)

    def test_logprobs_come_with_their_tokens(self):
        for fields in [{}, {'temperature': 2, 'top_p': 1, 'top_k': 0, 'seed': 3}, {'stop': ['a']}]:
            fields = {'max_tokens': 40, 'logprobs': True, 'top_logprobs': 2, **fields}
            whole = self.server.complete(QUESTION, **fields)['choices'][0]
            choices = [event['choices'][0] for event in self.server.stream(QUESTION, **fields)]
            self.assertEqual(sum(((choice['logprobs'] or {}).get('content', []) for choice in choices), []), whole['logprobs']['content'])
            said = told = b''
            for choice in choices[1:-1]:  # behind who speaks, in front of why it ended
                self.assertGreater(len(choice['logprobs']['content']), 0)
                said += choice['delta']['content'].encode()
                told += b''.join(bytes(token['bytes']) for token in choice['logprobs']['content'])
                self.assertTrue(told.decode(errors='replace').lstrip().startswith(said.decode()), (told, said))
            self.assertGreater(len(choices), 3)

    def test_token_ids(self):
        expected = chat(CHAT, '--max-tokens', '16', '--image', self.path('square.png'), QUESTION)[0]
        content = [self.square(), text(QUESTION)]
        answer = self.server.complete(content, max_tokens=16, return_token_ids=True)
        self.assertEqual(answer['prompt_token_ids'], expected['input_ids'])
        self.assertEqual(answer['choices'][0]['token_ids'], expected['token_ids'])
        events = self.server.stream(content, max_tokens=16, return_token_ids=True)
        self.assertEqual(events[-1]['prompt_token_ids'], expected['input_ids'])
        self.assertEqual(events[-1]['choices'][0]['token_ids'], expected['token_ids'])
        for event in [*events[:-1], self.server.complete(content, max_tokens=16)]:
            self.assertNotIn('prompt_token_ids', event)
            self.assertNotIn('token_ids', event['choices'][0])

    def test_many_at_once(self):
        questions = [f'What happens at {hour}?' for hour in range(12)]
        alone = [self.server.text(question, max_tokens=16) for question in questions]
        before = self.server.metrics()
        with concurrent.futures.ThreadPoolExecutor(len(questions)) as pool:
            self.assertEqual(list(pool.map(lambda question: self.server.text(question, max_tokens=16), questions)), alone)
        after = self.server.metrics()
        self.assertEqual(after['minivl_requests_running'], 0)
        self.assertGreater(after['minivl_output_tokens_total'], before['minivl_output_tokens_total'])

    def test_context(self):
        status, _, body = self.server.post({'messages': [user(QUESTION)], 'max_tokens': 100000})
        self.assertEqual((status, body['error']['code'], body['error']['param']), (400, 'context_length_exceeded', 'messages'))
        long = 'word ' * 7800
        status, _, body = self.server.post({'messages': [user(long)]})
        if status == 200:  # the answer is as long as there is room for
            self.assertLessEqual(body['usage']['total_tokens'], 8192)
        else:
            self.assertEqual(body['error']['code'], 'context_length_exceeded')

    def test_harmless_fields_are_passed_over(self):
        fields = {'user': 'me', 'metadata': {'a': 'b'}, 'store': True, 'service_tier': 'auto', 'n': 1, 'presence_penalty': 0,
                  'frequency_penalty': 0.0, 'tools': [], 'tool_choice': 'auto', 'logit_bias': {}, 'functions': None,
                  'response_format': {'type': 'text'}, 'modalities': ['text'], 'parallel_tool_calls': True, 'logprobs': None}
        self.assertEqual(self.server.text(QUESTION, max_tokens=8, **fields), self.server.text(QUESTION, max_tokens=8))
        messages = [dict(user(QUESTION), name='me')]
        self.assertEqual(self.server.text(messages, max_tokens=8), self.server.text(QUESTION, max_tokens=8))

    def test_refused_by_name(self):
        ask = [user(QUESTION)]
        image = self.square()
        cases = [
            ('tools', {'tools': [{'type': 'function'}]}), ('tool_choice', {'tool_choice': 'required'}), ('n', {'n': 2}),
            ('functions', {'functions': [{}, 1]}), ('logit_bias', {'logit_bias': {'1': 2}}), ('presence_penalty', {'presence_penalty': 1}),
            ('response_format', {'response_format': {'type': 'grammar'}}), ('min_p', {'min_p': 0.1}),
            ('response_format.type', {'response_format': {}}),
            ('response_format.json_schema', {'response_format': {'type': 'json_schema', 'json_schema': {}}}), ('modalities', {'modalities': ['audio']}),
            ('temperature', {'temperature': 3}), ('temperature', {'temperature': '1'}), ('top_p', {'top_p': 0}), ('top_k', {'top_k': -1}),
            ('top_k', {'top_k': 1.5}), ('seed', {'seed': 'x'}), ('max_tokens', {'max_tokens': 0}), ('stop', {'stop': ['']}),
            ('max_completion_tokens', {'max_tokens': 3, 'max_completion_tokens': 4}), ('stop', {'stop': ['a'] * 17}),
            ('stream', {'stream': 1}), ('stream_options.foo', {'stream_options': {'foo': 1}}), ('top_logprobs', {'top_logprobs': 2}),
            ('top_logprobs', {'top_logprobs': 21, 'logprobs': True}), ('model', {'model': 5}),
            ('messages', {'messages': []}), ('messages', {'messages': 'x'}), ('messages', {'messages': None}),
            ('messages[0]', {'messages': ['x']}), ('messages[0].role', {'messages': [{'content': 'x'}]}),
            ('messages[0].role', {'messages': [{'role': 'tool', 'content': 'x'}]}), ('messages[0].content', {'messages': [{'role': 'user'}]}),
            ('messages[0].content', {'messages': [user([])]}), ('messages[0].content', {'messages': [user(5)]}),
            ('messages[1].role', {'messages': [user('a'), {'role': 'system', 'content': 'b'}]}),
            ('messages[0].role', {'messages': [{'role': 'assistant', 'content': 'b'}]}),
            ('messages', {'messages': [user('a'), {'role': 'assistant', 'content': 'b'}]}),
            ('messages[1].tool_calls', {'messages': [user('a'), {'role': 'assistant', 'content': 'b', 'tool_calls': [{'id': 1}]}]}),
            ('messages[0].content[0].type', {'messages': [user([{'type': 'input_audio', 'text': 'x'}])]}),
            ('messages[0].content[0].type', {'messages': [{'role': 'system', 'content': [image]}] + ask}),
            ('messages[0].content[1].text', {'messages': [user([image, {'type': 'text'}])]}),
            ('messages[0].content[0].image_url', {'messages': [user([{'type': 'image_url'}])]}),
            ('messages[0].content[0].image_url.url', {'messages': [user([{'type': 'image_url', 'image_url': {}}])]}),
            ('messages[0].content[0].image_url.url', {'messages': [user([{'type': 'image_url', 'image_url': {'url': 'data:image/png;base64,!'}}])]}),
            ('messages[0].content[0].image_url.url', {'messages': [user([{'type': 'image_url', 'image_url': {'url': 'data:,'}}])]}),
            ('messages[0].content[0].image_url.detail', {'messages': [user([self.square(detail='best')])]}),
            ('messages[0].content[0].image_url.max_tiles', {'messages': [user([self.square(max_tiles=41)])]}),
            ('messages[0].content[0].image_url.joined', {'messages': [user([self.square(joined=True)])]}),
            ('messages[0].content[0].image_url.joined', {'messages': [user([self.square(joined=1)])]}),
            ('messages[0].content[2].image_url.joined', {'messages': [user([image, text('x'), self.square(joined=True)])]}),
            ('messages[0].content[1].image_url.joined', {'messages': [user([video(b'x'), self.square(joined=True)])]}),
            ('messages[0].content[0].video_url.joined', {'messages': [user([video(b'x', joined=True)])]}),
            ('return_token_ids', {'return_token_ids': 1}),
            ('messages[0].content[0].video_url.stop', {'messages': [user([video(b'x', start=2, stop=1)])]}),
            ('messages[0].content[0].video_url.start', {'messages': [user([video(b'x', start=2)])]}),
            ('messages[0].content[0].video_url.segments', {'messages': [user([video(b'x', segments=0)])]}),
            ('messages[0].content[0]', {'messages': [user([picture(b'no picture')])]}),
            ('messages[0].content[1]', {'messages': [user([text('x'), picture(read(self.path('square.png'))[:100])])]}),
            ('messages[0].content[0]', {'messages': [user([video(read(self.path('square.png'))[:50])])]}),
        ]
        for param, fields in cases:
            status, headers, body = self.server.post({'messages': ask, **fields})
            self.assertEqual((status, body['error']['param']), (400, param), body)
            self.assertEqual(sorted(body['error']), ['code', 'message', 'param', 'type'])
            self.assertEqual(body['error']['type'], 'invalid_request_error')
            self.assertEqual(headers['Content-Type'], 'application/json')
        self.assertEqual(self.server.text(QUESTION, max_tokens=4), self.server.text(QUESTION, max_tokens=4))

    def test_no_json(self):
        for body in ['', '{', '[]', 'null', '{"messages": "\\u0000"}', '[' * 100000, '{"a":' * 100000, "/*\"*/" + '[' * 100000, b'\xff',
                     '{"messages": [{"role": "user", "content": "\\ud800"}]}']:
            status, _, answer = self.server.post(body)
            self.assertEqual((status, answer['error']['type']), (400, 'invalid_request_error'), body[:30])

    def test_page(self):
        """One file that asks nobody else for anything, and a policy that lets nothing else in."""
        status, headers, page = self.server.request('GET', '/')
        self.assertEqual((status, headers['Content-Type']), (200, 'text/html; charset=utf-8'))
        policy = dict(rule.split(' ', 1) for rule in headers['Content-Security-Policy'].split('; '))
        for element in ['script', 'style']:
            content, = re.findall(f'<{element}>(.*?)</{element}>', page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            self.assertEqual(policy[f'{element}-src'], f"'sha256-{digest}'")
        self.assertEqual((policy['default-src'], policy['connect-src'], policy['frame-ancestors']), ("'none'", "'self'", "'none'"))
        self.assertEqual(re.findall(r'<(?!script>|style>)[^>]*\b(?:on\w+|style|src|href)="(?!data:)[^"]*"', page), [])
        self.assertIn(f'content="{32 << 20}"', page)  # the largest body

    def test_addresses(self):
        self.assertEqual(self.server.request('GET', '/elsewhere')[0], 404)
        self.assertEqual(self.server.request('GET', '/v1/other')[0], 404)
        status, headers, _ = self.server.request('GET', PATH)
        self.assertEqual((status, headers['Allow']), (405, 'POST'))
        status, _, body = self.server.post({'model': 'gpt-4', 'messages': [user(QUESTION)]})
        self.assertEqual((status, body['error']['code'], body['error']['param']), (404, 'model_not_found', 'model'))

    def test_control_characters_are_escaped(self):
        """json-glib leaves one as it is, which Python's reader does not take."""
        name = ''.join(map(chr, range(1, 33))) + '"\\\x7f\u2028'
        status, _, body = self.server.post({'model': name, 'messages': [user(QUESTION)]})
        self.assertEqual(status, 404)
        self.assertIn(name, body['error']['message'])

    def test_data_uris(self):
        image = read(self.path('square.png'))
        expected = self.server.text([picture(image), text(QUESTION)], max_tokens=8)
        percent = 'data:image/png,' + ''.join(f'%{byte:02x}' for byte in image)
        for url in [percent, data_uri(image, 'image/jpeg'), 'DATA:image/png;charset=x;BASE64,' + data_uri(image).split(',')[1]]:
            self.assertEqual(self.server.text([{'type': 'image_url', 'image_url': {'url': url}}, text(QUESTION)], max_tokens=8), expected)

    def test_users_in_a_row_are_one(self):
        self.assertEqual(self.server.text([user('a'), user('b')], max_tokens=8), self.server.text('a\nb', max_tokens=8))

    def test_a_connection_serves_many_requests(self):
        connection = self.server.connect()
        body = {'messages': [user(QUESTION)], 'max_tokens': 8}
        expected = self.server.text(QUESTION, max_tokens=8)
        for stream in [False, True, False, True]:
            connection.request('POST', PATH, json.dumps({**body, 'stream': stream}), {'Content-Type': 'application/json'})
            response = connection.getresponse()
            said = response.read().decode()
            if stream:
                self.assertTrue(said.endswith('data: [DONE]\n\n'))
            else:
                self.assertEqual(json.loads(said)['choices'][0]['message']['content'], expected)
            connection.request('GET', '/nothing')
            self.assertEqual((lambda answer: (answer.status, len(answer.read()) > 0))(connection.getresponse()), (404, True))
        connection.close()

    def test_metrics(self):
        before = self.server.metrics()
        answer = self.server.complete([self.square(), text(QUESTION)], max_tokens=8)
        self.server.post({'messages': []})
        after = self.server.metrics()
        self.assertEqual(after['minivl_requests_total{code="400"}'], before.get('minivl_requests_total{code="400"}', 0) + 1)
        for name, key in {'minivl_prompt_tokens_total': 'prompt_tokens', 'minivl_output_tokens_total': 'completion_tokens'}.items():
            self.assertEqual(after[name] - before[name], answer['usage'][key])
        for stage in ['media', 'prefill', 'decode']:
            name = f'minivl_stage_seconds_total{{stage="{stage}"}}'
            self.assertGreater(after[name], before[name])
        self.assertGreater(after['minivl_device_bytes'], 1 << 20)
        self.assertEqual((after['minivl_requests_waiting'], after['minivl_requests_running']), (0, 0))


unittest.main()
