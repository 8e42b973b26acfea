"""Writes the page as a C file, with the hashes by which its policy knows its script and its style: embed-page.py PAGE.html OUTPUT.c"""
import base64
import hashlib
import re
import sys

TEMPLATE = """\
/* Made by embed-page.py. */
#include "examples/server/page.h"

const gchar page_text[] =
%s;
const gchar page_script_hash[] = "%s";
const gchar page_style_hash[] = "%s";
"""


def literal(line):
    """A line as a C string; octal escapes end by themselves."""
    return '"' + ''.join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f'\\{b:03o}' for b in line) + '"'


def hash_of(page, element):
    """Of what stands in the only element of the kind, as Content-Security-Policy has it."""
    content, = re.findall(f'<{element}>(.*?)</{element}>'.encode(), page, re.DOTALL)
    return 'sha256-' + base64.b64encode(hashlib.sha256(content).digest()).decode()


def main():
    source, output = sys.argv[1:]
    with open(source, 'rb') as file:
        page = file.read()
    lines = '\n'.join(literal(line) for line in page.splitlines(keepends=True))
    with open(output, 'w', encoding='ascii') as file:
        file.write(TEMPLATE % (lines, hash_of(page, 'script'), hash_of(page, 'style')))


main()
