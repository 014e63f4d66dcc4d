"""What the `tokenizers` package makes of odd texts with every kind of normalizer and pre-tokenizer, and with those of known decoders.

    tokenizer_kinds.py FOLDER

Writes FOLDER/NAME.json for each, and prints a list of {name, file, cases: [{text, normalized, words, ids, decoded}]}. Words are as the
vocabulary spells them. The vocabulary's merges cross every boundary that a pre-tokenizer could set, so that ids tell where words end.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

from odd_texts import CORPUS, texts
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"[^\r\n\p{L}\p{N}]?"
O200K = rf"{HEAD}{UPPER}*{LOWER}+{SUFFIX}|{HEAD}{UPPER}+{LOWER}*{SUFFIX}|\p{{N}}{{1,3}}{TAIL}"
TEKKEN = rf"{HEAD}{UPPER}*{LOWER}+|{HEAD}{UPPER}+{LOWER}*|\p{{N}}{TAIL}"
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def split(pattern: str, behavior: str = "isolated", invert: bool = False) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(prefix: bool = False, regex: bool = False) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def chain(*steps: pre_tokenizers.PreTokenizer) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(list(steps))


def kinds() -> dict[str, pre_tokenizers.PreTokenizer]:
    """Every kind by itself, with every setting."""
    digits, punctuation, metaspace = pre_tokenizers.Digits, pre_tokenizers.Punctuation, pre_tokenizers.Metaspace
    found = {"whitespace": pre_tokenizers.Whitespace(), "whitespace split": pre_tokenizers.WhitespaceSplit()}
    found["delimiter"] = pre_tokenizers.CharDelimiterSplit("é")
    for flag in [False, True]:
        found[f"digits {flag}"] = digits(individual_digits=flag)
        for other in [False, True]:
            found[f"byte level {flag} {other}"] = byte_level(flag, other)
        for scheme in ["always", "first", "never"]:
            found[f"metaspace {scheme} {flag}"] = metaspace(replacement="▁", prepend_scheme=scheme, split=flag)
        for behavior in BEHAVIORS:
            found[f"split regex {behavior} {flag}"] = split(r"\p{N}+|[aeiou]|\s", behavior, flag)
            found[f"split known {behavior} {flag}"] = split(GPT4 % r"\p{N}", behavior, flag)
            found[f"split string {behavior} {flag}"] = pre_tokenizers.Split(" ", behavior, flag)
    for behavior in BEHAVIORS:
        found[f"punctuation {behavior}"] = punctuation(behavior)
        # Matches without length, line ends, case.
        found[f"split empty {behavior}"] = split(r"x*|$", behavior)
    found["split lines"] = split(r"^.", "isolated")
    found["split case"] = split(r"(?i)STRASSE|ß|k|ſ", "isolated")
    found["split boundary"] = split(r"\b\w", "merged_with_next")
    found["metaspace inside"] = chain(split(r"[0-9]", "isolated"), metaspace(replacement="▁", prepend_scheme="first"))
    return found


def decoders_in_use() -> dict[str, pre_tokenizers.PreTokenizer]:
    """The pre-tokenizers of known byte-level decoders."""
    digits = pre_tokenizers.Digits
    return {
        "llama 3": chain(split(GPT4 % r"\p{N}{1,3}"), byte_level()),
        "qwen 2": chain(split(GPT4 % r"\p{N}"), byte_level()),
        "qwen 3.5": chain(split(QWEN35), byte_level()),
        "gpt 4": chain(split(CL100K, "removed", True), byte_level()),
        "gpt 4o": chain(split(O200K), byte_level()),
        "mistral": chain(split(TEKKEN), byte_level()),
        "smollm 2": chain(digits(individual_digits=True), byte_level(regex=True)),
        "smollm 2 from gguf": chain(split(r"\p{N}"), byte_level(regex=True)),
        "starcoder 2": chain(digits(individual_digits=True), byte_level(regex=True)),
        "bloom": chain(split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), byte_level()),
        "falcon": chain(pre_tokenizers.Punctuation("contiguous"), byte_level(regex=True), digits(), split("[0-9][0-9][0-9]")),
        "deepseek": chain(
            split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), digits(individual_digits=True), byte_level()
        ),
        "deepseek 3": chain(split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK3), byte_level()),
    }


def normalizers_of_all_kinds() -> dict[str, normalizers.Normalizer]:
    return {
        "nfc": normalizers.NFC(),
        "nfd": normalizers.NFD(),
        "nfkc": normalizers.NFKC(),
        "nfkd": normalizers.NFKD(),
        "lowercase": normalizers.Lowercase(),
        "strip": normalizers.Strip(),
        "strip left": normalizers.Strip(left=True, right=False),
        "strip right": normalizers.Strip(left=False, right=True),
        "accents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
        "prepend": normalizers.Prepend("▁"),
        "replace string": normalizers.Replace(" ", "▁"),
        "replace regex": normalizers.Replace(Regex(r"\s{2,}|\p{P}"), "$1"),
        "gemma": normalizers.Replace(" ", "▁"),
    }


def trained(pre_tokenizer: pre_tokenizers.PreTokenizer | None, size: int, alphabet: list[str]) -> models.BPE:
    """A model whose merges cross spaces, digits and punctuation."""
    tokenizer = Tokenizer(models.BPE())
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, max_token_length=8)
    # Pieces short enough that training is quick, long enough that merges learn what stands around a space.
    tokenizer.train_from_iterator([CORPUS[start : start + 40] for start in range(0, len(CORPUS), 20)], trainer)
    return json.loads(tokenizer.to_str())["model"]


def byte_tokenizer(model: dict[str, Any]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(model["vocab"], [tuple(pair) for pair in model["merges"]]))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def character_tokenizer(model: dict[str, Any]) -> Tokenizer:
    """As SentencePiece models are converted: characters, and bytes for those that the vocabulary lacks."""
    vocabulary = {"<unk>": 0} | {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    for token in model["vocab"]:
        vocabulary.setdefault(token, len(vocabulary))
    tokenizer = Tokenizer(
        models.BPE(vocabulary, [tuple(pair) for pair in model["merges"]], unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def main() -> None:
    folder = Path(sys.argv[1])
    byte_model = trained(byte_level(), 600, sorted(pre_tokenizers.ByteLevel.alphabet()))
    character_model = trained(None, 600, [])
    tokenizers: dict[str, Tokenizer] = {}
    for name, kind in kinds().items():
        tokenizers[name] = byte_tokenizer(byte_model) if "byte" in name else character_tokenizer(character_model)
        tokenizers[name].pre_tokenizer = kind
    for name, kind in decoders_in_use().items():
        tokenizers[name] = byte_tokenizer(byte_model)
        tokenizers[name].pre_tokenizer = kind
    for name, kind in normalizers_of_all_kinds().items():
        tokenizers[name] = character_tokenizer(character_model)
        tokenizers[name].normalizer = kind
    tokenizers["gemma"].pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    samples = list(texts(random.Random(8), 420, 60))
    found = []
    for name, tokenizer in tokenizers.items():
        path = folder / f"{name}.json"
        tokenizer.save(str(path))
        cases = []
        for text in samples:
            normalized = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
            words = [normalized] if normalized else []
            if tokenizer.pre_tokenizer:
                words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            decoded = tokenizer.decode(ids, skip_special_tokens=True)
            cases.append({"text": text, "normalized": normalized, "words": words, "ids": ids, "decoded": decoded})
        found.append({"name": name, "file": str(path), "cases": cases})
    print(json.dumps(found))


main()
