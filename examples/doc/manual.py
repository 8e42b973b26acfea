#!/usr/bin/env python3
"""manual.py OUTPUT VERSION HEADER...: the doc comments of the headers as one page of HTML, in their order."""
import html
import os
import re
import sys

STYLE = '''
:root { color-scheme: light dark }
body { font: 16px/1.5 sans-serif; max-width: 52em; margin: 2em auto; padding: 0 1em }
pre, code { font-family: monospace; font-size: .92em }
pre { padding: .6em .8em; overflow-x: auto; border: 1px solid #8886; border-radius: 4px; background: #8881 }
h2 { margin-top: 2.5em; border-bottom: 1px solid #8886 }
h3 { margin-top: 2em }
dd { margin: 0 0 .3em 2em }
dt .note { font-family: sans-serif; font-size: .85em; opacity: .75 }
nav ul { columns: 16em; padding-left: 1.2em }
a { text-decoration: none }
a:hover { text-decoration: underline }
'''

NAMES = [r'\(\*(\w+)\)', r'^#define (\w+)', r'^typedef struct \w+ (\w+);', r'^\} (\w+);', r'(\w+) \(']


def declared(code):
    for pattern in NAMES:
        found = re.search(pattern, code, re.M)
        if found:
            return found[1]
    return None


def read_comment(text):
    """The lines of a comment without its stars."""
    return [re.sub(r'^ ?\*? ?', '', line, count=1).rstrip() for line in text.strip('*').strip().split('\n')]


class Symbol:
    """What is declared, and what its comment says: paragraphs, items of @name and lists, in order."""

    def __init__(self, name, code, lines):
        self.name, self.code = name, code.rstrip().replace('MINIVL_API ', '')
        head = re.match(rf'{name}: ?(.*)', lines[0])
        brief = head[1][:1].upper() + head[1][1:] if head else lines[0]
        self.blocks = read_blocks([brief] + lines[1:])


def read_blocks(lines):
    """(kind, names, text): kind is p, item (of @names), returns or bullet."""
    blocks, open_block = [], None
    for line in lines:
        item = re.match(r'((?:@\w+(?:, )?)+): (.*)', line)
        if not line:
            open_block = None
        elif item:
            open_block = ['item', re.findall(r'@(\w+)', item[1]), item[2]]
        elif line.startswith('Returns: '):
            open_block = ['returns', [], line[len('Returns: '):]]
        elif line.startswith('- '):
            open_block = ['bullet', [], line[2:]]
        elif open_block:
            open_block[2] += ' ' + line.strip()
            continue
        else:
            open_block = ['p', [], line]
        if open_block:
            blocks.append(open_block)
    return [block for block in blocks if block[2]]


class Page:
    def __init__(self, version):
        self.version, self.body, self.contents, self.symbols = version, [], [], {}

    def add_header(self, path):
        """Finds the pieces of a header; returns what is to be written when all names are known."""
        with open(path, encoding='utf-8') as file:
            text = re.sub(r' *\\\n', '\n', file.read())
        pieces = [('header', os.path.basename(path), None)]
        for match in re.finditer(r'^/\*((?:[^*]|\*(?!/))*)\*/\n((?:(?!\n)(?:(?!\n\n|\n/\*)[\s\S])*)?)', text, re.M):
            lines, code = read_comment(match[1]), match[2].strip('\n')
            heading = re.match(r'--- (.*?) -*$', lines[0])
            if heading:
                pieces.append(('heading', heading[1], None))
            elif code.startswith(('#ifndef', '#if ')):
                if len(pieces) == 1:
                    pieces.append(('intro', None, read_blocks(lines)))
            elif declared(code):
                symbol = Symbol(declared(code), code, lines)
                self.symbols[symbol.name] = symbol
                pieces.append(('symbol', symbol.name, symbol))
            else:
                raise SystemExit(f'{path}: nothing is declared under: {lines[0]}')
        cleanups = re.findall(r'^G_DEFINE_AUTO\w* \((\w+), (\w+)\)$', text, re.M)
        if cleanups:
            pieces.append(('cleanups', None, cleanups))
        return pieces

    def link(self, name, shown):
        return f'<a href="#{name}">{shown}</a>' if name in self.symbols or name in self.members else shown

    def inline(self, text):
        """What gtk-doc's marks stand for; what is in backquotes stays as it is."""
        parts = re.split(r'(`[^`]*`)', text)
        for i, part in enumerate(parts):
            if part.startswith('`') and len(part) > 1:
                parts[i] = f'<code>{html.escape(part[1:-1])}</code>'
                continue
            part = html.escape(part, quote=False)
            part = re.sub(r'@(\w+)', r'<var>\1</var>', part)
            part = re.sub(r'%(\w+)', lambda m: f'<code>{self.link(m[1], m[1])}</code>', part)
            part = re.sub(r'\b(\w+)\(\)', lambda m: f'<code>{self.link(m[1], m[1] + "()")}</code>', part)
            parts[i] = re.sub(r'#?\b(M[Ii][Nn][Ii][Vv][Ll]_?[A-Z]\w*)(?![^<]*</(?:a|code)>)',
                              lambda m: f'<code>{self.link(m[1], m[1])}</code>', part)
        return ''.join(parts)

    def write_blocks(self, blocks):
        lists = {'item': 'dl', 'bullet': 'ul'}
        last = None
        for kind, names, text in blocks:
            if last != kind:
                self.body += [f'</{lists[last]}>'] if last in lists else []
                self.body += [f'<{lists[kind]}>'] if kind in lists else []
            last = kind
            if kind == 'item':
                note = re.match(r'((?:\([^()]*\) ?)+)[:.] ?(.*)', text)
                marks = f' <span class="note">{html.escape(note[1].strip())}</span>' if note else ''
                terms = ', '.join(f'<code id="{name}">{name}</code>' if name.isupper() else f'<code>{name}</code>' for name in names)
                self.body.append(f'<dt>{terms}{marks}</dt><dd>{self.inline(note[2] if note else text)}</dd>')
            elif kind == 'bullet':
                self.body.append(f'<li>{self.inline(text)}</li>')
            elif kind == 'returns':
                self.body.append(f'<p><b>Returns</b> {self.inline(text)}</p>')
            else:
                self.body.append(f'<p>{self.inline(text)}</p>')
        self.body += [f'</{lists[last]}>'] if last in lists else []

    def write(self, pieces):
        for kind, name, what in pieces:
            if kind in ('header', 'heading'):
                ident = name if kind == 'header' else name.replace(' ', '-')
                level, shown = (2, f'&lt;{name}&gt;') if kind == 'header' else (3, name.capitalize())
                self.contents.append(f'{"</ul>" if self.contents else ""}<p><a href="#{ident}"><b>{shown}</b></a></p><ul>')
                self.body.append(f'<h{level} id="{ident}">{shown}</h{level}>')
            elif kind == 'symbol':
                self.contents.append(f'<li><a href="#{name}">{name}</a></li>')
                self.body.append(f'<h4 id="{name}">{name}</h4>\n<pre>{html.escape(what.code, quote=False)}</pre>')
                self.write_blocks(what.blocks)
            elif kind == 'intro':
                self.write_blocks(what)
            else:
                cleaned = ', '.join(f'<code>{self.link(one, one)}</code> (<code>{self.link(by, by)}()</code>)' for one, by in what)
                self.body.append(f'<p>With GLib\'s <code>g_autoptr()</code> and <code>g_auto()</code>: {cleaned}.</p>')

    def make(self, headers):
        all_pieces = [self.add_header(path) for path in headers]
        self.members = {name for symbol in self.symbols.values() for _, names, _ in symbol.blocks for name in names if name.isupper()}
        for pieces in all_pieces:
            self.write(pieces)
        return '\n'.join([
            '<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8">', f'<title>minivl {self.version}</title>',
            f'<style>{STYLE}</style></head><body>', f'<h1>minivl {self.version}</h1>', '<nav>', *self.contents, '</ul></nav>',
            *self.body, '</body></html>', ''])


output, version, *headers = sys.argv[1:]
with open(output, 'w', encoding='utf-8') as file:
    file.write(Page(version).make(headers))
