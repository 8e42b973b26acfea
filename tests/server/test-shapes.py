#!/usr/bin/env python3
"""test-shapes.py MINIVL_SERVER MINIVL_CHAT: answers of a shape, response_format and choices, over HTTP."""
import concurrent.futures
import json
import os
import sys
import tempfile
import unittest

from served import Server, chat, user

CHAT, PROGRAM = (sys.argv.pop() for _ in range(2))
QUESTION = 'What happens here?'
RANDOM = {'temperature': 1, 'top_k': 0, 'top_p': 1}
ANIMALS = ['a dog', 'a cat', 'größer']
REPORT = {
    'type': 'object',
    'properties': {
        'persons': {'type': 'integer'},
        'light': {'enum': ['day', 'night', 3, None]},
        'seen': {'type': 'array', 'items': {'type': 'string', 'maxLength': 6}},
        'note': {'type': 'string'},
    },
    'required': ['persons', 'light', 'seen'],
    'additionalProperties': False,
}
ANY_OBJECT = {'type': 'json_object'}


def schema(value, **fields):
    return {'type': 'json_schema', 'json_schema': {'name': 'report', 'schema': value, **fields}}


def content(answer):
    return answer['choices'][0]['message']['content']


class Shapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def assert_report(self, value):
        self.assertLessEqual(set(value), set(REPORT['properties']))
        self.assertGreaterEqual(set(value), set(REPORT['required']))
        self.assertIs(type(value['persons']), int)
        self.assertIn(value['light'], REPORT['properties']['light']['enum'])
        self.assertTrue(all(isinstance(word, str) and len(word) <= 6 for word in value['seen']))
        self.assertIsInstance(value.get('note', ''), str)

    def assert_same_streamed(self, answer, **fields):
        """A stream says what the completion does. Returns its last chunk's choice."""
        events = self.server.stream(QUESTION, **fields)
        said = ''.join(event['choices'][0]['delta'].get('content', '') for event in events)
        self.assertEqual(said, content(answer))
        last = events[-1]['choices'][0]
        self.assertEqual(last['finish_reason'], answer['choices'][0]['finish_reason'])
        return last

    def refuse(self, param, part, **fields):
        status, _, body = self.server.post({'messages': [user(QUESTION)], **fields})
        self.assertEqual((status, body['error']['param']), (400, param), body)
        self.assertIn(part, body['error']['message'])

    def test_choices(self):
        fields = {'choices': ANIMALS, 'max_tokens': 20}
        answer = self.server.complete(QUESTION, **fields)
        choice = answer['choices'][0]
        self.assertEqual(content(answer), ANIMALS[choice['choice']])
        self.assertEqual(choice['finish_reason'], 'stop')
        self.assertEqual(len(choice['choice_probabilities']), 3)
        self.assertAlmostEqual(sum(choice['choice_probabilities']), 1, 4)
        expected, = chat(CHAT, '--choices', '|'.join(ANIMALS), '--max-tokens', '20', QUESTION)
        self.assertEqual((content(answer), choice['choice']), (expected['text'], expected['choice']))
        last = self.assert_same_streamed(answer, **fields)
        self.assertEqual(last['choice'], choice['choice'])
        self.assertEqual(len(last['choice_probabilities']), 3)
        self.assertNotIn('choice', self.server.complete(QUESTION, max_tokens=4)['choices'][0])

    def test_schema(self):
        fields = {'response_format': schema(REPORT, strict=True, description='D'), 'max_tokens': 60}
        answer = self.server.complete(QUESTION, **fields)
        self.assert_report(json.loads(content(answer)))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'schema.json')
            with open(path, 'w', encoding='utf-8') as file:
                json.dump(REPORT, file)
            expected, = chat(CHAT, '--json-schema', path, '--max-tokens', '60', QUESTION)
        self.assertEqual((content(answer), answer['choices'][0]['finish_reason']), (expected['text'], expected['finish_reason']))
        self.assert_same_streamed(answer, **fields)

    def test_many_at_once(self):
        """At temperature 1, cut or not, whole and streamed."""
        formats = [schema(REPORT), ANY_OBJECT, schema({'type': 'array', 'items': {'type': 'number'}})]

        def ask(i):
            fields = {'response_format': formats[i % 3], 'max_tokens': [24, 40, 90][i // 3 % 3], 'seed': i, **RANDOM}
            answer = self.server.complete(QUESTION, **fields)
            value = json.loads(content(answer))
            if i % 3 == 0:
                self.assert_report(value)
            else:
                self.assertIsInstance(value, [None, dict, list][i % 3])
            self.assertLessEqual(answer['usage']['completion_tokens'], fields['max_tokens'])
            if i % 4 == 0:
                self.assert_same_streamed(answer, **fields)
            return answer['choices'][0]['finish_reason']

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(ask, range(36))), {'stop', 'length'})

    def test_cut(self):
        """The answer is closed in time, and says that it was not whole."""
        fields = {'response_format': schema({'type': 'object', 'properties': {'note': {'type': 'string'}}, 'required': ['note']}),
                  'max_tokens': 12, 'seed': 1, **RANDOM}
        answer = self.server.complete(QUESTION, **fields)
        self.assertEqual(answer['choices'][0]['finish_reason'], 'length')
        self.assertEqual(list(json.loads(content(answer))), ['note'])
        self.assert_same_streamed(answer, **fields)

    def test_any_object(self):
        for seed in range(6):
            answer = self.server.complete(QUESTION, response_format=ANY_OBJECT, max_tokens=4 + 12 * seed, seed=seed, **RANDOM)
            self.assertIsInstance(json.loads(content(answer)), dict)

    def test_refused(self):
        for keyword in ['pattern', 'minimum', '$ref', 'anyOf', 'format', 'minItems']:
            value = {'type': 'object', 'properties': {'deep': {'type': 'string', keyword: 1}}}
            self.refuse('response_format', f'`{keyword}`', response_format=schema(value))
        self.refuse('response_format', '`type`', response_format=schema({}))
        self.refuse('response_format.json_schema', 'schema', response_format={'type': 'json_schema'})
        self.refuse('response_format.json_schema', 'json_schema', response_format={**schema(REPORT), 'type': 'json_object'})
        self.refuse('response_format.json_schema.schema', 'object', response_format=schema('x'))
        self.refuse('response_format.json_schema.strict', 'true', response_format=schema(REPORT, strict=1))
        self.refuse('response_format.json_schema.mode', 'not supported', response_format=schema(REPORT, mode=1))
        self.refuse('max_tokens', 'tokens', response_format=schema(REPORT), max_tokens=3)
        self.refuse('max_tokens', 'tokens', choices=ANIMALS, max_tokens=1)
        self.refuse('choices', 'choices', choices=[])
        self.refuse('choices', 'twice', choices=['a', ' a'])
        self.refuse('choices', 'text', choices=['a', 1])
        self.refuse('choices', 'list', choices='a')
        self.refuse('choices', 'not both', choices=['a'], response_format=schema(REPORT))
        self.refuse('stop', 'response_format', response_format=schema(REPORT), stop=['a'])
        self.refuse('response_format', 'too large', response_format=schema(self.nested(5, 6)))
        self.assertEqual(self.server.text(QUESTION, max_tokens=4), self.server.text(QUESTION, max_tokens=4))

    @staticmethod
    def nested(levels, width):
        value = {'type': 'integer'}
        for _ in range(levels):
            value = {'type': 'object', 'properties': {f'{i}' * 60: value for i in range(width)}}
        return value

    def test_a_schema_that_no_context_holds(self):
        """Without max_tokens the shape is what is wrong."""
        long = {'enum': ['x' * 1000 + str(i) for i in range(3)]}
        value = {'type': 'object', 'properties': {f'{i}': long for i in range(12)}, 'required': [f'{i}' for i in range(12)]}
        self.refuse('response_format', 'tokens', response_format=schema(value))


unittest.main()
