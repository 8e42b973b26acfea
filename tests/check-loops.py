#!/usr/bin/env python3
"""No loop of files: A needs B if A has an undefined symbol that B defines.

check-loops.py LIBRARY...: prints the files of each loop among the objects of these static libraries; exit 1 if there is one.
"""
import os
import subprocess
import sys


def read_symbols(libraries):
    """file -> (symbols it defines, symbols it needs)"""
    files = {}
    for library in libraries:
        listing = subprocess.run(['nm', '-A', '-g', '--format=posix', library], check=True, capture_output=True, text=True).stdout
        for line in listing.splitlines():
            place, symbol, kind = line.split()[:3]
            name = os.path.basename(place.rstrip(':').rstrip(']').split('[')[-1])
            defines, needs = files.setdefault(f'{os.path.basename(library)}({name})', (set(), set()))
            (needs if kind in 'Uw' else defines).add(symbol)
    return files


def loops(needs):
    """Strongly connected components of more than one file (Tarjan)."""
    order, low, stack, found = {}, {}, [], []

    def visit(name):
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(needs[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            component = stack[stack.index(name):]
            del stack[stack.index(name):]
            if len(component) > 1:
                found.append(component)

    for name in sorted(needs):
        if name not in order:
            visit(name)
    return found


files = read_symbols(sys.argv[1:])
owner = {symbol: name for name, (defines, _) in files.items() for symbol in defines}
needs = {name: {owner[s] for s in wanted if s in owner} - {name} for name, (_, wanted) in files.items()}
found = loops(needs)
for component in found:
    print('a loop of files:')
    for name in component:
        for other in sorted(needs[name] & set(component)):
            print(f'  {name} needs {other}: {", ".join(sorted(files[name][1] & files[other][0]))}')
if not any(needs.values()):
    sys.exit('no file needs another: is this script still right?')
print(f'{len(files)} files, {len(found)} loops')
sys.exit(bool(found))
