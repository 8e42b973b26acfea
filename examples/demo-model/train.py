"""Trains the demo model in parts, each from the weights the last one left.

    train.py WORK vit   --minutes M            the ViT alone, single frames with patch labels
    train.py WORK joint --minutes M            everything: reports, questions, summaries, with the helpers
    ... --from checkpoint                      weights of a checkpoint folder instead of those in WORK (helpers and optimizer start anew)
    ... --resume                               goes on with an interrupted part, optimizer and clock included

WORK/clips holds what data.py draws; WORK/state.pt is written every few minutes and on SIGTERM, whole or not at all; WORK/log.jsonl has a line a minute.
"""
import argparse, bisect, functools, json, math, os, pickle, random, signal, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
import data, export, grammar
from data import FRAMES, GRID, MOVES
from model import Model, RMSNorm, normalise, read_safetensors, rotary, rotate
from tokenizer import Tokenizer
from world import ACTIONS, CARS, COLOURS, KINDS, LIGHTS, PATTERNS

HERE = os.path.dirname(os.path.abspath(__file__))
CONTEXT, CLOSE = '<IMG_CONTEXT>', '</img>'
FACTS = [('light', v) for v in LIGHTS] + [('pattern', v) for v in PATTERNS] + [('one', v) for v in ACTIONS] + [('two', v) for v in ACTIONS] + \
        [('doing', v) for v in CARS] + [('colour', v) for v in COLOURS] + [('dog', 1), ('bag', 1), ('lamp', 1)]
MIRRORED = [1, 0, 2, 4, 3, 5, 6]                                             # MOVES in the mirrored picture
READ_FROM = 5                                                                # the language model's layers from here on read what those before are taught to say
HARD = ('way', 'crosses right', 'crosses left', 'enters', 'stops', 'colour of car', 'loiters', 'exits')          # questions that are learnt last
FLIPPED = {'right': 'left', 'left': 'right', 'cycles right': 'cycles left', 'cycles left': 'cycles right'}


class Helpers(nn.Module):
    """What taught the model where things are; dropped at export. Captions alone do not."""
    def __init__(self, config):
        super().__init__()
        h = config['llm_config']['hidden_size']
        self.patch = nn.Linear(config['vision_config']['hidden_size'], len(KINDS))       # the ViT's output: what is on this patch
        self.token = nn.Linear(h, len(KINDS) * GRID)                                     # each token the language model gets: what is in it, in which column
        self.norm = RMSNorm(h, config['llm_config']['rms_norm_eps'])                     # of the states that layer READ_FROM gets
        self.place = nn.Linear(h, len(KINDS) * GRID)                                     # the state at each </img>: in which columns is it
        self.moves = nn.Linear(h, len(MOVES))                                            # ... which way has it gone since the frame before
        self.facts = nn.Linear(h, len(FACTS))                                            # the state at the last </img>: what happened


def start(model):
    for name, p in model.named_parameters():
        if name.endswith(('norm.weight', 'norm1.weight', 'norm2.weight', 'layernorm.weight', 'mlp1.0.weight', '.ls1', '.ls2')):
            nn.init.ones_(p)
        elif name.endswith('.bias'):
            nn.init.zeros_(p)
        elif 'position' in name or 'class' in name or 'embed' in name and 'patch' not in name or 'lm_head' in name:
            nn.init.normal_(p, std=.02)
        else:
            nn.init.normal_(p, std=p[0].numel() ** -.5 * (.5 if name.endswith(('proj.weight', 'fc2.weight')) and 'qkv' not in name and 'gate' not in name else 1))


def grown(folder):
    """The weights of a checkpoint folder in today's shape; layers it does not have yet change nothing at first."""
    model = Model(export.CONFIG)
    start(model)
    for layer in model.language_model.model.layers:
        nn.init.zeros_(layer.self_attn.o_proj.weight), nn.init.zeros_(layer.mlp.down_proj.weight)
    model.load_state_dict(read_safetensors(f'{folder}/model.safetensors'), strict=False)
    return model


def flip(facts):
    """The facts of the mirrored picture."""
    return facts if 'pattern' in facts else dict(facts, people=sorted((FLIPPED.get(a, a) for a in facts['people']), key=ACTIONS.index))


def vector(facts):
    people, car = facts.get('people', []), facts.get('car') or (None, None)
    have = {('light', facts.get('light')), ('pattern', facts.get('pattern')), ('doing', car[0]), ('colour', car[1])} | {('one', a) for a in people}
    have |= {('two', a) for a in people if people.count(a) > 1} | {(k, 1) for k in ('dog', 'bag', 'lamp') if facts.get(k)}
    return [float(f in have) for f in FACTS]


class Clips:
    """Random clips of the chunks there are; new chunks join as they are written."""
    def __init__(self, folder, rng):
        self.folder, self.rng, self.parts, self.names = folder, rng, [], set()

    def refresh(self):
        for name in data.chunks(self.folder):
            if name not in self.names:
                self.names.add(name)
                self.parts.append((np.load(name + '.npy', mmap_mode='r'), *pickle.load(open(name + '.pkl', 'rb'))))

    def batch(self, n, frames=None):
        """pictures [n][t][112][112][3] bytes, labels [n][t][8][8][kinds], moves [n][t][moves], facts; half of them mirrored. frames: so many random ones of each."""
        pictures, marks, moves, facts = [], [], [], []
        for _ in range(n):
            x, y, m, f = self.rng.choice(self.parts)
            i = self.rng.randrange(len(f))
            which = sorted(self.rng.sample(range(FRAMES), frames)) if frames else slice(None)
            x, y, m, f = x[i][which], y[i][which], m[i][which, None] >> np.arange(len(MOVES)) & 1, f[i]
            if self.rng.random() < .5:
                x, y, m, f = x[:, :, ::-1], y[:, :, ::-1], m[:, MIRRORED], flip(f)
            pictures.append(x), marks.append(y), moves.append(m), facts.append(f)
        marks = torch.from_numpy(np.stack(marks))
        return torch.from_numpy(np.stack(pictures)), torch.stack([marks >> k & 1 for k in range(len(KINDS))], -1).float(), torch.from_numpy(np.stack(moves)).float(), facts


def look(pictures, rng):
    """Normalised pictures with what cameras differ in: brightness, contrast, tint, noise."""
    n = pictures.shape[0]
    x = pictures.float()
    gain, shift = 1 + .06 * torch.randn(n, 1, 1, 1, 1), 5 * torch.randn(n, 1, 1, 1, 1) + 2.5 * torch.randn(n, 1, 1, 1, 3)
    x = (x - 110) * gain + 110 + shift
    if rng.random() < .7:
        x = x + rng.uniform(0, 6) * torch.randn_like(x)
    return normalise(x.clamp(0, 255).flatten(0, 1))


class Writer:
    """Facts to token rows."""
    def __init__(self, tokenizer, rng):
        self.tokenizer, self.rng = tokenizer, rng
        self.encode = functools.lru_cache(20000)(tokenizer.encode)
        self.prefix = functools.lru_cache()(self._prefix)

    def _prefix(self, system, frames, tokens, history):
        ids = self.tokenizer.prompt('', system, frames, tokens, history)
        return ids[:len(ids) - ids[::-1].index(self.tokenizer.special[CLOSE])]

    def round(self, question, answer, start='\n'):
        """(ids, which of them are to be learnt). A first question's newline, the one behind the frames, belongs to it; later ones start with <|user|>."""
        ask, say = self.encode(f'{start}{question}<|end|><|assistant|>\n'), self.encode(f'{answer}<|end|>')
        return ask + say, [False] * len(ask) + [True] * len(say)

    def question(self, facts):
        rows = grammar.questions(facts)
        likely = [r for r in rows if r[2] not in ('No.', 'None.', 'There is no car.', 'Nobody crosses the yard.', 'It is a test picture.')]
        _, texts, answer = self.rng.choice(self.rng.choice((rows, likely or rows, [r for r in rows if r[0] in HARD])))
        text = self.rng.choice(texts)
        return text + self.rng.choice(grammar.ASKED_FOR) if answer in ('Yes.', 'No.') else text, answer

    def letters(self, ids):
        """The tokens' text, where each begins in it (behind its space), and where events are told."""
        text, starts = '', []
        for i in ids:
            piece = self.tokenizer.piece(i)
            starts.append(len(text) + (piece[0] == ' '))
            text += piece
        return text, starts, [m.span() for m in grammar.PHRASE.finditer(text)]

    def sources(self, ids, say):
        """(position, the one its next token is taken from): a word of a summary from its like in the reports, what joins two events from the next one's first word,
        and what comes behind the last event from the <|end|> of the reports."""
        asked, starts, places = self.letters(ids)
        told, firsts, events = self.letters(say)
        assert [told[a:b] for a, b in events] == [asked[a:b] for a, b in places], (asked, told)
        pairs, k = [], 0
        for i, at in enumerate(firsts):
            while k < len(events) and at >= events[k][1]:
                k += 1
            pairs.append((len(ids) + i - 1, bisect.bisect_right(starts, places[k][0] + max(0, at - events[k][0])) - 1 if k < len(events) else len(ids) - 2))
        return pairs

    def branches(self, facts, questions):
        """The report and some questions, each alone; now and then a second question follows in the same conversation."""
        out = [self.round(self.rng.choice(grammar.DESCRIBE), grammar.report(facts))] + [self.round(*self.question(facts)) for _ in range(questions)]
        k = self.rng.randrange(2 * len(out))
        if k < len(out):
            out[k] = tuple(a + b for a, b in zip(out[k], self.round(*self.question(facts), start='<|user|>\n')))
        return out


def pack(prefix, rows):
    """The prefix once and its branches behind it, each blind to the others: what each would be alone, for the price of one prefix.

    Returns ids, positions, allowed [b][1][n][n], targets (-1: none), weights.
    """
    n = len(prefix) + max(sum(len(ids) for ids, _ in branches) for branches in rows)
    ids, positions, branch, targets, weights = (torch.full((len(rows), n), v) for v in (0, 0, -1, -1, 0.))
    for i, branches in enumerate(rows):
        ids[i, :len(prefix)], positions[i, :len(prefix)], branch[i, :len(prefix)] = torch.tensor(prefix, dtype=torch.long), torch.arange(len(prefix)), 0
        at = len(prefix)
        for k, (row, learn) in enumerate(branches):
            stop = at + len(row)
            row, learn = torch.tensor(row), torch.tensor(learn)
            ids[i, at:stop], positions[i, at:stop], branch[i, at:stop] = row, torch.arange(len(prefix), len(prefix) + len(row)), k + 1
            targets[i, at:stop - 1][learn[1:]] = row[1:][learn[1:]]
            weights[i, at:stop - 1][learn[1:]] = 1. if k == 0 else 5.        # an answer is one word, a report forty
            at = stop
    seen = (branch[:, None, :] == branch[:, :, None]) | (branch[:, None, :] == 0)
    return ids, positions, (seen & torch.ones(n, n, dtype=torch.bool).tril())[:, None], targets, weights


def text_loss(model, states, targets, weights):
    picked = targets >= 0
    loss = F.cross_entropy(model.language_model.head(states[picked]), targets[picked], reduction='none')
    return (loss * weights[picked]).sum() / weights[picked].sum()


class Trainer:
    def __init__(self, args):
        self.args, self.rng = args, random.Random(args.seed)
        self.tokenizer = Tokenizer(f'{HERE}/checkpoint')
        self.state = f'{args.work}/state.pt'
        self.model = grown(args.start) if args.start else Model(export.CONFIG)
        self.helpers = Helpers(self.model.config)
        if not args.start:
            start(self.model)
        saved = torch.load(self.state) if os.path.exists(self.state) and not args.start else None
        if saved:
            self.model.load_state_dict(saved['model'])
            self.helpers.load_state_dict(saved['helpers'])
        named = [*self.model.named_parameters(), *self.helpers.named_parameters()]
        groups = {}
        for n, p in named:                                                   # the ViT comes trained: at the full rate it forgets first
            vision, heavy = n.startswith('vision_model') and args.stage == 'joint', p.dim() > 1 and 'embed' not in n
            groups.setdefault((vision, heavy), dict(params=[], weight_decay=.05 * heavy, share=.3 if vision else 1.))['params'].append(p)
        self.optimizer = torch.optim.AdamW(list(groups.values()), lr=args.rate, betas=(.9, .98))
        self.step, self.past, self.stopped = 0, 0., False
        if args.resume:
            self.optimizer.load_state_dict(saved['optimizer'])
            self.step, self.past = saved['step'], saved['past']
        self.clips, self.writer = Clips(f'{args.work}/clips', self.rng), Writer(self.tokenizer, self.rng)

    def save(self):
        torch.save(dict(model=self.model.state_dict(), helpers=self.helpers.state_dict(), optimizer=self.optimizer.state_dict(), step=self.step, past=self.past), self.state + '.part')
        os.replace(self.state + '.part', self.state)

    def vit(self):
        pictures, marks, _, _ = self.clips.batch(self.args.batch, 2)
        features, _ = self.model.see(look(pictures, self.rng))
        patch = self.patch_loss(features, marks)
        return patch, dict(patch=patch)

    def patch_loss(self, features, marks):
        return F.binary_cross_entropy_with_logits(self.helpers.patch(features).view_as(marks), marks, pos_weight=torch.tensor(4.))

    def token_loss(self, seen, marks):
        """seen [pictures][4 * 4][h]: which columns of the whole picture have what, as far as this token covers them."""
        n = seen.shape[0]
        blocks = marks.view(n, GRID // 2, 2, GRID, len(KINDS)).amax(2)                    # [n][rows / 2][columns][kinds]
        inside = torch.eye(GRID // 2).repeat_interleave(2, 1)                             # [tokens of a row][columns]
        target = blocks[:, :, None] * inside[None, None, :, :, None]
        return F.binary_cross_entropy_with_logits(self.helpers.token(seen).view_as(target), target, pos_weight=torch.tensor(4.))

    def joint(self):
        if self.rng.random() < self.args.summaries:
            return self.summaries()
        pictures, marks, gone, facts = self.clips.batch(self.args.batch)
        special, tokens = self.tokenizer.special, self.model.tokens
        prefix = self.writer.prefix(grammar.SYSTEM if self.rng.random() < .7 else '', FRAMES, tokens, self.history())
        ids, positions, mask, targets, weights = pack(prefix, [self.writer.branches(f, self.args.questions) for f in facts])
        features, seen = self.model.see(look(pictures, self.rng))
        stages = {}
        states = self.model.language_model(self.model.embed(ids, seen.flatten(0, 1), special[CONTEXT]), positions, mask, stages=stages)
        ends = self.helpers.norm(stages[f'language.{READ_FROM}'][:, [i for i, t in enumerate(prefix) if t == special[CLOSE]]])
        if self.args.start and self.step < 80:                               # helpers that know nothing yet teach nothing
            features, seen, ends = features.detach(), seen.detach(), ends.detach()
        patch = self.patch_loss(features, marks)
        token = self.token_loss(seen, marks.flatten(0, 1))
        columns = marks.amax(2).transpose(2, 3).flatten(2)
        place = F.binary_cross_entropy_with_logits(self.helpers.place(ends), columns, pos_weight=torch.tensor(3.))
        moves = F.binary_cross_entropy_with_logits(self.helpers.moves(ends), gone, pos_weight=torch.tensor(3.))
        known = F.binary_cross_entropy_with_logits(self.helpers.facts(ends[:, -1]), torch.tensor([vector(f) for f in facts]))
        text = text_loss(self.model, states, targets, weights)
        return text + .5 * (patch + token + place + moves) + 2 * known, dict(text=text, patch=patch, token=token, place=place, moves=moves, facts=known)

    def any_facts(self):
        return self.rng.choice(self.rng.choice(self.clips.parts)[-1])

    def history(self):
        """Now and then earlier rounds of the conversation: other scenes' reports, without their frames."""
        if self.rng.random() < .75:
            return ()
        asked = self.rng.choice(grammar.DESCRIBE)
        return tuple((asked, grammar.report(self.any_facts())) for _ in range(self.rng.randrange(1, 4)))

    def summaries(self):
        rows, sources = [], []
        for _ in range(2 * self.args.batch):                                 # without pictures they cost little
            some, texts = [self.any_facts() for _ in range(self.rng.randrange(1, 7))], []
            k = 0
            while k < len(some):                                             # reports, and now and then what sums some of them up, or a line that reports nothing new
                n = self.rng.randrange(1, 4) if self.rng.random() < .1 else 0
                texts.append(grammar.summary(some[k:k + n]) if n else grammar.report(some[k]))
                k += max(n, 1)
                if self.rng.random() < .15:
                    texts.append(grammar.remark(some[min(k, len(some)) - 1], self.rng))
            asked = grammar.summary_prompt(texts, self.rng)
            ids = self.tokenizer.prompt(asked, grammar.SYSTEM if self.rng.random() < .7 else '')
            say = self.writer.encode(grammar.summary(some) + '<|end|>')
            rows.append([(ids + say, [False] * len(ids) + [True] * len(say))])
            sources.append(self.writer.sources(ids, say))
        ids, positions, mask, targets, weights = pack([], rows)
        stages = {}
        states = self.model.language_model(self.model.embed(ids, None, None), positions, mask, stages=stages)
        loss, pointer = text_loss(self.model, states, targets, weights), self.pointer_loss(stages[f'language.{READ_FROM}'], positions, mask, sources)
        return loss + pointer, dict(summary=loss, pointer=pointer)

    def pointer_loss(self, x, positions, mask, sources):
        """Whether the first head of layer READ_FROM looks at what the next word of the summary is taken from."""
        layer, c = self.model.language_model.model.layers[READ_FROM], self.model.config['llm_config']
        hd, h = layer.self_attn.hd, c['hidden_size']
        weight = layer.self_attn.qkv_proj.weight
        y = layer.input_layernorm(x)
        cos, sin = (t[positions] for t in rotary(c, x.shape[1], x.shape[1]))
        q, k = rotate(F.linear(y, weight[:hd]), cos, sin), rotate(F.linear(y, weight[h:h + hd]), cos, sin)
        scores = (q @ k.transpose(1, 2) * hd ** -.5).masked_fill(~mask[:, 0], -math.inf)
        row, at, source = (torch.tensor(v) for v in zip(*[(i, a, b) for i, pairs in enumerate(sources) for a, b in pairs]))
        return F.cross_entropy(scores[row, at], source)

    def run(self):
        a, clock, logged, saved, mean = self.args, time.time(), time.time(), time.time(), {}
        self.clips.refresh()
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, 'stopped', True))
        while self.past < a.minutes * 60 and not self.stopped:
            if self.step % 100 == 0:
                self.clips.refresh()
            rate = a.rate * min(1, (self.step + 1) / 30) * (.02 + .49 * (1 + math.cos(math.pi * self.past / (a.minutes * 60))))
            for group in self.optimizer.param_groups:
                group['lr'] = rate * group['share']
            loss, parts = getattr(self, a.stage)()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g['params'] if p.grad is not None], 1.)
            self.optimizer.step()
            self.step += 1
            for k, v in parts.items():
                mean.setdefault(k, []).append(v.item())
            now = time.time()
            self.past, clock = self.past + min(now - clock, 60), now              # a process that was stopped loses no part of its schedule
            if now - logged > 60:
                line = dict(stage=a.stage, minutes=round(self.past / 60, 1), step=self.step, rate=round(rate, 6), chunks=len(self.clips.parts), **{k: round(sum(v) / len(v), 4) for k, v in mean.items()})
                with open(f'{a.work}/log.jsonl', 'a') as fh:
                    fh.write(json.dumps(line) + '\n')
                logged, mean = now, {}
            if now - saved > 240:
                self.save()
                saved = now
        self.save()


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('work'), p.add_argument('stage', choices=('vit', 'joint'))
    p.add_argument('--minutes', type=float, default=50)
    p.add_argument('--from', dest='start', metavar='FOLDER')
    p.add_argument('--resume', action='store_true')
    p.add_argument('--rate', type=float, default=1e-3)
    p.add_argument('--batch', type=int, default=24)
    p.add_argument('--questions', type=int, default=3)
    p.add_argument('--summaries', type=float, default=.25, help='the share of steps that are about summaries')
    p.add_argument('--threads', type=int, default=2)
    p.add_argument('--seed', type=int, default=int(time.time()), help='a new one each part, or it would see the same clips in the same order')
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    Trainer(args).run()
