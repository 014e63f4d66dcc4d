"""Asks a checkpoint in float32 as transformers' users do: AutoProcessor and LlavaForConditionalGeneration.

    ask_checkpoint.py FOLDER ASKED.json

ASKED.json is a list of {image, prompt}. Prints a list of {ids, text, logits}: the prompt's ids, the greedy answer, and the scores after the
prompt.
"""

import json
import sys

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

folder, path = sys.argv[1:]
processor = AutoProcessor.from_pretrained(folder)
model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
found = []
with torch.inference_mode():
    for item in json.load(open(path, encoding="utf-8")):
        inputs = processor(images=Image.open(item["image"]).convert("RGB"), text=item["prompt"], return_tensors="pt")
        length = inputs["input_ids"].shape[1]
        tokens = model.generate(**inputs, max_new_tokens=8, do_sample=False)
        found.append(
            {
                "ids": inputs["input_ids"][0].tolist(),
                "text": processor.decode(tokens[0, length:], skip_special_tokens=True),
                "logits": model(**inputs).logits[0, -1].tolist(),
            }
        )
print(json.dumps(found))
