"""Puts the same load on `epic serve` and on `transformers serve`, in turns, and prints Markdown tables.

Run it through Benchmarks/serving, which finds the programs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import table
from servers import CHAT_TEMPLATE, EpicServer, Load, Pictures, Server, TransformersServer
from serving_stress import Stress, ends_without_loss, overload, second_question
from sides import Unavailable, run_json

# What epic serve must reach: how many times the requests per second of the other server, of all tokens with few; and the first token of
# a second question about a picture as a part of the first one's.
OTHER, FEW, SECOND = 4.0, 1.5, 0.35


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="Benchmarks/serving", description="Measure epic serve against transformers serve, in turns.")
    parser.add_argument("--preset", default="base", help="size of the model (base)")
    parser.add_argument("--model", type=Path, help="a checkpoint in place of a preset's random weights")
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16", help="numbers of both servers (bf16)")
    parser.add_argument("--budgets", default="all,192,64,36", help="budgets of visual tokens (all,192,64,36)")
    parser.add_argument("--compressor", default="dart", help="compressor of epic serve (dart)")
    parser.add_argument("--concurrency", default="1,4,16", help="requests under way at any time (1,4,16)")
    parser.add_argument("--requests", type=int, default=32, help="requests of a measurement at 16 at a time; fewer with fewer (32)")
    parser.add_argument("--words", type=int, default=12, help="words of a question; the presets' tokenizer has about 5 tokens for each (12)")
    parser.add_argument("--new-tokens", type=int, default=32, help="tokens of an answer (32)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each server (all cores)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, in each of which every server has its turn (3)")
    parser.add_argument("--other-rounds", type=int, help="rounds in which transformers has its turn, the first ones (all)")
    parser.add_argument("--overload", type=float, default=100, help="seconds of three times the load that can be borne; 0 for none (100)")
    parser.add_argument("--ends", type=int, default=10, help="times that a server under load is told to stop (10)")
    parser.add_argument("--target", type=float, default=4000, help="milliseconds to the first token aimed at under overload (4000)")
    parser.add_argument("--alone", action="store_true", help="without transformers")
    return parser.parse_args()


def checkpoint(options: argparse.Namespace, binary: Path, scratch: Path) -> Path:
    """The checkpoint that all serve: with a chat template, and with a word for every token, so that streams show each."""
    model = scratch / "model"
    if options.model:
        shutil.copytree(options.model, model)
    else:
        command = [binary, "init", "--preset", options.preset, "--dtype", options.dtype, "--output", model]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        config = json.loads((model / "config.json").read_text())
        tokenizer = json.loads((model / "tokenizer.json").read_text())
        words = tokenizer["model"]["vocab"]
        # Added tokens that the vocabulary lacks would be numbered behind it by Python.
        words |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
        known = set(words.values())
        words |= {f"Ġ{token}": token for token in range(config["text_config"]["vocab_size"]) if token not in known}
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    (model / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    # Answers are of one length everywhere: epic is asked to go on beyond the end, transformers only knows it from this file.
    generation = model / "generation_config.json"
    known = json.loads(generation.read_text()) if generation.exists() else ends_of(json.loads((model / "config.json").read_text()))
    generation.write_text(json.dumps(known | {"min_new_tokens": options.new_tokens}))
    return model


def ends_of(config: dict) -> dict:
    """What a checkpoint without a file of its own for generation says about the tokens that begin and end answers."""
    keys = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {key: part[key] for part in (config, config.get("text_config", {})) for key in keys if part.get(key) is not None}


def machine_bound(options: argparse.Namespace, binary: Path, model: Path) -> float:
    """Requests per second if a picture were read once for its four questions, and a token for 16 answers cost what one costs."""
    command = [binary, "bench", "generate", "--model", model, "--dtype", options.dtype, "--json", "--threads", options.threads]
    # The times of a small model are short, and noisy.
    repeats = 30 if options.model else 3
    def times(text: int) -> dict:
        return run_json(command + ["--text-tokens", text, "--new-tokens", options.new_tokens, "--repeats", repeats])["timings"]
    short, long = times(1), times(64)
    question = max(0.0, long["prefill"] - short["prefill"])
    return 1 / ((short["vision"] + short["prefill"]) / 4 + question + long["decode"] / 16)


OTHER_NAME = "transformers"
Cells = dict[tuple[str, str, int], list[dict]]


def measure(options: argparse.Namespace, sides: list[tuple[Server, list[str]]], pictures: Pictures, binary: Path) -> Cells:
    """The reports of every server, budget and concurrency, round after round; every other round goes backwards."""
    cells = [(server, budget, concurrency) for concurrency in map(int, options.concurrency.split(","))
             for server, budgets in sides for budget in budgets]  # fmt: skip
    found: Cells = {}
    for number in range(options.rounds):
        for server, budget, concurrency in cells if number % 2 == 0 else reversed(cells):
            if server.name == OTHER_NAME and options.other_rounds is not None and number >= options.other_rounds:
                continue
            requests = max(8, options.requests * min(16, concurrency) // 16)
            load = Load(
                pictures.new(-(-requests // 4)), requests, options.words, options.new_tokens, concurrency=concurrency,
                budget="default" if budget == "all" else budget, seed=number,
            )  # fmt: skip
            report = server.measure(binary, load)
            if report["all"]["completed"] != requests:
                raise Unavailable(f"{server.name} answered {report['all']['completed']} of {requests}: {report['all']['failures']}")
            found.setdefault((server.name, budget, concurrency), []).append(report)
            print(
                f"round {number + 1}/{options.rounds}: {server.name}, {budget} tokens, {concurrency} at a time: "
                f"{report['requestsPerSecond']:.2f} requests/s", file=sys.stderr,
            )  # fmt: skip
    return found


def middle(reports: list[dict], *path: str) -> float:
    """The median of a number of several reports."""
    def value(report: dict) -> float:
        for key in path:
            report = report[key]
        return report
    return median(map(value, reports))


def print_header(options: argparse.Namespace, bound: float, load: float) -> None:
    """Where and of what the numbers are."""
    print(f"`Benchmarks/serving {' '.join(sys.argv[1:])}`".replace(" `", "`"))
    print(f"\nMachine: {table.machine()}; load by others before the start {load:.1f}.")
    rounds = f"{options.rounds} rounds in turns"
    if not options.alone and options.other_rounds is not None:
        rounds += f", of transformers of {options.other_rounds}"
    print(
        f"epic {os.environ.get('EPIC_COMMIT', 'unknown')}; {options.model or 'preset ' + options.preset}, {options.dtype}, "
        f"{options.threads} threads, four questions about each picture, {options.new_tokens} new tokens, medians of {rounds}. "
        f"Bound with all tokens: {bound:.2f} requests/s, if each picture were read once for its four questions and a token of 16 "
        "answers cost what a token of one costs.\n"
    )


def show(found: Cells, bound: float) -> None:
    """One row for each cell."""
    print("| server | visual tokens | at a time | requests/s | tokens/s | TTFT p50, ms | TTFT p99, ms | TPOT p50, ms | of the bound |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for (name, budget, concurrency), reports in found.items():
        rate = middle(reports, "requestsPerSecond")
        cells = [f"{rate:.2f}", f"{middle(reports, 'tokensPerSecond'):.0f}"]
        cells += [f"{middle(reports, 'all', 'ttft', key):.0f}" for key in ("p50", "p99")]
        cells += [f"{middle(reports, 'all', 'tpot', 'p50'):.1f}", f"{rate / bound:.0%}" if budget == "all" else ""]
        print(f"| {name} | {budget} | {concurrency} | {' | '.join(cells)} |")


def main() -> int:
    """Prints the tables; the status says whether what is required was reached."""
    options = arguments()
    binary = Path(os.environ["EPIC"])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        model = checkpoint(options, binary, Path(scratch))
        pictures = Pictures(Path(scratch))
        def epic(name: str = "epic", *more: object) -> EpicServer:
            return EpicServer(name, binary, model, options.dtype, options.threads, ("--compressor", options.compressor, *more))
        plain = epic()
        one = epic("epic, one request at a time, nothing shared", "--max-sequences", 1, "--shared-memory", 0)
        budgets = options.budgets.split(",")
        bound = machine_bound(options, binary, model)
        sides: list[tuple[Server, list[str]]] = [(plain, budgets), (one, ["all"])]
        if not options.alone:
            sides.append((TransformersServer(OTHER_NAME, model, options.dtype, options.threads), ["all"]))
        try:
            for server, _ in sides:
                print(f"starting {server.name}", file=sys.stderr)
                server.start()
                # The first answer makes a server load its model.
                server.measure(binary, Load(pictures.new(1), 2, options.words, options.new_tokens, concurrency=1))
            found = measure(options, sides, pictures, binary)
            print_header(options, bound, load)
            show(found, bound)
            second = second_question(plain, pictures, options.words)
        finally:
            for server, _ in sides:
                server.stop()

        rates = {key: middle(reports, "requestsPerSecond") for key, reports in found.items()}
        status = verdict(rates, second, options)
        most = max(map(int, options.concurrency.split(",")))
        capacity = rates["epic", "all", most]
        if options.overload > 0:
            # What is kept between questions is full soon, so that memory that grows is seen.
            server = epic("epic", "--max-queued", 16, "--shared-memory", 64, "--target-ttft", options.target)
            server.start()
            try:
                status |= not overload(server, binary, pictures, Stress(options.words, options.new_tokens, capacity), options.overload, options.target)
            finally:
                server.stop()
        if options.ends > 0:
            status |= not ends_without_loss(epic, binary, pictures, Stress(options.words, options.new_tokens, capacity), options.ends)
    return int(status)


def verdict(rates: dict[tuple[str, str, int], float], second: float, options: argparse.Namespace) -> int:
    """0 where the required ratios were reached; prints them."""
    most = max(map(int, options.concurrency.split(",")))
    wanted = []
    if (OTHER_NAME, "all", most) in rates:
        wanted.append((f"against transformers, {most} at a time, all tokens", rates["epic", "all", most] / rates["transformers", "all", most], OTHER))
    if ("epic", "64", most) in rates:
        wanted.append((f"64 tokens against all, {most} at a time", rates["epic", "64", most] / rates["epic", "all", most], FEW))
    print("\n| requests/s, how many times as many | | required |\n|---|---:|---:|")
    alone = "epic, one request at a time, nothing shared"
    print(f"| against one request at a time, {most} at a time, all tokens | {rates['epic', 'all', most] / rates[alone, 'all', most]:.2f} | |")
    for label, ratio, required in wanted:
        print(f"| {label} | {ratio:.2f} | {required} |")
    print(f"| a second question's time to the first token, as a part of the first's | {second:.2f} | at most {SECOND} |")
    return int(second > SECOND or any(ratio < required for _, ratio, required in wanted))


if __name__ == "__main__":
    sys.exit(main())
