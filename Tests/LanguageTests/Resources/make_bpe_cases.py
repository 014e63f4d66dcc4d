"""Trains tiny tokenizers with the `tokenizers` package and records what they make of many strings.

    pip install tokenizers sentencepiece
    python make_bpe_cases.py

Writes NAME/tokenizer.json, NAME/tokenizer_config.json and NAME/cases.json beside this file:
  gpt2     pattern of GPT-2, prefix space, merges written as "a b"
  qwen2    pattern and special tokens of Qwen2, NFC, added tokens with every flag
  llama3   pattern, special tokens, BOS template and ignore_merges of Llama 3
  llama    the SentencePiece model of Tests/Fixtures converted: Prepend/Replace normalizer, byte fallback
  llama_metaspace  the same with a Metaspace pre-tokenizer as newer files have
and unicode.json: how the patterns divide strings into words (lengths in bytes), and strings with their NFC.
In cases.json ids are base64 of little-endian 16-bit numbers; `decoded` is left out where it equals the text.
"""

import base64
import json
import pathlib
import random
import struct
import sys
import unicodedata

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent.parent / "Python"))
from odd_texts import CORPUS, texts  # noqa: E402

FIXTURES = HERE.parent.parent / "Fixtures"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
LLAMA3 = HEAD + r"\p{N}{1,3}" + TAIL
QWEN2 = HEAD + r"\p{N}" + TAIL

def packed(ids):
    return base64.b64encode(struct.pack(f"<{len(ids)}H", *ids)).decode()


def write(name, tokenizer, config, seed, count, longest, string_merges=False):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    document = json.loads(tokenizer.to_str())
    # Words whose last merge is missing are found only as a whole, if at all.
    if document["model"].get("ignore_merges"):
        del document["model"]["merges"][-60:]
    if string_merges:
        document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    tokenizer = Tokenizer.from_str(text)
    (folder / "tokenizer.json").write_text(text + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    rng = random.Random(seed)
    cases = []
    for text in texts(rng, count, longest):
        ids = tokenizer.encode(text).ids
        case = {"text": text, "ids": packed(ids)}
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        if decoded != text:
            case["decoded"] = decoded
        cases.append(case)
    decodings = []
    for index in range(150):
        ids = [rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randint(1, 14))]
        decodings.append({
            "ids": packed(ids),
            "all": tokenizer.decode(ids, skip_special_tokens=False),
            "skipped": tokenizer.decode(ids, skip_special_tokens=True),
        })
    # One case a line, so that differences between versions stay readable.
    (folder / "cases.json").write_text(
        "{\"cases\":[\n" + ",\n".join(json.dumps(c, separators=(",", ":"), ensure_ascii=False) for c in cases)
        + "\n],\"decodings\":[\n" + ",\n".join(json.dumps(d, separators=(",", ":"), ensure_ascii=False) for d in decodings)
        + "\n]}\n")


def trained(pre_tokenizer, normalizer, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(CORPUS.split("\n\n"), trainer)
    return tokenizer


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def special(*contents):
    return [AddedToken(content, special=True, normalized=False) for content in contents]


def llama(metaspace):
    model = sentencepiece.SentencePieceProcessor(model_file=str(FIXTURES / "tokenizer" / "tokenizer.model"))
    vocabulary = {model.id_to_piece(i): i for i in range(model.get_piece_size())}
    merges = []
    for piece, index in vocabulary.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocabulary and right in vocabulary and not model.is_byte(index) and index > 2:
                merges.append((model.get_score(index), left, right))
    merges.sort(key=lambda merge: -merge[0])
    tokenizer = Tokenizer(models.BPE(
        vocabulary, [(left, right) for _, left, right in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens(special("<unk>", "<s>", "</s>", "<image>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


gpt2 = trained(pre_tokenizers.ByteLevel(add_prefix_space=True), None, 400)
gpt2.add_special_tokens(special("<|endoftext|>"))
gpt2.post_processor = processors.ByteLevel(trim_offsets=True)
write("gpt2", gpt2, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, 1, 350, 1000, string_merges=True)

qwen2 = trained(split(QWEN2), normalizers.NFC(), 600)
qwen2.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
qwen2.add_tokens([
    AddedToken("<mask>", lstrip=True, normalized=False, special=True),
    AddedToken("<right>", rstrip=True, normalized=False),
    AddedToken("solo", single_word=True, normalized=False),
    AddedToken("résumé", normalized=True),
])
write("qwen2", qwen2, {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, 2, 850, 2000)

llama3 = trained(split(LLAMA3), None, 600)
llama3.model.ignore_merges = True
llama3.add_special_tokens(special(
    "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"))
bos = llama3.token_to_id("<|begin_of_text|>")
llama3.post_processor = processors.Sequence([
    processors.ByteLevel(trim_offsets=False),
    processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B:1",
        special_tokens=[("<|begin_of_text|>", bos)]),
])
write("llama3", llama3, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, 3, 850, 2000)

names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": {"content": "<unk>"}}
write("llama", llama(False), names, 4, 450, 1000)
write("llama_metaspace", llama(True), names, 5, 300, 600)


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def words():
    rng = random.Random(6)
    contractions = ["'" + letters for letters in ["s", "S", "ſ", "t", "re", "RE", "rE", "ve", "VE", "m", "ll", "lL", "d", "r", "l", "v", "x"]]
    for spelling in [GPT2, LLAMA3, QWEN2]:
        splitter = pre_tokenizers.Split(Regex(spelling), "isolated")
        cases = []
        for text in list(texts(rng, 260, 20)) + ["it" + c + end for c in contractions for end in ["", "x", " ", "ſ", "1"]]:
            lengths = [len(word.encode()) for word, _ in splitter.pre_tokenize_str(text)]
            cases.append({"text": text, "lengths": lengths})
        yield {"spelling": spelling, "cases": cases}


def compositions():
    rng = random.Random(7)
    # Only characters old enough that every Unicode version in use agrees on them.
    known = [chr(c) for c in range(0x300, 0x110000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Cs", "Co")]
    canonical = [c for c in known if unicodedata.decomposition(c)[:1] not in ("", "<")]
    marks = [c for c in known if unicodedata.combining(c)]
    samples = ["\U000e0041\u0301", "\uac00\u11a8", "\u0ccb", "\u0cca\u0cd5", "\u0f73\u0f73", "\u212b", "\u2adc", "e\u0301"]
    for index in range(350):
        source = [canonical, marks, canonical, "aeoAEUkÅ가각\u1100\u1161\u11a8が"]
        text = "".join(rng.choice(rng.choice(source)) for _ in range(rng.randint(1, 6)))
        samples.append(unicodedata.normalize("NFD", text) if index % 2 else text)
    return [{"text": text, "nfc": unicodedata.normalize("NFC", text)} for text in samples]


def unknowns():
    vocabulary = {"?": 0, "a": 1, "b": 2, "ab": 3, "<0xC3>": 4, "<0xA9>": 5, "??": 6}
    for unknown, fuse, fallback in [("?", True, False), ("?", False, False), (None, False, False), ("?", True, True)]:
        tokenizer = Tokenizer(models.BPE(
            vocabulary, [("a", "b"), ("?", "?")], unk_token=unknown, fuse_unk=fuse, byte_fallback=fallback))
        tokenizer.decoder = decoders.Fuse()
        cases = [{"text": text, "ids": tokenizer.encode(text).ids} for text in ["", "ab", "x", "xx", "axxb", "xéy", "éé", "xyzab?"]]
        yield {"tokenizer": tokenizer.to_str(), "cases": cases}


document = {"patterns": list(words()), "compositions": compositions(), "unknowns": list(unknowns())}
(HERE / "unicode.json").write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")
