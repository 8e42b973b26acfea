#!/usr/bin/env python3
"""test-real-checkpoint.py REAL_CHECKPOINT_PY: how answers are held against the reference's, with torch and transformers played."""

import importlib.util
import json
import os
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
SPEC = importlib.util.spec_from_file_location('real_checkpoint', sys.argv.pop())
real = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(real)

END = 9


def a_round(ids, finish, margins=None):
    return {'prompt': 'Hello', 'margins': margins or [float(i) for i in range(len(ids))],
            'answer': {'token_ids': ids, 'finish_reason': finish, 'input_ids': [1, 2], 'text': 'hi'}}


def a_reference(ids, ended):
    return {'input_ids': [1, 2], 'token_ids': ids, 'margins': [10.0 + i for i in range(len(ids))], 'ended': ended}


class Compare(unittest.TestCase):
    def first(self, ours, finish, theirs, ended):
        return real.compare(a_round(ours, finish), a_reference(theirs, ended))['first_difference']

    def test_same(self):
        self.assertIsNone(self.first([3, 4], 'stop', [3, 4, END], True))
        self.assertIsNone(self.first([3, 4], 'length', [3, 4, 5], False))
        self.assertIsNone(self.first([], 'stop', [END], True))

    def test_different(self):
        self.assertEqual(self.first([3, 4], 'stop', [3, 5, END], True), 1)
        self.assertEqual(self.first([3, 4], 'stop', [3, END], True), 1)  # it ended earlier
        self.assertIsNone(self.first([3, 4], 'length', [3, 4, END], True))
        self.assertEqual(self.first([3, 4], 'length', [3, END], True), 1)
        self.assertEqual(self.first([3, 4], 'stop', [3, 4, 5], False), 2)  # it went on

    def test_margins_and_prompts(self):
        told = real.compare(a_round([3, 4], 'stop'), a_reference([3, 5, END], True))
        self.assertEqual((told['our_margin'], told['their_margin'], told['same_input_ids']), (1.0, 11.0, True))
        other = a_reference([3], False)
        other['input_ids'] = [1]
        self.assertFalse(real.compare(a_round([3], 'length'), other)['same_input_ids'])


class Values(list):
    """As much of a tensor as is asked for."""

    def tolist(self):
        return list(self)

    def float(self):
        return self

    def topk(self, n):
        return types.SimpleNamespace(values=sorted(self, reverse=True)[:n])


class Tensor(Values):
    def cuda(self):
        raise RuntimeError('Found no NVIDIA driver on your system.')


class Model:
    """Answers 3, 4, END, whatever is asked."""
    asked = []
    broken_at = None

    @classmethod
    def from_pretrained(cls, folder, **kwargs):
        assert kwargs.get('trust_remote_code')
        assert os.environ.get('TRANSFORMERS_OFFLINE') == '1'
        if folder == 'elsewhere':
            raise OSError('the code is not in the folder')
        return cls()

    def eval(self):
        return self

    def to(self, _device):
        return self

    def generate(self, **kwargs):
        assert kwargs['output_scores'] and kwargs['return_dict_in_generate']
        scores = [[Values([0.0, 2.0, 1.5])]] * 3
        return types.SimpleNamespace(scores=scores, sequences=[Values([3, 4, END])])

    def chat(self, tokenizer, pixels, question, config, history=None, num_patches_list=None, return_history=False):
        if question == Model.broken_at:
            raise MemoryError
        Model.asked.append((pixels, question, history, num_patches_list))
        self.generate(input_ids=Tensor([Values([1, 2])]).cuda(), eos_token_id=END, **config)


class Tokenizer:
    fast = None

    @classmethod
    def from_pretrained(cls, folder, **kwargs):
        Tokenizer.fast = kwargs['use_fast']


class Whole(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.report = os.path.join(self.folder.name, 'report.json')
        tiles = os.path.join(self.folder.name, 'two')
        os.mkdir(tiles)
        for name in ['picture-001-tile-01', 'picture-001-tile-02', 'picture-002-tile-01']:
            open(os.path.join(tiles, name + '.png'), 'w').close()
        rounds = [a_round([3, 4], 'stop'), a_round([3, 7], 'stop')]
        last = dict(a_round([3, 4], 'stop'), prompt='Bye')
        self.write({'tokenizer': 'slow', 'conversations': [{'name': 'two', 'joined': False, 'rounds': rounds},
                                                           {'name': 'joined', 'joined': True, 'rounds': [last]}]})
        real.Reference.pixels = lambda self, pictures: sum(map(len, pictures))
        torch = types.ModuleType('torch')
        torch.bfloat16 = None
        torch.Tensor = Tensor
        torch.cuda = types.SimpleNamespace(is_available=lambda: False)
        sys.modules['torch'] = torch
        Model.asked.clear()
        Model.broken_at = None

    def tearDown(self):
        self.folder.cleanup()

    def write(self, report):
        with open(self.report, 'w', encoding='utf-8') as file:
            json.dump(report, file)

    def read(self):
        with open(self.report, encoding='utf-8') as file:
            return json.load(file)

    def play(self, version, folder='folder', alone=False):
        played = types.ModuleType('transformers')
        played.__version__ = version
        played.AutoModel, played.AutoTokenizer = Model, Tokenizer
        sys.modules['transformers'] = played
        return real.main(folder) if alone else real.main(folder, self.report, self.folder.name)

    def test_report_has_the_comparison(self):
        self.assertEqual(self.play(real.WANTED), 0)
        report = self.read()
        self.assertEqual(report['reference'], 'transformers 4.37.2, bfloat16 on cpu')
        first, second = [r['reference'] for r in report['conversations'][0]['rounds']]
        self.assertEqual((first['first_difference'], first['margins'], first['token_ids']), (None, [0.5] * 3, [3, 4]))
        self.assertEqual((second['first_difference'], second['our_margin'], second['their_margin']), (1, 1.0, 0.5))
        self.assertEqual(Model.asked, [(3, 'Hello', None, [2, 1]), (3, 'Hello', [('Hello', 'hi')], [2, 1]), (0, 'Bye', None, [0])])

    def test_tokenizer_is_the_one_that_minivl_took(self):
        self.play(real.WANTED)
        self.assertFalse(Tokenizer.fast)
        self.write({'tokenizer': 'fast', 'conversations': []})
        self.play(real.WANTED)
        self.assertTrue(Tokenizer.fast)

    def test_what_was_compared_stays_when_the_rest_fails(self):
        Model.broken_at = 'Bye'
        self.assertRaises(MemoryError, self.play, real.WANTED)
        two, joined = self.read()['conversations']
        self.assertTrue(all('reference' in r for r in two['rounds']))
        self.assertNotIn('reference', joined['rounds'][0])

    def test_folder_alone_is_tried_and_no_more(self):
        self.assertEqual(self.play(real.WANTED, alone=True), 0)
        self.assertEqual(self.play('4.44.0', alone=True), 1)
        self.assertEqual(self.play(real.WANTED, 'elsewhere', alone=True), 1)
        self.assertEqual(Model.asked, [])
        self.assertNotIn('reference', self.read())

    def test_code_that_is_not_there(self):
        self.assertEqual(self.play(real.WANTED, 'elsewhere'), 1)
        self.assertEqual(Model.asked, [])

    def test_another_version_is_not_taken(self):
        self.assertEqual(self.play('4.44.0'), 1)
        self.assertEqual(Model.asked, [])


unittest.main()
