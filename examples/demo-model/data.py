"""Training clips: scenes and test patterns as the model will get them (drawn at a video's size, through a lossy codec, 112x112 by Pillow's
bicubic), written in chunks by a process of its own, so that each is drawn once and seen several times.

`data.py FOLDER COUNT` adds COUNT chunks.
"""
import glob, io, os, pickle, random, subprocess, sys
import numpy as np
from PIL import Image
from world import KINDS, PATTERNS, Scene

FRAMES, SIDE, GRID, CHUNK = 8, 112, 8, 256
MOVES = ('person right', 'person left', 'person still', 'cyclist right', 'cyclist left', 'car moves', 'car still')
SIZES = ((320, 240), (640, 360), (1280, 720))
TRAINING = 1 << 32                                                           # seeds below are for tests and evaluation


def codec(picture, quality):
    """What a codec leaves of a picture; JPEG stands in for H.264: 4:2:0 and blocks alike."""
    if quality is None:
        return picture
    packed = io.BytesIO()
    picture.save(packed, 'JPEG', quality=quality)
    return Image.open(packed)


def tile(picture):
    return np.asarray(picture.resize((SIDE, SIDE), Image.BICUBIC))


def patterns(folder):
    """{name: [n][112][112][3]} of frames that videotestsrc really makes, drawn once, kept in the folder."""
    library, path = {}, f'{folder}/patterns.pkl'
    if os.path.exists(path):
        return pickle.load(open(path, 'rb'))
    for name in PATTERNS:
        tiles, count = [], {'ball': 300, 'snow': 40, 'smpte': 12}.get(name, 4)
        for w, h in SIZES:
            raw = subprocess.run(['gst-launch-1.0', '-q', 'videotestsrc', f'pattern={name}', f'num-buffers={count}', '!', f'video/x-raw,format=RGB,width={w},height={h}', '!', 'fdsink'],
                                 stdout=subprocess.PIPE, check=True).stdout
            for i, frame in enumerate(np.frombuffer(raw, np.uint8).reshape(count, h, w, 3)):
                tiles.append(tile(codec(Image.fromarray(frame), (None, 30, 55, 80)[i % 4])))
        library[name] = np.stack(tiles)
    pickle.dump(library, open(path, 'wb'))
    return library


def labels(boxes):
    """Bits of KINDS [8][8]: which patches show what."""
    out = np.zeros((GRID, GRID), np.uint8)
    for kind, x0, y0, x1, y1 in boxes:
        x0, x1, y0, y1 = ((min(1023, max(0, v)) * GRID) >> 10 for v in (x0 + 14, x1 - 14, y0 + 14, y1 - 14))
        out[y0:y1 + 1, x0:x1 + 1] |= 1 << KINDS.index(kind)
    return out


def moves(scene, before, moment):
    """Bits of MOVES: who has gone where since the frame before."""
    out = set()
    for a in scene.actors:
        x, was = a.place(moment), a.place(before)
        if x is None or was is None or not -40 < x < 1064:
            continue
        way = 'right' if x > was else 'left'
        if a.action.startswith('cycles'):
            out.add('cyclist ' + way)
        else:
            out.add('person ' + (way if a.action != 'loiters' and abs(x - was) > 25 else 'still'))
    if scene.car and -160 < scene.car_place(moment) < 1184:
        out.add('car still' if scene.car_place(moment) == scene.car_place(before) else 'car moves')
    return sum(1 << MOVES.index(m) for m in out)


def yard(scene, size, quality, moments):
    frames = np.stack([tile(codec(Image.fromarray(scene.render(m, *size)), quality)) for m in moments])
    return frames, np.stack([labels(scene.shapes(m)[1]) for m in moments])


def clip(seed, library):
    """(frames [8][112][112][3], labels [8][8][8], moves [8], facts)."""
    rng = random.Random(seed)
    if rng.random() < .12:
        name = rng.choice(PATTERNS)
        tiles, start, stride = library[name], rng.randrange(10 ** 6), rng.randrange(1, 60)
        return np.stack([tiles[(start + i * stride) % len(tiles)] for i in range(FRAMES)]), np.zeros((FRAMES, GRID, GRID), np.uint8), np.zeros(FRAMES, np.uint8), {'pattern': name}
    scene, shift = Scene(seed), rng.randrange(-25, 26)
    moments = [(2 * i + 1) * 1000 // (2 * FRAMES) + shift for i in range(FRAMES)]
    quality = rng.choice((None, rng.randrange(25, 60), rng.randrange(50, 95)))
    gone = np.array([moves(scene, m - 1000 // FRAMES, m) for m in moments], np.uint8)
    return *yard(scene, rng.choices(SIZES, (50, 35, 15))[0], quality, moments), gone, scene.facts()


def chunks(folder):
    return sorted(p[:-4] for p in glob.glob(f'{folder}/chunk-*.pkl'))        # the .pkl is written last


def main(folder, count):
    os.makedirs(folder, exist_ok=True)
    library, first = patterns(folder), len(chunks(folder))
    for k in range(first, first + count):
        clips = [clip(TRAINING + k * CHUNK + i, library) for i in range(CHUNK)]
        np.save(f'{folder}/chunk-{k:05}.npy', np.stack([c[0] for c in clips]))
        with open(f'{folder}/part', 'wb') as fh:
            pickle.dump((np.stack([c[1] for c in clips]), np.stack([c[2] for c in clips]), [c[3] for c in clips]), fh)
        os.rename(f'{folder}/part', f'{folder}/chunk-{k:05}.pkl')


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]))
