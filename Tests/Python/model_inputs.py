"""What transformers' models of all families are given for a prompt with pictures, videos or sound."""

from typing import Any

import torch
from transformers import AutoModelForImageTextToText, PretrainedConfig, Qwen2AudioForConditionalGeneration


def model_class(config: PretrainedConfig) -> Any:
    """The class that reads checkpoints of the configuration."""
    return Qwen2AudioForConditionalGeneration if config.model_type == "qwen2_audio" else AutoModelForImageTextToText


def expand(ids: list[int], marks: list[int], tokens: list[int]) -> torch.Tensor:
    """Token ids [1, length] with each image or video (a negative number) as so many tokens of its own."""
    expanded: list[int] = []
    rest = zip(marks, tokens)
    for token in ids:
        if token < 0:
            mark, count = next(rest)
            expanded += [mark] * count
        else:
            expanded.append(token)
    return torch.tensor([expanded])


def forward_arguments(
    config: PretrainedConfig, prompt: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Arguments of `forward` for a prompt {name, ids, tokens, videos}, and its ids [1, length].

    An image, video or sound in `ids` is a negative number; `tokens` are the rows of each, `videos` says which are videos. Of `tensors`
    those are read whose names begin with the prompt's: NAME/pixels, with NAME/sizes where pictures are shown in tiles and NAME/grids where
    they are patches; of videos NAME/video-pixels, -grids and -seconds, or NAME/video-pixels-NUMBER; of sound NAME/features and NAME/lengths.
    """
    name = prompt["name"]
    media = sum(token < 0 for token in prompt["ids"])
    tokens = prompt.get("tokens")
    if tokens is None:
        tokens = [config.image_seq_length] * media
    names = ("image_token_index", "image_token_id", "audio_token_index", "audio_token_id")
    image_token = next(getattr(config, name) for name in names if getattr(config, name, None) is not None)
    video_token = getattr(config, "video_token_index", None) or getattr(config, "video_token_id", None)
    videos = prompt.get("videos") or [False] * media
    ids = expand(prompt["ids"], [video_token if video else image_token for video in videos], tokens)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if (pixels := tensors.get(f"{name}/pixels")) is not None:
        inputs["pixel_values"] = pixels
    if (features := tensors.get(f"{name}/features")) is not None:
        inputs["input_features"] = features
        places = torch.arange(features.shape[-1])[None]
        inputs["feature_attention_mask"] = (places < tensors[f"{name}/lengths"][:, None]).long()
    if (sizes := tensors.get(f"{name}/sizes")) is not None:
        inputs["image_sizes"] = sizes
        if config.model_type == "llava_onevision":
            inputs["batch_num_images"] = torch.tensor([media - sum(videos)])
    if (grids := tensors.get(f"{name}/grids")) is not None:
        inputs["image_grid_thw"] = grids
    if (grids := tensors.get(f"{name}/video-grids")) is not None:
        inputs["video_grid_thw"] = grids
        if config.model_type == "qwen2_5_vl":
            inputs["second_per_grid_ts"] = tensors[f"{name}/video-seconds"]
        inputs["pixel_values_videos"] = tensors[f"{name}/video-pixels"]
    if "image_grid_thw" in inputs or "video_grid_thw" in inputs:
        inputs["mm_token_type_ids"] = (ids == image_token).int() + 2 * (ids == video_token).int()
    clips = [tensors[key] for key in sorted(tensors) if key.startswith(f"{name}/video-pixels-")]
    if clips:
        inputs["pixel_values_videos"] = torch.cat(clips)
    return inputs, ids
