"""Pictures of every kind, for test-pictures.py: by Pillow, and byte by byte what Pillow does not write."""
import os, random, struct, zlib

from PIL import Image, TiffImagePlugin

SIZES = [(1, 1), (7, 5), (33, 17)]
rng = random.Random(16)
paths = []


def noise(n):
    return bytes(rng.randrange(256) for _ in range(n))


def picture(mode, size, edges=True):
    """Coloured edges on a slope for what is compressed with loss, else noise."""
    if mode == "P":
        made = Image.frombytes("P", size, noise(size[0] * size[1]))
        made.putpalette(noise(768))
        return made
    if mode == "1":
        return Image.frombytes("1", size, noise((size[0] + 7) // 8 * size[1]))
    if not edges:
        return Image.frombytes(mode, size, noise(size[0] * size[1] * len(mode)))
    made = Image.new("RGB", size)
    for y in range(size[1]):
        for x in range(size[0]):
            slope = (x * 7 % 256, y * 13 % 256, (x * y) % 256)
            made.putpixel((x, y), ((255, 0, 0), (0, 0, 255), slope, (255, 255, 0))[(x // 3 + y // 4) % 4])
    if mode == "RGBA":
        made.putalpha(Image.frombytes("L", size, noise(size[0] * size[1])))
    return made.convert(mode)


def path_of(folder, name):
    path = os.path.join(folder, name)
    paths.append(path)
    return path


def write(folder, name, data):
    with open(path_of(folder, name), "wb") as file:
        file.write(data)


def sized(kind, size):
    return "%s-%dx%d" % (kind, *size)


# --- PNG ---


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png(size, colour, bits, interlaced=False, chunks=b"", rows=None, palette=None):
    """rows: bytes of the rows one after the other; noise without"""
    data = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        width, height = -(-(size[0] - x) // dx), -(-(size[1] - y) // dy)
        if width <= 0 or height <= 0:
            continue
        n = (width * CHANNELS[colour] * bits + 7) // 8
        for row in range(height):
            data += bytes([0 if rows else rng.randrange(5)]) + (rows[row * n : row * n + n] if rows else noise(n))
    palette = chunk(b"PLTE", palette or noise(3 << bits)) if colour == 3 else b""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, interlaced)) + chunks
        + palette + TRNS.get(colour, b"") + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


TRNS = {0: chunk(b"tRNS", b"\0\1"), 2: chunk(b"tRNS", b"\0\1\0\2\0\3"), 3: chunk(b"tRNS", b"\0\x80")}


def write_png(folder):
    for colour, depths in (0, (1, 2, 4, 8)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16)):
        for bits in depths:
            for interlaced in False, True:
                for size in SIZES:
                    write(folder, sized("png-%d-%d-%s" % (colour, bits, "adam7" if interlaced else "rows"), size) + ".png",
                        png(size, colour, bits, interlaced))
    for mode in "1", "L", "LA", "P", "RGB", "RGBA":
        picture(mode, (31, 9)).save(path_of(folder, "pillow-%s.png" % mode), optimize=True)
    broken = chunk(b"iCCP", b"broken\0\0" + noise(40))
    wrong = chunk(b"iCCP", b"wrong\0\0" + zlib.compress(noise(200)))
    gamma = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sBIT", b"\5\6\5")
    control = chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9, 6, 0, 0, 1, 1, 0, 0))
    for name, chunks in ("broken-profile", broken), ("wrong-profile", wrong), ("gamma", gamma), ("apng", control):
        write(folder, "png-%s.png" % name, png((9, 6), 2, 8, chunks=chunks))


# --- JPEG ---


def write_jpeg(folder):
    for quality in 30, 90:
        for subsampling in 0, 1, 2:
            for progressive in False, True:
                for size in SIZES[1:]:
                    picture("RGB", size).save(path_of(folder, sized("jpeg-%d-%d-%d" % (quality, subsampling, progressive), size) + ".jpg"),
                        quality=quality, subsampling=subsampling, progressive=progressive)
    for mode in "L", "CMYK":
        for progressive in False, True:
            picture(mode, (33, 17)).save(path_of(folder, "jpeg-%s-%d.jpg" % (mode, progressive)), progressive=progressive)
    for turn in 3, 6:
        exif = Image.Exif()
        exif[0x112] = turn
        picture("RGB", (33, 17)).save(path_of(folder, "jpeg-exif-%d.jpg" % turn), exif=exif, dpi=(300, 300))


# --- TIFF ---

LOSSLESS = ["raw", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "zstd", "lzma"]


def write_tiff(folder):
    for mode in "1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK":
        for compression in LOSSLESS:
            if (mode, compression) != ("LA", "packbits"):
                picture(mode, (33, 17), edges=False).save(path_of(folder, "tiff-%s-%s.tif" % (mode, compression)), compression=compression)
    for compression in "group3", "group4":
        picture("1", (33, 17)).save(path_of(folder, "tiff-%s.tif" % compression), compression=compression)
    for mode in "L", "RGB", "CMYK":
        picture(mode, (33, 17)).save(path_of(folder, "tiff-jpeg-%s.tif" % mode), compression="jpeg")
    for turn in range(1, 9):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[274], tags[305], tags[306], tags[315] = turn, "GIMP 2.10", "2024:01:02 03:04:05", "somebody"
        tags[700], tags[33723], tags[65000] = b"<x:xmpmeta/>", b"\x1c\x02\0\0\2\0\4", "of nobody"
        for mode, compression in ("RGB", "raw"), ("P", "tiff_lzw"):
            picture(mode, (7, 5)).save(path_of(folder, "tiff-turned-%d-%s.tif" % (turn, mode)), tiffinfo=tags, dpi=(300, 300),
                icc_profile=noise(64), compression=compression)
    picture("RGB", (9, 6)).save(path_of(folder, "tiff-pages.tif"), save_all=True, append_images=[picture("L", (30, 30))])


# --- GIF ---


def write_gif(folder):
    for mode in "1", "L", "P", "RGB":
        for interlace in 0, 1:
            for size in SIZES:
                picture(mode, size).save(path_of(folder, sized("gif-%s-%d" % (mode, interlace), size) + ".gif"), interlace=interlace)
    for disposal in 0, 1, 2, 3:
        picture("P", (33, 17)).save(path_of(folder, "gif-animated-%d.gif" % disposal), save_all=True, disposal=disposal, transparency=3,
            append_images=[picture("P", (33, 17)) for _ in range(2)])
    # A screen around the picture: with a transparent colour, and without.
    for transparency in {}, {"transparency": 5}:
        path = path_of(folder, "gif-screen-%d.gif" % len(transparency))
        picture("P", (7, 5)).save(path, **transparency)
        with open(path, "r+b") as file:
            data = bytearray(file.read())
            data[6:10] = struct.pack("<HH", 20, 13)
            at = data.index(b",\0\0\0\0\7\0\5\0")
            data[at + 1 : at + 5] = struct.pack("<HH", 4, 3)
            file.seek(0)
            file.write(data)


# --- BMP ---


def bmp(size, bits, compression=0, masks=(), colours=0, data=None, down=False, header=40, palette=None):
    stride = (size[0] * bits + 31) // 32 * 4
    data = data or noise(stride * size[1])
    if header == 12:
        head, entry = struct.pack("<IHHHH", 12, *size, 1, bits), 3
    else:
        head, entry = struct.pack("<IiiHHIIiiII", header, size[0], -size[1] if down else size[1], 1, bits, compression, len(data), 2835,
            2835, colours, 0), 4
    head += b"".join(struct.pack("<I", mask) for mask in masks)
    head += b"\0" * (header - len(head)) + b"".join(
        (palette[i] if palette else noise(3)) + b"\0" * (entry - 3) for i in range(colours))
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


def write_bmp(folder):
    for mode in "1", "L", "P", "RGB", "RGBA":
        for size in SIZES:
            picture(mode, size).save(path_of(folder, sized("bmp-" + mode, size) + ".bmp"))
    for bits in 1, 4, 8, 16, 24, 32:
        for down in False, True:
            write(folder, "bmp-%d-%d.bmp" % (bits, down), bmp((7, 5), bits, colours=1 << bits if bits <= 8 else 0, down=down))
        if bits <= 24 and bits != 16:
            write(folder, "bmp-os2-%d.bmp" % bits, bmp((7, 5), bits, colours=1 << bits if bits <= 8 else 0, header=12))
    write(folder, "bmp-565.bmp", bmp((7, 5), 16, 3, (0xF800, 0x7E0, 0x1F)))
    write(folder, "bmp-555.bmp", bmp((7, 5), 16, 3, (0x7C00, 0x3E0, 0x1F)))
    write(folder, "bmp-v4.bmp", bmp((7, 5), 32, 3, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), header=108))
    write(folder, "bmp-v5.bmp", bmp((7, 5), 24, header=124))
    runs = b"".join(bytes([4, y, 0, 3, y + 1, y + 2, y + 3, 0, 0, 0]) for y in range(5)) + b"\0\1"
    write(folder, "bmp-rle8.bmp", bmp((7, 5), 8, 1, colours=256, data=runs))
    runs = b"".join(bytes([3, 0x12 + y, 0, 4, 0x34, 0x56, 0, 0]) for y in range(5)) + b"\0\1"
    write(folder, "bmp-rle4.bmp", bmp((7, 5), 4, 2, colours=16, data=runs))


# --- the others ---


def write_others(folder):
    for mode in "RGB", "RGBA":
        for size in SIZES:
            picture(mode, size).save(path_of(folder, sized("webp-lossless-" + mode, size) + ".webp"), lossless=True, exact=True)
            for quality in 20, 90:
                picture(mode, size).save(path_of(folder, sized("webp-%d-%s" % (quality, mode), size) + ".webp"), quality=quality)
        picture(mode, (33, 17)).save(path_of(folder, "webp-animated-%s.webp" % mode), save_all=True,
            append_images=[picture(mode, (33, 17), edges=False)])
    for mode, ending in ("1", "pbm"), ("L", "pgm"), ("RGB", "ppm"), ("L", "tga"), ("RGB", "tga"), ("RGBA", "tga"):
        picture(mode, (33, 17)).save(path_of(folder, "other-%s.%s" % (mode, ending)))


def write_all(folder):
    """Their paths."""
    for write_kind in write_png, write_jpeg, write_tiff, write_gif, write_bmp, write_others:
        write_kind(folder)
    return paths


# --- what is not as of Pillow, and what is refused ---


def upper_bytes(size, rows):
    """What 16-bit gray is here: its upper 8 bits. Pillow cuts at 255."""
    return *size, bytes(value for at in range(0, len(rows), 2) for value in [rows[at]] * 3)


def tiff(size, tags, data):
    """One strip, little-endian. tags: tag -> value, or bytes of 8-bit or list of 16-bit values"""
    tags = {256: size[0], 257: size[1], 259: 1, 273: 8, 277: 1, 278: size[1], 279: len(data), **tags}
    extra, at, entries = b"", 8 + len(data), []
    for tag, value in sorted(tags.items()):
        if isinstance(value, list) and len(value) > 2:
            entries.append(struct.pack("<HHII", tag, 3, len(value), at + len(extra)))
            extra += struct.pack("<%dH" % len(value), *value)
        else:
            entries.append(struct.pack("<HHII", tag, 4, 1, value))
    return (b"II*\0" + struct.pack("<I", at + len(extra)) + data + extra + struct.pack("<H", len(entries)) + b"".join(entries) + b"\0" * 4)


def write_odd(folder):
    """(path, the right picture or part of the message) of each."""
    rows = []

    def add(name, data, right):
        rows.append((os.path.join(folder, name), right))
        with open(rows[-1][0], "wb") as file:
            file.write(data)

    def read(name):
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()

    size, gray = (33, 17), noise(2 * 33 * 17)
    swapped = b"".join(bytes([gray[i + 1], gray[i]]) for i in range(0, len(gray), 2))
    add("gray16.png", png(size, 0, 16, rows=gray), upper_bytes(size, gray))
    add("gray16.tif", tiff(size, {258: 16, 262: 1}, swapped), upper_bytes(size, gray))
    add("gray16-white.tif", tiff(size, {258: 16, 262: 0}, swapped), upper_bytes(size, bytes(255 - value for value in gray)))

    # Pillow 11 turns uncompressed ones of one byte a pixel once too often.
    for turn, method in (5, Image.Transpose.TRANSPOSE), (6, Image.Transpose.ROTATE_270), (7, Image.Transpose.TRANSVERSE), (
            8, Image.Transpose.ROTATE_90):
        indices = noise(7 * 5)
        right = Image.frombytes("L", (7, 5), indices).transpose(method)
        add("turned-%d.tif" % turn, tiff((7, 5), {258: 8, 262: 1, 274: turn}, indices), (*right.size, right.convert("RGB").tobytes()))
    # Beyond the end of a palette all is black; for Pillow 9 index i is gray i, for 11 it is black.
    colours = noise(9)
    add("short-palette.png", png((256, 1), 3, 8, palette=colours, rows=bytes(range(256))), (256, 1, colours + b"\0" * 759))
    # Pillow takes three bytes for seven pixels, and reads two more behind a jump.
    colours = [noise(3) for _ in range(16)]
    run = bmp((7, 1), 4, 2, colours=16, data=bytes([0, 7, 0x12, 0x34, 0x56, 0x70, 0, 1]), palette=colours)
    add("odd-run.bmp", run, (7, 1, b"".join(colours[i][::-1] for i in range(1, 8))))
    jump = bmp((3, 1), 8, 1, colours=16, data=bytes([1, 5, 0, 2, 1, 0, 1, 6, 0, 1]), palette=colours)
    add("jump.bmp", jump, (3, 1, b"".join(colours[i][::-1] for i in (5, 0, 6))))

    pixel = {258: 32, 262: 1}
    add("float.tif", tiff((2, 2), {**pixel, 339: 3}, noise(16)), "a TIFF of floating-point samples is not supported")
    add("signed.tif", tiff((2, 2), {**pixel, 258: 16, 339: 2}, noise(8)), "a TIFF of signed samples is not supported")
    add("wide.tif", tiff((2, 2), pixel, noise(16)), "a TIFF of 32 bits a sample is not supported")
    add("lab.tif", tiff((2, 2), {258: [8, 8, 8], 262: 8, 277: 3}, noise(12)), "a TIFF of L*a*b* colours is not supported")
    add("codec.tif", tiff((2, 2), {258: 8, 262: 1, 259: 34712}, noise(4)), "a TIFF of compression 34712 is not supported")
    add("12-bit.jpg", read("jpeg-L-0.jpg").replace(b"\xff\xc0\0\x0b\x08", b"\xff\xc0\0\x0b\x0c"), "JPEG")

    side = struct.pack("<H", 8193)
    large = "the picture is too large: it has 8193x8193 pixels"
    add("large.png", png((1, 1), 2, 8).replace(chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        chunk(b"IHDR", struct.pack(">IIBBBBB", 8193, 8193, 8, 2, 0, 0, 0))), large)
    add("large.jpg", read("jpeg-L-0.jpg").replace(b"\x08\0\x11\0\x21", b"\x08\x20\x01\x20\x01"), large)
    add("large.gif", b"GIF89a" + side * 2 + b"\x80\0\0" + b"\0" * 6 + b",\0\0\0\0" + side * 2 + b"\0\2\2\x4c\1\0;", large)
    add("large.tif", tiff((8193, 8193), {258: 8, 262: 1}, noise(4)), large)
    add("large.bmp", bmp((8193, 8193), 24, data=noise(9)), large)
    add("large.webp", b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\0\x20\0\0\x20\0" + b"VP8L\0\0\0\0", large)

    for name in ("png-2-8-rows-33x17.png", "png-3-4-adam7-33x17.png", "jpeg-90-0-0-33x17.jpg", "jpeg-90-2-1-33x17.jpg", "tiff-RGB-raw.tif",
            "tiff-RGB-tiff_lzw.tif", "gif-P-1-33x17.gif", "bmp-RGB-33x17.bmp", "webp-90-RGB-33x17.webp", "webp-lossless-RGBA-33x17.webp"):
        data = read(name)
        add("cut-" + name, data[: len(data) * 2 // 3], "damaged")
    data = bytearray(read("png-2-8-rows-33x17.png"))
    data[-30] ^= 1
    add("bit.png", data, "damaged")
    for ending in "png", "jpg", "tif", "webp":
        add("text." + ending, b"no picture", "the file is not what its name says")
    for name in "text", "text.gif":
        add(name, b"no picture", "cannot be read as a picture or video")

    # A name that looks like a pattern is a name; the neighbour is blue.
    for ending in "bmp", "png":
        for name, colour in ("a%03d.", "red"), ("a001.", "blue"):
            Image.new("RGB", (1, 1), colour).save(os.path.join(folder, name + ending))
        rows.append((os.path.join(folder, "a%03d." + ending), (1, 1, b"\xff\0\0")))
    return rows
