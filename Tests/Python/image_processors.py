"""Makes, and asks, the image processors of checkpoint folders as transformers' users do.

    image_processors.py make BASE SETTINGS.json OUT   the processor of BASE with other settings, saved to OUT by transformers itself
    image_processors.py ask PICTURE FOLDER...         prints [{settings, pixels}], one for each folder
"""

import json
import sys

from PIL import Image
from transformers import AutoProcessor

command, first, *rest = sys.argv[1:]
if command == "make":
    processor = AutoProcessor.from_pretrained(first)
    for name, value in json.load(open(rest[0], encoding="utf-8")).items():
        setattr(processor.image_processor, name, value)
    processor.save_pretrained(rest[1])
else:
    picture = Image.open(first).convert("RGB")
    found = []
    for folder in rest:
        processor = AutoProcessor.from_pretrained(folder).image_processor
        pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
        found.append({"settings": processor.to_json_string(), "pixels": pixels.flatten().tolist()})
    print(json.dumps(found))
