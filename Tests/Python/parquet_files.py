"""Writes Parquet files as Hugging Face's data sets have them, into the folder where it is run: parquet_files.py PICTURE.

Video-MME's questions, with the lines that are expected of them beside, and two files of pictures with conversations.
"""

import json
import os
import sys

import pyarrow
import pyarrow.parquet

picture = open(sys.argv[1], "rb").read()

os.mkdir("videomme")
questions = [
    {"video_id": f"{number:03}", "duration": duration, "domain": "Knowledge", "videoID": name, "question_id": f"{number:03}-1",
     "question": "What is “shown”?", "options": ["A. One.", "B. Two."], "answer": "B"}
    for number, (duration, name) in enumerate([("short", "fFjv93ACGo8"), ("long", "N1cdUjctpG8")])
]
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(questions), "videomme/test-00000-of-00001.parquet")
with open("videomme/expected.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps(question) + "\n" for question in questions)

for place, numbers in enumerate([(0, 1), (2,)]):
    rows = [
        {"id": str(number), "image": {"bytes": picture, "path": None},
         "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A house."}]}
        for number in numbers
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), f"train-{place}.parquet")
