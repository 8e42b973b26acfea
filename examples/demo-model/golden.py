"""Golden outputs of a checkpoint of the demo model, by plain PyTorch in float32: `golden.py CHECKPOINT FOLDER`.

The folder is laid out as tests/conformance reads it: pictures, conversations with their ids, greedy answers and logits, every stage of one
picture and one prompt. The checkpoint gets a minivl-check.json, which minivl compares when it loads it. Run it whenever the weights
change: python golden.py checkpoint ../../tests/data/demo
"""
import base64, hashlib, itertools, json, os, sys
import numpy as np, torch
from PIL import Image
import grammar
from model import load, normalise, write_safetensors
from tokenizer import Tokenizer
from world import Scene

SCENE, FRAMES, LONGEST = 33, 8, 64
PICTURES = {'still': (SCENE, 500, (112, 112)), **{f'frame{i + 1}': (SCENE, (2 * i + 1) * 1000 // (2 * FRAMES), (320, 240)) for i in range(FRAMES)}}
VIDEO = ''.join(f'Frame{i + 1}: <image>\n' for i in range(FRAMES))


class Golden:
    def __init__(self, checkpoint, folder):
        self.model, self.tokenizer, self.folder = load(checkpoint), Tokenizer(checkpoint), folder
        self.side, self.tensors, self.cases = self.model.config['vision_config']['image_size'], {}, []
        os.makedirs(f'{folder}/images', exist_ok=True)
        self.tiles = {name: self.draw(name, *what) for name, what in PICTURES.items()}

    def draw(self, name, seed, moment, size):
        picture = Image.fromarray(Scene(seed).render(moment, *size))
        picture.save(f'{self.folder}/images/{name}.png', optimize=True)
        return np.array(picture.resize((self.side, self.side), Image.BICUBIC))

    def logits(self, ids, tiles):
        seen = self.model.see(normalise(torch.from_numpy(np.stack(tiles))))[1].flatten(0, 1) if tiles else None
        x = self.model.embed(torch.tensor([ids]), seen, self.tokenizer.special['<IMG_CONTEXT>'])
        return self.model.language_model.head(self.model.language_model(x)[0, -1])

    def add(self, name, question, pictures=(), max_num=1, history=()):
        """A conversation; each picture is one tile."""
        def spell(text, context):
            return text.replace('<image>', f'<img>{context}</img>')
        rounds = ''.join(f'<|user|>\n{q}<|end|><|assistant|>\n{a}<|end|>' for q, a in history)
        text = f'<|system|>\n{grammar.SYSTEM}<|end|>{rounds}<|user|>\n{question}<|end|><|assistant|>\n'
        ids, tiles = [1] + self.tokenizer.encode(spell(text, '<IMG_CONTEXT>' * self.model.tokens)), [self.tiles[p] for p in pictures]
        greedy, margins, stops = [], [], [self.tokenizer.special[t] for t in ('<|end|>', '<|endoftext|>')]
        while len(greedy) < LONGEST:
            logits = self.logits(ids + greedy, tiles)
            if not greedy:
                self.tensors[f'{name}.logits'] = logits
            best = logits.topk(2)
            if best.indices[0] in stops:
                break
            greedy.append(best.indices[0].item())
            margins.append(round((best.values[0] - best.values[1]).item(), 5))
        answer = self.tokenizer.decode(greedy)
        self.cases.append(dict(name=name, question=question, media=[dict(image=p, max_num=max_num) for p in pictures] or None, num_patches_list=[1] * len(pictures), history=history,
                               system=grammar.SYSTEM, prompt=spell(text, f'<IMG_CONTEXT>*{self.model.tokens} '), prompt_tokens=len(ids),
                               input_ids_runs=[[i, len(list(run))] for i, run in itertools.groupby(ids)], greedy_ids=greedy, greedy_margins=margins, text=answer))
        print(f'{name}: {answer}')
        return answer

    def add_stages(self, picture, question):
        stages, ids = {}, self.tokenizer.prompt(question, None)
        self.model.see(normalise(torch.from_numpy(self.tiles[picture][None])), stages)
        x = self.model.language_model(self.model.embed(torch.tensor([ids]), None, None), stages=stages)
        stages.update({'language.ids': torch.tensor(ids, dtype=torch.int32), 'language.logits': self.model.language_model.head(x)})
        self.tensors.update({f'stages.{name}': t[0] if t.dim() > 2 else t for name, t in stages.items()})

    def write_check(self, checkpoint, size):
        """One small picture and one question about it."""
        picture, question = Scene(SCENE).render(500, *size), grammar.DESCRIBE[0]
        tile = np.array(Image.fromarray(picture).resize((self.side, self.side), Image.BICUBIC))
        ids = self.tokenizer.prompt(f'<img>{"<IMG_CONTEXT>" * self.model.tokens}</img>\n{question}', grammar.SYSTEM)
        check = dict(prompt=question, width=size[0], height=size[1], rgb=base64.b64encode(picture.tobytes()).decode(), logits=[float(f'{v:.9g}') for v in self.logits(ids, [tile])])
        with open(f'{checkpoint}/minivl-check.json', 'w') as fh:
            fh.write(json.dumps(check, indent=0) + '\n')

    def write(self):
        write_safetensors(f'{self.folder}/golden.safetensors', self.tensors)
        preprocess = [dict(image=name, max_num=1, columns=1, rows=1, sha256=[hashlib.sha256(tile.tobytes()).hexdigest()]) for name, tile in self.tiles.items()]
        for name, value in (('cases', dict(cases=self.cases)), ('preprocess', preprocess)):
            with open(f'{self.folder}/{name}.json', 'w') as fh:
                fh.write(json.dumps(value, separators=(',', ':')).replace('},{', '},\n{') + '\n')


@torch.no_grad()
def main(checkpoint, folder):
    torch.set_num_threads(1)
    golden, frames = Golden(checkpoint, folder), [f'frame{i + 1}' for i in range(FRAMES)]
    golden.add('text', 'Sum up what happened.\n' + '\n'.join(grammar.report(Scene(s).facts()) for s in (5, 6, 7)))
    golden.add('image', f'<image>\n{grammar.DESCRIBE[0]}', ['still'], 6)
    asked = f'{VIDEO}{grammar.DESCRIBE[5]}'
    answer = golden.add('frames', asked, frames)
    golden.add('frames-round-2', 'What colour is the car?', frames, history=[(asked, answer)])
    golden.add('frames-question', f'{VIDEO}How many people are there?', frames)
    golden.add_stages('still', 'Is there a dog?')
    golden.write()
    golden.write_check(checkpoint, (40, 30))


if __name__ == '__main__':
    main(*sys.argv[1:])
