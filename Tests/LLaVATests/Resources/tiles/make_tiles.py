"""Writes what transformers' processors of LLaVA-NeXT and LLaVA-OneVision make of pictures: levels, views and numbers of tokens.

Usage: make_tiles.py, in an environment with transformers and Pillow before version 13 (from 13 on it resamples down before across where
that is less work, and rounds differently; published models were trained with what was before). Writes tiles.json and tiles.safetensors
beside this file.
"""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import numpy
import PIL
import torch
from PIL import Image
from safetensors.numpy import save_file
from transformers import LlavaNextConfig, LlavaOnevisionConfig
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.modeling_llava_next import LlavaNextModel
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel, image_size_to_num_patches

assert int(PIL.__version__.split(".")[0]) < 13
SIDE = 14
SIZES = [(14, 14), (40, 23), (23, 40), (90, 7), (5, 61), (1, 1), (33, 33), (28, 56)]


def picture(height: int, width: int) -> Image.Image:
    """A picture whose levels follow from their places."""
    y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
    return Image.fromarray(((x * 7 + y * 13 + c * 31 + x * y) % 256).astype(numpy.uint8))


def tokens(config: object, model: type, size: tuple[int, int], views: int) -> int:
    """Rows that the model makes of a picture, by its own packing of features of one channel."""
    side = config.vision_config.image_size // config.vision_config.patch_size
    stub = SimpleNamespace(config=config)
    arguments = {"image_newline": torch.zeros(1)}
    if model is LlavaNextModel:
        arguments["vision_feature_select_strategy"] = "default"
    else:
        arguments["vision_aspect_ratio"] = config.vision_aspect_ratio
    packed, _ = model.pack_image_features(stub, [torch.zeros(views, side * side, 1)], [size], **arguments)
    return packed[0].shape[0]


def main() -> None:
    """Writes both files."""
    tensors, cases = {}, []
    canvases = [[SIDE * a, SIDE * b] for a in range(1, 4) for b in range(1, 4)]
    plain = {"do_rescale": False, "do_normalize": False, "image_grid_pinpoints": canvases}
    makers = {
        "llava_next": LlavaNextImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, **plain
        ),
        "llava_onevision": LlavaOnevisionImageProcessorPil(size={"height": SIDE, "width": SIDE}, **plain),
    }
    for family, processor in makers.items():
        for height, width in SIZES:
            for count in (1, 2) if family == "llava_onevision" else (1,):
                pictures = [[picture(height, width)] * count] if family == "llava_onevision" else [picture(height, width)]
                views = processor(pictures, return_tensors="np")["pixel_values"][0]
                name = f"{family}/{height}x{width}/{count}"
                tensors[name] = views.astype(numpy.uint8)
                cases.append({"name": name, "family": family, "height": height, "width": width, "isAlone": count == 1})
    sizes, generator = [], random.Random(7)
    configs = {"llava_next": (LlavaNextConfig(), LlavaNextModel), "llava_onevision": (LlavaOnevisionConfig(), LlavaOnevisionModel)}
    for index in range(120):
        largest = [60, 1200, 6000][index % 3]
        height, width = generator.randint(1, largest), generator.randint(1, largest)
        for family, (config, model) in configs.items():
            views = image_size_to_num_patches((height, width), config.image_grid_pinpoints, config.vision_config.image_size)
            sizes.append([list(configs).index(family), height, width, views, tokens(config, model, (height, width), views)])
    folder = Path(__file__).resolve().parent
    index = {"side": SIDE, "canvases": canvases, "cases": cases, "sizes": sizes}
    (folder / "tiles.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")
    save_file(tensors, folder / "tiles.safetensors")


main()
