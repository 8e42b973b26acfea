"""The demo model's shape, and its checkpoint folder: `export.py WORK/state.pt FOLDER` writes config.json and model.safetensors (BF16)."""
import json, os, sys

from tokenizer import PIECES, VOCABULARY

CONFIG = dict(
    architectures=['InternVLChatModel'], model_type='internvl_chat',
    vision_config=dict(hidden_size=128, num_attention_heads=2, intermediate_size=512, num_hidden_layers=4, image_size=112, patch_size=14, qkv_bias=True, qk_normalization=False,
                       norm_type='layer_norm', hidden_act='gelu', layer_norm_eps=1e-6, drop_path_rate=0.0, architectures=['InternVisionModel'], model_type='intern_vit_6b',
                       torch_dtype='bfloat16'),
    llm_config=dict(hidden_size=192, num_attention_heads=4, num_key_value_heads=4, intermediate_size=512, num_hidden_layers=7, vocab_size=VOCABULARY,
                    max_position_embeddings=8192, original_max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None, bos_token_id=1,
                    eos_token_id=PIECES, pad_token_id=PIECES, sliding_window=None, tie_word_embeddings=False, architectures=['Phi3ForCausalLM'], model_type='phi3',
                    hidden_act='silu', torch_dtype='bfloat16'),
    downsample_ratio=0.5, dynamic_image_size=True, force_image_size=112, image_fold=None, max_dynamic_patch=12, min_dynamic_patch=1, pad2square=False, ps_version='v2',
    select_layer=-1, template='phi3-chat', use_backbone_lora=0, use_llm_lora=0, use_thumbnail=True, torch_dtype='bfloat16', tie_word_embeddings=False)


def main(state, folder):
    import torch
    from model import write_safetensors
    weights = torch.load(state)['model']
    os.makedirs(folder, exist_ok=True)
    write_safetensors(f'{folder}/model.safetensors.part', {name: t.to(torch.bfloat16) for name, t in weights.items()})
    os.replace(f'{folder}/model.safetensors.part', f'{folder}/model.safetensors')
    with open(f'{folder}/config.json', 'w') as fh:
        fh.write(json.dumps(CONFIG, indent=2) + '\n')
    print(sum(t.numel() for t in weights.values()), 'weights,', os.path.getsize(f'{folder}/model.safetensors'), 'bytes')


if __name__ == '__main__':
    main(*sys.argv[1:])
