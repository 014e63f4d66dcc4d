"""Writes gguf.json beside this file: lists as GGUF files hold them, and the ids of texts.

    pip install tokenizers sentencepiece
    python make_gguf_vocabularies.py

One byte-level vocabulary whose merges cross spaces, digits and punctuation, by each way that llama.cpp names of dividing text; the ids are those of
the `tokenizers` package set up as the models' own tokenizer.json. And the SentencePiece model of Tests/Fixtures; ids are those of the
`sentencepiece` package. {byteLevel: {tokens, kinds, merges, bos, eos, ways: {pre: [[id]]}}, sentencePiece: {tokens, kinds, scores, bos, eos,
unknown, ids: [[id]]}, texts}; not all texts are for SentencePiece, whose ids are null then.
"""

import json
import random
import sys
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent.parent / "Python"))
from odd_texts import CORPUS, texts  # noqa: E402

GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTROL, ADDED = ["<|start|>", "<|end|>"], "<think>"


def byte_level(regex: bool) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)


def gpt4(digits: str) -> list[pre_tokenizers.PreTokenizer]:
    return [pre_tokenizers.Split(Regex(GPT4 % digits), "isolated"), byte_level(False)]


WAYS = {
    "gpt-2": [byte_level(True)],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), byte_level(True)],
    "llama-bpe": gpt4(r"\p{N}{1,3}"),
    "qwen2": gpt4(r"\p{N}"),
}


def byte_vocabulary(samples: list[str]) -> dict:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = byte_level(False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False, max_token_length=8)
    trained.train_from_iterator([CORPUS[start : start + 40] for start in range(0, len(CORPUS), 20)], trainer)
    model = json.loads(trained.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get) + [*CONTROL, ADDED]
    merges = [tuple(pair) for pair in model["merges"]]
    ways = {}
    for pre, steps in WAYS.items():
        ids = {token: index for index, token in enumerate(tokens)}
        reference = Tokenizer(models.BPE(ids, merges, ignore_merges=pre == "llama-bpe"))
        reference.pre_tokenizer = pre_tokenizers.Sequence(steps)
        reference.add_special_tokens([AddedToken(token, normalized=False) for token in CONTROL])
        reference.add_tokens([AddedToken(ADDED, normalized=False)])
        if pre == "qwen2":
            reference.normalizer = normalizers.NFC()
        if pre == "llama-bpe":
            reference.post_processor = processors.TemplateProcessing(single="<|start|> $A", special_tokens=[("<|start|>", ids["<|start|>"])])
        ways[pre] = [reference.encode(text).ids for text in samples]
    kinds = [3 if token in CONTROL else 4 if token == ADDED else 1 for token in tokens]
    return {
        "tokens": tokens, "kinds": kinds, "merges": [" ".join(pair) for pair in merges], "bos": ids["<|start|>"], "eos": ids["<|end|>"],
        "ways": ways,
    }


def is_plain(text: str) -> bool:
    """Whether nothing in it is a special token, which SentencePiece does not look for, and it is not empty, where it adds no space."""
    return bool(text) and not any(mark in text for mark in ["<s>", "</s>", "<unk>"])


def sentencepiece_vocabulary(samples: list[str]) -> dict:
    model = sentencepiece.SentencePieceProcessor(str(HERE.parent.parent / "Fixtures/tokenizer/tokenizer.model"))
    size = range(model.get_piece_size())
    kinds = [2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1 for i in size]
    return {
        "tokens": [model.id_to_piece(i) for i in size], "kinds": kinds, "scores": [model.get_score(i) for i in size],
        "bos": 1, "eos": 2, "unknown": 0,
        "ids": [[1, *model.encode(text)] if is_plain(text) else None for text in samples],
    }


def main() -> None:
    samples = ["", " ", "  two  spaces", "in 2024 12345", "don't DON'T", "e\u0301é", "a\r\n\n b"] + list(texts(random.Random(12), 40, 20))
    samples += ["<|start|>a 1<|end|> b", "<think>so</think>", "x<think> y"]
    document = {"texts": samples, "byteLevel": byte_vocabulary(samples), "sentencePiece": sentencepiece_vocabulary(samples)}
    (HERE / "gguf.json").write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")


main()
