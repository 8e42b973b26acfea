#!/usr/bin/python3
"""test-pictures.py SHOW_PICTURE DATA ODD: pictures of every kind, made here or by others (DATA), come out of SHOW_PICTURE as Pillow's
Image.open(file).convert("RGB") has them, byte for byte. What differs, and what is refused, is named here (ODD: files of others).

With a fourth argument, a folder, the files are left there, and `sums`, a line a picture with what this Pillow makes of it: the sums of
two releases tell what they disagree in."""
import hashlib, os, subprocess, sys, tempfile, warnings

from PIL import Image

import picture_files

warnings.simplefilter("ignore")


def show(program, paths, files=()):
    """(width, height, rgb or message) for each path. files: descriptors that it gets as well"""
    names = "".join(path + "\n" for path in paths).encode()
    out = subprocess.run([program], input=names, stdout=subprocess.PIPE, check=True, pass_fds=files).stdout
    at = 0
    for _ in paths:
        end = out.index(b"\n", at)
        words = out[at:end].decode().split(" ", 2)
        width, height, at = int(words[0]), int(words[1]), end + 1
        if width == 0:
            yield 0, 0, words[2]
        else:
            yield width, height, out[at : at + 3 * width * height]
            at += 3 * width * height


def pillow(path):
    """As show()."""
    try:
        picture = Image.open(path).convert("RGB")
    except Exception as error:
        return 0, 0, repr(error)
    return *picture.size, picture.tobytes()


class Test:
    def __init__(self, program):
        self.program, self.failed = program, 0

    def check(self, fine, what):
        if not fine:
            print("FAILED:", what)
            self.failed += 1

    def equal(self, paths, sums):
        for path, ours in zip(paths, show(self.program, paths)):
            name, theirs = os.path.basename(path), pillow(path)
            sums.append("%s %dx%d %s" % (name, *theirs[:2], hashlib.sha256(repr(theirs[2]).encode()).hexdigest()[:16] if theirs[0] else 0))
            if theirs[0] == 0:
                self.check(False, "%s: Pillow does not read it: %s" % (name, theirs[2]))
            elif ours[:2] != theirs[:2]:
                self.check(False, "%s: %dx%d for Pillow, here %dx%d %s" % (name, *theirs[:2], *ours[:2], ours[2][:80] if ours[0] == 0 else ""))
            else:
                away = [abs(a - b) for a, b in zip(ours[2], theirs[2]) if a != b]
                self.check(not away, "%s: %d bytes differ, by up to %d" % (name, len(away), max(away, default=0)))

    def from_pipe(self, path):
        near, far = os.pipe()
        with open(path, "rb") as file:
            os.write(far, file.read())
        os.close(far)
        ours = next(show(self.program, ["/dev/fd/%d" % near], (near,)))
        os.close(near)
        self.check(ours == pillow(path), "%s from a pipe: %s" % (os.path.basename(path), ours[2] if ours[0] == 0 else "another picture"))

    def expected(self, rows):
        """rows: path, the picture or part of a message"""
        for (path, right), ours in zip(rows, show(self.program, [row[0] for row in rows])):
            name = os.path.basename(path)
            if isinstance(right, str):
                self.check(ours[0] == 0 and path in ours[2] and right in ours[2], "%s: not %r but %r" % (name, right, ours[2][:200]))
            else:
                self.check(ours == right, "%s: %s" % (name, ours[2] if ours[0] == 0 else "another picture"))


def main():
    program, data, odd_data = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as scratch:
        folder = sys.argv[4] if len(sys.argv) > 4 else scratch
        test, sums = Test(program), []
        made = picture_files.write_all(folder)
        others = sorted(entry.path for entry in os.scandir(data))
        test.check(len(made) >= 200, "%d pictures made; at least 200 are to be compared" % len(made))
        test.equal(made + others, sums)
        for name in "png-2-8-rows-33x17.png", "tiff-RGB-tiff_lzw.tif", "jpeg-90-0-0-33x17.jpg", "webp-90-RGB-33x17.webp", "bmp-24-0.bmp":
            test.from_pipe(os.path.join(folder, name))
        odd = picture_files.write_odd(folder)
        odd.append((os.path.join(odd_data, "tiles.heic"), "HEIC is not supported"))
        # FFmpeg before 7 does not tell why.
        odd.append((os.path.join(odd_data, "tiles.avif"), "not"))
        test.expected(odd)
        if folder != scratch:
            with open(os.path.join(folder, "sums"), "w") as file:
                file.write("".join(line + "\n" for line in sums))
    print("Pillow %s: %d pictures made here and %d of others, %d odd ones; %d failed" % (
        Image.__version__, len(made), len(others), len(odd), test.failed))
    sys.exit(1 if test.failed else 0)


main()
