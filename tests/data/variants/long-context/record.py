"""Writes golden.safetensors: logits of long conversations by a plain forward pass in float64, which shares nothing with minivl but the
formulas. Needs numpy. `record.py LENGTH FOLDER`: of LENGTH tokens alone, into FOLDER.

logits.N: after the first N tokens of one text, made from all of them anew, as Phi3SuScaledRotaryEmbedding has it: up to
original_max_position_embeddings tokens with the short factors, beyond with the long ones.
"""
import json
import os
import struct
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 7
LENGTHS = [4096, 4097, 20000, 40000, 40001, 40002]
STEP = 512  # queries at a time
CONFIG = json.load(open(os.path.join(HERE, "config.json")))["llm_config"]
HIDDEN, HEADS, KV_HEADS = CONFIG["hidden_size"], CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"]
DIM = HIDDEN // HEADS
ORIGINAL = CONFIG["original_max_position_embeddings"]


def ids_of(n):
    ids, state = [], 1
    for _ in range(n):
        state = (state * 1664525 + 1013904223) % 2**32
        ids.append(4 + (state >> 8) % 92)
    return np.array(ids)


def weight(name, *shape):
    """As tests/synth.c makes it, in bf16."""
    name = "language_model." + name
    if "norm" in name:
        mean, std = 1.0, 0.1
    elif "embed_tokens" in name:
        mean, std = 0.0, 0.5
    else:
        mean, std = 0.0, (3.0 if "lm_head" in name else 1.0) / shape[1] ** 0.5
    golden, state = 0x9E3779B97F4A7C15, 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    z = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * np.uint64(golden) + np.uint64((SEED * golden + state) % 2**64)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0
    bits = (mean + std * 3.0**0.5 * u).astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + np.uint64(0x7FFF) + (bits >> np.uint64(16) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return bits.astype(np.uint32).view(np.float32).astype(np.float64).reshape(shape)


def norm(x, name):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + CONFIG["rms_norm_eps"]) * weight(name, HIDDEN)


def rotate(x, positions, long):
    scaling = CONFIG["rope_scaling"]
    factor = np.array(scaling["long_factor" if long else "short_factor"])
    scale = CONFIG["max_position_embeddings"] / ORIGINAL
    times = np.sqrt(1 + np.log(scale) / np.log(ORIGINAL))
    angle = positions[:, None] / (factor * CONFIG["rope_theta"] ** (np.arange(DIM // 2) * 2 / DIM))
    cos, sin = np.cos(angle)[:, None] * times, np.sin(angle)[:, None] * times
    a, b = x[..., : DIM // 2], x[..., DIM // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def attend(q, k, v, positions):
    """Rows of q at positions see all keys up to their own."""
    out = np.empty_like(q)
    for first in range(0, len(q), STEP):
        rows = slice(first, first + STEP)
        n = positions[rows][-1] + 1
        unseen = np.arange(n)[None] > positions[rows][:, None]
        for head in range(HEADS):
            kv = head * KV_HEADS // HEADS
            scores = q[rows, head] @ k[:n, kv].T / DIM**0.5
            scores[unseen] = -np.inf
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            out[rows, head] = scores @ v[:n, kv] / scores.sum(-1, keepdims=True)
    return out.reshape(len(q), HIDDEN)


def forward(ids, long, wanted):
    """Logits at the positions wanted."""
    x = weight("model.embed_tokens.weight", CONFIG["vocab_size"], HIDDEN)[ids]
    positions = np.arange(len(ids))
    for layer in range(CONFIG["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        qkv = norm(x, name + "input_layernorm.weight")
        qkv = qkv @ weight(name + "self_attn.qkv_proj.weight", HIDDEN + 2 * KV_HEADS * DIM, HIDDEN).T
        qkv = qkv.reshape(len(ids), HEADS + 2 * KV_HEADS, DIM)
        q, k, v = np.split(qkv, [HEADS, HEADS + KV_HEADS], 1)
        k = rotate(k, positions, long)
        if layer == CONFIG["num_hidden_layers"] - 1:  # only those are needed from here on
            x, q, positions = x[wanted], q[wanted], positions[wanted]
        x = x + attend(rotate(q, positions, long), k, v, positions) @ weight(name + "self_attn.o_proj.weight", HIDDEN, HIDDEN).T
        up = norm(x, name + "post_attention_layernorm.weight")
        up = up @ weight(name + "mlp.gate_up_proj.weight", 2 * CONFIG["intermediate_size"], HIDDEN).T
        gate, up = np.split(up, 2, 1)
        x = x + gate / (1 + np.exp(-gate)) * up @ weight(name + "mlp.down_proj.weight", HIDDEN, CONFIG["intermediate_size"]).T
    return norm(x, "model.norm.weight") @ weight("lm_head.weight", CONFIG["vocab_size"], HIDDEN).T


def main():
    lengths = [int(sys.argv[1])] if len(sys.argv) > 1 else LENGTHS
    ids, logits = ids_of(max(lengths)), {}
    for long in (False, True):
        wanted = np.array([n - 1 for n in lengths if (n > ORIGINAL) == long])
        if len(wanted):
            logits.update(zip((f"logits.{n + 1}" for n in wanted), forward(ids[: max(wanted) + 1], long, wanted)))
    bytes_of = 4 * CONFIG["vocab_size"]
    header = json.dumps({name: {"dtype": "F32", "shape": [CONFIG["vocab_size"]], "data_offsets": [i * bytes_of, (i + 1) * bytes_of]}
                         for i, name in enumerate(logits)}).encode()
    with open(os.path.join(sys.argv[2] if len(sys.argv) > 1 else HERE, "golden.safetensors"), "wb") as f:
        header += b" " * (-len(header) % 8)  # numbers are read where they lie
        f.write(struct.pack("<Q", len(header)) + header)
        for row in logits.values():
            f.write(row.astype("<f4").tobytes())


main()
