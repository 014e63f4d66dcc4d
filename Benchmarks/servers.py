"""Servers of the same model, and the load that `epic bench serve` puts on them."""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from sides import Unavailable, run_json

# The words of the conversation template `plain`, for a server that knows only what the checkpoint says.
CHAT_TEMPLATE = """{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}{% else %}
{%- for part in message['content'] if part['type'] != 'text' %}<image>{% endfor %}
{%- for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}
{% endfor %}"""


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass(frozen=True)
class Load:
    """What is asked: requests under way at any time, or requests a second; and the budget of all."""

    pictures: list[Path]
    requests: int
    words: int
    new_tokens: int
    concurrency: int | None = None
    rate: float | None = None
    budget: str = "default"
    on_overload: str | None = None
    seed: int = 0


@dataclass
class Server:
    """A process that answers at a port, asleep while nobody asks."""

    name: str
    port: int = field(default_factory=free_port, init=False)
    process: subprocess.Popen | None = field(default=None, init=False)

    def launch(self, command: list, environment: dict[str, str], limit: float = 240) -> None:
        """Starts it and waits until it is ready."""
        self._log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(part) for part in command], env=os.environ | environment, stdout=self._log, stderr=self._log
        )
        end = time.monotonic() + limit
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self._log.seek(0)
                raise Unavailable((self._log.read().strip().splitlines() or ["it does not start"])[-1])
            time.sleep(0.2)

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    @property
    def memory(self) -> int:
        """Bytes that it holds now."""
        fields = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in fields if line.startswith("VmRSS")) * 1024

    def stop(self) -> None:
        """Ends it at once."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def options(self) -> list:
        """What `epic bench serve` has to know about it."""
        return []

    def measure(self, binary: Path, load: Load, *more: object) -> dict:
        """The report of `epic bench serve`."""
        command = [binary, "bench", "serve", "--url", f"http://127.0.0.1:{self.port}", "--json", "--requests", load.requests]
        command += ["--words", load.words, "--new-tokens", load.new_tokens, "--warmup", 0, "--seed", load.seed]
        command += ["--concurrency", load.concurrency] if load.concurrency else ["--rate", load.rate]
        if load.budget != "default":
            command += ["--budgets", load.budget]
        if load.on_overload:
            command += ["--on-overload", load.on_overload]
        return run_json(command + self.options() + list(more) + ["--image", *load.pictures])


@dataclass
class EpicServer(Server):
    """`epic serve`."""

    binary: Path
    model: Path
    dtype: str
    threads: int
    more: tuple = ()

    def start(self) -> None:
        """Starts it."""
        command = [self.binary, "serve", "--model", self.model, "--dtype", self.dtype, "--threads", self.threads]
        self.launch(command + ["--port", self.port, "--budgets", "any", "--template", "plain", *self.more], {})


@dataclass
class TransformersServer(Server):
    """`transformers serve`; its checkpoint has a chat template beside it."""

    model: Path
    dtype: str
    threads: int
    more: tuple = ()

    def start(self) -> None:
        """Starts it and loads the model, which it does for the first request."""
        program = "import sys, torch; torch.set_num_threads(int(sys.argv.pop(1))); sys.argv[0] = 'transformers'\n"
        program += "from transformers.cli.transformers import main; main()"
        command = [sys.executable, "-c", program, self.threads, "serve", self.model, "--port", self.port]
        command += ["--device", "cpu", "--dtype", {"bf16": "bfloat16", "f32": "float32"}[self.dtype], *self.more]
        self.launch(command, {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.environ["EPIC_SERVER_PACKAGES"]})

    def options(self) -> list:
        return ["--standard-fields", "--served-model", self.model]


class Pictures:
    """Pictures that no server has met before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._random, self._count = folder, random.Random(0), 0

    def new(self, count: int) -> list[Path]:
        """Files of new pictures of coloured shapes."""
        return [self._draw() for _ in range(count)]

    def _draw(self) -> Path:
        any_color = lambda: tuple(self._random.randrange(256) for _ in range(3))
        picture = Image.new("RGB", (336, 336), any_color())
        pen = ImageDraw.Draw(picture)
        for _ in range(12):
            x, y = self._random.randrange(300), self._random.randrange(300)
            pen.ellipse([x, y, x + self._random.randrange(20, 90), y + self._random.randrange(20, 90)], fill=any_color())
        self._count += 1
        path = self._folder / f"{self._count}.jpg"
        picture.save(path, quality=90)
        return path


def answer_seconds(server: Server, body: dict) -> float:
    """Seconds until an answer is complete; with one token to write, until the first token, whatever word that is."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/v1/chat/completions", data, {"content-type": "application/json"})
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as answer:
        answer.read()
    return time.perf_counter() - start
