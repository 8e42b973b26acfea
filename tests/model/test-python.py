#!/usr/bin/env python3
"""test-python.py MINIVL_PY FOLDER_OF_LIBRARY HEADER CHECKPOINT MINIVL_CHAT PICTURE COMPILER...: the module for Python says what the
library does, and its structures are the header's."""
import ctypes
import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

if 'minivl_library' not in os.environ:  # the loader reads LD_LIBRARY_PATH at a program's start
    os.environ.update(LD_LIBRARY_PATH=sys.argv[2], minivl_library='chosen')
    os.execv(sys.executable, [sys.executable, *sys.argv])

from PIL import Image  # noqa: E402

MODULE, _, HEADER, MODEL, CHAT, PICTURE = map(os.path.abspath, sys.argv[1:7])
COMPILER = sys.argv[7:]
spec = importlib.util.spec_from_file_location('minivl', MODULE)
minivl = importlib.util.module_from_spec(spec)
spec.loader.exec_module(minivl)
STRUCTS = (minivl.Options, minivl.Info, minivl.Image, minivl.Params, minivl.Reply)
QUESTION = 'Describe the image in detail.'
LONG = {'max_tokens': 2000, 'choices': ['Go on and on. ' * 70]}


def compile_and_run(body):
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, 'a.c'), os.path.join(folder, 'a')
        with open(source, 'w', encoding='utf-8') as file:
            file.write(f'#include "{HEADER}"\n#include <stddef.h>\n#include <stdio.h>\nint main (void)\n{{\n{body}\nreturn 0;\n}}\n')
        flags = subprocess.run(['pkg-config', '--cflags', 'glib-2.0'], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run([*COMPILER, source, '-o', program, *flags], check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()


class Header(unittest.TestCase):
    def test_structures(self):
        lines, ours = [], []
        for kind in STRUCTS:
            lines.append(f'printf ("%zu ", sizeof ({kind.__name__}));')
            ours.append(ctypes.sizeof(kind))
            for name, _ in kind._fields_:
                field = getattr(kind, name)
                lines.append(f'printf ("%zu %zu ", offsetof ({kind.__name__}, {name}), sizeof ((({kind.__name__} *)0)->{name}));')
                ours += [field.offset, field.size]
        self.assertEqual(list(map(int, compile_and_run('\n'.join(lines)))), ours)

    def test_no_field_is_left_out(self):
        with open(HEADER, encoding='utf-8') as file:
            text = file.read()
        for kind in STRUCTS:
            body = text[:text.index('} ' + kind.__name__ + ';')].rpartition('typedef struct')[2]
            names = [n.strip().lstrip('*').partition('[')[0] for line in body.partition('{')[2].split(';')[:-1]
                     for n in line.strip().partition(' ')[2].replace('gchar *const *', '').split(',')]
            self.assertEqual([n.rpartition(' ')[2].lstrip('*') for n in names], [n for n, _ in kind._fields_], kind.__name__)

    def test_numbers(self):
        names = [f'MINIVL_ERROR_{n}' for n in minivl.ERRORS] + [f'MINIVL_PRECISION_{n}' for n in minivl.NAMES['precision']]
        names += [f'MINIVL_TOKENIZER_{n}' for n in minivl.NAMES['tokenizer']]
        names += [f'MINIVL_CACHE_PRECISION_{n}' for n in minivl.NAMES['cache_precision']]
        names += ['MINIVL_FORMAT_RGB', 'MINIVL_FORMAT_RGBX', 'MINIVL_FORMAT_GRAY8']
        ours = [*range(len(minivl.ERRORS)), *(i for values in minivl.NAMES.values() for i in range(len(values))), 0, 2, 4]
        said = compile_and_run('\n'.join(f'printf ("%d ", {name.upper()});' for name in names))
        self.assertEqual(list(map(int, said)), ours)

    def test_defaults(self):
        kinds = {'i': '%d', 'I': '%u', 'L': '%" G_GUINT64_FORMAT "', 'd': '%.17g', 'z': '%p', 'P': '%p'}
        plain = [(name, kinds.get(getattr(kind, '_type_', None))) for name, kind in minivl.Params._fields_]
        plain = [(name, form) for name, form in plain if form and form != '%p']
        said = compile_and_run('const MinivlParams p = MINIVL_PARAMS_INIT;\n'
                               + '\n'.join(f'printf ("{form} ", p.{name});' for name, form in plain))
        ours = minivl.Params(**minivl.PARAMS)
        self.assertEqual([float(n) for n in said], [float(getattr(ours, name)) for name, _ in plain])
        self.assertGreater(len(plain), 8)


class Asking(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = minivl.Engine(MODEL, context_size=4096)

    @classmethod
    def tearDownClass(cls):
        cls.engine.close()
        cls.engine.close()
        with cls.assertRaises(cls(), AttributeError):
            minivl.Session(cls.engine)

    def ask(self, image, size=None, **params):
        with minivl.Session(self.engine) as session:
            session.add(image, size=size, max_tiles=6)
            return session.ask(QUESTION, **{'max_tokens': 12, **params})

    def differ(self, a, b):
        """By the first token's probability: which kernel gives it depends on what the cache had, so that two are not equal by the bit."""
        return abs(a.logprobs[0] - b.logprobs[0])

    def assert_same(self, a, b):
        self.assertEqual(a.token_ids, b.token_ids)
        self.assertLess(self.differ(a, b), 1e-4)

    def test_says_what_the_program_says(self):
        said = subprocess.run([CHAT, '--model', MODEL, '--image', PICTURE + ':6', '--max-tokens', '12', '--json', QUESTION], check=True,
                              capture_output=True, text=True).stdout
        theirs, pieces = json.loads(said), []
        answer = self.ask(Image.open(PICTURE), on_text=pieces.append)
        self.assertEqual(''.join(pieces).strip(), answer.text)
        for name in ('text', 'input_ids', 'token_ids', 'prompt_tokens', 'output_tokens'):
            self.assertEqual(getattr(answer, name), theirs[name], name)
        self.assertEqual(answer.finish, theirs['finish_reason'])
        for name in ('model', 'model_hash', 'precision', 'device', 'tokenizer', 'system_source'):
            self.assertEqual(self.engine.info[name], theirs[name], name)
        self.assertEqual(self.engine.info['context_size'], 4096)

    def test_pixels_of_any_kind(self):
        picture = Image.open(PICTURE).convert('RGB')
        wanted = self.ask(picture)
        self.assert_same(self.ask(picture.tobytes(), size=picture.size), wanted)
        self.assert_same(self.ask(picture.convert('RGBA').tobytes(), size=picture.size), wanted)
        self.assert_same(self.ask(picture.convert('RGBA')), wanted)
        gray = picture.convert('L')
        self.assert_same(self.ask(gray.tobytes(), size=gray.size), self.ask(gray))
        self.assertGreater(self.differ(self.ask(gray), wanted), 0.01)

    def test_arrays(self):
        try:
            import numpy
        except ImportError:
            self.skipTest('python3-numpy is not here')
        picture = Image.open(PICTURE).convert('RGB')
        array = numpy.array(picture)
        wanted = self.ask(picture)
        self.assert_same(self.ask(array), wanted)
        wide = numpy.zeros((array.shape[0], array.shape[1] + 5, 3), numpy.uint8)
        wide[:, 2:-3] = array
        self.assert_same(self.ask(wide[:, 2:-3]), wanted)  # rows with others' bytes between
        self.assert_same(self.ask(numpy.asfortranarray(array)), wanted)
        with self.assertRaises(ValueError):
            self.ask(array.astype(numpy.float32))

    def test_pixels_that_cannot_be(self):
        for image, size in ((b'12345', (1, 1)), (b'', (0, 0)), (b'123', None), (bytes(8), (2, 2)), ('text', (1, 4))):
            with self.subTest(image=image), self.assertRaises((ValueError, TypeError)):
                self.ask(image, size=size)
        with self.assertRaises(minivl.Error) as told:
            self.ask(bytes(3 * 70000), size=(70000, 1))
        self.assertEqual(told.exception.code, 'usage')

    def test_params(self):
        image = Image.open(PICTURE)
        answer = self.ask(image, choices=['yes', 'no'], n_logprobs=3)
        self.assertIn(answer.text, ('yes', 'no'))
        self.assertEqual(answer.text, ('yes', 'no')[answer.choice])
        self.assertAlmostEqual(sum(answer.choice_probabilities), 1, places=5)
        self.assertEqual(len(answer.top_ids), 3 * answer.output_tokens)
        self.assertEqual(len(answer.top_logprobs), 3 * answer.output_tokens)
        self.assertIsNone(answer.logits)
        plain = self.ask(image, want_logits=True)
        self.assertEqual(len(plain.logits), plain.n_logits)
        self.assertIsNone(plain.top_ids)
        first = plain.text.split()[0]
        self.assertEqual(self.ask(image, stop=[first, 'nothing']).text, '')
        self.assertEqual(self.ask(image, max_tokens=1).finish, 'length')
        drawn = {'temperature': 3.0, 'top_k': 0, 'top_p': 1.0}
        self.assertEqual(self.ask(image, seed=7, **drawn).token_ids, self.ask(image, seed=7, **drawn).token_ids)
        self.assertNotEqual(self.ask(image, seed=7, **drawn).token_ids, self.ask(image, seed=8, **drawn).token_ids)
        schema = json.dumps({'type': 'object', 'properties': {'n': {'enum': ['a']}}, 'required': ['n']})
        self.assertEqual(json.loads(self.ask(image, json_schema=schema, max_tokens=64).text), {'n': 'a'})
        self.assertGreaterEqual(self.ask(image, want_yes=True).yes, 0)
        with self.assertRaises(AttributeError):
            self.ask(image, max_token=1)

    def test_rounds_and_system(self):
        with minivl.Session(self.engine) as session, minivl.Session(self.engine, system='') as bare:
            first = session.ask('How many people are there?', max_tokens=4)
            second = session.ask('And dogs?', max_tokens=4)
            self.assertGreater(second.prompt_tokens, first.prompt_tokens)
            self.assertGreater(second.cached_tokens, 0)
            self.assertLess(bare.ask('How many people are there?', max_tokens=4).prompt_tokens, first.prompt_tokens)

    def test_errors(self):
        for code, options in (('file', {'model': '/nonexistent'}), ('device', {'model': MODEL, 'device': 'no such device'}),
                              ('usage', {'model': MODEL, 'lora': MODEL + ':x'})):
            with self.subTest(code=code), self.assertRaises(minivl.Error) as told:
                minivl.Engine(**options)
            self.assertEqual(told.exception.code, code)
        self.assertIn('no such device', str(self.raised('device', lambda: minivl.Engine(MODEL, device='no such device'))))
        with self.assertRaises(ValueError):
            minivl.Engine(MODEL, precision='q5')
        with minivl.Session(self.engine) as session:
            self.raised('images', lambda: session.ask('<image> What is there?'))
            self.raised('budget', lambda: session.ask('What is there?', max_tokens=5000))
            self.raised('usage', lambda: session.ask('What is there?', n_logprobs=65))
            session.ask('What is there?', max_tokens=2)  # as before
        session.close()
        for use in (lambda: session.ask('What is there?'), lambda: session.add(Image.open(PICTURE))):
            with self.assertRaises(AttributeError):
                use()

    def raised(self, code, use):
        with self.assertRaises(minivl.Error) as told:
            use()
        self.assertEqual(told.exception.code, code)
        return told.exception

    def test_cancelled_by_another_thread(self):
        with minivl.Session(self.engine) as session:
            begun, answers = threading.Event(), []
            asking = threading.Thread(target=lambda: answers.append(session.ask('Go on.', on_text=lambda _: begun.set(), **LONG)))
            asking.start()
            begun.wait()
            session.cancel()
            asking.join()
            self.assertEqual(answers[0].finish, 'cancelled')
            self.assertLess(len(answers[0].text), len(LONG['choices'][0]))
            session.ask('What is there?', max_tokens=2)

    def test_closed_by_another_thread(self):
        session, begun, answers = minivl.Session(self.engine), threading.Event(), []
        asking = threading.Thread(target=lambda: answers.append(session.ask('Go on.', on_text=lambda _: begun.set(), **LONG)))
        asking.start()
        begun.wait()
        session.close()
        asking.join()
        self.assertEqual(answers[0].finish, 'cancelled')

    def test_what_a_callback_raises_ends_it(self):
        def on_text(_):
            raise KeyError('mine')

        with minivl.Session(self.engine) as session:
            with self.assertRaises(KeyError):
                session.ask('Go on.', on_text=on_text, **LONG)
            session.ask('What is there?', max_tokens=2)

    def test_interrupted(self):
        with minivl.Session(self.engine) as session:
            heard = []

            def on_text(text):
                if not heard:
                    os.kill(os.getpid(), signal.SIGINT)
                heard.append(text)

            with self.assertRaises(KeyboardInterrupt):
                session.ask('Go on.', on_text=on_text, **LONG)
            # Nobody asks Python for signals but the wait itself
            timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
            timer.start()
            with self.assertRaises(KeyboardInterrupt):
                while True:
                    self.ask(Image.open(PICTURE), **LONG)

    def test_threads_ask_together_and_others_run(self):
        image, answers, turns = Image.open(PICTURE), {}, []
        wanted = self.ask(image).token_ids
        asking = [threading.Thread(target=lambda i=i: answers.update({i: self.ask(image, on_text=lambda _: gc.collect()).token_ids}))
                  for i in range(4)]
        for thread in asking:
            thread.start()
        while any(thread.is_alive() for thread in asking):
            turns.append(1)
        self.assertEqual(answers, dict.fromkeys(range(4), wanted))
        self.assertGreater(len(turns), 1)

    def test_default_model_and_options(self):
        with tempfile.TemporaryDirectory() as folder:
            with minivl.Engine(precision='q8', cache_precision='q8', tokenizer='fast', context_size=512, cache_size=1024,
                               cache_dir=folder, device='0') as engine:
                info = engine.info
            self.assertTrue(os.listdir(folder))
        self.assertEqual((info['model'], info['precision'], info['cache_precision'], info['tokenizer'], info['context_size'],
                          info['cache_size']), ('demo-model', 'q8', 'q8', 'fast', 512, 1024))


class Size(unittest.TestCase):
    def test_150_lines(self):
        with open(MODULE, encoding='utf-8') as file:
            self.assertLessEqual(len(file.readlines()), 150)


unittest.main(argv=sys.argv[:1], verbosity=2)
