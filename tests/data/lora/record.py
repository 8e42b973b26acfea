"""Writes this folder's other files: adapters that PEFT saves, and what PyTorch makes of `small` with PEFT's merge of them.

`swift` is of the merge in f32, and tested so; `internvl` is of what bf16 keeps of it, as minivl does at f16 of a checkpoint in bf16.
`record.py CHECKPOINT`, the folder that `make-checkpoint --seed 3 ../small/config.json CHECKPOINT` makes. With torch 2.14.1,
transformers 4.48.3 and peft 0.14.0. Without an adapter the model gives small's recorded logits within an NMSE of 5e-13.
"""
import json
import os
import sys

import peft
import torch
from safetensors.torch import load_file, save_file
from transformers import Phi3Config, Phi3ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = os.path.join(HERE, "..", "small")
STEPS = 16


class Chat(torch.nn.Module):
    """What is around the language model when SWIFT trains: names begin with it."""
    def __init__(self, language_model):
        super().__init__()
        self.language_model = language_model
        self.config = {"model_type": "internvl_chat"}

    def forward(self, **inputs):
        return self.language_model(**inputs)


def load_language(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)["llm_config"]
    config["rope_scaling"]["type"] = "longrope"  # which was called su
    model = Phi3ForCausalLM(Phi3Config(**{k: v for k, v in config.items() if k != "torch_dtype"}, attn_implementation="eager"))
    prefix = "language_model."
    weights = {k[len(prefix):]: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()
               if k.startswith(prefix)}
    model.load_state_dict(weights)
    return model.float().eval()


def fill(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if "lora_A" in name:
            p.data = torch.randn(p.shape, generator=generator) / p.shape[1] ** .5
        if "lora_B" in name:
            p.data = torch.randn(p.shape, generator=generator) * .1
        if "lora_" in name:
            p.data = p.data.bfloat16().float()


def answer(language, case):
    ids = [i for i, n in case["input_ids_runs"] for _ in range(n)]
    case["greedy_ids"], case["greedy_margins"] = [], []
    for step in range(STEPS):
        with torch.no_grad():
            logits = language(torch.tensor([ids]), use_cache=False).logits[0, -1]
        first = logits.clone() if step == 0 else first
        best = logits.topk(2)
        case["greedy_ids"].append(int(best.indices[0]))
        case["greedy_margins"].append(round(float(best.values[0] - best.values[1]), 5))
        ids.append(case["greedy_ids"][-1])
    return first


def record(checkpoint, name, wrap, config, dtype, scale, merged, cases):
    folder = os.path.join(HERE, name)
    language = load_language(checkpoint)
    model = peft.get_peft_model(Chat(language) if wrap else language, config)
    fill(model, 1)
    saved = {k: v.to(dtype).contiguous() for k, v in peft.get_peft_model_state_dict(model).items()}
    model.peft_config["default"].save_pretrained(os.path.join(folder, "adapter"))
    save_file(saved, os.path.join(folder, "adapter", "adapter_model.safetensors"), metadata={"format": "pt"})
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.LoraLayer):
            module.scale_layer(scale)
    model = model.merge_and_unload().to(merged).float()
    golden = {c["name"] + ".logits": answer(model.language_model if wrap else model, c) for c in cases}
    save_file(golden, os.path.join(folder, "golden.safetensors"))
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump({"seed": 3, "lora": "adapter" if scale == 1 else f"adapter:{scale}", "cases": cases}, f, indent=1)
        f.write("\n")
    with open(os.path.join(SMALL, "config.json")) as f, open(os.path.join(folder, "config.json"), "w") as out:
        out.write(f.read())


def main():
    def cases(*names):
        with open(os.path.join(SMALL, "cases.json")) as f:
            return [c for c in json.load(f)["cases"] if c["name"] in names]

    # As SWIFT's `--target_modules all-linear` has it, and as InternVL's wrap_llm_lora() has it for Phi-3.
    record(sys.argv[1], "swift", True, peft.LoraConfig(
        r=4, lora_alpha=8, lora_dropout=.05, task_type=None,
        target_modules=r"^(language_model(?=\.).*\.(down_proj|gate_up_proj|o_proj|qkv_proj))$"),
        torch.bfloat16, 1, torch.float32, cases("text", "text-round-2"))
    record(sys.argv[1], "internvl", False, peft.LoraConfig(
        r=2, lora_alpha=4, lora_dropout=.05, use_rslora=True, task_type="CAUSAL_LM",
        target_modules=["self_attn.qkv_proj", "mlp.down_proj"]),
        torch.float32, .5, torch.bfloat16, cases("text"))


if __name__ == "__main__":
    main()
