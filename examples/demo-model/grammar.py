"""Facts to sentences and back, questions with their answers, summaries. What `parse_*` does not know is wrong: it returns None.

Facts of a yard: as `world.Scene.facts`. Facts of a test picture: {'pattern': name}.
"""
import re
from world import ACTIONS, CARS, COLOURS, LIGHTS, PATTERNS

LIGHT = {'day': 'By day', 'dusk': 'At dusk', 'night': 'At night', 'rain': 'In the rain'}
ACTION = {'right': 'walks from left to right', 'left': 'walks from right to left', 'stops': 'comes and stands still', 'loiters': 'loiters', 'enters': 'enters the house',
          'exits': 'comes out of the house', 'leaves': 'leaves a bag', 'takes': 'takes a bag away',
          'cycles right': 'cycles from left to right', 'cycles left': 'cycles from right to left'}
CAR = {'parked': 'is parked', 'arrives': 'arrives', 'leaves': 'leaves'}
PATTERN = {'smpte': 'shows colour bars', 'snow': 'shows snow', 'black': 'is black', 'white': 'is white', 'red': 'is red', 'green': 'is green', 'blue': 'is blue',
           'checkers-8': 'shows a checkerboard', 'circular': 'shows rings', 'ball': 'shows a moving ball', 'pinwheel': 'shows a pinwheel'}
NOBODY, DOG, BAG, LAMP = 'nobody is in the yard', 'a dog runs about', 'a bag lies on the ground', 'a light goes on'
NOTHING = 'Nothing happened.'

SYSTEM = 'You are an AI assistant whose name is Phi-3.'                      # of the template phi3-chat
DESCRIBE = ('Describe what happens in one or two sentences.', 'What happens in this video?', 'What happens?', 'Describe the video.', 'Please describe the video shortly.',
            'Describe in one or two sentences what happens in this video.', 'What do you see?', 'What is happening?', 'Please describe the video in detail.',
            'Say in one or two sentences what happens.', 'Describe this video segment in one or two sentences.', 'What happens in this segment of the video?')
SUMMARISE = ('Sum up what happened.', 'Sum up these reports.', 'Summarise the reports.', 'Summarize what happened.', 'Which events happened, in order?',
             'Sum up in one or two sentences what happened.', 'Summarize these reports in a few sentences.')


def inverse(table):
    return {text: key for key, text in table.items()}


def upper(text):
    return text[0].upper() + text[1:]


def join(parts):
    return parts[0] if len(parts) == 1 else ', '.join(parts[:-1]) + ' and ' + parts[-1]


def report(facts):
    """One to three sentences."""
    if 'pattern' in facts:
        return f"The screen {PATTERN[facts['pattern']]}."
    people = [ACTION[a] for a in facts['people']]
    who = NOBODY if not people else f'one person {people[0]} and another {people[1]}' if len(people) == 2 else f'a person {people[0]}'
    text = [f"{LIGHT[facts['light']]}, {who}."]
    if facts['car']:
        doing, colour = facts['car']
        text.append(f'A {colour} car {CAR[doing]}.')
    rest = [s for s, there in ((DOG, facts['dog']), (BAG, facts['bag']), (LAMP, facts['lamp'])) if there]
    if rest:
        text.append(upper(join(rest)) + '.')
    return ' '.join(text)


def either(table):
    return '|'.join(sorted(map(re.escape, table), key=len, reverse=True))


REPORT = re.compile(f"(?P<light>{either(LIGHT.values())}), (?:(?P<nobody>{NOBODY})|a person (?P<one>{either(ACTION.values())})"
                    f"|one person (?P<first>{either(ACTION.values())}) and another (?P<second>{either(ACTION.values())}))\\."
                    f"(?: A (?P<colour>{either(COLOURS)}) car (?P<car>{either(CAR.values())})\\.)?(?: (?P<rest>[^.]+)\\.)?")
SCREEN = re.compile(f'The screen ({either(PATTERN.values())})\\.')


def parse_report(text):
    """The facts a report states, or None when it is not of the grammar: only what `report` writes is."""
    if m := SCREEN.fullmatch(text):
        return {'pattern': inverse(PATTERN)[m[1]]}
    if not (m := REPORT.fullmatch(text)):
        return None
    facts = dict(light=inverse(LIGHT)[m['light']], people=[inverse(ACTION)[a] for a in (m['one'], m['first'], m['second']) if a],
                 car=(inverse(CAR)[m['car']], m['colour']) if m['car'] else None)
    rest = (m['rest'] or '').lower()
    facts.update(dog=DOG in rest, bag=BAG in rest, lamp=LAMP in rest)
    return facts if report(facts) == text else None


def stated(facts):
    """The facts as a list of (kind, value), repeated where two people do the same: what is counted right, wrong or missing."""
    if facts is None:
        return []
    if 'pattern' in facts:
        return [('pattern', facts['pattern'])]
    out = [('light', facts['light']), ('count', len(facts['people']))] + [('person', a) for a in facts['people']]
    return out + ([('car', facts['car'])] if facts['car'] else []) + [(k, True) for k in ('dog', 'bag', 'lamp') if facts[k]]


def events(facts):
    """What a summary tells of a segment, in the order it tells it."""
    if 'pattern' in facts:
        return [f"the screen {PATTERN[facts['pattern']]}"]
    out = [f'a person {ACTION[a]}' for a in facts['people']]
    if facts['car'] and facts['car'][0] != 'parked':
        out.append(f"a {facts['car'][1]} car {CAR[facts['car'][0]]}")
    return out + [s for s, there in ((DOG, facts['dog']), (LAMP, facts['lamp'])) if there]


def summary(segments):
    """One sentence on the events of up to six segments, in order."""
    told = [e for facts in segments for e in events(facts)]
    return upper(', then '.join(told)) + '.' if told else NOTHING


EVENTS = {f'the screen {p}' for p in PATTERN.values()} | {f'a person {a}' for a in ACTION.values()} | {DOG, LAMP} | {f'a {c} car {CAR[d]}' for c in COLOURS for d in CARS[1:]}

PHRASE = re.compile(either([*ACTION.values(), *(e.split(' ', 1)[1] for e in EVENTS if not e.startswith('a person'))]))   # what a report and a summary share of an event


def parse_summary(text):
    """The list of events, or None."""
    if text == NOTHING:
        return []
    told = (text[0].lower() + text[1:-1]).split(', then ') if text.endswith('.') else ['']
    return told if EVENTS.issuperset(told) else None


def yes(condition):
    return 'Yes.' if condition else 'No.'


def questions(facts):
    """(kind, phrasings, answer) of every question the model knows. A kind's phrasings mean the same."""
    people, car, yard = facts.get('people', []), facts.get('car'), 'light' in facts
    has = lambda *actions: any(a in people for a in actions)
    rights, lefts = has('right', 'cycles right'), has('left', 'cycles left')
    way = 'Both ways.' if rights and lefts else 'From left to right.' if rights else 'From right to left.' if lefts else 'Nobody crosses the yard.'
    doing = {None: 'There is no car.', 'parked': 'It is parked.', 'arrives': 'It arrives.', 'leaves': 'It leaves.'}[car[0] if car else None]
    rows = [('count', ('How many people are there?', 'How many people do you see?'), ('None.', 'One.', 'Two.')[len(people)]),
            ('colour', ('What colour is the car?', 'Which colour does the car have?'), f'{upper(car[1])}.' if car else 'There is no car.'),
            ('car doing', ('What does the car do?',), doing),
            ('way', ('Which way does the person walk?', 'Which way does the person go?'), way),
            ('light', ('Is it day or night?', 'What time of day is it?', 'What is the light like?'), f"{LIGHT[facts['light']]}." if yard else 'It is a test picture.')]
    alerts = [('person', ('Is there a person?', 'Is anybody there?', 'Is someone there?', 'Do you see a person?'), people),
              ('two people', ('Are there two people?', 'Are two people there?'), len(people) == 2),
              ('bag left', ('Did someone leave a bag?', 'Does someone leave a bag?', 'Has someone left a bag?'), has('leaves')),
              ('bag taken', ('Did someone take a bag away?', 'Does someone take a bag?', 'Was a bag taken away?'), has('takes')),
              ('bag lies', ('Does a bag lie on the ground?', 'Is there a bag nobody touches?'), facts.get('bag')),
              ('loiters', ('Does someone loiter?', 'Is someone loitering?', 'Did someone loiter?'), has('loiters')),
              ('stops', ('Does someone stand still?', 'Did someone stop?'), has('stops')),
              ('enters', ('Did someone enter the house?', 'Does someone enter the house?', 'Did someone go in?'), has('enters')),
              ('exits', ('Did someone come out of the house?', 'Does someone come out?'), has('exits')),
              ('crosses right', ('Does someone go from left to right?', 'Did someone cross from left to right?'), rights),
              ('crosses left', ('Does someone go from right to left?', 'Did someone cross from right to left?'), lefts),
              ('cyclist', ('Is there a cyclist?', 'Is someone on a bicycle?', 'Do you see a bicycle?'), has('cycles right', 'cycles left')),
              ('car', ('Is there a car?', 'Is a car there?', 'Do you see a car?'), car),
              ('car arrives', ('Did a car arrive?', 'Does a car arrive?'), car and car[0] == 'arrives'),
              ('car leaves', ('Did a car leave?', 'Does a car leave?'), car and car[0] == 'leaves'),
              ('car parked', ('Is a car parked?', 'Is there a parked car?'), car and car[0] == 'parked'),
              ('dog', ('Is there a dog?', 'Is a dog there?', 'Do you see a dog?'), facts.get('dog')),
              ('lamp', ('Did a light go on?', 'Does a light go on?'), facts.get('lamp')),
              ('yard', ('Is this a yard?', 'Is there a house?'), yard)]
    alerts += [(light, texts, facts.get('light') == light) for light, texts in (('day', ('Is it day?',)), ('dusk', ('Is it dusk?',)), ('night', ('Is it night?', 'Is it dark?')),
                                                                                ('rain', ('Is it raining?', 'Does it rain?')))]
    alerts += [('colour of car', (f'Is the car {c}?', f'Is there a {c} car?'), car and car[1] == c) for c in COLOURS]
    return rows + [(kind, texts, yes(true)) for kind, texts, true in alerts]


ASKED_FOR = ('', '', '', ' Answer yes or no.', ' Answer with yes or no.', '\nAnswer yes or no.', ' Please answer yes or no.')     # what may follow a yes/no question


def clock(seconds, style):
    h, m, s = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f'{h}:{m:02}:{s:02}' + '.000' * (style % 2) if style < 4 else f'{h * 60 + m}:{s:02}'


def report_lines(texts, rng, plain=False):
    """How reports may be handed to a summary: with times or numbers, as the asking program likes."""
    style, at, step = 8 if plain else 0 if rng.random() < .5 else rng.randrange(9), rng.choice((0, 0, rng.randrange(0, 8000))), rng.choice((2, 4, 5, 8, 10, 10, 10, 20, 30, 60))
    lines = []
    for i, text in enumerate(texts):
        a, b = clock(at + i * step, style), clock(at + (i + 1) * step, style)
        lines.append((f'{a} - {b}: {text}', f'[{a} - {b}] {text}', f'{a}-{b} {text}', f'{a} to {b}: {text}', f'[{a}-{b}] {text}', f'{a} {text}', f'{i + 1}. {text}', f'- {text}', text)[style])
    return '\n'.join(lines)


def remark(facts, rng):
    """A line among reports that adds no event: an alert tells what a report tells too."""
    alerts = [t for _, texts, answer in questions(facts) if answer == 'Yes.' for t in texts]
    return rng.choice(['Nothing changed.', 'Not watched.'] + ([f'ALERT: {rng.choice(alerts)}', f'ALERT OVER: {rng.choice(alerts)}'] if alerts else []))


def summary_prompt(texts, rng):
    lines, ask = report_lines(texts, rng), rng.choice(SUMMARISE)
    return rng.choice((f'{ask}\n{lines}', f'{lines}\n{ask}', f'{ask}\n\n{lines}', f'Reports:\n{lines}\n{ask}', f'These are reports of a video:\n{lines}\n{ask}'))


if __name__ == '__main__':
    import random
    from world import Scene
    rng = random.Random(0)
    for seed in range(20000):
        facts = Scene(seed).facts()
        assert parse_report(report(facts)) == facts, report(facts)
    for p in PATTERNS:
        assert parse_report(report({'pattern': p})) == {'pattern': p}
    for n in range(300):
        some = [Scene(rng.randrange(1 << 40)).facts() for _ in range(rng.randrange(0, 7))]
        assert parse_summary(summary(some)) == [e for f in some for e in events(f)]
        assert PHRASE.findall(summary(some)) == PHRASE.findall(' '.join(map(report, some)))
    assert parse_report('By day, a person flies.') is None and parse_report('A red car arrives.') is None and parse_summary('A cow arrives.') is None
    print(report(facts), '|', summary(some), '|', summary_prompt([report(f) for f in some], rng))
