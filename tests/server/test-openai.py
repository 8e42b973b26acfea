#!/usr/bin/env python3
"""test-openai.py PYTHON MINIVL_SERVER MINIVL_CHAT: OpenAI's own client, as the model's card uses it. PYTHON is of the venv that run.sh
makes with tests/requirements.txt; without it the test is skipped."""
import os
import sys
import tempfile
import unittest

PYTHON, PROGRAM, CHAT = sys.argv[1:4]
if not os.access(PYTHON, os.X_OK):
    print(f'{PYTHON} is not there: bash tests/run.sh makes it')
    sys.exit(77)
if os.path.abspath(sys.executable) != os.path.abspath(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])
del sys.argv[1:4]

import openai  # pylint: disable=wrong-import-position
from served import Server, chat, data_uri, read  # pylint: disable=wrong-import-position

PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../examples/pictures/overlay.png')


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        keys = os.path.join(cls.kept.name, 'keys')
        with open(keys, 'w', encoding='utf-8') as file:
            file.write('YOUR_API_KEY\n')
        cls.server = Server(PROGRAM, '--model-name', 'Mini-InternVL-Chat-4B-V1-5', '--api-key-file', keys)
        cls.client = cls.make_client('YOUR_API_KEY')

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.stop()
        cls.kept.cleanup()

    @classmethod
    def make_client(cls, key):
        return openai.OpenAI(api_key=key, base_url=f'http://127.0.0.1:{cls.server.port}/v1', max_retries=0)

    def ask(self, **fields):
        return self.client.chat.completions.create(**{'model': 'Mini-InternVL-Chat-4B-V1-5', 'max_tokens': 16, **fields})

    def test_the_card(self):
        """Its example, but for address, picture and a seed."""
        client = self.client
        model_name = client.models.list().data[0].id
        response = client.chat.completions.create(
            model="Mini-InternVL-Chat-4B-V1-5",
            messages=[{
                'role':
                'user',
                'content': [{
                    'type': 'text',
                    'text': 'describe this image',
                }, {
                    'type': 'image_url',
                    'image_url': {
                        'url':
                        data_uri(read(PICTURE), 'image/png'),
                    },
                }],
            }],
            temperature=0.8,
            top_p=0.8,
            seed=3)
        expected, = chat(CHAT, '--temperature', '0.8', '--seed', '3', '--image', PICTURE, 'describe this image\n<image>')
        self.assertEqual(model_name, response.model)
        self.assertEqual(response.choices[0].message.content, expected['text'])
        self.assertEqual(response.usage.prompt_tokens, expected['prompt_tokens'])

    def test_rounds(self):
        messages = [{'role': 'user', 'content': 'What happens?'}]
        first = self.ask(messages=messages)
        messages += [first.choices[0].message, {'role': 'user', 'content': 'And then?'}]
        second = self.ask(messages=messages)
        texts = [answer.choices[0].message.content for answer in [first, second]]
        self.assertEqual(texts, [answer['text'] for answer in chat(CHAT, '--max-tokens', '16', 'What happens?', 'And then?')])
        self.assertGreaterEqual(second.usage.prompt_tokens_details.cached_tokens, first.usage.prompt_tokens - 1)

    def test_stream(self):
        messages = [{'role': 'user', 'content': 'What happens?'}]
        chunks = list(self.ask(messages=messages, stream=True, stream_options={'include_usage': True}))
        whole = self.ask(messages=messages, logprobs=True, top_logprobs=2)
        said = ''.join(chunk.choices[0].delta.content or '' for chunk in chunks if chunk.choices)
        self.assertEqual(said, whole.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual(len(whole.choices[0].logprobs.content), whole.usage.completion_tokens)
        self.assertEqual(len(whole.choices[0].logprobs.content[0].top_logprobs), 2)

    def test_errors(self):
        messages = [{'role': 'user', 'content': 'What happens?'}]
        with self.assertRaises(openai.NotFoundError) as caught:
            self.ask(messages=messages, model='gpt-4')
        self.assertEqual(caught.exception.code, 'model_not_found')
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(messages=messages, n=2)
        self.assertEqual(caught.exception.param, 'n')
        with self.assertRaises(openai.AuthenticationError):
            self.make_client('another').models.list()


unittest.main()
