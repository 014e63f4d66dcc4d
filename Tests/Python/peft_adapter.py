"""Loads adapters that epic wrote with PEFT, and writes some of PEFT's own.

    peft_adapter.py BASE MERGED ADAPTER OUT INPUTS.safetensors PROMPT

BASE is a checkpoint, ADAPTER a folder of adapters for it, with parts that were trained whole, and MERGED the checkpoint that both make; OUT is
made: adapters with the same targets and parts, and random weights. PROMPT is the prompt and INPUTS its tensors, both as
`model_inputs.py` says. Prints {complaints, modules,
saved, logits, mergedLogits, ownLogits}: what PEFT warned of, the names of the layers with adapters and of the parts trained whole, and the
logits [tokens, vocabulary] with ADAPTER, of MERGED, and with OUT, in float32.
"""

import json
import sys
import warnings

import torch
from model_inputs import forward_arguments, model_class
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import ModulesToSaveWrapper
from safetensors.torch import load_file
from transformers import AutoConfig, PreTrainedModel


def load(folder: str) -> PreTrainedModel:
    kind = model_class(AutoConfig.from_pretrained(folder))
    return kind.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()


base, merged, adapter, out, path, prompt = sys.argv[1:]
inputs, _ = forward_arguments(AutoConfig.from_pretrained(base), json.loads(prompt), load_file(path))


@torch.inference_mode()
def logits(model: torch.nn.Module) -> list[list[float]]:
    return model(**inputs).logits[0].tolist()


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
            "logits": logits(adapted),
            "mergedLogits": logits(load(merged)),
            "ownLogits": logits(own),
        }
    )
)
