"""Prints the ids that transformers' fast tokenizer and sentencepiece give for texts.

    shapes_tokenizer.py FOLDER TEXTS.json

sentencepiece knows nothing of special tokens inside a text, so it is asked for texts without them only.
"""

import json
import sys

import sentencepiece
from transformers import AutoTokenizer

folder, path = sys.argv[1:]
texts = json.load(open(path, encoding="utf-8"))
fast = AutoTokenizer.from_pretrained(folder)
model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/tokenizer.model")
print(
    json.dumps(
        {
            "transformers": [fast(text)["input_ids"] for text in texts],
            "sentencepiece": [None if "<s>" in text or "</s>" in text else model.encode(text) for text in texts],
        }
    )
)
