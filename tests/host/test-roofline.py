"""test-roofline.py BENCHMARKS.md: the estimates for GPUs follow from the public figures beside them."""
import re
import sys

FLOPS = 21.4  # TFLOP of a segment
TOKENS = 64
GIGABYTES = {'f16': 8.3, 'q4': 3.2}  # of a token
DURATION = 10  # seconds of a segment


def seconds(tera, share, gbps, precision):
    return FLOPS / (share * tera) + TOKENS * GIGABYTES[precision] / (0.70 * gbps)


def numbers(cell):
    return [float(n) for n in re.findall(r'[\d.]+', cell)]


with open(sys.argv[1], encoding='utf-8') as file:
    text = file.read()
table = text[text.index('| GPU | f32, TFLOP/s'):].split('\n\n')[0].splitlines()[2:]
wrong = [] if len(table) == 6 else [f'{len(table)} GPUs']
for line in table:
    name, *cells = [cell.strip() for cell in line.strip('|').split('|')]
    f32, matrices, gbps = (numbers(cell) for cell in cells[:3])
    peaks = [(f32[0], 0.45)] + [(tera, 0.35) for tera in matrices]
    for precision, cell in zip(GIGABYTES, cells[3:5]):
        want = [round(seconds(tera, share, gbps[0], precision), 1) for tera, share in peaks]
        if numbers(cell) != want:
            wrong.append(f'{name} at {precision}: {cell}, by its figures {want}')
    keeps_up = [precision for precision in GIGABYTES if seconds(*peaks[0], gbps[0], precision) < DURATION]
    if keeps_up and cells[5] != f'at `{keeps_up[0]}`' or not keeps_up and not re.search('num-segments|of 20 s', cells[5]):
        wrong.append(f'{name} keeps up at {keeps_up}, not "{cells[5]}"')
print('\n'.join(wrong))
sys.exit(1 if wrong else 0)
