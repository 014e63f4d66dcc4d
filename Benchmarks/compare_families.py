"""Measures the first token of models of several families, with a picture and with a video, against transformers, in turns.

Run it through Benchmarks/families, which finds both programs. The first token is all of tower, projector and prefill. Fails where epic with
all tokens takes longer than transformers at its best, or a smaller budget saves less than 85 % of what its FLOPs save.
"""

import argparse
import ctypes.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import table
from compare import measure, visual_tokens
from sides import Epic, Side, Transformers, Workload, run_json

LEAST_RATIO, LEAST_SHARE = 1.0, 0.85
# Presets, and whether a video is shown.
CASES = [
    ("base-next", False),
    ("base-onevision", False),
    ("base-onevision", True),
    ("base-qwen2.5-vl", False),
    ("base-qwen2.5-vl", True),
]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="Benchmarks/families", description="Measure families against transformers, in turns.")
    parser.add_argument("--presets", default=",".join(dict.fromkeys(name for name, _ in CASES)), help="which of them (all)")
    parser.add_argument("--frames", type=int, default=32, help="frames of a video (32)")
    parser.add_argument("--keep", default="11%", help="the smaller budget, behind layer 2 by dart (11%%)")
    parser.add_argument("--text-tokens", type=int, default=64, help="text tokens in the prompt (64)")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="numbers of both sides (f32)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side (all cores)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, in each of which every side has its turn (3)")
    parser.add_argument("--repeats", type=int, default=2, help="counted repeats in a turn, 2 or more; the fastest counts (2)")
    return parser.parse_args()


def case(binary: Path, preset: str, has_video: bool, options: argparse.Namespace) -> bool:
    """Measures one model with one medium, and prints its table; whether both bars were reached."""
    frames = options.frames if has_video else None
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        command = [binary, "init", "--preset", preset, "--dtype", options.dtype, "--output", model]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        tokens = visual_tokens(binary, preset)
        if frames:
            probe = [binary, "bench", "generate", "--model", model, "--frames", frames, "--new-tokens", 1, "--repeats", 1, "--json"]
            tokens = run_json(probe)["visualTokens"]
        work = Workload(model, options.text_tokens, 2, options.threads, options.repeats, tokens, frames)
        ours: list[Side] = [Epic(binary, options.dtype), Epic(binary, options.dtype, ("--compressor", "dart", "--keep", options.keep))]
        tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
        theirs: list[Side] = [Transformers(options.dtype)] + ([Transformers(options.dtype, preload=tcmalloc)] if tcmalloc else [])
        found, unavailable = measure([ours[0], *theirs, ours[1]], work, options.rounds)
    medium = f"a video of {frames} frames" if frames else "a picture of a megapixel"
    print(f"\n`{preset}`, {medium}, {tokens} visual tokens\n")
    print("| side | first token, ms | against epic with all tokens |\n| --- | --- | --- |")
    seconds = {name: median(m.first_token for m in rounds) for name, rounds in found.items()}
    for side in [ours[0], ours[1], *theirs]:
        if side.name in unavailable:
            print(f"| {side.name} | not measured: {unavailable[side.name]} | |")
        else:
            print(f"| {side.name} | {seconds[side.name] * 1e3:.0f} | {seconds[side.name] / seconds[ours[0].name]:.2f} x |")
    best = min((seconds[side.name] for side in theirs if side.name in seconds), default=None)
    if best is None or any(side.name not in seconds for side in ours):
        print("\nOne side could not be measured.")
        return False
    ratio = best / seconds[ours[0].name]
    flops = [found[side.name][0].prefill_flops for side in ours]
    saved, counted = seconds[ours[0].name] / seconds[ours[1].name], flops[0] / flops[1]
    print(
        f"\nAll tokens: {ratio:.2f} x transformers at its best ({LEAST_RATIO} asked). {options.keep} of the tokens: {saved:.2f} x as soon, "
        f"where FLOPs say {counted:.2f} x: {saved / counted:.0%} of it ({LEAST_SHARE:.0%} asked).",
        flush=True,
    )
    return ratio >= LEAST_RATIO and saved >= LEAST_SHARE * counted


def main() -> int:
    options = arguments()
    binary = Path(os.environ["EPIC"])
    load = os.getloadavg()[0]
    presets = options.presets.split(",")
    print(f"`Benchmarks/families {' '.join(sys.argv[1:])}`".replace(" `", "`"))
    print(f"\nMachine: {table.machine()}; load by others before the start {load:.1f}. epic {os.environ.get('EPIC_COMMIT', 'unknown')}.")
    print(
        f"The same {options.dtype} weights, {options.threads} threads each, {options.text_tokens} text tokens, greedy; {options.rounds} rounds in "
        f"turns, each the fastest of {options.repeats} after a warm-up; medians.",
        flush=True,
    )
    reached = [case(binary, preset, has_video, options) for preset, has_video in CASES if preset in presets]
    return 0 if reached and all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
