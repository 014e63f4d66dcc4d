"""Measures `epic eval` against `transformers` that answers each question under each budget anew, on the same weights and pictures.

Run it through Benchmarks/evaluation, which finds both programs. epic answers everything; the other side answers some questions under every
budget and its time is extrapolated from them, and the output says so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy
from PIL import Image

import table
from sides import LineProcess

REQUIRED = 5.0
SUFFIX = "\nAnswer the question using a single word or phrase."
SPLITS = ("adversarial", "random", "popular")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="Benchmarks/evaluation", description="Measure epic eval against transformers.")
    parser.add_argument("--preset", default="base", help="size of the model (base)")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="precision of both sides (f32)")
    parser.add_argument("--questions", type=int, default=200, help="questions (200)")
    parser.add_argument("--images", type=int, default=20, help="pictures that they are about (20)")
    parser.add_argument("--keep", default="192,128,64,36,18", help="budgets (192,128,64,36,18)")
    parser.add_argument("--compressor", default="dart,fastv,random", help="strategies (dart,fastv,random)")
    parser.add_argument("--new-tokens", type=int, default=8, help="longest answer (8)")
    parser.add_argument("--asked", type=int, default=20, help="questions that transformers is asked, under every budget once (20)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side (all cores)")
    parser.add_argument("--quick", action="store_true", help="40 questions about 4 pictures, transformers asked 4")
    options = parser.parse_args()
    if options.quick:
        options.questions, options.images, options.asked = 40, 4, 4
    return options


def spell_all_tokens(model: Path) -> None:
    """Gives every id of the vocabulary a text of its own, so that equal texts are equal tokens; none of them comes from encoding."""
    path = model / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    used = set(tokenizer["model"]["vocab"].values()) | {token["id"] for token in tokenizer["added_tokens"]}
    size = json.loads((model / "config.json").read_text())["text_config"]["vocab_size"]
    tokenizer["model"]["vocab"] |= {f"[{number}]": number for number in range(size) if number not in used}
    path.write_text(json.dumps(tokenizer))


def write_data(folder: Path, size: int, options: argparse.Namespace) -> list[tuple[str, Path, str]]:
    """POPE's files with made-up questions about noise; each question's id in epic's files, picture and prompt."""
    pictures = folder / "pope" / "val2014"
    pictures.mkdir(parents=True)
    (folder / "pope" / "coco").mkdir()
    noise = numpy.random.default_rng(0)
    for number in range(options.images):
        # Contents decide what a picture is, not its name; lossless, so that decoders cannot differ.
        Image.fromarray(noise.integers(0, 256, (size, size, 3), dtype=numpy.uint8)).save(pictures / f"{number}.jpg", "PNG")
    asked = []
    lines: dict[str, list[str]] = {split: [] for split in SPLITS}
    for number in range(options.questions):
        split, image = SPLITS[number % 3], f"{number % options.images}.jpg"
        text = f"Is there a thing of kind {number} in the image?"
        record = {"question_id": number, "image": image, "text": text, "label": "yes" if number % 2 else "no"}
        lines[split].append(json.dumps(record))
        asked.append((str(number + 10_000_000 * (number % 3)), pictures / image, text + SUFFIX))
    for split in SPLITS:
        (folder / "pope" / "coco" / f"coco_pope_{split}.json").write_text("\n".join(lines[split]) + "\n")
    return asked


def run_epic(model: Path, data: Path, output: Path, options: argparse.Namespace) -> float:
    """Seconds of the whole command, loading and writing included."""
    command = [os.environ["EPIC"], "eval", "--model", model, "--benchmark", "pope", "--data", data, "--output", output, "--json"]
    command += ["--compressor", options.compressor, "--keep", options.keep, "--max-tokens", options.new_tokens, "--timed", 0]
    command += ["--dtype", options.dtype, "--threads", options.threads]
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Prints the table; the status says whether the required figures were reached."""
    options = arguments()
    budgets, strategies = [int(part) for part in options.keep.split(",")], options.compressor.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        model, data, output = (Path(scratch) / name for name in ("model", "data", "evaluation"))
        init = [os.environ["EPIC"], "init", "--preset", options.preset, "--dtype", options.dtype, "--output", model]
        subprocess.run([str(part) for part in init], check=True, stdout=subprocess.DEVNULL)
        spell_all_tokens(model)
        size = json.loads((model / "config.json").read_text())["vision_config"]["image_size"]
        questions = write_data(data, size, options)
        side = LineProcess()
        command = [Path(__file__).parent / "evaluation_side.py", model, "--threads", options.threads]
        command += ["--dtype", {"f32": "float32", "bf16": "bfloat16"}[options.dtype], "--new-tokens", options.new_tokens]
        versions = side.launch(command, None, limit=600)["ready"]
        seconds: dict[int | None, list[float]] = {keep: [] for keep in [None, *budgets]}
        texts: dict[str, str] = {}

        def ask(part: list) -> None:
            for identifier, image, question in part:
                for keep in seconds:
                    found = side.ask(json.dumps({"image": str(image), "question": question, "keep": keep}))
                    seconds[keep].append(found["seconds"])
                    if keep is None:
                        texts[identifier] = found["text"]

        try:
            # Half before epic and half after it, so that drift cancels; the very first answer warms up.
            step = max(1, len(questions) // options.asked)
            part = questions[::step][: options.asked]
            side.ask(json.dumps({"image": str(part[0][1]), "question": part[0][2], "keep": None}))
            ask(part[: len(part) // 2])
            ours = run_epic(model, data, output, options)
            ask(part[len(part) // 2 :])
        finally:
            side.stop()
        journal = next(output.glob("*/pope-*/answers.jsonl")).read_text().splitlines()
    answers = {entry["id"]: entry.get("text") for entry in map(json.loads, journal) if entry["plan"] == "full"}
    same = sum(answers.get(identifier) == text for identifier, text in texts.items())
    # The full-token row once, each budget once for each strategy.
    theirs = options.questions * (mean(seconds[None]) + len(strategies) * sum(mean(seconds[keep]) for keep in budgets))
    print(f"`Benchmarks/evaluation {' '.join(sys.argv[1:])}`".replace(" `", "`"))
    print(f"\nMachine: {table.machine()}; load at the end {os.getloadavg()[0]:.1f}.")
    print(f"Versions: epic {os.environ.get('EPIC_COMMIT', 'unknown')}, {', '.join(f'{k} {v}' for k, v in versions.items())}.")
    print(
        f"Preset `{options.preset}`, {options.dtype}, {options.questions} questions about {options.images} pictures, budgets "
        f"{options.keep}, strategies {options.compressor}, and all tokens; {options.new_tokens} new tokens at most.\n"
    )
    print("| | s in all | of that measured |\n|---|---:|---:|")
    print(f"| epic eval, the whole command | {ours:.1f} | all |")
    print(f"| transformers, each question under each budget | {theirs:.1f} (extrapolated) | {len(texts)} of {options.questions} questions |")
    print(f"\n{theirs / ours:.1f} times as fast. {same} of {len(texts)} full-token answers are the same.")
    is_met = theirs / ours >= REQUIRED and (options.dtype != "f32" or same == len(texts))
    print(f"required {REQUIRED} x, and in float32 the same answers: {'met' if is_met else 'MISSED'}", file=sys.stderr)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
