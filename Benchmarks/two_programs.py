#!/usr/bin/env python3
"""Two builds of epic in turns: prefill, decode, training step and evaluation, as ratios.

Usage: Benchmarks/two_programs.py OLD NEW [--rounds N] [--preset base]

OLD and NEW are epic programs, of two checkouts for instance. Each round runs every measurement with one and then the other, the first
changing from round to round. Ratios are medians over the rounds: old seconds / new seconds, and new peak memory / old peak memory.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time


def run(program, *arguments):
    start = time.perf_counter()
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{program} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout, time.perf_counter() - start


def generation(program, preset, *more):
    text, _ = run(program, "bench", "generate", "--preset", preset, "--new-tokens", "32", "--repeats", "3", "--json", *more)
    found = json.loads(text)
    timings = found["timings"]
    return {"prefill": timings["prefill"], "decode": timings["decode"], "memory": found["peakMemoryBytes"]}


def training(program, preset):
    text, _ = run(program, "bench", "train", "--preset", preset, "--batch", "2", "--steps", "2", "--json")
    found = json.loads(text)
    return {"seconds": found["secondsPerStep"], "memory": found["peakMemoryBytes"]}


def evaluation(program, model, data, folder):
    output = folder / f"evaluation-{time.monotonic_ns()}"
    _, seconds = run(
        program, "eval", "--model", str(model), "--benchmark", "pope,gqa", "--data", str(data), "--compressor", "dart,fastv,random",
        "--keep", "64,36,16", "--layer", "1", "--limit", "40", "--timed", "0", "--output", str(output))
    shutil.rmtree(output)
    return {"seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--model", help="a checkpoint for the evaluation; the embedded model unless given")
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent
    model = options.model or root / "Sources/Examples/Demo/Checkpoints/start"
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        run(options.new, "data", "make", "shapes", "--output", str(folder / "data"), "--train", "20", "--tune", "20", "--test", "40")
        measurements = {
            "generate, bf16": lambda p: generation(p, options.preset),
            "generate, bf16, dart:64@2": lambda p: generation(p, options.preset, "--keep", "64"),
            "generate, f32": lambda p: generation(p, options.preset, "--dtype", "f32"),
            "training step, bf16": lambda p: training(p, options.preset),
            "evaluation, 10 plans": lambda p: evaluation(p, model, folder / "data" / "test", folder),
        }
        found = {name: [] for name in measurements}
        for index in range(options.rounds):
            for name, measure in measurements.items():
                sides = [("old", options.old), ("new", options.new)]
                pair = {side: measure(program) for side, program in (sides if index % 2 == 0 else sides[::-1])}
                found[name].append((pair["old"], pair["new"]))
    print("| | old | new | speed, new / old | memory, new / old |\n|---|---:|---:|---:|---:|")
    for name, pairs in found.items():
        for key in [key for key in pairs[0][0] if key != "memory"]:
            ratio = statistics.median(old[key] / new[key] for old, new in pairs)
            old, new = (statistics.median(side[key] for side in sides) for sides in zip(*pairs))
            memory = ""
            if "memory" in pairs[0][0]:
                memory = f"{statistics.median(n['memory'] / o['memory'] for o, n in pairs):.3f}"
            print(f"| {name}: {key} | {old:.3f} s | {new:.3f} s | {ratio:.3f} | {memory} |")


if __name__ == "__main__":
    main()
