"""Measures `epic bench train --budgets` against a plain step with all tokens and against the same branches as steps of their own.

Run it through Benchmarks/nested, which finds the program. Ways take turns, each turn in a process of its own.
"""

import argparse
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import table
from sides import Unavailable, run_json

# What a nested step must keep to: time over what its work predicts, time over its branches apart, memory over a plain step.
REQUIRED_PREDICTED, REQUIRED_SEPARATE, REQUIRED_MEMORY = 1.1, 0.7, 1.7


@dataclass
class Way:
    """A way to take a step: its flags, and what its turns gave."""

    name: str
    flags: list[str]
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    flops: float = 0.0


def ratios(way: Way, other: Way) -> float:
    """The median over rounds of one way's time by another's, which stood beside it."""
    return median(a / b for a, b in zip(way.seconds, other.seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--budgets", default="128,64,36")
    parser.add_argument("--layer", default="2")
    parser.add_argument("--batch", default="4")
    parser.add_argument("--text-tokens", default="64")
    parser.add_argument("--dtype", default="bf16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", default=str(os.cpu_count()))
    parser.add_argument("--steps", default="3")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    common = [Path(os.environ["EPIC"]), "bench", "train", "--json"]
    for name in ("preset", "layer", "batch", "text_tokens", "dtype", "device", "threads", "steps"):
        common += [f"--{name.replace('_', '-')}", getattr(options, name)]
    budgets = ["--budgets", options.budgets]
    plain = Way("plain, all tokens", ["--budgets", "none"])
    nested = Way(f"nested, all + {options.budgets}", budgets)
    fourth = Way("nested, all tokens in every fourth step", [*budgets, "--full-every", "4"])
    apart = Way("the same branches apart", [*budgets, "--separate"])
    apart4 = Way("apart, all tokens in every fourth step", [*budgets, "--full-every", "4", "--separate"])
    ways = [plain, nested, apart, fourth, apart4]
    for _ in range(options.rounds):
        for way in ways:
            report = run_json([*common, *way.flags])
            way.seconds.append(report["secondsPerStep"])
            way.memory.append(report["peakMemoryBytes"])
            way.flops = report["flopsPerStep"]
    rows = []
    for way in ways:
        predicted, measured = way.flops / plain.flops, ratios(way, plain)
        rows.append([
            way.name, f"{median(way.seconds):.3f}", f"{predicted:.2f}", f"{measured:.2f}", f"{measured / predicted:.2f}",
            f"{median(way.memory) / 2**30:.2f}", f"{median(way.memory) / median(plain.memory):.2f}",
        ])
    print(f"epic {os.environ.get('EPIC_COMMIT', '')}, preset {options.preset}, {options.dtype}, {options.device}, {options.rounds} rounds")
    print(table.machine())
    heads = ["step", "s", "work by plain's", "time by plain's", "time by work", "GiB", "memory by plain's"]
    for row in [heads, ["---"] + ["---:"] * 6, *rows]:
        print("| " + " | ".join(row) + " |")
    failures = 0
    for way, separate in ((nested, apart), (fourth, apart4)):
        checks = [
            ("time by work", ratios(way, plain) / (way.flops / plain.flops), REQUIRED_PREDICTED),
            ("time by branches apart", ratios(way, separate), REQUIRED_SEPARATE),
            ("memory by plain", median(way.memory) / median(plain.memory), REQUIRED_MEMORY),
        ]
        for name, value, bound in checks:
            failures += value > bound
            print(f"{'ok  ' if value <= bound else 'MISS'} {way.name}: {name} {value:.2f}, at most {bound}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as error:
        print(f"Benchmarks/nested: {error}", file=sys.stderr)
        sys.exit(1)
