"""Texts that tokenizers divide in odd ways: every script, spaces and line ends of all kinds, digits, emoji, combining marks, controls."""

import unicodedata

CORPUS = """
The man is riding a red bicycle across the old bridge, and the dog's running behind him. They're happy; I'd say so too.
What colour is the umbrella? It's yellow. We've seen 1234 birds on the fence in 2024, and 56,789 more won't come.
def count(items):
    total = 0
    for item in items:
        total += item.price * 1.25  # VAT
    return {"total": total, "n": len(items)}
if (x <= 10 && y != 0x1F) { std::cout << "hello, world!\\n"; }
今天天气很好，我们去公园散步。图片里有一只猫。日本語のテキストです。한국어 문장입니다.
Привет, мир! Как дела? Ελληνικά κείμενο. مرحبا بالعالم. שלום עולם. नमस्ते दुनिया। café naïve Zürich 😀😀👍🏽
""" * 4

PIECES = (
    ["the", "The", "man", "bicycle", "umbrella", "internationalization", "Zürich", "café", "cafe\u0301", "naïve", "ﬁ", "ＦＵＬＬ"]
    + ["I'm", "we'VE", "DON'T", "it'S", "you'Ll", "they'd", "he'D", "'re", "''s", "'ſ", "'s's", "o'clock", "’s", "'", "'l", "'r"]
    + ["今天", "天气很好", "，", "日本語の", "한국어", "ᄒ", "ᅡ", "ᆫ", "Привет", "мир", "مرحبا", "שָׁלוֹם", "नमस्ते", "क्ष", "Ω", "Å", "Å"]
    + ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷", "❤️", "\u200d", "\ufe0f", "\u0301", "\u0323\u0307", "\u200b", "\u00ad", "\ufeff", "�"]
    + [" ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", " \n", "\n ", " \t ", "\u00a0", "\u3000", "\u2028", "\u0085", "\x0b", "\x1c"]
    + ["0", "7", "42", "123", "1234", "1234567", "3.14", "²", "½", "Ⅷ", "٣", "१२", "1,000", "0x1F", "a1b2", "2nd"]
    + [".", ",", "!?", "...", "---", "==", "://", "{}", "();", "\"", "#", "@", "$", "€", "…", "—", "¿", "\\", "/*", "</", "▁", "▁▁"]
    + ["\u0f73\u0f73", "\u0f71\u0f80", "\u09c7\u09be", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u212b", "\u2adc", "\x00", "\x01", "\x1b[0m", "\x7f", "\u0600", "\U000e0041"]
    + ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>", "<|im_start", "<s>", "</s>", "<unk>", "<0x0A>"]
    + ["<mask>", " <mask> ", "<right> ", " <right>  ", "<right>  <mask>", "solo", " solo ", "solos", "solo.", "résumé", "re\u0301sume\u0301", "<image>"]
    + ["def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) {", "https://example.org/a?b=c&d=%20", "C:\\temp\\file.txt"]
)


def texts(rng, count, longest):
    assigned = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    lines = [line for line in CORPUS.split("\n") if line]
    yield from ["", " ", "  ", "\n", "'", "a", "é", "e\u0301", "😀", "a" * longest, "ab" * (longest // 2), " " * 300, "1" * 200, "'" * 50]
    yield "".join(rng.choice("abcdefgh") for _ in range(longest))
    yield "你好" * 100
    yield from PIECES
    for index in range(count - len(PIECES) - 16):
        kind = index % 6
        if kind <= 2:
            yield "".join(rng.choice(PIECES) for _ in range(rng.randint(2, 9)))
        elif kind == 3:
            line = rng.choice(lines)
            start = rng.randrange(len(line))
            yield line[start : start + rng.randint(1, 60)]
        elif kind == 4:
            yield "".join(chr(rng.randrange(0x20, 0x250)) if rng.random() < 0.8 else " " for _ in range(rng.randint(1, 25)))
        else:
            yield "".join(rng.choice(assigned) for _ in range(rng.randint(1, 12)))
