"""Compares checkpoints and tokenizers that epic wrote with what transformers and tokenizers make of them.

Usage: compare_with_transformers.py MANIFEST

The manifest is a JSON file:
  checkpoints: [{name, folder, dtype, outputs, saved, textIsBehindTimes, prompts: [{name, ids, greedy, tokens, videos, drop}]}], an
               image or video in ids being a negative number; `outputs` is a safetensors file that holds PROMPT/logits [tokens, vocabulary]
               and what `model_inputs.py` says of pictures, videos and sound. `drop` {layer, rows, greedy} says
               which rows are left behind that many decoder layers; PROMPT/dropped are the logits then. A checkpoint is written again to
               `saved`, where that is not null.
  tokenizers:  [{name, file, texts: [{text, ids, idsWithSpecial, decoded}]}]
Prints one JSON line for each checkpoint and each tokenizer.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from model_inputs import forward_arguments, model_class
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoConfig, PreTrainedModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


def authors_rope_index(config: Any) -> Any:
    """Positions as the authors of Qwen2.5-VL number them: text goes on behind the latest position of a video, of time too."""
    merge, per_second = config.vision_config.spatial_merge_size, config.vision_config.tokens_per_second

    def rope_index(
        input_ids: torch.Tensor,
        mm_token_type_ids: torch.Tensor,
        image_grid_thw: torch.Tensor | None = None,
        video_grid_thw: torch.Tensor | None = None,
        second_per_grid_ts: torch.Tensor | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert input_ids.shape[0] == 1
        kinds, places, row = mm_token_type_ids[0].tolist(), [], 0
        grids = {1: iter(image_grid_thw if image_grid_thw is not None else []), 2: iter(video_grid_thw if video_grid_thw is not None else [])}
        paces = iter(second_per_grid_ts.tolist() if second_per_grid_ts is not None else [])
        while row < len(kinds):
            start = 1 + max((max(place) for place in places), default=-1)
            if kinds[row] == 0:
                places.append((start, start, start))
                row += 1
                continue
            times, height, width = next(grids[kinds[row]]).tolist()
            pace = per_second * next(paces) if kinds[row] == 2 else 0
            height, width = height // merge, width // merge
            for t in range(times):
                places += [(start + int(t * pace), start + y, start + x) for y in range(height) for x in range(width)]
            row += times * height * width
        found = torch.tensor(places).T[:, None]
        return found, (found.max() + 1 - len(kinds)).reshape(1, 1)

    return rope_index


def prompt_positions(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Positions [3, 1, length] of a prompt."""
    names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts")
    return model.model.get_rope_index(**{name: inputs[name] for name in names if name in inputs})[0]


def dropping(model: PreTrainedModel, inputs: dict[str, torch.Tensor], drop: dict[str, Any]) -> tuple[torch.Tensor, list[int]]:
    """Logits of the rows that are left, and the greedy answer, by running the decoder's layers one by one.

    Every row keeps its position. The answer is computed from the beginning for each token.
    """
    decoder = model.model.language_model
    captured: dict[str, torch.Tensor] = {}

    def capture(_: torch.nn.Module, arguments: tuple, keywords: dict[str, Any]) -> None:
        captured["rows"] = keywords["inputs_embeds"]

    hook = decoder.register_forward_pre_hook(capture, with_kwargs=True)
    model(**inputs)
    hook.remove()
    prompt, answer, first = captured["rows"], [], None
    places = torch.arange(prompt.shape[1])[None]
    if "mm_token_type_ids" in inputs:
        places = prompt_positions(model, inputs)
    for _ in range(len(drop["greedy"]) + 1):
        new = model.get_input_embeddings()(torch.tensor([answer], dtype=torch.long))
        hidden = torch.cat([prompt, new], 1)
        further = (torch.arange(len(answer)) + places.max() + 1).expand(*places.shape[:-1], -1)
        positions = torch.cat([places, further], -1)
        for index, layer in enumerate(decoder.layers):
            if index == drop["layer"]:
                left = drop["rows"] + list(range(prompt.shape[1], hidden.shape[1]))
                hidden, positions = hidden[:, left], positions[..., left]
            angles = decoder.rotary_emb(hidden, positions)
            hidden = layer(hidden, attention_mask=None, position_ids=positions, position_embeddings=angles)
        logits = model.lm_head(decoder.norm(hidden))[0]
        first = logits if first is None else first
        answer.append(logits[-1].argmax().item())
    return first, answer[:-1]


@torch.inference_mode()
def compare_prompt(
    model: PreTrainedModel, prompt: dict[str, Any], outputs: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """Largest difference of the logits, their largest value, and whether the greedy tokens, where given, are the same."""
    inputs, ids = forward_arguments(model.config, prompt, outputs)
    inputs = {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
    if hasattr(model.model, "rope_deltas"):
        model.model.rope_deltas = None
    wanted = outputs[f"{prompt['name']}/logits"]
    found = model(**inputs).logits[0]
    # A checkpoint may pad its vocabulary beyond the tokens that the other side knows.
    found = found[:, : wanted.shape[1]]
    result = {"name": prompt["name"], "shapesAgree": found.shape == wanted.shape}
    if result["shapesAgree"]:
        result["logitsDifference"] = (found - wanted).abs().max().item()
        result["largestLogit"] = found.abs().max().item()
    if greedy := prompt["greedy"]:
        places = prompt_positions(model, inputs) if "video_grid_thw" in inputs else torch.zeros(1)
        if places[..., -1].max() == places.max():
            tokens = model.generate(**inputs, do_sample=False, max_new_tokens=len(greedy), eos_token_id=[])
            answer = tokens[0, ids.shape[1] :].tolist()
        else:
            # `generate` counts on from the last token, the model itself, and we, from the latest position of all.
            everything = {"layer": 0, "rows": list(range(ids.shape[1])), "greedy": greedy}
            _, answer = dropping(model, inputs, everything)
        result["greedyAgrees"] = answer == greedy
    if drop := prompt.get("drop"):
        found, answer = dropping(model, inputs, drop)
        wanted = outputs[f"{prompt['name']}/dropped"]
        result["droppedDifference"] = (found[:, : wanted.shape[1]] - wanted).abs().max().item()
        result["droppedGreedyAgrees"] = answer == drop["greedy"]
    return result


def compare_checkpoint(case: dict[str, Any]) -> dict[str, Any]:
    """What `from_pretrained` complains about, and each prompt's comparison.

    Computed in float64, so that the differences are ours: in float32 this side's own rounding is often the larger part of them.
    """
    config = AutoConfig.from_pretrained(case["folder"])
    declared = config.dtype
    model, loading = model_class(config).from_pretrained(
        case["folder"], dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    if case.get("saved"):
        model.save_pretrained(case["saved"])
        if model.config.model_type in ("qwen2_vl", "qwen2_5_vl"):
            # How pictures are prepared is part of what we read of such a model.
            Qwen2VLImageProcessorPil.from_pretrained(case["folder"]).save_pretrained(case["saved"])
    outputs = load_file(case["outputs"])
    model.double()
    if case["textIsBehindTimes"] and hasattr(model.model, "get_rope_index"):
        model.model.get_rope_index = authors_rope_index(model.config)
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
