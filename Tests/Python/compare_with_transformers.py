"""Compares checkpoints and tokenizers that epic wrote with what transformers and tokenizers make of them.

Usage: compare_with_transformers.py MANIFEST

The manifest is a JSON file:
  checkpoints: [{name, folder, dtype, outputs, prompts: [{name, ids, greedy}]}], an image in ids being a negative number; `outputs` is a
               safetensors file that holds PROMPT/logits [tokens, vocabulary] and, where there are images, PROMPT/pixels.
  tokenizers:  [{name, file, texts: [{text, ids, idsWithSpecial, decoded}]}]
Prints one JSON line for each checkpoint and each tokenizer.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlavaForConditionalGeneration


def expand(ids: list[int], image_token: int, tokens_of_image: int) -> torch.Tensor:
    """Token ids [1, length] with each image (a negative number) as that many image tokens."""
    expanded: list[int] = []
    for token in ids:
        expanded += [image_token] * tokens_of_image if token < 0 else [token]
    return torch.tensor([expanded])


@torch.inference_mode()
def compare_prompt(
    model: LlavaForConditionalGeneration, prompt: dict[str, Any], outputs: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """Largest difference of the logits, their largest value, and whether the greedy tokens, where given, are the same."""
    ids = expand(prompt["ids"], model.config.image_token_index, model.config.image_seq_length)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    pixels = outputs.get(f"{prompt['name']}/pixels")
    if pixels is not None:
        inputs["pixel_values"] = pixels
    wanted = outputs[f"{prompt['name']}/logits"]
    found = model(**inputs).logits[0]
    # A checkpoint may pad its vocabulary beyond the tokens that the other side knows.
    found = found[:, : wanted.shape[1]]
    result = {"name": prompt["name"], "shapesAgree": found.shape == wanted.shape}
    if result["shapesAgree"]:
        result["logitsDifference"] = (found - wanted).abs().max().item()
        result["largestLogit"] = found.abs().max().item()
    if greedy := prompt["greedy"]:
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=len(greedy), eos_token_id=[])
        result["greedyAgrees"] = tokens[0, ids.shape[1] :].tolist() == greedy
    return result


def compare_checkpoint(case: dict[str, Any]) -> dict[str, Any]:
    """What `from_pretrained` complains about, and each prompt's comparison, computed in float32."""
    declared = LlavaForConditionalGeneration.config_class.from_pretrained(case["folder"]).dtype
    model, loading = LlavaForConditionalGeneration.from_pretrained(
        case["folder"], dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    outputs = load_file(case["outputs"])
    return {
        "name": case["name"],
        "complaints": sorted(f"{kind}: {what}" for kind, found in loading.items() for what in found),
        "dtype": str(declared).removeprefix("torch."),
        "prompts": [compare_prompt(model, prompt, outputs) for prompt in case["prompts"]],
    }


def compare_tokenizer(case: dict[str, Any]) -> dict[str, Any]:
    """The texts whose ids, or whose text made from the ids, differ."""
    tokenizer = Tokenizer.from_file(case["file"])
    differing = []
    for sample in case["texts"]:
        bare = tokenizer.encode(sample["text"], add_special_tokens=False).ids
        special = tokenizer.encode(sample["text"], add_special_tokens=True).ids
        decoded = tokenizer.decode(bare, skip_special_tokens=True)
        if (bare, special, decoded) != (sample["ids"], sample["idsWithSpecial"], sample["decoded"]):
            differing.append(sample["text"])
    return {"name": case["name"], "texts": len(case["texts"]), "differing": differing}


def main() -> None:
    """Runs every case of the manifest; a case that fails prints its error and the others go on."""
    manifest = json.loads(Path(sys.argv[1]).read_text())
    for kind, compare in (("checkpoints", compare_checkpoint), ("tokenizers", compare_tokenizer)):
        for case in manifest[kind]:
            try:
                line = compare(case)
            except Exception as error:  # whatever transformers throws is the finding
                line = {"name": case["name"], "error": f"{type(error).__name__}: {error}"}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
