#!/usr/bin/env python3
"""test-openai-shapes.py PYTHON MINIVL_SERVER: answers of a shape by OpenAI's own client. PYTHON is of the venv that run.sh makes with
tests/requirements.txt; without it the test is skipped."""
import os
import sys
import unittest

PYTHON, PROGRAM = sys.argv[1:3]
if not os.access(PYTHON, os.X_OK):
    print(f'{PYTHON} is not there: bash tests/run.sh makes it')
    sys.exit(77)
if os.path.abspath(sys.executable) != os.path.abspath(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])
del sys.argv[1:3]

import json  # pylint: disable=wrong-import-position
from typing import Literal  # pylint: disable=wrong-import-position

import openai  # pylint: disable=wrong-import-position
import pydantic  # pylint: disable=wrong-import-position
from served import Server, user  # pylint: disable=wrong-import-position

QUESTION = [user('What happens here?')]


class Report(pydantic.BaseModel):
    """Whose answers end within 300 tokens: the client takes none that was cut."""
    persons: int
    light: Literal['day', 'night']
    kind: Literal['yard']
    sure: bool
    score: float


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM)
        cls.client = openai.OpenAI(api_key='none', base_url=f'http://127.0.0.1:{cls.server.port}/v1', max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.stop()

    def ask(self, **fields):
        return self.client.chat.completions.create(**{'model': 'demo-model', 'messages': QUESTION, 'max_tokens': 100, **fields})

    def test_a_class(self):
        """The client makes the schema of it, and an object of the answer."""
        for seed in range(4):
            answer = self.client.beta.chat.completions.parse(model='demo-model', messages=QUESTION, max_tokens=300, temperature=1, seed=seed,
                                                             response_format=Report)
            report = answer.choices[0].message.parsed
            self.assertIsInstance(report, Report)
            self.assertEqual(report.kind, 'yard')

    def test_a_class_streamed(self):
        with self.client.beta.chat.completions.stream(model='demo-model', messages=QUESTION, max_tokens=300, temperature=1, seed=3,
                                                      response_format=Report) as stream:
            answer = stream.get_final_completion()
        self.assertIsInstance(answer.choices[0].message.parsed, Report)

    def test_any_object(self):
        answer = self.ask(response_format={'type': 'json_object'}, temperature=1, seed=2, max_tokens=30)
        self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_choices(self):
        answer = self.ask(extra_body={'choices': ['a dog', 'a cat']})
        choice = answer.choices[0]
        self.assertEqual(choice.message.content, ['a dog', 'a cat'][choice.choice])
        self.assertAlmostEqual(sum(choice.choice_probabilities), 1, 4)

    def test_refused(self):
        value = {'type': 'object', 'properties': {'a': {'type': 'string', 'pattern': 'x'}}}
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(response_format={'type': 'json_schema', 'json_schema': {'name': 'n', 'schema': value}})
        self.assertEqual(caught.exception.param, 'response_format')
        self.assertIn('`pattern`', caught.exception.message)


unittest.main()
