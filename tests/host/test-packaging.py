#!/usr/bin/env python3
"""test-packaging.py SOURCE BUILD PREFIX LIBDIR COMPILER...: debian/ against the tree: what is installed and what is packaged, the versions,
the library's symbols, the manual pages, the headers. It needs nothing of Debian's tools."""
import fnmatch
import glob
import os
import re
import subprocess
import sys
import tempfile

source, build, prefix, libdir, *compiler = sys.argv[1:]
complaints = []


def check(fine, complaint):
    if not fine:
        complaints.append(complaint)


def read(name):
    with open(os.path.join(source, name), encoding='utf-8') as file:
        return file.read()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, 'CHARSET': 'UTF-8', 'ASAN_OPTIONS': 'detect_leaks=0'})
    check(done.returncode == 0, f'{" ".join(command)}: exit {done.returncode}: {done.stderr}')
    return done.stdout


def install(root):
    """What meson installs, as paths below usr/."""
    run('meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', root)
    top = root + prefix
    return sorted('usr/' + os.path.relpath(os.path.join(folder, name), top) for folder, _, names in os.walk(top) for name in names)


def install_lines():
    """package -> what its .install file has: patterns, with the folder they go to where one is named."""
    return {os.path.basename(path).removesuffix('.install'): [line.split() for line in read(path).splitlines()]
            for path in glob.glob('debian/*.install', root_dir=source)}


def packaged(name):
    """Where Debian's packages have it: meson asks dpkg-dev for the folder of libraries, and takes lib64 or lib where that is not there."""
    if name.startswith(f'usr/{libdir}/') and not name.startswith('usr/lib/systemd/'):
        return name.replace(f'usr/{libdir}/', 'usr/lib/MULTIARCH/', 1)
    return name


def check_installed(installed):
    installed = [packaged(name) for name in installed]
    lines = install_lines()
    patterns = [(package, line[0]) for package, all_lines in lines.items() for line in all_lines]
    for name in installed:
        owners = [package for package, pattern in patterns if fnmatch.fnmatch(name, pattern) or name.startswith(pattern + '/')]
        check(len(owners) == 1, f'{name} is in {len(owners)} packages: {owners}')
    for package, pattern in patterns:
        there = [name for name in installed if fnmatch.fnmatch(name, pattern) or name.startswith(pattern + '/')]
        check(there or glob.glob(pattern, root_dir=source), f'{package}: nothing is {pattern}')
    packages = set(re.findall(r'^Package: (.*)', read('debian/control'), re.M))
    check(packages == set(lines), f'packages {sorted(packages)}, .install files of {sorted(lines)}')
    for path in glob.glob('debian/*.examples', root_dir=source):
        for name in read(path).split():
            check(os.path.exists(os.path.join(source, name)), f'{path}: there is no {name}')


def check_versions():
    meson = re.search(r"^  version: '(.*)'", read('meson.build'), re.M)[1]
    changelog = re.match(r'minivl \((.*?)(-\S+)?\)', read('debian/changelog'))[1]
    news = re.match(r'minivl (\S+)\n', read('NEWS'))[1]
    check(meson == changelog == news, f'versions: meson.build {meson}, debian/changelog {changelog}, NEWS {news}')
    return meson


def check_symbols(version):
    library = os.path.join(build, 'model', 'libminivl.so')
    check(re.search(r'SONAME.*\[libminivl\.so\.0\]', run('readelf', '-d', library)), 'the library is not libminivl.so.0')
    there = {line.split()[0] for line in run('nm', '-D', '--defined-only', '--format=posix', library).splitlines()}
    listed = dict(re.findall(r'^ (\w+)@Base (\S+)$', read('debian/libminivl0.symbols'), re.M))
    check(there == set(listed), f'libminivl0.symbols and the library differ in {sorted(there ^ set(listed))}')
    for name, since in listed.items():
        check([int(n) for n in since.split('.')] <= [int(n) for n in version.split('.')], f'{name}@Base {since} is of the future')


def check_pages(root, installed, version):
    """Each program has a page with its options."""
    programs = [name for name in installed if name.startswith('usr/bin/')]
    check(programs, 'no programs are installed')
    for name in programs:
        page = f'usr/share/man/man1/{os.path.basename(name)}.1'
        if page not in installed:
            check(False, f'{name} has no manual page')
            continue
        with open(page.replace('usr', root + prefix, 1), encoding='utf-8') as file:
            text = file.read()
        told = set(re.findall(r'--[\w-]+', ' '.join(re.findall(r'^\\fB(.*?)\\fR', text, re.M)).replace('\\-', '-')))
        known = set(re.findall(r'^  (?:-\w, )?(--[\w-]+)', run(os.path.join(root + prefix, name.removeprefix('usr/')), '--help'), re.M))
        check(told == known and '--help' in known, f'{page}: differs from --help in {sorted(told ^ known)}')
        check(f'"minivl {version}"' in text.split('\n')[0], f'{page}: of another version')


def check_manual(root, installed):
    """All that the headers declare is in the manual; its links lead somewhere."""
    with open(root + prefix + '/share/doc/minivl-doc/html/minivl.html', encoding='utf-8') as file:
        page = file.read()
    names = set(re.findall(r' id="([^"]+)"', page))
    for header in [name for name in installed if name.endswith('.h')]:
        with open(header.replace('usr', root + prefix, 1), encoding='utf-8') as file:
            text = file.read()
        declared = re.findall(r'^MINIVL_API[^;]*?\b(minivl_\w+) \(', text, re.M) + re.findall(r'^} (\w+);', text, re.M)
        declared += re.findall(r'^typedef .*\(\*(\w+)\)', text, re.M) + re.findall(r'^  (MINIVL_\w+),$', text, re.M)
        check(declared, f'{header}: declares nothing?')
        check(set(declared) <= names, f'{header}: the manual lacks {sorted(set(declared) - names)}')
    dead = set(re.findall(r'href="#([^"]+)"', page)) - names
    check(not dead, f'the manual: links lead nowhere: {sorted(dead)}')


def check_headers(root, installed):
    flags = run('pkg-config', '--cflags', 'glib-2.0', 'gstreamer-1.0').split()
    for name in [name for name in installed if name.endswith('.h')]:
        for language, standard in (('c', 'c11'), ('c++', 'c++17')):
            run(*compiler, f'-std={standard}', '-pedantic-errors', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', *flags, '-x', language,
                '-include', name.replace('usr', root + prefix, 1), '/dev/null')


def check_sources():
    needed = {name for name in read('examples/packages.txt').split() if name.endswith('-dev') and name != 'libc6-dev'}
    needed |= {'glslang-tools', 'meson', 'spirv-tools'}
    control = read('debian/control')
    asked = set(re.findall(r'^ ([\w.+-]+)', re.search(r'^Build-Depends:(.*?)\n\n', control, re.S | re.M)[1], re.M))
    check(needed <= asked, f'debian/control: Build-Depends lacks {sorted(needed - asked)}')
    for pattern in re.findall(r'^Files: (.*)', read('debian/copyright'), re.M):
        check(glob.glob(pattern, root_dir=source), f'debian/copyright: there is no {pattern}')


with tempfile.TemporaryDirectory(prefix='minivl-packaging-') as root:
    installed = install(root)
    check_installed(installed)
    version = check_versions()
    check_symbols(version)
    check_pages(root, installed, version)
    check_manual(root, installed)
    check_headers(root, installed)
    check_sources()
print('\n'.join(complaints) or 'fine')
sys.exit(bool(complaints))
