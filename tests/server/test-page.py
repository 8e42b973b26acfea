#!/usr/bin/env python3
"""test-page.py MINIVL_SERVER MAKE_CHECKPOINT DEMO_CHECKPOINT YARD [--picture FILE]: the server's page in headless Chromium, as people use
it. --picture writes the one that READMEs show. Without Chromium the test is skipped."""
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

import browser
import endless
from served import Server, data_uri, picture, png, read, text, user, video

if not browser.find():
    print('chromium is not here: the page was not tried')
    sys.exit(77)
SHOWN = sys.argv[6] if sys.argv[5:6] == ['--picture'] else None
PROGRAM, MAKE_CHECKPOINT, DEMO, YARD = sys.argv[1:5]
del sys.argv[1:7 if SHOWN else 5]

PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../examples/pictures/overlay.png')
# Of examples/demo.sh: what happens there the demo model tells right.
SCENE = '13427'
QUESTION = 'Describe what happens in one or two sentences.'
# The answers of rounds, as they are read.
ANSWERS = '.round .answer'
DONE = 'document.querySelectorAll(".round[aria-busy=false]").length === {} && !document.querySelector(".round[aria-busy=true]")'


def film(folder):
    """A path, and what is to be seen."""
    raw, path = os.path.join(folder, 'yard.mkv'), os.path.join(folder, 'yard.webm')
    environment = {**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0'}
    told = subprocess.run([YARD, '--size', '480x270', raw, SCENE], check=True, capture_output=True, encoding='utf-8', env=environment).stdout
    subprocess.run(['gst-launch-1.0', '-q', 'filesrc', f'location={raw}', '!', 'matroskademux', '!', 'jpegdec', '!', 'videoconvert', '!',
                    'vp8enc', 'deadline=1', 'target-bitrate=600000', '!', 'webmmux', '!', 'filesink', f'location={path}'], check=True)
    return path, told.strip().split(': ', 1)[1]


def path_of(name, data=None):
    """Of a file in the tests' folder, which is written if there is data for it."""
    path = os.path.join(ALL.kept.name, name)
    if data is not None:
        with open(path, 'wb') as file:
            file.write(data)
    return path


class ALL:
    """What all tests share."""
    kept = browser = server = film = truth = random = None


def setUpModule():
    ALL.kept = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(ALL.kept.cleanup)
    ALL.film, ALL.truth = film(ALL.kept.name)
    ALL.random = path_of('random')
    endless.make(MAKE_CHECKPOINT, DEMO, ALL.random)
    ALL.server = Server(PROGRAM)
    unittest.addModuleCleanup(ALL.server.stop)
    ALL.browser = browser.Browser()
    unittest.addModuleCleanup(ALL.browser.close)


class Case(unittest.TestCase):
    """What each begins with and must end with."""
    def start(self, *options, **more):
        server = Server(PROGRAM, *options, **more)
        self.addCleanup(server.stop)
        return server

    def open(self, server=None, complaints=0, **features):
        """The page. complaints: how many its console has in the end, of answers that are errors"""
        url = f'http://127.0.0.1:{(server or ALL.server).port}/'
        page = ALL.browser.open(url, **features)
        self.addCleanup(page.close)
        self.addCleanup(self.check_quiet, page, url, complaints)
        page.wait('document.querySelector("#model").textContent')
        return page

    def check_quiet(self, page, url, complaints):
        """It asked nobody else, and nothing went wrong in it."""
        self.assertEqual([asked for asked in page.urls() if not asked.startswith((url, 'blob:' + url, 'data:'))], [])
        said = page.complaints()
        self.assertEqual([line for line in said if 'the server responded with a status of' not in line], [])
        self.assertEqual(len(said), complaints, said)

    def wait_chosen(self, page, n):
        page.wait(f'document.querySelectorAll("#chosen li").length === {n}')

    def ask(self, page, question):
        """Types it, sends it and waits for the answer."""
        n = len(page.texts('.round'))
        page.click('#question')
        page.type(question)
        page.key('Enter')
        page.wait(DONE.format(n + 1))
        return page.texts(ANSWERS)[-1]

    def watch(self, page):
        """Has the page note how long the answer is whenever that changes."""
        page.get('''window.lengths = [], void new MutationObserver(() => {
          const length = document.querySelector('.answer')?.textContent.length ?? 0;
          if (length !== window.lengths.at(-1)) window.lengths.push(length);
        }).observe(document.querySelector('#rounds'), { childList: true, subtree: true, characterData: true })''')


class Asking(Case):
    def test_a_picture_is_dropped_and_asked_about(self):
        page = self.open()
        page.drop(PICTURE)
        self.wait_chosen(page, 1)
        page.wait('document.querySelector("#chosen img").naturalWidth === 640')
        answer = self.ask(page, 'What do you see?')
        self.assertEqual(answer, ALL.server.text([picture(read(PICTURE)), text('What do you see?')]))
        self.assertEqual(page.text('.asked'), 'What do you see?')
        self.assertTrue(page.is_shown('.round img'))
        self.assertEqual(page.texts('#chosen li'), [])
        self.assertEqual(page.get('document.querySelector("#question").value'), '')

    def test_a_video_is_dropped_and_the_answer_is_true(self):
        page = self.open()
        page.drop(ALL.film)
        self.wait_chosen(page, 1)
        page.wait('document.querySelector("#chosen video").videoWidth === 480')
        self.assertEqual(self.ask(page, QUESTION), ALL.truth)

    def test_a_video_that_no_browser_plays_has_its_name(self):
        page = self.open()
        page.drop(path_of('yard.mkv'))
        self.wait_chosen(page, 1)
        page.wait('!!document.querySelector("#chosen .unshown")')
        self.assertEqual(page.text('#chosen .unshown'), 'yard.mkv')
        self.assertEqual(self.ask(page, QUESTION), ALL.server.text([video(read(path_of('yard.mkv'))), text(QUESTION)]))

    def test_times_and_tokens_are_told(self):
        page = self.open()
        answer = ALL.server.complete(QUESTION)['usage']
        self.ask(page, QUESTION)
        told = page.texts('.told span')
        for row, form in zip(told, [r'^first token \d+\.\d+ s$', r'^whole \d+\.\d+ s$', r'^\d+\.\d tokens/s$',
                                    f'^{answer["completion_tokens"]} tokens$', f'^question {answer["prompt_tokens"]}(, \\d+ of them cached)?$']):
            self.assertRegex(row, form)
        self.assertEqual(len(told), 5, told)

    def test_a_further_round_knows_the_first(self):
        page = self.open()
        page.drop(ALL.film)
        self.wait_chosen(page, 1)
        first = self.ask(page, QUESTION)
        second = self.ask(page, 'What colour is the car?')
        medium = video(read(ALL.film))
        messages = [user([medium, text(QUESTION)]), {'role': 'assistant', 'content': first}, user('What colour is the car?')]
        self.assertEqual(second, ALL.server.text(messages))
        self.assertNotEqual(second, ALL.server.text('What colour is the car?'))
        self.assertRegex(page.texts('.told')[-1], r', [1-9]\d* of them cached')
        self.assertEqual(page.texts(ANSWERS), [first, second])

    def test_a_new_conversation_knows_nothing(self):
        page = self.open()
        page.drop(PICTURE)
        self.wait_chosen(page, 1)
        self.ask(page, 'What do you see?')
        page.click('#new')
        self.assertEqual(page.texts('.round'), [])
        self.assertTrue(page.is_shown('#open'))
        self.assertEqual(self.ask(page, 'What do you see?'), ALL.server.text('What do you see?'))

    def test_several_are_chosen_pasted_and_removed(self):
        page = self.open()
        small = path_of('small.png', png(40, 30))
        page.choose('#open', PICTURE, small)
        self.wait_chosen(page, 2)
        page.choose('#choose', small)
        self.wait_chosen(page, 3)
        page.get('''(() => {
          const data = new DataTransfer();
          data.items.add(new File([Uint8Array.from(atob('%s'), c => c.charCodeAt(0))], 'pasted.png', { type: 'image/png' }));
          document.querySelector('#question').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
        })()''' % data_uri(png(30, 40)).split(',')[1])
        self.wait_chosen(page, 4)
        page.click('#chosen li:nth-child(2) button')
        self.wait_chosen(page, 3)
        answer = self.ask(page, 'What do you see?')
        self.assertEqual(answer, ALL.server.text([picture(read(PICTURE)), picture(read(small)), picture(png(30, 40)), text('What do you see?')]))


class Stopping(Case):
    """By a server that stands still, the moment of stopping is not one of luck."""
    def begin(self, page):
        """A long answer that comes in, in several steps."""
        self.watch(page)
        page.drop(PICTURE)
        self.wait_chosen(page, 1)
        page.click('#question')
        page.type('Go on.')
        page.key('Enter')
        page.wait('window.lengths.length > 4')

    def test_an_answer_grows_and_is_stopped(self):
        server = self.start('--model', ALL.random)
        page = self.open(server)
        self.begin(page)
        server.process.send_signal(signal.SIGSTOP)
        try:
            self.assertTrue(page.is_shown('#stop'))
            self.assertEqual(page.get('window.lengths'), sorted(page.get('window.lengths')))
            page.click('#stop')
            page.wait(DONE.format(1))
        finally:
            server.process.send_signal(signal.SIGCONT)
        server.wait_metric('minivl_requests_total{code="499"}', 1)
        server.wait_metric('minivl_requests_running', 0)
        self.assertIn('stopped', page.texts('.told span'))
        self.assertNotEqual(page.text(ANSWERS), '')
        self.assertFalse(page.is_shown('#stop'))
        self.assertTrue(page.is_shown('#ask'))
        self.assertEqual(page.focused(), 'question')
        # What came is part of the conversation.
        kept = page.text(ANSWERS)
        page.type('And then?')
        page.key('Enter')
        server.wait_metric('minivl_requests_running', 1)
        page.key('Escape')
        self.assertEqual([message['content'] for message in page.posted()[-1]['messages'][1:]], [kept, 'And then?'])

    def test_a_question_that_waits_is_stopped_and_given_back(self):
        server = self.start('--model', ALL.random, '--parallel', '1')
        connection, response = server.open_stream('Go on.', max_tokens=7000)
        self.assertTrue(response.readline().startswith(b'data: '))
        page = self.open(server)
        page.drop(PICTURE)
        self.wait_chosen(page, 1)
        page.type('What do you see?')
        page.key('Enter')
        server.wait_metric('minivl_requests_waiting', 1)
        page.key('Escape')
        server.wait_metric('minivl_requests_total{code="499"}', 1)
        page.wait('document.querySelector("#question").value === "What do you see?"')
        self.assertEqual((page.texts('.round'), page.text('#trouble'), len(page.texts('#chosen li'))), ([], '', 1))
        connection.close()

    def test_a_new_conversation_stops_it(self):
        server = self.start('--model', ALL.random)
        page = self.open(server)
        self.begin(page)
        server.process.send_signal(signal.SIGSTOP)
        try:
            page.click('#new')
            page.wait('document.body.classList.contains("fresh")')
        finally:
            server.process.send_signal(signal.SIGCONT)
        server.wait_metric('minivl_requests_total{code="499"}', 1)
        self.assertEqual((page.texts('.round'), page.texts('#chosen li'), page.text('#trouble')), ([], [], ''))


class Trouble(Case):
    def refused(self, page, question, *paths):
        """What the page says; the question is in the box, its pictures beside it."""
        if paths:
            page.drop(*paths)
            self.wait_chosen(page, len(paths))
        page.click('#question')
        page.type(question)
        page.key('Enter')
        said = page.wait('asking === null && document.querySelector("#trouble").textContent')
        self.assertEqual(page.get('document.querySelector("#question").value'), question)
        self.assertEqual(len(page.texts('#chosen li')), len(paths))
        self.assertEqual(page.texts('.round'), [])
        return said

    def test_a_picture_that_is_none(self):
        page = self.open(complaints=1)
        said = self.refused(page, 'What is it?', path_of('holiday.png', b'no picture at all'))
        self.assertTrue(said.startswith('holiday.png: ') and said.endswith('.') and 'messages' not in said, said)
        page.wait('!!document.querySelector("#chosen .unshown")')  # nothing moves any more
        page.click('#chosen button')
        self.wait_chosen(page, 0)
        page.click('#question')
        page.key('Enter')
        page.wait(DONE.format(1))
        self.assertEqual(page.text('#trouble'), '')

    def test_a_file_that_is_neither(self):
        page = self.open()
        page.drop(path_of('notes.txt', b'words'))
        self.assertEqual(page.wait('document.querySelector("#trouble").textContent'), 'notes.txt is neither a picture nor a video.')
        self.assertEqual(page.texts('#chosen li'), [])

    def test_a_queue_that_is_full(self):
        server = self.start('--model', ALL.random, '--parallel', '1', '--queue', '0')
        connection, response = server.open_stream('Go on.', max_tokens=7000)
        self.assertTrue(response.readline().startswith(b'data: '))
        page = self.open(server, complaints=1)
        self.assertEqual(self.refused(page, 'What is it?', PICTURE), 'The server is busy with other questions. Try again in 1 second.')
        connection.close()
        server.wait_metric('minivl_requests_running', 0)
        page.key('Enter')
        page.wait('document.querySelector(".answer")?.textContent')
        page.key('Escape')
        page.wait(DONE.format(1))

    def test_too_large_a_body(self):
        page = self.open(self.start('--max-body', '1'))
        self.assertIn('This is more than the server takes at once (1.0 MB)', self.refused(page, 'x' * 1100000))

    def test_a_server_that_says_413(self):
        server = self.start('--max-body', '1')
        page = self.open(server, complaints=1)
        page.get('void Object.defineProperty(Blob.prototype, "size", { get: () => 0 })')  # what the page would not send itself
        self.assertIn('This is more than the server takes at once', self.refused(page, 'x' * 1100000))

    def test_a_large_picture_is_scaled_and_a_large_video_told(self):
        page = self.open(self.start('--max-body', '1'))
        noise = io.BytesIO()
        Image.frombytes('RGB', (800, 600), random.Random(1).randbytes(800 * 600 * 3)).save(noise, 'PNG')
        page.drop(path_of('noise.png', noise.getvalue()))
        self.wait_chosen(page, 1)
        self.assertRegex(page.text('#chosen small'), r'^scaled to \d+ × \d+, to fit$')
        self.ask(page, 'What do you see?')
        page.drop(path_of('film.mp4', bytes(1200000)))
        said = page.wait('document.querySelector("#trouble").textContent')
        self.assertRegex(said, r'^film\.mp4 has 1\.2 MB, and this server takes \d+ kB more in one conversation\. A new conversation has more room\.$')
        self.assertEqual(page.texts('#chosen li'), [])

    def test_a_key_is_asked_for_when_it_is_wanted(self):
        server = self.start('--api-key-file', path_of('keys', b'secret-1\n'))
        url = f'http://127.0.0.1:{server.port}/'
        page = ALL.browser.open(url)
        self.addCleanup(page.close)
        self.assertEqual(page.wait('document.querySelector("#trouble").textContent'), 'This server wants a key.')
        self.refused(page, 'What do you see?')
        page.click('#key')
        page.type('another')
        page.key('Enter')
        page.wait('document.querySelector("#trouble").textContent === "This key is not one of this server’s."')
        page.click('#key')
        page.type('secret-1')
        page.key('Enter')
        page.wait('document.querySelector("#model").textContent')
        self.assertEqual((page.is_shown('#key'), page.text('#trouble')), (False, ''))
        page.click('#ask')
        page.wait(DONE.format(1))
        # For as long as the tab is there, and nowhere else.
        self.assertEqual(page.get('[localStorage.length, document.cookie, sessionStorage.length]'), [0, '', 1])
        page.goto(url)
        page.wait('document.querySelector("#model").textContent')
        self.check_quiet(page, url, 3)

    def test_no_key_is_asked_for_where_none_is_wanted(self):
        self.assertFalse(self.open().is_shown('#key'))

    def test_a_model_that_is_being_loaded(self):
        model, late = path_of('slow'), path_of('slow/tokenizer.model')
        shutil.copytree(DEMO, model)
        content = read(late)
        os.remove(late)
        os.mkfifo(late)
        server = self.start('--model', model, loaded=False)
        page = ALL.browser.open(f'http://127.0.0.1:{server.port}/')
        self.addCleanup(page.close)
        page.wait('/^The model is being loaded: \\d+ %$/.test(document.querySelector("#status").textContent)')
        self.assertEqual(self.refused(page, 'What do you see?'), 'The model is still being loaded. Try again in 5 seconds.')
        path_of('plain', content)
        fifo = os.open(late, os.O_WRONLY)
        os.replace(path_of('plain'), late)
        os.write(fifo, content)
        os.close(fifo)
        server.wait_loaded()
        page.wait('document.querySelector("#model").textContent === "slow" && !document.querySelector("#status").textContent')
        page.key('Enter')
        page.wait(DONE.format(1))

    def test_a_server_that_is_gone(self):
        server = Server(PROGRAM, '--model', ALL.random)
        page = ALL.browser.open(f'http://127.0.0.1:{server.port}/')
        self.addCleanup(page.close)
        page.wait('document.querySelector("#model").textContent')
        self.watch(page)
        page.type('Go on.')
        page.key('Enter')
        page.wait('window.lengths.length > 4')
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()
        page.wait('document.querySelector("#trouble").textContent')
        self.assertEqual(page.get('document.querySelector("#question").value'), 'Go on.')
        self.assertNotEqual(page.text(ANSWERS), '')  # as far as it came
        page.key('Enter')
        page.wait('document.querySelector("#trouble").textContent === "The server cannot be reached."')
        self.assertEqual(page.get('document.querySelector("#question").value'), 'Go on.')


class Looks(Case):
    def test_by_keyboard_alone(self):
        page = self.open()
        self.assertEqual(page.focused(), 'question')
        order = []
        for _ in range(3):
            page.key('Tab', shift=True)
            order.append(page.focused())
        self.assertEqual(order[0], 'open')
        while page.focused() != 'question':
            page.key('Tab')
        page.type('What do you')
        page.key('Enter', shift=True)
        page.type('see?')
        self.assertEqual(page.get('document.querySelector("#question").value'), 'What do you\nsee?')
        self.assertEqual(page.texts('.round'), [])
        for expected in ['choose', 'ask']:  # the camera is for fingers
            page.key('Tab')
            self.assertEqual(page.focused(), expected)
        page.key(' ')
        page.wait(DONE.format(1))
        self.assertEqual(page.focused(), 'question')
        page.type('And then?')
        page.key('Enter')
        page.wait(DONE.format(2))
        page.key('Tab', shift=True)
        self.assertEqual(page.focused(), 'new')
        page.key('Enter')
        self.assertEqual((page.texts('.round'), page.focused()), ([], 'question'))

    def test_everything_has_a_name(self):
        page = self.open()
        page.drop(PICTURE)
        self.wait_chosen(page, 1)
        self.ask(page, 'What do you see?')
        page.drop(PICTURE, ALL.film)
        self.wait_chosen(page, 2)
        nodes = page.call('Accessibility.getFullAXTree')['nodes']
        wanted = [node for node in nodes if node.get('role', {}).get('value') in ('button', 'textbox', 'image', 'img', 'video', 'Video', 'log', 'list')
                  and not node.get('ignored')]
        self.assertGreater(len(wanted), 7)
        self.assertEqual([node for node in wanted if not node.get('name', {}).get('value') and node['role']['value'] != 'list'], [])
        self.assertEqual(page.get('document.querySelector("#rounds").getAttribute("role")'), 'log')  # read aloud as it grows
        self.assertEqual(page.get('document.querySelector("#trouble").getAttribute("role")'), 'alert')

    def test_on_a_phone(self):
        page = self.open()
        for width, height in [(390, 844), (320, 568)]:
            page.resize(width, height, mobile=True)
            self.assert_fits(page, width)
            self.assertTrue(page.is_shown('#camera'))
            page.drop(PICTURE, ALL.film, path_of(f'{"a_long_name" * 12}.mkv', read(path_of('yard.mkv'))))
            self.wait_chosen(page, 3)
            page.wait('!!document.querySelector("#chosen .unshown")')
            self.assert_fits(page, width)
            page.tap('#question')
            page.type('Donaudampfschifffahrtsgesellschaftskapitän' * 5)
            page.tap('#ask')
            page.wait(DONE.format(1))
            page.wait('!!document.querySelector(".round .unshown")')
            self.assert_fits(page, width)
            page.tap('#new')
            page.wait('document.body.classList.contains("fresh")')
        self.assertEqual(page.get('document.querySelector("#photo").getAttribute("capture")'), 'environment')

    def assert_fits(self, page, width):
        self.assertEqual(page.get('[innerWidth, document.scrollingElement.scrollWidth]'), [width, width])
        small = page.get('''[...document.querySelectorAll('button')].filter(e => e.checkVisibility())
          .map(e => [e.id || e.getAttribute('aria-label'), Math.min(e.offsetWidth, e.offsetHeight)]).filter(row => row[1] < 36)''')
        self.assertEqual(small, [])  # for a finger

    def test_by_day_and_by_night(self):
        """Words are read against what is behind them: 4.5 to 1, as WCAG asks."""
        for scheme in ['light', 'dark']:
            page = self.open(prefers_color_scheme=scheme)
            self.ask(page, QUESTION)
            worst, behind = page.get('''(() => {
              const numbers = text => text.match(/[\\d.]+/g).map(Number);
              const light = rgb => rgb.slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
              const back = e => { const own = numbers(getComputedStyle(e).backgroundColor); return own[3] === 0 ? back(e.parentElement) : own; };
              const rows = [...document.querySelectorAll('h1, #model, .asked p, .answer, .told span, button, textarea')]
                .filter(e => e.checkVisibility()).map(e => [light(numbers(getComputedStyle(e).color)), light(back(e))])
                .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
              return [Math.min(...rows), light(back(document.body))];
            })()''')
            self.assertGreaterEqual(worst, 4.5)
            self.assertEqual(behind < 0.5, scheme == 'dark')

    def test_nothing_foreign_is_run(self):
        """That the console is silent says something only if it would not be otherwise."""
        page = ALL.browser.open(f'http://127.0.0.1:{ALL.server.port}/')
        self.addCleanup(page.close)
        page.get('''(() => {
          const element = document.createElement('div');
          try { element.setAttribute('onclick', 'window.ran = true'); } catch {}
          try { element.innerHTML = '<b onclick="window.ran = true">x</b>'; } catch {}
          const image = new Image();
          image.src = 'http://127.0.0.2:9/x.png';
          document.body.append(element, image);
          element.click();
        })()''')
        self.assertIsNone(page.get('window.ran'))
        self.assertEqual(page.get('fetch("http://127.0.0.2:9/").then(() => 1, () => 0)'), 0)
        self.assertGreaterEqual(len([line for line in page.complaints() if 'Content Security Policy' in line]), 3)


class Picture(Case):
    """Not a test: the picture that READMEs show."""
    def show(self):
        page = self.open()
        page.drop(ALL.film)
        self.wait_chosen(page, 1)
        self.assertEqual(self.ask(page, QUESTION), ALL.truth)
        self.ask(page, 'What colour is the car?')
        page.get('document.activeElement.blur()')
        page.wait('document.querySelector(".round video").readyState === 4 && !document.querySelector(".round video").seeking')
        image = Image.open(io.BytesIO(page.screenshot())).convert('RGB')
        image.quantize(128, dither=Image.Dither.NONE).save(SHOWN, optimize=True)


def load_tests(loader, tests, pattern):
    return unittest.TestSuite([Picture('show')]) if SHOWN else tests


unittest.main()
