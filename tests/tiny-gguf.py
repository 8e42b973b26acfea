#!/usr/bin/python3
"""tiny-gguf.py FOLDER: writes model.gguf, of Llama's kind, and mmproj.gguf, a vision tower of LLaVA's kind, for llama.cpp's server. All
weights are random, from one seed: answers are words of WORDS, which depend on the question and on the pictures. Needs numpy and gguf."""
import os
import sys

import gguf
import numpy

WIDTH, HIDDEN, LAYERS, HEADS, CONTEXT, SIDE, PATCH = 64, 128, 2, 4, 8192, 32, 8
BYTES = [f'<0x{i:02X}>' for i in range(256)]
WORDS = ['▁Yes', '▁No', '▁yes', '▁no'] + ['▁' + word for word in 'a the dog cat red green door car man rain is not and of to on'.split()]
# How likely each token is: words rather than bytes, yes and no rather than others
SCALES = [0, 0, 0.3] + [0.01] * len(BYTES) + [1.2] * 4 + [0.5] * (len(WORDS) - 4)
# Text and pictures as they follow one another. Without a vision tower the server leaves out the pictures.
TEMPLATE = ("{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
            "{{ part.text }}{% endfor %}{% endif %}\n{% endfor %}assistant:")
random = numpy.random.default_rng(3)


def add_sizes(writer, prefix, **more):
    sizes = {'embedding_length': WIDTH, 'feed_forward_length': HIDDEN, 'block_count': LAYERS, 'attention.head_count': HEADS, **more}
    for name, value in sizes.items():
        writer.add_uint32(f'{prefix}.{name}', value)


def add(writer, name, *shape, scale=None):
    """Without a scale, weights that leave activations as large as they are."""
    values = random.standard_normal(shape) * (shape[-1] ** -0.5 if scale is None else scale)
    writer.add_tensor(name, values.astype(numpy.float32))


def add_block(writer, block, norms, **matrices):
    for name in norms:
        writer.add_tensor(f'{block}.{name}.weight', numpy.ones(WIDTH, numpy.float32))
    for name, shape in matrices.items():
        add(writer, f'{block}.{name}.weight', *shape)


def write_model(writer):
    add_sizes(writer, 'llama', context_length=CONTEXT)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model('llama')
    writer.add_token_list(['<unk>', '<s>', '</s>'] + BYTES + WORDS)
    writer.add_token_scores([0.0] * len(SCALES))
    writer.add_token_types([2, 3, 3] + [6] * len(BYTES) + [1] * len(WORDS))  # unknown, control, byte, normal
    writer.add_chat_template(TEMPLATE)
    add(writer, 'token_embd.weight', len(SCALES), WIDTH, scale=1)
    for i in range(LAYERS):
        add_block(writer, f'blk.{i}', ('attn_norm', 'ffn_norm'), ffn_gate=(HIDDEN, WIDTH), ffn_up=(HIDDEN, WIDTH), ffn_down=(WIDTH, HIDDEN),
                  **{f'attn_{name}': (WIDTH, WIDTH) for name in ('q', 'k', 'v', 'output')})
    writer.add_tensor('output_norm.weight', numpy.ones(WIDTH, numpy.float32))
    add(writer, 'output.weight', len(SCALES), WIDTH, scale=numpy.array(SCALES)[:, None])


def write_tower(writer):
    writer.add_bool('clip.has_vision_encoder', True)
    writer.add_string('clip.projector_type', 'mlp')
    add_sizes(writer, 'clip.vision', image_size=SIDE, patch_size=PATCH, projection_dim=WIDTH)
    writer.add_float32('clip.vision.attention.layer_norm_epsilon', 1e-5)
    writer.add_array('clip.vision.image_mean', [0.5] * 3)
    writer.add_array('clip.vision.image_std', [0.25] * 3)
    add(writer, 'v.patch_embd.weight', WIDTH, 3, PATCH, PATCH, scale=0.1)
    add(writer, 'v.position_embd.weight', (SIDE // PATCH) ** 2, WIDTH, scale=0.1)
    for i in range(LAYERS):
        add_block(writer, f'v.blk.{i}', ('ln1', 'ln2'), ffn_up=(HIDDEN, WIDTH), ffn_down=(WIDTH, HIDDEN),
                  **{f'attn_{name}': (WIDTH, WIDTH) for name in ('q', 'k', 'v', 'out')})
    for i in (0, 2):
        add(writer, f'mm.{i}.weight', WIDTH, WIDTH)
        add(writer, f'mm.{i}.bias', WIDTH)


for file, kind, write in (('model.gguf', 'llama', write_model), ('mmproj.gguf', 'clip', write_tower)):
    out = gguf.GGUFWriter(os.path.join(sys.argv[1], file), kind)
    write(out)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
