"""Writes this folder's other files: a small tokenizer, and what transformers and tokenizers make of random texts with it.

`record.py slow`: with transformers 4.37.2, sentencepiece and protobuf. Other versions of the trainer give another model, so the model
is kept as it is once it is there. It also converts it, into json/tokenizer.json. `record.py json`: with tokenizers 0.21.4, which has
Metaspace without splitting.
"""
import json
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "tokenizer-text.txt")
WHITE = [" ", "  ", "   ", "\n", "\t", " \n", "\u00a0", "\u3000", "\u2028", "\x1c", "\x1f", "\x85", "\r\n", "\u200b", "\u2581"]
#        content, special, lstrip, rstrip, normalized, single_word
ADDED = [("<|endoftext|>", 1, 0, 0, 0, 0), ("<|assistant|>", 1, 0, 1, 0, 0), ("<|system|>", 1, 0, 1, 0, 0),
         ("<|end|>", 1, 0, 1, 0, 0), ("<|user|>", 1, 0, 1, 0, 0), ("<img>", 1, 0, 0, 0, 0), ("</img>", 1, 0, 0, 0, 0),
         ("<IMG_CONTEXT>", 1, 0, 0, 0, 0), ("<quad>", 0, 0, 0, 0, 0), ("<quad>ruple", 0, 0, 0, 0, 0), ("<left>", 1, 1, 0, 0, 0),
         ("zqz", 0, 0, 0, 0, 1), ("<n o>", 0, 0, 0, 1, 0)]


def write_tokenizer():
    import sentencepiece
    os.chdir(HERE)  # the model keeps the names
    sentencepiece.SentencePieceTrainer.train(
        input="../tokenizer-text.txt", model_prefix="tokenizer", model_type="bpe", vocab_size=1000, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        split_digits=True, character_coverage=0.98, num_threads=1, minloglevel=2)
    os.remove("tokenizer.vocab")


def write_config():
    flags = ("special", "lstrip", "rstrip", "normalized", "single_word")
    rows = [(1, ("<s>", 1, 0, 0, 0, 0)), (2, ("</s>", 0, 0, 1, 0, 0))] + list(enumerate(ADDED, 1000))
    decoder = {str(i): {"content": t[0], **{f: bool(v) for f, v in zip(flags, t[1:])}} for i, t in rows}
    config = {"add_bos_token": True, "add_eos_token": False, "added_tokens_decoder": decoder, "bos_token": "<s>",
              "eos_token": "<|endoftext|>", "unk_token": "<unk>", "pad_token": None, "additional_special_tokens": ["<img>"],
              "tokenizer_class": "LlamaTokenizer", "legacy": False, "clean_up_tokenization_spaces": False}
    with open(os.path.join(HERE, "tokenizer_config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")


def random_text(rng, text, words):
    tokens = [t[0] for t in ADDED] + ["<s>", "</s>", "<unk>"]
    out = []
    for _ in range(rng.randrange(10)):
        kind, token, at = rng.random(), rng.choice(tokens), rng.randrange(len(text) - 60)
        if kind < .3:
            out.append(token)
        elif kind < .35:
            out.append(token[:rng.randrange(len(token) + 1)])
        elif kind < .55:
            out.append(rng.choice(words))
        elif kind < .75:
            out.append(rng.choice(WHITE))
        elif kind < .9:
            out.append(text[at:at + rng.randrange(30)])
        else:
            code = rng.choice([rng.randrange(1, 0x80), rng.randrange(0x80, 0x800), rng.randrange(0xe000, 0x110000)])
            out.append(chr(code))
    return "".join(out)


def write_rows(name, n, size, encode, decode):
    rng, text = random.Random(1), open(TEXT).read()
    words = text.split()
    with open(os.path.join(HERE, name), "w") as f:
        f.write("[\n")
        for i in range(n):
            t = random_text(rng, text, words)
            ids = encode(t)
            other = ids if i % 2 else [rng.choice([rng.randrange(4, 259), rng.randrange(4, size)]) for _ in range(rng.randrange(12))]
            row = {"text": t, "ids": ids, "other": other, "decoded": decode(other, True), "raw": decode(other, False)}
            f.write(json.dumps(row) + ("\n" if i == n - 1 else ",\n"))
        f.write("]\n")


METASPACE = {"type": "Metaspace", "replacement": "\u2581", "split": False}
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
KINDS = {
    "prepend": {},
    "replace": {"normalizer": REPLACE},
    "always": {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "always"}},
    "first": {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "first"}},
    "never": {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "never"}},
}


def record_json():
    from tokenizers import Tokenizer
    with open(os.path.join(HERE, "json", "tokenizer.json")) as f:
        saved = json.load(f)
    for name, change in KINDS.items():
        t = Tokenizer.from_str(json.dumps({**saved, **change}))
        write_rows(os.path.join("json", name + ".json"), 80, t.get_vocab_size(), lambda x: t.encode(x).ids,
                   lambda ids, skip: t.decode(ids, skip_special_tokens=skip))


def record_slow():
    from transformers import LlamaTokenizer, LlamaTokenizerFast
    if not os.path.exists(os.path.join(HERE, "tokenizer.model")):
        write_tokenizer()
    write_config()
    slow = LlamaTokenizer.from_pretrained(HERE, legacy=False)
    write_rows("slow.json", 300, len(slow), slow.encode, lambda ids, skip: slow.decode(ids, skip_special_tokens=skip))
    os.makedirs(os.path.join(HERE, "json"), exist_ok=True)
    with open(os.path.join(HERE, "json", "tokenizer.json"), "w") as f:
        json.dump(json.loads(LlamaTokenizerFast.from_pretrained(HERE).backend_tokenizer.to_str()), f)
        f.write("\n")


if __name__ == "__main__":
    {"slow": record_slow, "json": record_json}[sys.argv[1]]()
