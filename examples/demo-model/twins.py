"""What yard.c and grammar.c are tested against: `twins.py FOLDER` (tests/data) writes yard.json and grammar.json.

Run it whenever world.py or grammar.py has changed.
"""
import hashlib, json, random, sys
import grammar
from world import ACTIONS, CARS, COLOURS, LIGHTS, PATTERNS, Scene

SIZES = ((320, 240), (640, 360), (1280, 720), (113, 57))
WRONG = ('', '.', 'By day, a person flies.', 'A red car arrives.', 'By day, nobody is in the yard', 'By day, nobody is in the yard. ', 'by day, nobody is in the yard.',
         'By day, nobody is in the yard. A red car arrives. A red car arrives.', 'By day, nobody is in the yard. A pink car arrives.', 'By day, nobody is in the yard. A red car flies.',
         'By day, nobody is in the yard. A bag lies on the ground and a dog runs about.', 'By day, one person loiters.', 'By day, one person loiters and another.',
         'By day, a person loiters and another loiters.', 'The screen is pink.', 'The screen is red', 'The screen is red. The screen is red.', 'At noon, nobody is in the yard.',
         'By day, nobody is in the yard. A dog runs about. A bag lies on the ground.', 'By day, nobody is in the yard. A dog runs About.')
WRONG_SUMMARIES = ('.', 'A cow arrives.', 'A red car is parked.', 'A red car arrives', 'A red car arrives, a dog runs about.', 'A red car arrives, then.', 'Nothing happened', 'A person flies.',
                   'A dog runs about, then nothing happened.', 'A pink car arrives.', 'The screen is pink.')


def state(facts):
    """grammar.stated() as one line."""
    return '; '.join(kind if value is True else f"{kind}: {' '.join(value) if kind == 'car' else value}" for kind, value in grammar.stated(facts))


def frames():
    rng, seen = random.Random(8), set()
    for n in range(96):
        seed = rng.choice((n, rng.randrange(1 << 32), rng.randrange(1 << 62)))
        background, light = rng.choice((None, rng.randrange(1 << 62))), rng.choice((None, None, rng.choice(LIGHTS)))
        scene, size, moment = Scene(seed, background, light), SIZES[(0, 0, 0, 1, 3, 3, 3, 2)[n % 8]], rng.choice((-25, 0, 1000, rng.randrange(1000), rng.randrange(1000), rng.randrange(1000)))
        seen |= {scene.light, scene.lamp, scene.dog, ('bag', scene.bag), scene.car, *(a.action for a in scene.actors)}
        yield dict(seed=str(seed), background=background if background is None else str(background), light=light, moment=moment, width=size[0], height=size[1], facts=state(scene.facts()),
                   sha256=hashlib.sha256(scene.render(moment, *size).tobytes()).hexdigest())
    assert seen >= {*LIGHTS, *ACTIONS, 'off', 'on', 'goes on', True, False, ('bag', True), None}, 'more rows, or another random seed'


def sentences():
    rng, seen, kinds = random.Random(8), set(), {}
    for n in range(60):
        facts = {'pattern': PATTERNS[n]} if n < len(PATTERNS) else Scene(n).facts()
        seen |= {facts.get('light'), facts.get('car'), *facts.get('people', ())}
        yield dict(seed=n, pattern=facts.get('pattern'), state=state(facts), report=grammar.report(facts), answers=[answer for _, _, answer in grammar.questions(facts)])
    assert seen >= {*LIGHTS, *ACTIONS} and len(seen & {(c, d) for c in CARS for d in COLOURS}) > 12, 'more rows'


def summaries():
    rng = random.Random(8)
    for n in range(24):
        seeds = [rng.randrange(1 << 20) for _ in range(n % 7)]
        facts = [Scene(s).facts() if s % 10 else {'pattern': PATTERNS[s // 10 % len(PATTERNS)]} for s in seeds]
        yield dict(seeds=seeds, events=[e for f in facts for e in grammar.events(f)], summary=grammar.summary(facts))


def write(path, **lists):
    """One row a line."""
    with open(path, 'w') as fh:
        fh.write('{\n' + ',\n'.join(f'"{name}": [\n' + ',\n'.join(json.dumps(row) for row in rows) + '\n]' for name, rows in lists.items()) + '\n}\n')


if __name__ == '__main__':
    write(f'{sys.argv[1]}/yard.json', frames=frames())
    for text in WRONG:
        assert not text or grammar.parse_report(text) is None, text
    for text in WRONG_SUMMARIES:
        assert grammar.parse_summary(text) is None, text
    write(f'{sys.argv[1]}/grammar.json', reports=sentences(), summaries=summaries(), questions=[[kind, *texts] for kind, texts, _ in grammar.questions(Scene(0).facts())],
          wrong_reports=WRONG, wrong_summaries=WRONG_SUMMARIES)
