"""Loads adapters that epic wrote with PEFT, and writes some of PEFT's own.

    peft_adapter.py BASE MERGED ADAPTER OUT INPUTS.safetensors

BASE is a checkpoint, ADAPTER a folder of adapters for it, with parts that were trained whole, and MERGED the checkpoint that both make; OUT is
made: adapters with the same targets and parts, and random weights. INPUTS holds `ids` [1, tokens] and `pixels`. Prints {complaints, modules,
saved, logits, mergedLogits, ownLogits}: what PEFT warned of, the names of the layers with adapters and of the parts trained whole, and the
logits [tokens, vocabulary] with ADAPTER, of MERGED, and with OUT, in float32.
"""

import json
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import ModulesToSaveWrapper
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration


def load(folder: str) -> LlavaForConditionalGeneration:
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()


@torch.inference_mode()
def logits(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> list[list[float]]:
    ids = inputs["ids"]
    return model(input_ids=ids, pixel_values=inputs["pixels"], attention_mask=torch.ones_like(ids)).logits[0].tolist()


base, merged, adapter, out, path = sys.argv[1:]
inputs = load_file(path)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    adapted = PeftModel.from_pretrained(load(base), adapter).eval()
named = list(adapted.base_model.model.named_modules())

torch.manual_seed(0)
read = adapted.peft_config["default"]
config = LoraConfig(
    r=2, lora_alpha=5, target_modules=read.target_modules, modules_to_save=read.modules_to_save, init_lora_weights=False
)
own = get_peft_model(load(base), config).eval()
with torch.no_grad():
    for module in own.modules():
        if isinstance(module, ModulesToSaveWrapper):
            for parameter in module.modules_to_save["default"].parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
own.save_pretrained(out)

print(
    json.dumps(
        {
            # Others are deprecations inside the two packages.
            "complaints": [str(warning.message) for warning in caught if "adapter" in str(warning.message).lower()],
            "modules": [name for name, module in named if hasattr(module, "lora_A")],
            "saved": [name for name, module in named if isinstance(module, ModulesToSaveWrapper)],
            "logits": logits(adapted, inputs),
            "mergedLogits": logits(load(merged), inputs),
            "ownLogits": logits(own, inputs),
        }
    )
)
