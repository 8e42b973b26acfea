#!/usr/bin/env python3
"""real-checkpoint.py FOLDER [REPORT TILES]: holds the report of real-checkpoint.sh against what the code in FOLDER answers.

RUNS the Python files in FOLDER (trust_remote_code); nothing is fetched: where its config.json names another repository's, they must be
in the cache of transformers. Needs transformers 4.37.2, torch, accelerate, numpy<2, sentencepiece, protobuf, Pillow, and what those
files import (einops, timm, torchvision). The model sees the very tiles that minivl saw; its own chat() writes the prompt, takes the
history and makes the ids, with the tokenizer that minivl took (fast or slow).
Adds to each round of REPORT `reference`: its token_ids and margins, whether input_ids are the same, and `first_difference` (null:
none), with the margins of both there. The answers in the history are minivl's, so that each round stands for itself. REPORT is
written after each conversation. With FOLDER alone it only tries whether it could. Exit 0: compared, whatever came out; 1: could not.
"""

import glob
import json
import os
import re
import sys

WANTED = '4.37.2'


def first_difference(ours, theirs):
    """The first index at which two lists of ids differ; None where they are the same."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return i
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def at(values, i):
    return values[i] if i is not None and i < len(values) else None


def compare(round_, reference):
    """What is told of a round. reference: input_ids, token_ids, margins, and whether the last token is one that ends answers."""
    answer = round_['answer']
    theirs = list(reference['token_ids'])
    # The token that ends an answer is not one of minivl's, and the reference was asked for one more than these.
    if reference['ended']:
        theirs.pop()
    elif answer['finish_reason'] == 'length':
        theirs = theirs[:len(answer['token_ids'])]
    first = first_difference(answer['token_ids'], theirs)
    return {
        'token_ids': theirs,
        'margins': reference['margins'],
        'same_input_ids': answer['input_ids'] == list(reference['input_ids']),
        'first_difference': first,
        'our_margin': at(round_['margins'], first),
        'their_margin': at(reference['margins'], first),
    }


def tile_files(folder):
    """[[file of a tile]...], a list a picture or frame, in the order in which they are shown."""
    pictures = {}
    for path in sorted(glob.glob(os.path.join(folder, '*-tile-*.png'))):
        pictures.setdefault(re.sub(r'-tile-\d+\.png$', '', path), []).append(path)
    # Pictures go in front of frames; there is no conversation that has both, nor one that shows a frame twice.
    return list(pictures.values())


class Reference:
    def __init__(self, folder, fast):
        import torch
        from transformers import AutoModel, AutoTokenizer
        self.torch = torch
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        if self.device == 'cpu':
            # The public chat() says .cuda() of the ids, whatever the model is on.
            torch.Tensor.cuda = lambda tensor: tensor
        self.model = AutoModel.from_pretrained(folder, torch_dtype=torch.bfloat16, low_cpu_mem_usage=True,
                                               trust_remote_code=True).eval().to(self.device)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True, use_fast=fast)
        self.said = None
        self.generate = self.model.generate
        self.model.generate = self.listen

    def listen(self, **kwargs):
        """generate(), which chat() calls: what went in and came out is kept."""
        out = self.generate(**kwargs, output_scores=True, return_dict_in_generate=True)
        best = [score[0].float().topk(2).values for score in out.scores]
        ids = out.sequences[0].tolist()[-len(best):]
        ends = kwargs['eos_token_id']
        self.said = {'input_ids': kwargs['input_ids'][0].tolist(), 'token_ids': ids,
                     'ended': ids[-1] in (ends if isinstance(ends, list) else [ends]),
                     'margins': [round(float(b[0] - b[1]), 4) for b in best]}
        return out.sequences

    def pixels(self, pictures):
        import numpy
        from PIL import Image
        mean, deviation = numpy.array([0.485, 0.456, 0.406]), numpy.array([0.229, 0.224, 0.225])
        tiles = [(numpy.asarray(Image.open(p).convert('RGB')) / 255 - mean) / deviation for tiles in pictures for p in tiles]
        if not tiles:
            return None
        return self.torch.tensor(numpy.stack(tiles).transpose(0, 3, 1, 2)).to(self.torch.bfloat16).to(self.device)

    def ask(self, conversation, i, pictures):
        rounds = conversation['rounds']
        history = [(r['prompt'], r['answer']['text']) for r in rounds[:i]] or None
        counts = [len(p) for p in pictures]
        if conversation['joined']:
            counts = [sum(counts)]
        self.model.chat(self.tokenizer, self.pixels(pictures), rounds[i]['prompt'],
                        {'num_beams': 1, 'do_sample': False, 'max_new_tokens': max(1, len(rounds[i]['margins']) + 1)},
                        history=history, num_patches_list=counts, return_history=True)
        return self.said


def write(report, path):
    """Whole or not at all: what stands there took hours."""
    with open(path + '.new', 'w', encoding='utf-8') as file:
        json.dump(report, file, ensure_ascii=False)
        file.write('\n')
    os.replace(path + '.new', path)


def load(folder, fast):
    """The reference; where it cannot be had None, and a line that says why."""
    os.environ['TRANSFORMERS_OFFLINE'] = '1'
    try:
        import transformers
        if transformers.__version__ != WANTED:
            print(f'cannot compare: transformers is {transformers.__version__}; {WANTED} is wanted')
            return None
        return Reference(folder, fast)
    except (ImportError, OSError) as error:
        print(f'cannot compare: {error}')
        return None


def main(folder, report_path=None, tiles=None):
    if report_path is None:
        return 0 if load(folder, True) else 1
    with open(report_path, encoding='utf-8') as file:
        report = json.load(file)
    reference = load(folder, report['tokenizer'] == 'fast')
    if not reference:
        return 1
    report['reference'] = f'transformers {WANTED}, bfloat16 on {reference.device}'
    for conversation in report['conversations']:
        pictures = tile_files(os.path.join(tiles, conversation['name']))
        for i, round_ in enumerate(conversation['rounds']):
            round_['reference'] = compare(round_, reference.ask(conversation, i, pictures))
            told = round_['reference']
            print(f"{conversation['name']} {i + 1}: same prompt: {told['same_input_ids']}; first difference: "
                  f"{told['first_difference']} of {len(round_['margins'])}, margins {told['our_margin']}, {told['their_margin']}")
        write(report, report_path)
    return 0


if __name__ == '__main__':
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
