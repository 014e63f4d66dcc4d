"""Loads adapters that epic wrote with PEFT, and writes some of PEFT's own.

    peft_adapter.py BASE ADAPTER OUT IDS.json

BASE is a checkpoint, ADAPTER a folder of adapters for it; OUT is made: adapters with the same targets and random weights. IDS is a list of token
ids. Prints {complaints, modules, logits, ownLogits}: what PEFT warned of, the names of the layers with adapters, and the logits
[tokens, vocabulary] with ADAPTER and with OUT, in float32.
"""

import json
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlavaForConditionalGeneration


def load(folder: str) -> LlavaForConditionalGeneration:
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()


@torch.inference_mode()
def logits(model: torch.nn.Module, ids: list[int]) -> list[list[float]]:
    return model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)).logits[0].tolist()


base, adapter, out, path = sys.argv[1:]
ids = json.load(open(path, encoding="utf-8"))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    adapted = PeftModel.from_pretrained(load(base), adapter).eval()
modules = [name for name, module in adapted.base_model.model.named_modules() if hasattr(module, "lora_A")]

torch.manual_seed(0)
read = adapted.peft_config["default"]
config = LoraConfig(r=2, lora_alpha=5, target_modules=read.target_modules, init_lora_weights=False)
own = get_peft_model(load(base), config).eval()
own.save_pretrained(out)

print(
    json.dumps(
        {
            # Others are deprecations inside the two packages.
            "complaints": [str(warning.message) for warning in caught if "adapter" in str(warning.message).lower()],
            "modules": modules,
            "logits": logits(adapted, ids),
            "ownLogits": logits(own, ids),
        }
    )
)
