"""A random checkpoint whose answers are in hand for as long as they are wanted."""
import json
import os
import struct
import subprocess


def never_end(path):
    """Has the logits of what is no text be 0, so that the best token is always another."""
    with open(path, 'r+b') as file:
        size = struct.unpack('<Q', file.read(8))[0]
        head = json.loads(file.read(size))['language_model.lm_head.weight']
        rows = head['shape'][0]
        at, width = 8 + size + head['data_offsets'][0], (head['data_offsets'][1] - head['data_offsets'][0]) // rows
        for row in [0, 1, 2, *range(640, rows)]:
            file.seek(at + row * width)
            file.write(bytes(width))


def make(make_checkpoint, demo, folder):
    """Of the demo model's shape, with its tokenizer."""
    subprocess.run([make_checkpoint, os.path.join(demo, 'config.json'), folder, '--tokenizer', demo], check=True,
                   stdout=subprocess.DEVNULL)
    never_end(os.path.join(folder, 'model.safetensors'))
