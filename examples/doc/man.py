#!/usr/bin/env python3
"""man.py HELP NAME VERSION REST OUTPUT: a manual page of what a program says to --help, as GLib formats it, and of REST in roff, whose
first line says what NAME is."""
import re
import sys


def escaped(text):
    """As roff, in which a line does not begin with a dot or an apostrophe."""
    return re.sub(r"^(?=[.'])", r'\\&', text.replace('\\', r'\e').replace('-', r'\-').replace('…', '...'))


def option(line):
    """`  -h, --help   text` as the roff of both, or None."""
    found = re.match(r'  ((?:-\w, )?--[\w-]+)(=\S+)? +(\S.*)', line)
    if not found:
        return None
    value = f'=\\fI{escaped(found[2][1:])}\\fR' if found[2] else ''
    return f'.TP\n\\fB{escaped(found[1])}\\fR{value}\n{escaped(found[3])}'


def page(said, name, version, rest):
    """Usage, what it does, `... Options:`, and what is said behind them."""
    what, _, sections = rest.partition('\n')
    usage, about, *others = [part.strip('\n') for part in re.split(r'\n\n+', said.strip())]
    usage = usage.split('\n')[1].strip().removeprefix(name).strip()
    roff = [f'.TH {escaped(name.upper())} 1 "" "minivl {version}" "User Commands"', '.SH NAME', f'{escaped(name)} \\- {escaped(what)}',
            '.SH SYNOPSIS', f'.B {escaped(name)}', escaped(usage), '.SH DESCRIPTION', escaped(' '.join(about.split('\n'))), '.SH OPTIONS']
    options, ending = [], []
    for part in others:
        lines = part.split('\n')
        if lines[0].endswith('Options:'):
            options += [option(line) for line in lines[1:]]
        elif all(line.startswith('  ') for line in lines):
            ending.append('\n'.join(['.nf', *map(escaped, lines), '.fi']))
        else:
            ending.append(escaped(' '.join(lines)))
    if None in options or not options:
        raise SystemExit(f'{name} --help: what is this?\n{said}')
    roff += options
    for part in ending:
        text, _, status = part.partition('Exit: ')
        roff += (['.PP', text] if text else []) + (['.SH EXIT STATUS', status] if status else [])
    return '\n'.join(roff) + '\n' + sections


help_path, name, version, rest_path, output = sys.argv[1:]
with open(help_path, encoding='utf-8') as said, open(rest_path, encoding='utf-8') as rest, open(output, 'w', encoding='utf-8') as file:
    file.write(page(said.read(), name, version, rest.read()))
