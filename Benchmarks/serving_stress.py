"""What a server does with a second question, with more than it can bear, and when it is told to stop."""

import base64
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from servers import EpicServer, Load, Pictures, Server, answer_seconds


@dataclass(frozen=True)
class Stress:
    """Words of a question, tokens of an answer, and the requests per second that can be borne."""

    words: int
    new_tokens: int
    capacity: float


def body(picture: Path, question: str, new_tokens: int) -> dict:
    """A request to epic serve about a picture, whose answer does not end by itself."""
    data = "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()
    content = [{"type": "image_url", "image_url": {"url": data}}, {"type": "text", "text": question}]
    return {"model": "model", "max_tokens": new_tokens, "temperature": 0, "ignore_eos": True, "messages": [{"role": "user", "content": content}]}


WORDS = "red blue left right large small cat dog".split()


def second_question(server: Server, pictures: Pictures, words: int, count: int = 9) -> float:
    """Time to the first token of a picture's second question as a part of its first one's. The median of several."""
    ratios, choice = [], random.Random(0)
    for picture in pictures.new(count):
        times = [answer_seconds(server, body(picture, " ".join(choice.choices(WORDS, k=words)), 1)) for _ in range(2)]
        ratios.append(times[1] / times[0])
        print(f"first token of first and second question: {times[0] * 1e3:.0f} and {times[1] * 1e3:.0f} ms", file=sys.stderr)
    return median(ratios)


def overload(server: EpicServer, binary: Path, pictures: Pictures, stress: Stress, seconds: float, target: float) -> bool:
    """Three times the load that can be borne, all pictures new; what becomes of it, and whether it is as it should be."""
    rate = 3 * stress.capacity
    requests = int(rate * seconds)
    load = Load(pictures.new(-(-requests // 4)), requests, stress.words, stress.new_tokens, rate=rate, budget="auto", on_overload="degrade")
    memory, ended = [], threading.Event()
    def watch() -> None:
        while not ended.wait(0.25):
            memory.append(server.memory)
    watcher = threading.Thread(target=watch)
    watcher.start()
    report = server.measure(binary, load)
    ended.set()
    watcher.join()
    whole = report["all"]
    half = len(memory) // 2
    growth = max(memory[half:]) / max(memory[half // 2 : half])
    refused = whole["failures"].get("429", 0)
    others = {status: count for status, count in whole["failures"].items() if status != "429"}
    print(f"\nOverload: {rate:.2f} requests/s for {seconds:.0f} s, three times what it bears with all tokens; budget auto, degraded under load, target {target:.0f} ms.")
    print(f"{whole['completed']} of {requests} answered, {refused} refused with 429, {sum(others.values())} failed otherwise{f' {others}' if others else ''}; the answered ones' TTFT p50 {whole['ttft']['p50']:.0f} ms, p99 {whole['ttft']['p99']:.0f} ms; {report['seconds']:.0f} s in all; memory of the second half at most {growth:.3f} times that of the second quarter.")
    return not others and whole["ttft"]["p99"] <= target and growth < 1.03


def ends_without_loss(make: Callable[[], EpicServer], binary: Path, pictures: Pictures, stress: Stress, times: int) -> bool:
    """A server that is told to stop under load: every answer that has begun comes to its end."""
    lost, longest = 0, 0.0
    for number in range(times):
        server = make()
        server.start()
        try:
            requests = max(8, int(6 * stress.capacity))
            load = Load(pictures.new(-(-requests // 4)), requests, stress.words, stress.new_tokens, rate=2 * stress.capacity, seed=number)
            reports: list[dict] = []
            asking = threading.Thread(target=lambda: reports.append(server.measure(binary, load)))
            asking.start()
            time.sleep(1.5 + 0.1 * number)
            start = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(timeout=60)
            longest = max(longest, time.monotonic() - start)
            asking.join()
            # A request that came too late has status 503, or none where nobody listens any more; one that was accepted has 200.
            lost += reports[0]["all"]["failures"].get("200", 0)
        finally:
            server.stop()
    print(f"\n{times} times told to stop under load: {lost} answers lost that had begun; the longest end took {longest:.1f} s.")
    return lost == 0
