"""Writes what transformers' video processors of LLaVA-OneVision, LLaVA-NeXT-Video and Qwen2.5-VL make of frames: levels, normalised
samples, and numbers of frames.

Usage: make_video.py, in an environment with transformers and torchvision. Writes video.json and video.safetensors beside this file.
"""

import json
import random
from pathlib import Path

import torch

# A torchvision that was built for another torch has no operators of its own; none of them is used here.
for operator in ("nms", "qnms"):
    torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from safetensors.torch import save_file
from transformers.models.llava_next_video.video_processing_llava_next_video import LlavaNextVideoVideoProcessor
from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.video_utils import VideoMetadata

PATCH, MERGE, LEAST, MOST, SIDE, EDGE = 4, 2, 150, 700, 28, 31
SIZES = [(1, 40, 23), (2, 23, 41), (3, 90, 7), (5, 8, 8), (3, 12, 20)]


def frames(count: int, height: int, width: int) -> torch.Tensor:
    """Frames [count, 3, height, width] whose levels follow from their places."""
    t, c, y, x = torch.meshgrid(*(torch.arange(n) for n in (count, 3, height, width)), indexing="ij")
    return ((x * 7 + y * 13 + c * 31 + x * y + t * 57) % 256).to(torch.uint8)


def main() -> None:
    """Writes both files."""
    native = {"patch_size": PATCH, "merge_size": MERGE, "size": {"shortest_edge": LEAST, "longest_edge": MOST}}
    cropped = {"size": {"shortest_edge": EDGE}, "crop_size": {"height": SIDE, "width": SIDE}}
    tensors: dict[str, torch.Tensor] = {}
    for count, height, width in SIZES:
        video = frames(count, height, width)
        for name, processor, key in (
            ("native", Qwen2VLVideoProcessor(**native), "pixel_values_videos"),
            ("exact", LlavaOnevisionVideoProcessor(size={"height": SIDE, "width": SIDE}), "pixel_values_videos"),
            ("cropped", LlavaNextVideoVideoProcessor(**cropped), "pixel_values_videos"),
        ):
            bare = processor([video], do_rescale=False, do_normalize=False, return_tensors="pt")[key]
            tensors[f"{name}/{count}x{height}x{width}/levels"] = bare.squeeze(0).to(torch.uint8).contiguous()
    whole = Qwen2VLVideoProcessor(**native)([frames(3, 23, 41)], return_tensors="pt")["pixel_values_videos"]
    tensors["native/normalized"] = whole.contiguous()
    whole = LlavaOnevisionVideoProcessor(size={"height": SIDE, "width": SIDE})([frames(3, 23, 41)], return_tensors="pt")
    tensors["exact/normalized"] = whole["pixel_values_videos"][0].contiguous()
    whole = LlavaNextVideoVideoProcessor(**cropped)([frames(3, 23, 41)], return_tensors="pt")
    tensors["cropped/normalized"] = whole["pixel_values_videos"][0].contiguous()
    chosen, generator = [], random.Random(5)
    while len(chosen) < 60:
        total, fps = generator.randint(4, 900), generator.choice([8, 24, 25, 30, 60])
        asked, most = generator.choice([0.25, 0.5, 1, 2, 3]), generator.randint(4, 64)
        metadata = VideoMetadata(total_num_frames=total, fps=fps)
        indices = Qwen2VLVideoProcessor().sample_frames(metadata, fps=asked, max_frames=most)
        chosen.append({"total": total, "fps": fps, "asked": asked, "most": most, "indices": indices.tolist()})
    folder = Path(__file__).resolve().parent
    index = {"patch": PATCH, "merge": MERGE, "least": LEAST, "most": MOST, "side": SIDE, "edge": EDGE, "cases": SIZES, "chosen": chosen}
    (folder / "video.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")
    save_file(tensors, folder / "video.safetensors")


main()
