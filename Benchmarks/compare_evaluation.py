"""Measures `epic eval` against one generation with transformers for each question, compressor and budget.

Run it through Benchmarks/evaluation, which finds both programs.
"""

import argparse
import ctypes.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import table
from PIL import Image
from safetensors.numpy import load_file, save_file
from sentencepiece import SentencePieceProcessor
from sides import LineProcess

# How many times as fast epic must be.
REQUIRED = 5.0
COMPRESSORS = ["dart", "fastv", "random"]
DTYPES = {"f32": "float32", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Work:
    """What both sides answer."""

    model: Path
    data: Path
    questions: list[tuple[str, str]]
    keep: str
    new_tokens: int
    threads: int


def make_model(binary: Path, preset: str, folder: Path, tokenizer: Path) -> None:
    """A checkpoint with random weights and a tokenizer whose pieces are words, as LLaVA's are, not bytes.

    Its vocabulary is cut to the tokenizer's and the image's id, as a random model would answer with ids that have no piece.
    """
    subprocess.run([binary, "init", "--preset", preset, "--dtype", "f32", "--output", folder], check=True, stdout=subprocess.DEVNULL)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(tokenizer, folder / "tokenizer.model")
    image = SentencePieceProcessor(model_file=str(tokenizer)).vocab_size()
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            tensors[name] = tensors[name][: image + 1].copy()
            # A logit of zero is never the largest of many: no answer holds the image's id.
            tensors[name][image] = 0
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["text_config"]["vocab_size"] = image + 1
    config |= {key: image for key in ("image_token_index", "image_token_id") if key in config}
    file.write_text(json.dumps(config))


def make_questions(folder: Path, images: int, questions: int) -> list[tuple[str, str]]:
    """POPE's files about pictures of noise in the model's own size, so that neither side resizes; returns questions as asked."""
    generator = random.Random(0)
    words = "person dog cat car chair table bottle cup book clock bird horse boat train truck bench umbrella kite ball cake".split()
    pictures = folder / "pope/val2014"
    pictures.mkdir(parents=True)
    (folder / "pope/coco").mkdir()
    names = [f"COCO_val2014_{index:012d}.png" for index in range(images)]
    for name in names:
        coarse = Image.frombytes("RGB", (12, 12), generator.randbytes(12 * 12 * 3))
        coarse.resize((336, 336), Image.Resampling.BICUBIC).save(pictures / name)
    asked, lines = [], {split: [] for split in ("adversarial", "random", "popular")}
    for index in range(questions):
        split = list(lines)[index * len(lines) // questions]
        text = f"Is there a {words[index // images % len(words)]} in the image?"
        name = names[index % images]
        label = "yes" if index % 2 else "no"
        lines[split].append({"question_id": len(lines[split]) + 1, "image": name, "text": text, "label": label})
        asked.append((f"{text}\nAnswer the question using a single word or phrase.", str(pictures / name)))
    for split, content in lines.items():
        (folder / f"pope/coco/coco_pope_{split}.json").write_text("".join(json.dumps(line) + "\n" for line in content))
    return asked


def run_epic(binary: Path, work: Work, dtype: str, output: Path) -> float:
    """Seconds of the whole command, loading and writing included."""
    command = [binary, "eval", "--model", work.model, "--benchmark", "pope", "--data", work.data, "--output", output]
    command += ["--compressor", ",".join(COMPRESSORS), "--keep", work.keep, "--max-tokens", work.new_tokens, "--timed", 0]
    command += ["--dtype", dtype, "--threads", work.threads, "--json"]
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def full_answers(output: Path) -> list[str]:
    """epic's answers with the whole picture, in the order of the questions' ids."""
    (journal,) = output.glob("*/pope-*/answers.jsonl")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    # Ids of the splits, in the order in which the questions were made.
    offset = {0: 0, 1: 1, 2: 2}
    entries = [entry for entry in entries if entry["plan"] == "full"]
    entries.sort(key=lambda entry: (offset[int(entry["id"]) // 10_000_000], int(entry["id"])))
    return [entry["text"] for entry in entries]


def main() -> int:
    """Prints the table; the status says whether the required figures were reached."""
    parser = argparse.ArgumentParser(prog="Benchmarks/evaluation", description="Measure epic eval against transformers, in turns.")
    parser.add_argument("--preset", default="base", help="size of the model, small or larger (base)")
    parser.add_argument("--images", type=int, default=20, help="pictures (20)")
    parser.add_argument("--questions", type=int, default=200, help="questions about them (200)")
    parser.add_argument("--keep", default="192,128,64,36,18", help="budgets (192,128,64,36,18)")
    parser.add_argument("--new-tokens", type=int, default=8, help="longest answer (8)")
    parser.add_argument("--sample", type=int, default=5, help="questions that transformers answers in a turn; its time is scaled (5)")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="precision; several times (f32)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side (all cores)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds, in each of which both sides have their turn (2)")
    parser.add_argument("--quick", action="store_true", help="one round, 40 questions about 4 pictures, transformers asked 2")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.questions, options.images, options.sample = 1, 40, 4, 2
    binary, root = Path(os.environ["EPIC"]), Path(__file__).resolve().parent.parent
    tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
    status = 0
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        make_model(binary, options.preset, scratch / "model", root / "Tests/Fixtures/tokenizer/tokenizer.model")
        questions = make_questions(scratch / "data", options.images, options.questions)
        (scratch / "questions.json").write_text(json.dumps(questions))
        work = Work(scratch / "model", scratch / "data", questions, options.keep, options.new_tokens, options.threads)
        print(f"Machine: {table.machine()}; load by others before the start {os.getloadavg()[0]:.1f}.\n")
        for dtype in options.dtype or ["f32"]:
            other = LineProcess()
            command = [Path(__file__).parent / "evaluation_side.py", work.model, scratch / "questions.json", "--dtype", DTYPES[dtype]]
            command += ["--keep", work.keep, "--compressors", len(COMPRESSORS), "--threads", work.threads]
            versions = other.launch([*command, "--new-tokens", work.new_tokens], tcmalloc, limit=300)["ready"]
            ours, theirs, same, compared = [], [], 0, 0
            try:
                for number in range(options.rounds):
                    output = scratch / f"{dtype}-{number}"
                    ours.append(run_epic(binary, work, dtype, output))
                    first = number * options.sample % max(1, options.questions - options.sample + 1)
                    found = other.ask(json.dumps({"first": first, "count": options.sample}))
                    theirs.append(found["seconds"] * options.questions / options.sample)
                    answers = full_answers(output)[first : first + options.sample]
                    same += sum(one.strip() == two.strip() for one, two in zip(answers, found["answers"], strict=True))
                    compared += options.sample
                    print(f"round {number + 1}: epic {ours[-1]:.0f} s, transformers {theirs[-1]:.0f} s", file=sys.stderr)
            finally:
                other.stop()
            plans = 1 + len(COMPRESSORS) * len(work.keep.split(","))
            ratio = median(theirs) / median(ours)
            print(
                f"{dtype}: epic {os.environ.get('EPIC_COMMIT', 'unknown')}, {', '.join(f'{k} {v}' for k, v in versions.items())}; preset "
                f"`{options.preset}`, {options.questions} questions about {options.images} pictures, {plans} plans, at most "
                f"{options.new_tokens} new tokens, {options.threads} threads; {options.rounds} rounds in turns. transformers answered "
                f"{options.sample} questions a turn, scaled to all.\n"
            )
            print("| | s: median | min | s per question | |\n|---|---:|---:|---:|---:|")
            for name, seconds in (("epic eval, everything included", ours), ("transformers + tcmalloc, without loading", theirs)):
                times = f"{ratio:.1f} times as fast" if seconds is ours else ""
                print(f"| {name} | {median(seconds):.0f} | {min(seconds):.0f} | {median(seconds) / options.questions:.2f} | {times} |")
            print(f"\nAnswers with the whole picture: {same} of {compared} the same.\n")
            status |= ratio < REQUIRED or (dtype == "f32" and same < compared)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
