"""Writes what transformers' image processor of Qwen2.5-VL makes of pictures: patches of small ones, and sizes of many.

Usage: make_native.py, in an environment with transformers and Pillow before version 13 (see tiles/make_tiles.py). Writes native.json and
native.safetensors beside this file.
"""

import json
import random
from pathlib import Path

import numpy
import PIL
from PIL import Image
from safetensors.numpy import save_file
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

assert int(PIL.__version__.split(".")[0]) < 13
PATCH, MERGE, LEAST, MOST = 4, 2, 150, 700
SIZES = [(8, 8), (40, 23), (23, 41), (90, 7), (5, 61), (1, 1), (12, 20), (28, 56)]


def picture(height: int, width: int) -> Image.Image:
    """A picture whose levels follow from their places."""
    y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
    return Image.fromarray(((x * 7 + y * 13 + c * 31 + x * y) % 256).astype(numpy.uint8))


def main() -> None:
    """Writes both files."""
    processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH, merge_size=MERGE, size={"shortest_edge": LEAST, "longest_edge": MOST}, do_rescale=False, do_normalize=False
    )
    tensors = {}
    for height, width in SIZES:
        found = processor([picture(height, width)], return_tensors="np")
        tensors[f"{height}x{width}"] = found["pixel_values"].astype(numpy.uint8)
    sizes, generator = [], random.Random(3)
    while len(sizes) < 200:
        largest = [40, 700, 8000][len(sizes) % 3]
        height, width = generator.randint(1, largest), generator.randint(1, largest)
        if max(height, width) <= 200 * min(height, width):
            sizes.append([height, width, *smart_resize(height, width, 28, 56 * 56, 28 * 28 * 1280)])
    folder = Path(__file__).resolve().parent
    index = {"patch": PATCH, "merge": MERGE, "least": LEAST, "most": MOST, "cases": [list(size) for size in SIZES], "sizes": sizes}
    (folder / "native.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")
    save_file(tensors, folder / "native.safetensors")


main()
