"""The two sides of the comparison, each a thing that can be measured again and again."""

import json
import os
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Workload:
    """What both sides compute."""

    model: Path
    text: int
    new_tokens: int
    threads: int
    repeats: int
    # Tokens of the image, or of the video of so many frames in its place.
    visual_tokens: int
    frames: int | None = None


@dataclass(frozen=True)
class Measurement:
    """The fastest of a round's repeats; seconds and bytes."""

    first_token: float
    per_token: float
    peak_bytes: int
    prompt_tokens: int
    # What reading the prompt is counted to cost; epic alone counts.
    prefill_flops: float | None = None


class Unavailable(Exception):
    """A side that cannot run here, with the reason."""


class Side(Protocol):
    """A program in one configuration."""

    name: str
    dtype: str

    def start(self, work: Workload) -> None: ...
    def measure(self, work: Workload) -> Measurement: ...
    def stop(self) -> None: ...


@dataclass
class Epic:
    """`epic bench generate`, a new process for every round."""

    binary: Path
    dtype: str
    # More options, such as a budget.
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " ".join([f"epic, {self.dtype}", *self.options])

    def start(self, work: Workload) -> None:
        """Nothing stays between rounds."""

    def measure(self, work: Workload) -> Measurement:
        command = [self.binary, "bench", "generate", "--model", work.model, "--dtype", self.dtype, "--json"]
        command += ["--text-tokens", work.text, "--new-tokens", work.new_tokens, "--threads", work.threads, "--repeats", work.repeats]
        command += [*self.options] + (["--frames", work.frames] if work.frames else [])
        report = run_json(command)
        timings = report["timings"]
        if len(report["tokens"]) != work.new_tokens:
            raise Unavailable(f"{len(report['tokens'])} tokens came, {work.new_tokens} were asked for")
        return Measurement(
            first_token=timings["vision"] + timings["prefill"],
            per_token=timings["decode"] / (work.new_tokens - 1),
            peak_bytes=report["peakMemoryBytes"],
            prompt_tokens=report["promptTokens"],
            prefill_flops=report.get("prefillFLOPs"),
        )

    def stop(self) -> None:
        """Nothing stays between rounds."""


class LineProcess:
    """A Python program that says when it is ready and then answers each line with one of JSON; asleep in between."""

    _process: subprocess.Popen | None = None

    def launch(self, command: list, preload: str | None, limit: float) -> dict:
        """Starts it with this Python, and returns what it says when it is ready."""
        environment = os.environ | {"HF_HUB_OFFLINE": "1"} | ({"LD_PRELOAD": preload} if preload else {})
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [str(part) for part in [sys.executable, *command]], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        return self._read(limit)

    def ask(self, line: object) -> dict:
        """Its answer to a line."""
        print(line, file=self._process.stdin, flush=True)
        return self._read(limit=None)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def _read(self, limit: float | None) -> dict:
        """The process's next line; one that takes longer than `limit` seconds, or ends instead, is unavailable."""
        if not select.select([self._process.stdout], [], [], limit)[0]:
            raise Unavailable(f"not ready after {limit:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            lines = self._log.read().strip().splitlines()
            raise Unavailable(lines[-1] if lines else f"status {self._process.returncode}")
        return json.loads(line)


def run_json(command: list) -> dict:
    """What a program that prints one JSON object says; one that fails is unavailable."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(done.stderr.strip() or f"status {done.returncode}")
    return json.loads(done.stdout)


@dataclass
class Transformers(LineProcess):
    """`generate` of the model's class in one process for all rounds, which sleeps while others are measured."""

    dtype: str
    attention: str = "sdpa"
    preload: str | None = None
    compiled: bool = False
    start_limit: float = 180
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        extras = [self.dtype]
        extras += ["eager attention"] if self.attention == "eager" else []
        extras += ["tcmalloc"] if self.preload else []
        extras += ["torch.compile"] if self.compiled else []
        return "transformers, " + " + ".join(extras)

    def start(self, work: Workload) -> None:
        command = [Path(__file__).parent / "transformers_side.py", work.model, "--text-tokens", work.text]
        command += ["--dtype", {"bf16": "bfloat16", "f32": "float32"}[self.dtype], "--attention", self.attention]
        command += ["--threads", work.threads, "--new-tokens", work.new_tokens] + (["--compile"] if self.compiled else [])
        command += ["--visual-tokens", work.visual_tokens] + (["--frames", work.frames] if work.frames else [])
        ready = self.launch(command, self.preload, self.start_limit)["ready"]
        self._prompt_tokens = ready.pop("promptTokens")
        self.versions = ready

    def measure(self, work: Workload) -> Measurement:
        found = self.ask(work.repeats)
        return Measurement(found["firstToken"], found["perToken"], found["peakBytes"], self._prompt_tokens)
