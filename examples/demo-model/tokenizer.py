"""The demo model's tokenizer: trained on the grammar's text, used as the reference's fast Llama tokenizer would be, and the chat template.

`tokenizer.py FOLDER` trains it and writes tokenizer.model, added_tokens.json, special_tokens_map.json and tokenizer_config.json.
"""
import io, json, os, random, re
import sentencepiece as spm

PIECES = 640
SPECIAL = ('<|endoftext|>', '<|assistant|>', '<|placeholder1|>', '<|placeholder2|>', '<|placeholder3|>', '<|placeholder4|>', '<|system|>', '<|end|>', '<|placeholder5|>',
           '<|placeholder6|>', '<|user|>', '<img>', '</img>', '<IMG_CONTEXT>', '<quad>', '</quad>', '<ref>', '</ref>', '<box>', '</box>')
VOCABULARY = PIECES + len(SPECIAL)


class Tokenizer:
    def __init__(self, folder):
        self.pieces = spm.SentencePieceProcessor(model_file=f'{folder}/tokenizer.model')
        self.special = json.load(open(f'{folder}/added_tokens.json'))
        self.split = re.compile('(' + '|'.join(map(re.escape, self.special)) + ')')
        added = json.load(open(f'{folder}/tokenizer_config.json'))['added_tokens_decoder'].values()
        self.swallows = {t['content'] for t in added if t['rstrip']}

    def encode(self, text):
        """Ids without BOS. Every stretch between special tokens gets the prefix of its own, as the fast tokenizer does it."""
        out, before = [], None
        for part in self.split.split(text):
            if part in self.special:
                out.append(self.special[part])
            else:
                part = part.lstrip() if before in self.swallows else part
                out += self.pieces.encode(part) if part else []
            before = part
        return out

    def decode(self, ids):
        return self.pieces.decode([i for i in ids if i < self.pieces.get_piece_size()]).strip()

    def piece(self, i):
        """One token's characters."""
        if i < self.pieces.get_piece_size():
            return chr(int(self.pieces.id_to_piece(i)[3:-1], 16)) if self.pieces.is_byte(i) else self.pieces.id_to_piece(i).replace('\u2581', ' ')
        return next(t for t, n in self.special.items() if n == i)

    def prompt(self, question, system, frames=0, tokens=0, history=()):
        """Ids up to the answer, BOS included. frames: so many `FrameK: <image>` lines come before the question; history: earlier rounds (question, answer)."""
        picture = '<img>' + '<IMG_CONTEXT>' * tokens + '</img>'
        media = ''.join(f'Frame{k + 1}: {picture}\n' for k in range(frames))
        rounds = ''.join(f'<|user|>\n{q}<|end|><|assistant|>\n{a}<|end|>' for q, a in history)
        return [1] + self.encode((f'<|system|>\n{system}<|end|>' if system else '') + f'{rounds}<|user|>\n{media}{question}<|end|><|assistant|>\n')


def corpus(rng):
    import grammar
    from world import PATTERNS, Scene
    scenes = [Scene(rng.randrange(1 << 50)).facts() for _ in range(1500)]
    texts = [grammar.SYSTEM] * 400
    for i, facts in enumerate(scenes):
        texts += [grammar.report(facts)] * 3 + [rng.choice(grammar.DESCRIBE), 'Yes.', 'No.']
        texts += [rng.choice(q) + rng.choice(grammar.ASKED_FOR + ('',) * 9) for _, q, _ in grammar.questions(facts)[i % 6::6]] + [a for _, _, a in grammar.questions(facts)[:5]]
        some = scenes[i:i + rng.randrange(1, 7)]
        texts += [grammar.summary_prompt([grammar.report(f) for f in some], rng), grammar.summary(some)] if i % 3 == 0 else []
        texts += [f'"Frame{k + 1}: ' for k in range(i % 9)]                    # the quote parts the word from its prefix, as a newline will
    texts += [grammar.report({'pattern': p}) for p in PATTERNS] * 20
    return [line for text in texts for line in text.split('\n') if line]


def token(content, rstrip=False, special=True):
    return dict(content=content, lstrip=False, normalized=False, rstrip=rstrip, single_word=False, special=special)


def write(folder):
    os.makedirs(folder, exist_ok=True)
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus(random.Random(0))), model_writer=model, model_type='bpe', vocab_size=PIECES, byte_fallback=True,
                                   normalization_rule_name='identity', remove_extra_whitespaces=False, add_dummy_prefix=True, split_digits=False,
                                   unk_id=0, bos_id=1, eos_id=2, pad_id=-1, character_coverage=1.0, max_sentence_length=20000, num_threads=1, minloglevel=2)
    open(f'{folder}/tokenizer.model', 'wb').write(model.getvalue())
    added = {t: PIECES + i for i, t in enumerate(SPECIAL)}
    pictures = [t for t in SPECIAL if not t.startswith('<|')]
    roles = dict(bos_token='<s>', eos_token='<|endoftext|>', pad_token='<|endoftext|>', unk_token='<unk>')
    decoder = {'0': token('<unk>'), '1': token('<s>'), '2': token('</s>', True, False)}
    decoder.update({str(i): token(t, t.startswith('<|') and t != '<|endoftext|>') for t, i in added.items()})
    files = {'added_tokens.json': added, 'special_tokens_map.json': dict(additional_special_tokens=[token(t) for t in pictures], **{k: token(t) for k, t in roles.items()}),
             'tokenizer_config.json': dict(add_bos_token=True, add_eos_token=False, added_tokens_decoder=decoder, additional_special_tokens=pictures, **roles,
                                           clean_up_tokenization_spaces=False, legacy=False, model_max_length=8192, padding_side='right', sp_model_kwargs={},
                                           tokenizer_class='LlamaTokenizer', use_default_system_prompt=False)}
    for name, value in files.items():
        with open(f'{folder}/{name}', 'w') as fh:
            fh.write(json.dumps(value, indent=2) + '\n')


if __name__ == '__main__':
    import sys
    write(sys.argv[1])
