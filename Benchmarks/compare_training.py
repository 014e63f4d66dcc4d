"""Measures `epic bench train` against a plain two-pass step with PyTorch on the same weights and data, in turns.

Run it through Benchmarks/training, which finds both programs.
"""

import argparse
import ctypes.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import table
from sides import LineProcess, Unavailable, run_json

# What epic must reach against the plain step, by medians: samples per second, by layer; and peak memory.
REQUIRED_SPEED, REQUIRED_MEMORY = {2: 3.0, 8: 4.0}, 0.60
# Both sides' loss of the first step, which precision alone may change.
TOLERANCE = {"bf16": 2e-3, "f32": 2e-5}


@dataclass(frozen=True)
class Workload:
    """What both sides compute."""

    model: Path
    layer: int
    batch: int
    text_tokens: int
    student_ratio: float
    teacher_ratio: float
    threads: int
    device: str
    steps: int

    def flags(self) -> list[str]:
        names = ("layer", "batch", "text_tokens", "student_ratio", "teacher_ratio", "threads", "device")
        return [part for name in names for part in (f"--{name.replace('_', '-')}", str(getattr(self, name)))]


@dataclass(frozen=True)
class Measurement:
    """Seconds of a step (the median of a turn), the process's peak memory, and the loss of its very first step."""

    seconds: float
    peak_bytes: int
    first_loss: float


@dataclass
class Epic:
    """`epic bench train`, a new process for every turn."""

    binary: Path
    compressor: str
    dtype: str = "bf16"
    recompute: bool = False

    @property
    def name(self) -> str:
        return f"epic, {self.dtype}, {self.compressor}" + (", recomputing" if self.recompute else "")

    def start(self, work: Workload) -> None:
        """Nothing stays between turns."""

    def measure(self, work: Workload) -> Measurement:
        command = [self.binary, "bench", "train", "--model", work.model, "--compressor", self.compressor, "--dtype", self.dtype]
        command += [*work.flags(), "--steps", work.steps, "--json"] + (["--recompute"] if self.recompute else [])
        report = run_json(command)
        return Measurement(report["secondsPerStep"], report["peakMemoryBytes"], report["losses"][0])

    def stop(self) -> None:
        """Nothing stays between turns."""


class TwoPass(LineProcess):
    """The plain step, in one process for all turns, which sleeps while others are measured."""

    def __init__(self, precision: str, preload: str | None = None, compiled: bool = False, supervised_only: bool = False) -> None:
        super().__init__()
        self.precision, self.preload, self.compiled, self.supervised_only = precision, preload, compiled, supervised_only

    @property
    def name(self) -> str:
        extras = [{"autocast": "autocast bf16", "bfloat16": "bf16 weights", "float32": "f32"}[self.precision]]
        extras += ["losses where supervised"] if self.supervised_only else []
        extras += ["tcmalloc"] if self.preload else []
        extras += ["torch.compile"] if self.compiled else []
        return "two passes, " + " + ".join(extras)

    def start(self, work: Workload) -> None:
        command = [Path(__file__).parent / "two_pass_side.py", work.model, "--precision", self.precision, *work.flags()]
        command += ["--supervised", work.text_tokens // 2]
        command += (["--compile"] if self.compiled else []) + (["--supervised-only"] if self.supervised_only else [])
        self.versions = self.launch(command, self.preload, limit=600)["ready"]

    def measure(self, work: Workload) -> Measurement:
        found = self.ask(max(1, work.steps - 1))
        return Measurement(found["seconds"], found["peakBytes"], found["losses"][0])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="Benchmarks/training", description="Measure epic's training step against PyTorch's, in turns.")
    parser.add_argument("--preset", default="base", help="size of the model (base)")
    parser.add_argument("--layer", type=int, action="append", help="decoder layers before the cut; several times (2 and 8)")
    parser.add_argument("--batch", type=int, default=4, help="samples of a step (4)")
    parser.add_argument("--text-tokens", type=int, default=64, help="text tokens of a sample, half of them supervised (64)")
    parser.add_argument("--student-ratio", type=float, default=0.7, help="visual tokens that the student loses (0.7)")
    parser.add_argument("--teacher-ratio", type=float, default=0.5, help="visual tokens that the teacher loses (0.5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side (all cores)")
    parser.add_argument("--device", default="cpu", help="where both sides compute: cpu or cuda (cpu)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, in each of which every side has its turn (3)")
    parser.add_argument("--steps", type=int, default=3, help="counted steps of epic's turn; the others take one less (3)")
    parser.add_argument("--quick", action="store_true", help="the two sides that count alone")
    options = parser.parse_args()
    options.layer = options.layer or [2, 8]
    return options


def measure(sides: list, work: Workload, rounds: int) -> tuple[dict[str, list[Measurement]], dict[str, str]]:
    """Every side's turns, and why others have none; every other round goes backwards, so that drift cancels."""
    found: dict[str, list[Measurement]] = {}
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
                    found.setdefault(side.name, []).append(side.measure(work))
                except Unavailable as reason:
                    unavailable[side.name] = str(reason)
                    continue
                print(f"round {number + 1}/{rounds}: {side.name}: {found[side.name][-1].seconds:.2f} s", file=sys.stderr)
    finally:
        for side in sides:
            side.stop()
    return {side.name: found[side.name] for side in sides if side.name not in unavailable}, unavailable


def report(found: dict[str, list[Measurement]], unavailable: dict[str, str], ours: str, device: str) -> None:
    """One row for each side; on a GPU the process's memory says nothing."""
    print("| | s per step: median | min | spread | epic is times as fast | peak memory, MiB | epic takes | first loss |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    own = found.get(ours, [])
    for name, turns in found.items():
        seconds = [turn.seconds for turn in turns]
        peak = max(turn.peak_bytes for turn in turns)
        memory = f"{peak / 2**20:.0f}" if device == "cpu" else ""
        ratio = f"{median(seconds) / median([turn.seconds for turn in own]):.2f}" if own else ""
        share = f"{max(turn.peak_bytes for turn in own) / peak:.0%}" if own and memory else ""
        spread = (max(seconds) - min(seconds)) / median(seconds)
        print(
            f"| {name} | {median(seconds):.3g} | {min(seconds):.3g} | {spread:.0%} | {ratio} | {memory} | {share} "
            f"| {turns[0].first_loss:.5f} |"
        )
    for name, reason in unavailable.items():
        print(f"| {name} | not measured: {reason.replace('|', '/')} | | | | | | |")


def verdict(found: dict[str, list[Measurement]], layer: int, ours: str, uniform: str, plain: str, device: str) -> int:
    """0 where what is required was reached; says so on standard error. Of a GPU no speed is required."""
    missing = [name for name in (ours, uniform, plain) if name not in found]
    if missing:
        print(f"{', '.join(missing)} could not be measured", file=sys.stderr)
        return 1
    status = 0
    difference = abs(found[uniform][0].first_loss - found[plain][0].first_loss)
    checks = [(f"losses differ by {difference:.1e}, at most {TOLERANCE['bf16']} allowed", difference <= TOLERANCE["bf16"])]
    speed = median(t.seconds for t in found[plain]) / median(t.seconds for t in found[ours])
    memory = max(t.peak_bytes for t in found[ours]) / max(t.peak_bytes for t in found[plain])
    if layer in REQUIRED_SPEED and device == "cpu":
        checks.append((f"{speed:.2f} x samples/s, required {REQUIRED_SPEED[layer]} x", speed >= REQUIRED_SPEED[layer]))
        checks.append((f"{memory:.0%} of the memory, required {REQUIRED_MEMORY:.0%}", memory <= REQUIRED_MEMORY))
    for text, is_met in checks:
        print(f"layer {layer}: {text}: {'met' if is_met else 'MISSED'}", file=sys.stderr)
        status |= not is_met
    return int(status)


def main() -> int:
    """Prints the tables; the status says whether the required figures were reached."""
    options = arguments()
    binary = Path(os.environ["EPIC"])
    tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        command = [binary, "init", "--preset", options.preset, "--dtype", "f32", "--output", model]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"`Benchmarks/training {' '.join(sys.argv[1:])}`".replace(" `", "`"))
        print(f"\nMachine: {table.machine()}; load by others before the start {os.getloadavg()[0]:.1f}.")
        for layer in options.layer:
            work = Workload(
                model, layer, options.batch, options.text_tokens, options.student_ratio, options.teacher_ratio, options.threads,
                options.device, options.steps,
            )
            # The pair that counts stands next to one another. `uniform` is there to compare losses, as both sides then keep the same tokens.
            ours, uniform, plain = Epic(binary, "dart"), Epic(binary, "uniform"), TwoPass("autocast")
            sides: list = [ours, plain, uniform]
            if not options.quick:
                sides += [
                    Epic(binary, "dart", recompute=True),
                    TwoPass("autocast", tcmalloc),
                    TwoPass("autocast", tcmalloc, supervised_only=True),
                    TwoPass("autocast", tcmalloc, supervised_only=True, compiled=True),
                    TwoPass("bfloat16", tcmalloc, supervised_only=True),
                ]
            found, unavailable = measure(sides, work, options.rounds)
            versions = ", ".join(f"{key} {value}" for key, value in getattr(plain, "versions", {}).items())
            print(
                f"\nCut after layer {layer}. epic {os.environ.get('EPIC_COMMIT', 'unknown')}, {versions}. Preset `{options.preset}`, "
                f"{options.batch} samples of one image and {options.text_tokens} text tokens, ratios {options.student_ratio} and "
                f"{options.teacher_ratio}, {options.threads} threads each; {options.rounds} rounds in turns.\n"
            )
            report(found, unavailable, ours.name, options.device)
            status |= verdict(found, layer, ours.name, uniform.name, plain.name, options.device)
    return status


if __name__ == "__main__":
    sys.exit(main())
