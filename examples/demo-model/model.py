"""Mini-InternVL in plain PyTorch, from the published description alone: InternViT, pixel shuffle, mlp1, Phi-3. Reads any checkpoint folder.

It trains the demo model and is the independent reference for its golden outputs; parameters have the public names.
`model.py FOLDER CASES_DIR` compares with golden outputs laid out as tests/conformance reads them.
"""
import json, math, os, struct
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parameter(*shape):
    return nn.Parameter(torch.zeros(*shape))


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class VisionAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c['hidden_size']
        self.heads = c['num_attention_heads']
        self.qkv, self.proj = nn.Linear(d, 3 * d, bias=c['qkv_bias']), nn.Linear(d, d)
        if c['qk_normalization']:
            self.q_norm, self.k_norm = RMSNorm(d, c['layer_norm_eps']), RMSNorm(d, c['layer_norm_eps'])

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).chunk(3, -1)
        if hasattr(self, 'q_norm'):
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (t.view(b, n, self.heads, d // self.heads).transpose(1, 2) for t in (q, k, v))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class VisionMlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(c['hidden_size'], c['intermediate_size']), nn.Linear(c['intermediate_size'], c['hidden_size'])

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VisionLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        norm = nn.LayerNorm if c['norm_type'] == 'layer_norm' else RMSNorm
        d, eps = c['hidden_size'], c['layer_norm_eps']
        self.attn, self.mlp, self.norm1, self.norm2, self.ls1, self.ls2 = VisionAttention(c), VisionMlp(c), norm(d, eps), norm(d, eps), parameter(d), parameter(d)

    def forward(self, x):
        x = x + self.attn(self.norm1(x)) * self.ls1
        return x + self.mlp(self.norm2(x)) * self.ls2


class VisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, p = c['hidden_size'], c['patch_size']
        self.class_embedding, self.position_embedding = parameter(1, 1, d), parameter(1, (c['image_size'] // p) ** 2 + 1, d)
        self.patch_embedding = nn.Conv2d(3, d, p, p)

    def forward(self, pixels):
        n, p = pixels.shape[0], self.patch_embedding.kernel_size[0]
        g = pixels.shape[2] // p                                             # a matrix product: much faster here than the convolution it equals
        patches = pixels.view(n, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, 3 * p * p)
        x = F.linear(patches, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)
        return torch.cat([self.class_embedding.expand(n, -1, -1), x], 1) + self.position_embedding


class Vision(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings = VisionEmbeddings(c)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer(c) for _ in range(c['num_hidden_layers']))

    def forward(self, pixels, select=-1, stages=None):
        x = self.embeddings(pixels)
        hidden = [x]
        for layer in self.encoder.layers:
            hidden.append(x := layer(x))
        if stages is not None:
            stages.update({f'vision.{i}': h for i, h in enumerate(hidden)})
        return hidden[select]


def rotary(c, length, total):
    """cos, sin [length][head_dim / 2] for a conversation of `total` tokens."""
    hd, scaling = c['hidden_size'] // c['num_attention_heads'], c.get('rope_scaling')
    inverse, factor = c['rope_theta'] ** (-torch.arange(0, hd, 2, dtype=torch.float64) / hd), 1.0
    if scaling:
        original, longest = c['original_max_position_embeddings'], c['max_position_embeddings']
        inverse = inverse / torch.tensor(scaling['long_factor' if total > original else 'short_factor'], dtype=torch.float64)
        if longest > original:
            ratio = math.log(longest / original)
            factor = 0.1 * ratio + 1 if scaling['type'] == 'yarn' else math.sqrt(1 + ratio / math.log(original))
    angle = torch.outer(torch.arange(length, dtype=torch.float64), inverse)
    return (angle.cos() * factor).float(), (angle.sin() * factor).float()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c['hidden_size']
        self.heads, self.kv, self.hd = c['num_attention_heads'], c['num_key_value_heads'], h // c['num_attention_heads']
        self.qkv_proj, self.o_proj = nn.Linear(h, (self.heads + 2 * self.kv) * self.hd, bias=False), nn.Linear(h, h, bias=False)

    def forward(self, x, cos, sin, mask, cache):
        b, n, h = x.shape
        q, k, v = self.qkv_proj(x).view(b, n, -1, self.hd).transpose(1, 2).split([self.heads, self.kv, self.kv], 1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        if self.kv != self.heads:
            k, v = (t.repeat_interleave(self.heads // self.kv, 1) for t in (k, v))
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None and n == k.shape[2])
        return self.o_proj(x.transpose(1, 2).reshape(b, n, h))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_up_proj, self.down_proj = nn.Linear(c['hidden_size'], 2 * c['intermediate_size'], bias=False), nn.Linear(c['intermediate_size'], c['hidden_size'], bias=False)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, eps = c['hidden_size'], c['rms_norm_eps']
        self.self_attn, self.mlp, self.input_layernorm, self.post_attention_layernorm = Attention(c), Mlp(c), RMSNorm(h, eps), RMSNorm(h, eps)

    def forward(self, x, cos, sin, mask, cache):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Language(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c['hidden_size']
        self.config, self.model = c, nn.Module()
        self.model.embed_tokens, self.model.norm = nn.Embedding(c['vocab_size'], h), RMSNorm(h, c['rms_norm_eps'])
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c['num_hidden_layers']))
        self.lm_head = None if c.get('tie_word_embeddings') else nn.Linear(h, c['vocab_size'], bias=False)

    def forward(self, x, positions=None, mask=None, caches=None, total=None, stages=None):
        """Embeddings [b][n][h] to states after the final norm. positions [b][n]; mask [b][1][n][n], absent: causal; caches: a list a layer."""
        past = caches[0][0].shape[2] if caches and caches[0] else 0
        cos, sin = rotary(self.config, past + x.shape[1], total or past + x.shape[1])
        cos, sin = (t[past:] if positions is None else t[positions][:, None] for t in (cos, sin))
        states = [x]
        for i, layer in enumerate(self.model.layers):
            states.append(x := layer(x, cos, sin, mask, caches[i] if caches is not None else None))
        states[-1] = self.model.norm(x)
        if stages is not None:
            stages.update({f'language.{i}': s for i, s in enumerate(states)})
        return states[-1]

    def head(self, x):
        return F.linear(x, self.model.embed_tokens.weight) if self.lm_head is None else self.lm_head(x)


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        v, l = config['vision_config'], config['llm_config']
        scale = round(1 / config['downsample_ratio'])
        width = v['hidden_size'] * scale ** 2
        self.config, self.scale = config, scale
        self.tokens = (v['image_size'] // v['patch_size'] // scale) ** 2
        self.vision_model, self.language_model = Vision(v), Language(l)
        self.mlp1 = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, l['hidden_size']), nn.GELU(), nn.Linear(l['hidden_size'], l['hidden_size']))

    def shuffle(self, x):
        """[n][side * side][d] to [n][(side / s)^2][d * s * s]. v2 puts a block's tokens in the order of rows, v1 in that of columns."""
        n, length, d = x.shape
        side, s = math.isqrt(length), self.scale
        x = x.view(n, side, side, d)[:, :side // s * s, :side // s * s]
        x = x.reshape(n, side // s, s, side // s, s, d)
        x = x.permute(0, 1, 3, 2, 4, 5) if self.config['ps_version'] == 'v2' else x.permute(0, 3, 1, 2, 4, 5)
        return x.reshape(n, (side // s) ** 2, s * s * d)

    def see(self, pixels, stages=None):
        """Normalised pictures [n][3][side][side] to (ViT output without the class token, [n][tokens][h])."""
        features = self.vision_model(pixels, self.config['select_layer'], stages)[:, 1:]
        shuffled = self.shuffle(features)
        seen = self.mlp1(shuffled)
        if stages is not None:
            stages.update({'pixel_shuffle': shuffled, 'projector': seen})
        return features, seen

    def embed(self, ids, seen, context):
        """Token embeddings with the pictures' in the place of <IMG_CONTEXT>; seen [all tokens][h] or None."""
        x = self.language_model.model.embed_tokens(ids)
        return x if seen is None else x.masked_scatter((ids == context)[..., None], seen)

    @torch.no_grad()
    def answer(self, ids, seen, context, stops, longest=128):
        """Greedy ids of a batch of equally long prompts."""
        caches = [[] for _ in self.language_model.model.layers]
        x = self.language_model(self.embed(ids, seen, context), caches=caches)
        out, done = [], torch.zeros(ids.shape[0], dtype=torch.bool)
        for _ in range(longest):
            out.append(best := self.language_model.head(x[:, -1]).argmax(-1))
            for stop in stops:
                done |= best == stop
            if done.all():
                break
            x = self.language_model(self.language_model.model.embed_tokens(best[:, None]), caches=caches)
        rows = torch.stack(out, 1).tolist()
        return [row[:min([row.index(s) for s in stops if s in row], default=len(row))] for row in rows]


def read_safetensors(path):
    with open(path, 'rb') as fh:
        head = json.loads(fh.read(struct.unpack('<Q', fh.read(8))[0]))
        body = fh.read()
    kinds = {'BF16': torch.bfloat16, 'F16': torch.float16, 'F32': torch.float32, 'I32': torch.int32}
    return {k: torch.frombuffer(bytearray(body[slice(*t['data_offsets'])]), dtype=kinds[t['dtype']]).view(t['shape']) for k, t in head.items() if k != '__metadata__'}


def write_safetensors(path, tensors):
    kinds = {torch.bfloat16: 'BF16', torch.float16: 'F16', torch.float32: 'F32', torch.int32: 'I32'}
    head, at = {'__metadata__': {'format': 'pt'}}, 0
    for name, t in tensors.items():
        head[name] = dict(dtype=kinds[t.dtype], shape=list(t.shape), data_offsets=[at, at + t.nbytes])
        at += t.nbytes
    blob = json.dumps(head, separators=(',', ':')).encode()
    blob += b' ' * (-len(blob) % 8)
    with open(path, 'wb') as fh:
        fh.write(struct.pack('<Q', len(blob)) + blob)
        for t in tensors.values():
            fh.write(t.detach().contiguous().view(torch.uint8).numpy().tobytes())


def load(folder):
    """The model of a checkpoint folder, in float32."""
    model = Model(json.load(open(f'{folder}/config.json')))
    index = f'{folder}/model.safetensors.index.json'
    files = sorted(set(json.load(open(index))['weight_map'].values())) if os.path.exists(index) else ['model.safetensors']
    model.load_state_dict({k: t.float() for f in files for k, t in read_safetensors(f'{folder}/{f}').items()})
    return model.eval()


def normalise(pictures):
    """Bytes [n][side][side][3] to float [n][3][side][side]."""
    mean, std = (torch.tensor(v) * 255 for v in (MEAN, STD))
    return ((pictures.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


def tiles_of(picture, grid, side):
    """The tiles of a grid [columns, rows] and the thumbnail, as bytes [n][side][side][3]."""
    from PIL import Image
    columns, rows = grid
    whole = np.asarray(picture.resize((columns * side, rows * side), Image.BICUBIC))
    tiles = [whole[r * side:(r + 1) * side, c * side:(c + 1) * side] for r in range(rows) for c in range(columns)]
    if len(tiles) > 1:
        tiles.append(np.asarray(picture.resize((side, side), Image.BICUBIC)))
    return torch.from_numpy(np.stack(tiles))


def main(folder, cases):
    """Every picture and text case of a folder laid out as the oracle's; the tile rule is taken from preprocess.json."""
    from PIL import Image
    model, rows = load(folder), json.load(open(f'{cases}/cases.json'))['cases']
    golden, worst = read_safetensors(f'{cases}/golden.safetensors'), 0.0
    grids = {(r['image'], r['max_num']): (r['columns'], r['rows']) for r in json.load(open(f'{cases}/preprocess.json'))}
    context = json.load(open(f'{cases}/../tokenizer/added_tokens.json'))['<IMG_CONTEXT>']
    side = model.config['vision_config']['image_size']
    for case in rows:
        media = case.get('media') or []
        if any('video' in m for m in media):
            continue
        ids = torch.tensor([[i for i, n in case['input_ids_runs'] for _ in range(n)]])
        with torch.no_grad():
            tiles = [tiles_of(Image.open(f"{cases}/images/{m['image']}.png").convert('RGB'), grids[m['image'], m['max_num']], side) for m in media]
            seen = model.see(normalise(torch.cat(tiles)))[1].flatten(0, 1) if tiles else None
            logits = model.language_model.head(model.language_model(model.embed(ids, seen, context))[0, -1])
        want = golden[f"{case['name']}.logits"].flatten()
        nmse = ((logits - want).double().pow(2).sum() / want.double().pow(2).sum()).item()
        worst = max(worst, nmse)
        print(f"{case['name']} {nmse:.3g}")
    print('PASS' if worst <= 1e-8 else 'FAIL', f'{worst:.3g}')
    return worst > 1e-8


if __name__ == '__main__':
    import sys
    raise SystemExit(main(*sys.argv[1:]))
