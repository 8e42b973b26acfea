#!/usr/bin/env python3
"""The public headers against what they stand for.

check-api.py symbols LIBRARY HEADER,HEADER... TEST...: the library exports what the headers declare and nothing else, the tests name all of
it, and each function, field and value is documented.
check-api.py compile HEADER LANGUAGE STANDARD COMPILER...: the header compiles alone, without a warning.
"""
import re
import subprocess
import sys


def exported(library):
    names = subprocess.run(['nm', '-D', '--defined-only', '--format=posix', library], check=True, capture_output=True, text=True)
    return {line.split()[0].split('@')[0] for line in names.stdout.splitlines()}


def undocumented(header):
    """Members and functions that the comment right before does not name, or that have no comment there."""
    comment = r'/\*((?:[^*]|\*(?!/))*)\*/\n'
    for match in re.finditer(r'(?:' + comment + r')?typedef (?:struct|enum)\n\{\n(.*?)\n\} (\w+);', header, re.S):
        text, body, name = match.groups()
        members = [m for line in re.findall(r'^  (.*)[;,]', body, re.M) for m in re.findall(r'(\w+)(?:\[\d+\])?(?:,|$)', line)]
        if not members:
            yield f'{name}: no members found: is this script still right?'
        yield from (f'{name}.{member}' for member in members if not re.search(rf'@{member}\b', text or ''))
    for match in re.finditer(r'(.*)\n(?:MINIVL_API|typedef)[^;{]*?(\w+)\)? \(', header):
        if not match[1].endswith('*/'):
            yield match[2]


def symbols(library, header_paths, *test_paths):
    header = '\n'.join(open(path).read() for path in header_paths.split(','))
    declared = set(re.findall(r'^MINIVL_API[^;]*?\b(minivl_\w+) \(', header, re.M))
    there = exported(library)
    words = {word for path in test_paths for word in re.findall(r'\w+', open(path).read())}

    complaints = [f'{name}: exported, and not in the header' for name in sorted(there - declared)]
    complaints += [f'{name}: in the header, and not exported' for name in sorted(declared - there)]
    complaints += [f'{name}: no test uses it' for name in sorted(declared - words)]
    complaints += [f'{name}: not documented' for name in undocumented(header)]
    return complaints or ([] if declared else ['no declarations found: is this script still right?'])


def compile_alone(header_path, language, standard, *compiler):
    flags = subprocess.run(['pkg-config', '--cflags', 'glib-2.0'], check=True, capture_output=True, text=True).stdout.split()
    done = subprocess.run([*compiler, '-std=' + standard, '-pedantic-errors', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', *flags,
                           '-x', language, '-include', header_path, '/dev/null'], capture_output=True, text=True)
    return [done.stderr or f'{compiler[0]}: exit {done.returncode}'] if done.returncode else []


complaints = {'symbols': symbols, 'compile': compile_alone}[sys.argv[1]](*sys.argv[2:])
print('\n'.join(complaints) or 'fine')
sys.exit(bool(complaints))
