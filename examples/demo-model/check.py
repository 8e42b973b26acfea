"""How much of what the model says is true, by fact and light, on clips of seeds training never saw, in plain PyTorch.

    check.py [--model FOLDER | --state WORK/state.pt] [--clips N] [--seed S] [--size 320x240] [--h264]

Questions and reports are asked of the pictures; summaries are asked of true reports. --h264 sends each clip through a real encoder
(openh264enc, 10 frames a second) instead of the JPEG of the training data.
"""
import argparse, collections, os, random, subprocess
import numpy as np, torch
from PIL import Image
import data, export, grammar
from data import FRAMES
from model import Model, load, normalise
from tokenizer import Tokenizer
from world import PATTERNS, Scene

HERE = os.path.dirname(os.path.abspath(__file__))
RATE, SECONDS = 10, 8


def h264(pictures, size):
    """Pictures [n][h][w][3] encoded and decoded, in order."""
    w, h = size
    raw = np.stack(pictures).tobytes()
    pipe = (f'fdsrc ! rawvideoparse format=rgb width={w} height={h} framerate={RATE}/1 ! videoconvert ! video/x-raw,format=I420 ! '
            f'openh264enc bitrate={3 * w * h} complexity=medium ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=RGB ! fdsink')
    out = subprocess.run(['gst-launch-1.0', '-q', *pipe.split()], input=raw, stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(out, np.uint8).reshape(-1, h, w, 3)


def clip(seed, size, real, library):
    rng = random.Random(seed)
    if seed % 10 == 0:
        name = PATTERNS[seed // 10 % len(PATTERNS)]
        tiles, start, stride = library[name], rng.randrange(10 ** 6), rng.randrange(20, 60)
        return np.stack([tiles[(start + i * stride) % len(tiles)] for i in range(FRAMES)]), {'pattern': name}
    scene, n = Scene(seed), RATE * SECONDS
    which = [(2 * i + 1) * n // (2 * FRAMES) for i in range(FRAMES)]
    if not real:
        return data.yard(scene, size, rng.choice((None, 40, 60, 80)), [k * 1000 // n for k in which])[0], scene.facts()
    decoded = h264([scene.render(k * 1000 // n, *size) for k in range(n)], size)
    return np.stack([data.tile(Image.fromarray(decoded[k])) for k in which]), scene.facts()


class Asker:
    def __init__(self, model, tokenizer):
        self.model, self.tokenizer, s = model, tokenizer, tokenizer.special
        self.context, self.stops = s['<IMG_CONTEXT>'], (s['<|end|>'], s['<|endoftext|>'])

    def ask(self, jobs, longest=128):
        """Answers of (question, seen [8][tokens][h] or None) pairs, equally long ones together."""
        groups, out = collections.defaultdict(list), [None] * len(jobs)
        for i, (question, seen) in enumerate(jobs):
            ids = self.tokenizer.prompt(question, grammar.SYSTEM, 0 if seen is None else FRAMES, self.model.tokens)
            groups[len(ids), seen is None].append((i, ids))
        for (_, blind), group in groups.items():
            for at in range(0, len(group), 16):
                some = group[at:at + 16]
                seen = None if blind else torch.cat([jobs[i][1].flatten(0, 1) for i, _ in some])
                for (i, _), ids in zip(some, self.model.answer(torch.tensor([ids for _, ids in some]), seen, self.context, self.stops, longest)):
                    out[i] = self.tokenizer.decode(ids)
        return out


class Table:
    def __init__(self):
        self.rows = collections.defaultdict(lambda: [0, 0, 0, 0])              # right of stated, stated, stated of present, present

    def add(self, name, want, got):
        want, got = collections.Counter(want), collections.Counter(got)
        both = sum((want & got).values())
        self.rows[name] = [a + b for a, b in zip(self.rows[name], (both, sum(got.values()), both, sum(want.values())))]

    def print(self):
        for name, (a, b, c, d) in sorted(self.rows.items()):
            print(f'{name:24} stated {a}/{b} {a / max(b, 1):.3f}   present {c}/{d} {c / max(d, 1):.3f}')


def main(args):
    if args.state:
        model = Model(export.CONFIG).eval()
        model.load_state_dict(torch.load(args.state)['model'])
    else:
        model = load(args.model)
    size, table, wrong = tuple(map(int, args.size.split('x'))), Table(), []
    asker, rng = Asker(model, Tokenizer(f'{HERE}/checkpoint')), random.Random(args.seed)
    library = data.patterns(args.work)
    clips = [clip(args.seed + i, size, args.h264, library) for i in range(args.clips)]
    with torch.no_grad():
        seen = [model.see(normalise(torch.from_numpy(frames)))[1] for frames, _ in clips]
    for (frames, facts), text in zip(clips, asker.ask([(grammar.DESCRIBE[0], s) for s in seen])):
        want, got = grammar.stated(facts), grammar.stated(grammar.parse_report(text)) or [('no sentence of the grammar', text)]
        table.add('report: all', want, got)
        table.add(f"report, {facts.get('light', 'pattern')}", want, got)
        for kind in {k for k, _ in want + got}:
            table.add(f'  {kind}', [f for f in want if f[0] == kind], [f for f in got if f[0] == kind])
        for kind, value in want + got:
            if kind == 'person':
                table.add(f'    {value}', [f for f in want if f[1] == value], [f for f in got if f[1] == value])
        if sorted(map(str, want)) != sorted(map(str, got)):
            wrong.append(f'  {grammar.report(facts)}\n  > {text}')
    jobs, wants = [], []
    for (_, facts), s in zip(clips, seen):
        rows = grammar.questions(facts)
        likely = [r for r in rows if r[2] not in ('No.', 'None.', 'There is no car.', 'Nobody crosses the yard.', 'It is a test picture.')]
        for kind, texts, answer in [rng.choice(rows), rng.choice(rows), rng.choice(likely or rows)]:
            jobs.append((rng.choice(texts), s))
            wants.append((kind, answer))
    for (kind, answer), got in zip(wants, asker.ask(jobs, 16)):
        table.add('question: all', [answer], [got])
        table.add(f'  question: {kind}', [answer], [got])
    jobs, wants = [], []
    for at in range(0, args.clips // 3):
        some = [Scene(rng.randrange(1 << 31)).facts() for _ in range(rng.randrange(1, 7))]
        jobs.append((grammar.summary_prompt([grammar.report(f) for f in some], rng), None))
        wants.append(grammar.summary(some))
    for want, got in zip(wants, asker.ask(jobs, 256)):
        table.add('summary: events', grammar.parse_summary(want), grammar.parse_summary(got) or [])
        table.add('summary: whole', [want], [got])
    table.print()
    print('\n'.join(wrong[:args.wrong]))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--model', default=f'{HERE}/checkpoint')
    p.add_argument('--state')
    p.add_argument('--work', default='/tmp')
    p.add_argument('--clips', type=int, default=150)
    p.add_argument('--seed', type=int, default=1000)
    p.add_argument('--size', default='320x240')
    p.add_argument('--h264', action='store_true')
    p.add_argument('--wrong', type=int, default=8)
    torch.set_num_threads(2)
    main(p.parse_args())
