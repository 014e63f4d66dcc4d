"""The two-pass step's side of Benchmarks/training: loads a checkpoint once, then takes a step for each line that comes in.

Speaks JSON lines: prints {"ready": ...} after loading and one step that is not counted, then one measurement for every number of steps
read from standard input.
"""

import argparse
import contextlib
import json
import resource
import sys
import time

import torch
import transformers
from transformers import LlavaForConditionalGeneration

import two_pass


def main() -> None:
    """Loads, warms up, and answers lines until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--precision", choices=["autocast", "bfloat16", "float32"], required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--supervised-only", action="store_true")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    for name in ("batch", "text-tokens", "supervised", "layer"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("student-ratio", "teacher-ratio"):
        parser.add_argument(f"--{name}", type=float, required=True)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    dtype = torch.bfloat16 if options.precision == "bfloat16" else torch.float32
    model = LlavaForConditionalGeneration.from_pretrained(
        options.model, dtype=dtype, attn_implementation="sdpa", local_files_only=True
    ).train().to(options.device)
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    optimizer = torch.optim.AdamW(two_pass.trained(model), lr=2e-5, weight_decay=0, fused=True)
    if options.compile:
        for layer in [*model.model.language_model.layers, *model.model.vision_tower.modules()]:
            if hasattr(layer, "self_attn"):
                layer.forward = torch.compile(layer.forward, dynamic=False)
    config = model.config
    # The same numbers as those of `epic bench train`.
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(3, min(config.text_config.vocab_size, 32000), [options.batch, options.text_tokens], generator=generator)
    size = config.vision_config.image_size
    pixels = torch.randn([options.batch, 3, size, size], generator=generator).to(dtype)
    count = (size // config.vision_config.patch_size) ** 2
    image = torch.full([options.batch, count], config.image_token_id)
    ids = torch.cat([text[:, :1], image, text[:, 1:]], dim=1)
    labels = torch.full_like(ids, two_pass.IGNORED)
    labels[:, -options.supervised :] = ids[:, -options.supervised :]
    ids, pixels, labels = (tensor.to(options.device) for tensor in (ids, pixels, labels))
    torch.set_default_device(options.device)
    student, teacher = (two_pass.Side(options.layer, ratio) for ratio in (options.student_ratio, options.teacher_ratio))
    autocast = torch.autocast(options.device, torch.bfloat16) if options.precision == "autocast" else contextlib.nullcontext()

    def step() -> float:
        with autocast:
            terms = two_pass.loss(model, ids, pixels, labels, student, teacher, supervised_only=options.supervised_only)
        terms.total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return terms.total.item()

    losses = [step()]
    print(json.dumps({"ready": {"torch": torch.__version__, "transformers": transformers.__version__}}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            losses.append(step())
            times.append(time.perf_counter() - start)
        measurement = {
            "seconds": sorted(times)[len(times) // 2],
            "losses": losses,
            "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "idleBytes": idle,
        }
        print(json.dumps(measurement), flush=True)


if __name__ == "__main__":
    main()
