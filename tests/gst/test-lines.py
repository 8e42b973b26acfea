"""test-lines.py ROOT BUILD: what users copy from README files runs as it is written, block by block, in a folder that looks like a
clone after the demo. Replaced is only what a test may not do: the server's fixed port and files in /tmp."""
import json
import os
import re
import subprocess
import sys
import tempfile

from PIL import Image

ROOT, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
CHECKPOINT = os.path.join(ROOT, 'examples', 'demo-model', 'checkpoint')
SCENES = ('1257', '13427', '2427')  # of examples/demo.sh
FIRST = 'By day, a person leaves a bag. A red car arrives.'
# Which fields of a result are the same on any machine
SAME = ('kind', 'final', 'text', 'prompt', 'model', 'model_hash', 'tokenizer', 'system_source', 'question', 'segment_start',
        'segment_stop', 'frames', 'tiles', 'prompt_tokens', 'output_tokens', 'seed', 'finish_reason', 'dropped_segments')
SERVER = re.compile(r'^(\S*minivl-server\b[^&#\n]*)&.*$', re.M)
# It is waited for, told to others by its port, and ended. What an earlier one has said is gone before it starts.
STARTED = r''': >server.txt
\1 --port 0 >server.txt &
until grep -q 'is loaded$' server.txt; do kill -0 $!; sleep .1; done
port=$(sed -n 's|^.*http://127.0.0.1:\\([0-9]*\\)/.*|\\1|p' server.txt)
trap "kill $!" EXIT'''


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as file:
        return file.read()


def blocks(name, heading, language='sh'):
    """Those of one section, as text."""
    section = re.split(r'^## ', read(name), flags=re.M)
    section = next(s for s in section if s.startswith(heading + '\n') or s.startswith('# ' + heading + '\n'))
    found = re.findall(rf'^```{language}\n(.*?)^```$', section, re.M | re.S)
    assert found, (name, heading)
    return found


class Clone:
    """A folder as a user's after the demo, with pictures and videos of the names that the lines have."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(self.path('build/demo'))
        for name in ('examples', 'gst', 'model', 'tests'):
            os.symlink(os.path.join(BUILD, name), self.path('build/' + name))
        os.symlink(os.path.join(ROOT, 'examples'), self.path('examples'))
        os.mkdir(self.path('bin'))
        os.symlink('/usr/bin/python3', self.path('bin/python3'))  # Debian's
        os.symlink(CHECKPOINT, self.path('Mini-InternVL-Chat-4B-V1-5'))
        self.run(f'build/examples/demo-model/yard build/demo/yard.mkv {" ".join(SCENES)}')
        self.run('gst-launch-1.0 -q filesrc location=build/demo/yard.mkv ! decodebin ! videoconvert ! jpegenc ! avimux ! filesink '
                 'location=street.avi')
        os.mkdir(self.path('train_images'))
        for name in ('photo.jpg', 'a.png', 'b.png', 'train_images/t.jpg'):
            Image.linear_gradient('L').convert('RGB').save(self.path(name))
        self.write('schema.json', {'type': 'object', 'properties': {'seen': {'enum': ['car', 'dog']}}, 'required': ['seen']})
        self.write('TextVQA_0.5.1_val.json', {'data': [{'question_id': 1, 'image_id': 't', 'question': 'Is there a dog?'}]})

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, value):
        with open(self.path(name), 'w', encoding='utf-8') as file:
            json.dump(value, file)

    def run(self, text):
        """What a script says; it must succeed to its last line."""
        done = subprocess.run(['bash', '-e', '-u', '-o', 'pipefail', '-c', text], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', timeout=900, check=False,
                              env={**os.environ, 'PATH': self.path('bin') + ':' + os.environ['PATH'],
                                   'PYTHONDONTWRITEBYTECODE': '1'})
        assert done.returncode == 0, (text, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def run_block(self, text):
        text = SERVER.sub(STARTED, text) if SERVER.search(text) else text
        return self.run(re.sub(r'^ninja .*$', '', text, flags=re.M).replace('127.0.0.1:23333', '127.0.0.1:$port')
                        .replace(' /tmp ', ' . ').replace('$MODEL', '${MODEL:-demo}'))


def check_front_page(clone):
    said = clone.run_block(blocks('README.md', 'Five ways to use it')[0])
    for part in (FIRST, 'minivl-alert', 'kind=(string)summary', 'Is there a dog?: ', '\nYes.\n'):
        assert part in said, (part, said)
    shown = json.loads(blocks('README.md', 'What a result is', 'json')[0])
    with open(clone.path('yard.journal'), encoding='utf-8') as file:
        real = next(line for line in map(json.loads, file) if line['kind'] == 'segment')
    assert list(shown) == list(real), (list(shown), list(real))
    differ = {name: (shown[name], real[name]) for name in SAME if shown[name] != real[name]}
    assert not differ, differ
    assert list(shown['timings']) == list(real['timings'])


def check_applications(clone):
    said = clone.run_block(blocks('gst/README.md', 'In an application')[0])
    assert said.count('Is there a dog?: ') == 2 and said.count(FIRST) == 2, said  # embed, embed.py


def check_programs(clone):
    clone.run_block(blocks('examples/README.md', 'minivl-chat')[0])
    said = clone.run_block(blocks('examples/README.md', 'From Python')[0])
    assert ' stop ' in said, said
    many, benchmarks = blocks('examples/README.md', 'Many conversations')
    clone.run_block('MODEL=Mini-InternVL-Chat-4B-V1-5\n' + many)
    with open(clone.path('out.jsonl'), encoding='utf-8') as file:
        answers = {line['id']: line for line in map(json.loads, file)}
    assert sorted(map(str, answers)) == ['2', 'a'] and not any('error' in line for line in answers.values()), answers
    os.remove(clone.path('out.jsonl'))
    clone.run_block('MODEL=Mini-InternVL-Chat-4B-V1-5\n' + benchmarks)
    with open(clone.path('answers.json'), encoding='utf-8') as file:
        assert [line['question_id'] for line in json.load(file)] == [1]


def check_server(clone):
    answer = json.loads(clone.run_block(blocks('examples/server/README.md', 'minivl-server')[0]))
    assert answer['choices'][0]['message']['role'] == 'assistant', answer


def main():
    with tempfile.TemporaryDirectory(prefix='minivl-lines-') as folder:
        clone = Clone(folder)
        for check in (check_front_page, check_applications, check_programs, check_server):
            if check is not check_server or os.path.exists(os.path.join(BUILD, 'examples', 'server', 'minivl-server')):
                print(check.__name__, flush=True)
                check(clone)


main()
