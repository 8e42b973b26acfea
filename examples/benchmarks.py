#!/usr/bin/env python3
"""Benchmarks for `minivl-chat --batch`: their public files to its lines, and its answers to what is scored. Python alone.

  benchmarks.py textvqa TextVQA_0.5.1_val.json IMAGES [TILES] >in.jsonl     IMAGES has IMAGE_ID.jpg
  benchmarks.py mmbench MMBench_DEV_EN.tsv IMAGES [TILES] >in.jsonl         pictures are written into the folder IMAGES
  minivl-chat --model DIR --batch in.jsonl --output out.jsonl
  benchmarks.py textvqa-answers TextVQA_0.5.1_val.json out.jsonl >answers.json   [{question_id, answer}], as its evaluation takes
  benchmarks.py mmbench-answers MMBench_DEV_EN.tsv out.jsonl >predictions.tsv    its rows without pictures, and `prediction`

TILES: most tiles of a picture; 24 for TextVQA and 6 for MMBench if not given. Prompts are those of the model's authors. What has no
answer is an empty one; then it says so, and the exit code is 1.
"""

import base64
import csv
import json
import os
import sys

TEXTVQA_PROMPT = 'Answer the question using a single word or phrase.'
MMBENCH_PROMPT = "Answer with the option's letter from the given choices directly."


def put(name, images, prompt):
    print(json.dumps({'id': name, 'images': images, 'rounds': [prompt]}, ensure_ascii=False))


def read_textvqa(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)['data']


def read_mmbench(path):
    csv.field_size_limit(sys.maxsize)
    with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file, delimiter='\t'))


def textvqa(path, images, tiles='24'):
    for row in read_textvqa(path):
        put(row['question_id'], [f"{os.path.join(images, row['image_id'])}.jpg:{tiles}"], f"{row['question']} {TEXTVQA_PROMPT}")


def mmbench(path, images, tiles='6'):
    rows = read_mmbench(path)
    pictures = {row['index']: row['image'] for row in rows}
    os.makedirs(images, exist_ok=True)
    for row in rows:
        # A short one is the index of the row that has the picture.
        picture = row['image'] if len(row['image']) > 64 else pictures[row['image']]
        file = os.path.join(images, row['index'] + '.jpg')
        with open(file, 'wb') as out:
            out.write(base64.b64decode(picture))
        lines = [row['hint']] if row.get('hint') else []
        lines.append(row['question'])
        lines += [f'{letter}. {row[letter]}' for letter in 'ABCDEFGH' if row.get(letter)]
        put(row['index'], [f'{file}:{tiles}'], '\n'.join(lines + [MMBENCH_PROMPT]))


def read_answers(path):
    """id -> text of the last round; of one that went wrong there is none."""
    answers = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            done = json.loads(line)
            if 'error' not in done:
                answers[done['id']] = done['rounds'][-1]['text']
    return answers


def tell_missing(ids, answers):
    missing = [str(i) for i in ids if i not in answers]
    if missing:
        print(f"{len(missing)} of {len(ids)} have no answer: {', '.join(missing[:10])}", file=sys.stderr)
    return 1 if missing else 0


def textvqa_answers(path, out):
    answers = read_answers(out)
    ids = [row['question_id'] for row in read_textvqa(path)]
    json.dump([{'question_id': i, 'answer': answers.get(i, '')} for i in ids], sys.stdout, ensure_ascii=False)
    print()
    return tell_missing(ids, answers)


def mmbench_answers(path, out):
    answers = read_answers(out)
    rows = read_mmbench(path)
    columns = [name for name in rows[0] if name != 'image'] + ['prediction']
    writer = csv.DictWriter(sys.stdout, columns, delimiter='\t', lineterminator='\n', extrasaction='ignore')
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, 'prediction': answers.get(row['index'], '')})
    return tell_missing([row['index'] for row in rows], answers)


def main(arguments):
    commands = {'textvqa': textvqa, 'mmbench': mmbench, 'textvqa-answers': textvqa_answers, 'mmbench-answers': mmbench_answers}
    if len(arguments) not in (3, 4) or arguments[0] not in commands:
        print(__doc__, end='', file=sys.stderr)
        return 2
    return commands[arguments[0]](*arguments[1:]) or 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
