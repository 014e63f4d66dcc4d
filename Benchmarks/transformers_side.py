"""transformers' side of the comparison: loads a checkpoint once, then measures generation each time a line comes in.

Speaks JSON lines: prints {"ready": ...} after loading, then one measurement for every number of repeats read from standard input.
"""

import argparse
import json
import resource
import sys
import time

import torch
import transformers
from transformers import AutoModelForImageTextToText, PreTrainedModel
from transformers.generation.streamers import BaseStreamer
from transformers.image_processing_utils import select_best_resolution
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize


class TokenClock(BaseStreamer):
    """Notes when each new token arrives."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self.prompt_seen:
            self.times.append(time.perf_counter())
        # The first call hands over the prompt.
        self.prompt_seen = True

    def end(self) -> None:
        pass


# Sides of the usual picture, and of frames where a family takes them as they are, in pixels; as `epic bench generate` has them.
PICTURE, FRAME, SECONDS_PER_FRAME = 1000, 336, 0.5


def make_inputs(model: PreTrainedModel, text: int, frames: int | None, visual: int) -> dict[str, torch.Tensor]:
    """One random text token, one image or video of noise, then the other text tokens; none of them stands for either."""
    config = model.config
    generator = torch.Generator().manual_seed(0)
    medium = "image" if frames is None else "video"
    names = (f"{medium}_token_index", f"{medium}_token_id")
    mark = next(getattr(config, name) for name in names if getattr(config, name, None) is not None)
    ids = torch.randint(3, min(config.text_config.vocab_size, 31_000) - 1, [text], generator=generator)
    ids[ids == mark] += 1
    prompt = torch.cat([ids[:1], torch.full([visual], mark), ids[1:]]).unsqueeze(0)
    inputs = {"input_ids": prompt, "attention_mask": torch.ones_like(prompt)}

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    vision = config.vision_config
    if config.model_type in ("qwen2_vl", "qwen2_5_vl"):
        factor = vision.patch_size * vision.spatial_merge_size
        side = PICTURE if frames is None else FRAME
        height, width = smart_resize(side, side, factor=factor, min_pixels=4 * factor**2, max_pixels=16_384 * factor**2)
        grids = 1 if frames is None else -(-frames // vision.temporal_patch_size)
        grid = [grids, height // vision.patch_size, width // vision.patch_size]
        patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        pixels = noise(grid[0] * grid[1] * grid[2], patch)
        inputs["mm_token_type_ids"] = (prompt == mark).int() * (1 if frames is None else 2)
        if frames is None:
            return inputs | {"pixel_values": pixels, "image_grid_thw": torch.tensor([grid])}
        return inputs | {
            "pixel_values_videos": pixels,
            "video_grid_thw": torch.tensor([grid]),
            "second_per_grid_ts": torch.tensor([SECONDS_PER_FRAME * vision.temporal_patch_size]),
        }
    size = vision.image_size
    if frames is not None:
        return inputs | {"pixel_values_videos": noise(1, frames, vision.num_channels, size, size)}
    if not hasattr(config, "image_grid_pinpoints"):
        return inputs | {"pixel_values": noise(1, vision.num_channels, size, size)}
    canvas = select_best_resolution((PICTURE, PICTURE), config.image_grid_pinpoints)
    views = 1 + (canvas[0] // size) * (canvas[1] // size)
    sizes = {"image_sizes": torch.tensor([[PICTURE, PICTURE]])}
    return inputs | sizes | {"pixel_values": noise(1, views, vision.num_channels, size, size)}


@torch.inference_mode()
def generate(model: PreTrainedModel, inputs: dict[str, torch.Tensor], new_tokens: int) -> tuple[float, float]:
    """Seconds to the first token, and seconds for each further one."""
    clock = TokenClock()
    start = time.perf_counter()
    model.generate(**inputs, do_sample=False, max_new_tokens=new_tokens, eos_token_id=[], streamer=clock)
    if len(clock.times) != new_tokens:
        raise RuntimeError(f"{len(clock.times)} tokens arrived, {new_tokens} were asked for")
    return clock.times[0] - start, (clock.times[-1] - clock.times[0]) / (new_tokens - 1)


def main() -> None:
    """Loads, warms up, and answers lines until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], required=True)
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--text-tokens", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, required=True)
    parser.add_argument("--frames", type=int, help="show a video of so many frames in place of an image")
    parser.add_argument("--visual-tokens", type=int, required=True, help="tokens of the image or video")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    model = AutoModelForImageTextToText.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype), attn_implementation=options.attention, local_files_only=True
    ).eval()
    if options.compile:
        tower, decoder = model.model.vision_tower, model.model.language_model
        tower.forward = torch.compile(tower.forward)
        decoder.forward = torch.compile(decoder.forward, dynamic=True)
    inputs = make_inputs(model, options.text_tokens, options.frames, options.visual_tokens)
    generate(model, inputs, options.new_tokens)
    ready = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "promptTokens": inputs["input_ids"].shape[1],
    }
    print(json.dumps({"ready": ready}), flush=True)
    for line in sys.stdin:
        generate(model, inputs, options.new_tokens)
        runs = [generate(model, inputs, options.new_tokens) for _ in range(int(line))]
        measurement = {
            "firstToken": min(first for first, _ in runs),
            "perToken": min(each for _, each in runs),
            "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        print(json.dumps(measurement), flush=True)


if __name__ == "__main__":
    main()
