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
from transformers import LlavaForConditionalGeneration
from transformers.generation.streamers import BaseStreamer


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


def make_inputs(model: LlavaForConditionalGeneration, text: int) -> dict[str, torch.Tensor]:
    """One random text token, one image of noise, then the other text tokens; none of them is the image token."""
    config = model.config
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, config.text_config.vocab_size - 1, [text], generator=generator)
    ids[ids == config.image_token_index] += 1
    image = torch.full([config.image_seq_length], config.image_token_index)
    prompt = torch.cat([ids[:1], image, ids[1:]]).unsqueeze(0)
    size = config.vision_config.image_size
    pixels = torch.randn([1, config.vision_config.num_channels, size, size], generator=generator)
    return {"input_ids": prompt, "attention_mask": torch.ones_like(prompt), "pixel_values": pixels}


@torch.inference_mode()
def generate(model: LlavaForConditionalGeneration, inputs: dict[str, torch.Tensor], new_tokens: int) -> tuple[float, float]:
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
    parser.add_argument("--text", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, required=True)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    model = LlavaForConditionalGeneration.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype), attn_implementation=options.attention, local_files_only=True
    ).eval()
    if options.compile:
        tower, decoder = model.model.vision_tower, model.model.language_model
        tower.forward = torch.compile(tower.forward)
        decoder.forward = torch.compile(decoder.forward, dynamic=True)
    inputs = make_inputs(model, options.text)
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
