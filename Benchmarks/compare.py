"""Measures `epic bench generate` against transformers on the same weights, in turns, and prints Markdown tables.

Run it through Benchmarks/run, which finds both programs.
"""

import argparse
import ctypes.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import table
from sides import Epic, Side, Transformers, Unavailable, Workload, run_json

# What epic must reach against transformers in bf16, by medians.
REQUIRED = {"first_token": ("vision + prefill", 1.3), "per_token": ("decode", 2.0)}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="Benchmarks/run", description="Measure epic against transformers, in turns.")
    parser.add_argument("--preset", default="base", help="size of the model (base)")
    parser.add_argument("--text-tokens", type=int, default=64, help="text tokens in the prompt, beside one image's (64)")
    parser.add_argument("--new-tokens", type=int, default=32, help="tokens to generate, 2 or more (32)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side (all cores)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in each of which every side has its turn (5)")
    parser.add_argument("--repeats", type=int, default=3, help="counted repeats in a turn, 2 or more; the fastest counts (3)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 repeats, the plain configurations only")
    options = parser.parse_args()
    for name, low in [("text_tokens", 1), ("new_tokens", 2), ("threads", 1), ("rounds", 1), ("repeats", 2)]:
        if getattr(options, name) < low:
            parser.error(f"--{name.replace('_', '-')} must be {low} or more")
    if options.quick:
        options.rounds, options.repeats = 2, 2
    return options


def other_sides(quick: bool) -> list[Side]:
    """transformers as it comes, then with all that makes it faster."""
    plain: list[Side] = [Transformers("bf16"), Transformers("f32")]
    if quick:
        return plain
    tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
    if not tcmalloc:
        sys.exit("Benchmarks/run: libtcmalloc_minimal is not installed; scripts/setup installs it")
    return plain + [
        Transformers("bf16", preload=tcmalloc),
        Transformers("f32", preload=tcmalloc),
        Transformers("bf16", attention="eager", preload=tcmalloc),
        Transformers("bf16", preload=tcmalloc, compiled=True),
        Transformers("f32", preload=tcmalloc, compiled=True),
    ]


def visual_tokens(binary: Path, preset: str) -> int:
    """Tokens of a usual picture."""
    return run_json([binary, "profile", "--preset", preset, "--json"])["visualTokens"]


def measure(sides: list[Side], work: Workload, rounds: int) -> tuple[table.Rounds, dict[str, str]]:
    """Every side's rounds, and why others have none. Sides take turns; every other round goes backwards, so that drift cancels."""
    found: table.Rounds = {}
    unavailable: dict[str, str] = {}
    try:
        for side in sides:
            print(f"starting {side.name}", file=sys.stderr)
            try:
                side.start(work)
            except Unavailable as reason:
                unavailable[side.name] = str(reason)
        for number in range(rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                if side.name in unavailable:
                    continue
                try:
                    measurement = side.measure(work)
                except Unavailable as reason:
                    unavailable[side.name] = str(reason)
                    continue
                found.setdefault(side.name, []).append(measurement)
                print(
                    f"round {number + 1}/{rounds}: {side.name}: {measurement.first_token * 1e3:.0f} ms, "
                    f"{measurement.per_token * 1e3:.2f} ms per token",
                    file=sys.stderr,
                )
    finally:
        for side in sides:
            side.stop()
    # A side that failed in a later round is not half measured.
    return {side.name: found[side.name] for side in sides if side.name not in unavailable}, unavailable


def main() -> int:
    """Prints the tables; the status says whether the required ratios were reached."""
    options = arguments()
    binary = Path(os.environ["EPIC"])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        command = [binary, "init", "--preset", options.preset, "--dtype", "bf16", "--output", model]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        work = Workload(
            model, options.text_tokens, options.new_tokens, options.threads, options.repeats, visual_tokens(binary, options.preset)
        )
        ours: list[Side] = [Epic(binary, "bf16"), Epic(binary, "f32")]
        theirs = other_sides(options.quick)
        # The pair that counts stands next to one another.
        sides = [ours[0], theirs[0], ours[1], *theirs[1:]]
        found, unavailable = measure(sides, work, options.rounds)

    prompt = {m.prompt_tokens for measurements in found.values() for m in measurements}
    versions = next((side.versions for side in theirs if side.versions), {})
    print(f"`Benchmarks/run {' '.join(sys.argv[1:])}`".replace(" `", "`"))
    print(f"\nMachine: {table.machine()}; load by others before the start {load:.1f}.")
    print(f"Versions: epic {os.environ.get('EPIC_COMMIT', 'unknown')}, " + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".")
    print(
        f"Preset `{options.preset}`, the same bf16 weights, {options.threads} threads each, prompt of "
        f"{' or '.join(map(str, sorted(prompt)))} tokens with one image, {options.new_tokens} new tokens, greedy; "
        f"{options.rounds} rounds in turns, each the fastest of {options.repeats} after a warm-up.\n"
    )
    print(table.timings(found, unavailable) + "\n")
    print(table.ratios(found, ours, theirs))
    return verdict(found, ours[0], theirs[0])


def verdict(found: table.Rounds, ours: Side, theirs: Side) -> int:
    """0 where the required ratios were reached; says so on standard error."""
    for side in (ours, theirs):
        if side.name not in found:
            print(f"{side.name} could not be measured", file=sys.stderr)
            return 1
    status = 0
    for stage, (label, required) in REQUIRED.items():
        ratio, _ = table.stage_ratio(found[ours.name], found[theirs.name], stage)
        print(f"{label}: {ratio:.2f} x, required {required} x: {'met' if ratio >= required else 'MISSED'}", file=sys.stderr)
        status |= ratio < required
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
