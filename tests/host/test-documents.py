"""What users read: its length, its links, and that its tables and lists are those of the programs.

usage: test-documents.py ROOT                        length, links, fields of a result
       test-documents.py ROOT options FILE PROGRAM   FILE has the options that PROGRAM --help has, in its words
       test-documents.py ROOT properties             gst/README.md has the properties that gst-inspect-1.0 has
"""
import difflib
import json
import os
import re
import subprocess
import sys

FRONT_LINES = 150
# Of any element, or of a bin
OTHERS = {'name', 'parent', 'qos', 'async-handling', 'message-forward'}
BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.M | re.S)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def documents(root):
    """Those of the tree, without what a build made or an environment of Python brought."""
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith('build') and f != '.git']
        yield from (os.path.join(folder, f) for f in files if f.endswith('.md'))


def anchors(text):
    """As GitHub makes them of headings: letters, digits, - and _; blanks become -."""
    headings = re.findall(r'^#+ (.*)$', BLOCK.sub('', text), re.M)
    return {re.sub(r'[^\w -]', '', re.sub(r'\[(.*?)\]\(.*?\)', r'\1', h).lower()).replace(' ', '-') for h in headings}


def links(path):
    return [target for target in re.findall(r'\]\(([^)\s]+)\)', BLOCK.sub('', read(path))) if not re.match(r'[a-z]+:', target)]


def wrong_links(path):
    for target in links(path):
        name, _, anchor = target.partition('#')
        to = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(to):
            yield f'{path}: {target}: there is no such file'
        elif anchor and anchor not in anchors(read(to)):
            yield f'{path}: {target}: there is no such heading'


def reached(front):
    """Documents that can be read from the front page by links."""
    found, new = set(), [front]
    while new:
        path = new.pop()
        if path in found:
            continue
        found.add(path)
        names = (os.path.join(os.path.dirname(path), link.partition('#')[0]) for link in links(path))
        new += [os.path.normpath(n) for n in names if n.endswith('.md') and os.path.exists(n)]
    return found


def cells(text, first):
    """The first column of the tables that begin with this cell: what is in backticks there, and whether * stands beside it."""
    for table in text.split(f'\n| {first} |')[1:]:
        for row in table.split('\n\n')[0].splitlines()[2:]:
            cell = row.split('|')[1]
            for name in re.findall('`([^`]+)`', cell):
                yield name, '*' in cell


def check_fields(root):
    line = next(body for language, body in BLOCK.findall(read(os.path.join(root, 'README.md'))) if language == 'json')
    shown = list(json.loads(line))
    told = [name for name, _ in cells(read(os.path.join(root, 'gst', 'README.md')), 'field')]
    return [f'fields: README.md alone has {set(shown) - set(told)}, gst/README.md alone {set(told) - set(shown)}'] \
        if sorted(shown) != sorted(told) else []


def check_documents(root):
    front = os.path.join(root, 'README.md')
    lines = read(front).count('\n')
    wrong = [f'README.md has {lines} lines, of at most {FRONT_LINES}'] if lines > FRONT_LINES else []
    for path in documents(root):
        wrong += wrong_links(path)
        if os.path.basename(path) == 'README.md' and path not in reached(front):
            wrong.append(f'{path}: no link leads there from README.md')
    return wrong + check_fields(root)


def options(text):
    return [' '.join(line.split()) for line in text.splitlines() if line.lstrip().startswith('-')]


def check_options(root, name, program):
    said = subprocess.run([program, '--help'], stdout=subprocess.PIPE, text=True, check=True,
                          env={**os.environ, 'LC_ALL': 'C.UTF-8'}).stdout
    wanted = options(said[said.index('Application Options'):].partition('\n\n')[0])
    told = [options(body) for _, body in BLOCK.findall(read(os.path.join(root, name)))]
    if wanted and wanted in told:
        return []
    nearest = max(told, key=lambda lines: len(set(wanted) & set(lines)), default=[])
    return [f'{name} does not have what {program} --help says:', *difflib.unified_diff(nearest, wanted, n=0, lineterm='')]


def inspect(element):
    """Its properties, and whether each may be changed while playing."""
    said = subprocess.run(['gst-inspect-1.0', '--no-colors', element], stdout=subprocess.PIPE, text=True, check=True).stdout
    said = said[said.index('Element Properties'):]
    found = re.findall(r'^  ([a-z0-9-]+) +: .*\n(?:(?!  \S).*\n)*? +flags: (.*)$', said, re.M)
    return {name: 'PLAYING' in flags for name, flags in found if name not in OTHERS}


def check_properties(root):
    text = read(os.path.join(root, 'gst', 'README.md'))
    told, real = dict(cells(text, 'property')), inspect('minivl')
    wrong = [f'gst/README.md: no property {name}' for name in sorted(told.keys() - real.keys())]
    for name, changeable in sorted(real.items()):
        if name not in told:
            wrong.append(f'gst/README.md: {name} is not in the table of properties')
        elif told[name] != changeable:
            wrong.append(f'gst/README.md: {name}: * is for properties that may be changed while playing')
    drawn = inspect('minivloverlay')
    return wrong + [f'minivloverlay has no {name}' for name in sorted(real.keys() - drawn.keys())] \
        + [f'gst/README.md: minivloverlay has {name}, too' for name in sorted(drawn.keys() - real.keys()) if f'`{name}`' not in text]


CHECKS = {'options': check_options, 'properties': check_properties}
wrong = CHECKS[sys.argv[2]](sys.argv[1], *sys.argv[3:]) if len(sys.argv) > 2 else check_documents(os.path.abspath(sys.argv[1]))
print('\n'.join(wrong))
sys.exit(1 if wrong else 0)
