"""Writes a small data set as tar shards with tarfile, in each of its formats, and what a reader has to find in them.

    python shards.py FOLDER

FOLDER gets ustar.tar, gnu.tar, pax.tar and expected.json: for each sample its id, its words by turns, and its media's names and bytes in base64.
The same files come out every time; Tests/Fixtures/shards holds them.
"""

import base64
import io
import json
import pathlib
import sys
import tarfile

from PIL import Image

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def picture(kind, colour, size):
    """A picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


def turns(*texts):
    return [{"from": "human" if place % 2 == 0 else "gpt", "value": text} for place, text in enumerate(texts)]


def text(value):
    return json.dumps(value, ensure_ascii=False).encode()


def members():
    """Names and bytes, and the samples that they make."""
    red, green, blue = (picture("PNG", colour, (6, 4)) for colour in ("red", "green", "blue"))
    grey, palette, small = picture("JPEG", "grey", (8, 8)), picture("GIF", "black", (4, 4)), picture("WEBP", "white", (4, 4))
    deep = "pictures/of-a-folder-whose-name-is-long-enough-to-fill-a-header/and-of-another-one-below-it/" + "n" * 60
    wide = "größe/日本語"
    files = [
        ("plain/0001.png", red),
        ("plain/0001.json", text({"id": "first", "image": "0001.png", "conversations": turns("<image>\nwhat?", "red")})),
        ("0002.jpg", grey),
        ("0002.txt", "  A grey square,\nno more. \n".encode()),
        ("0002.cls", b"7"),
        ("0003.json", text({"conversations": turns("no picture?", "none")})),
        ("late.gif", palette),
        ("0004.0.png", green),
        ("0004.1.PNG", blue),
        (
            "0004.json",
            text(
                {
                    "messages": [
                        {"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "both?"}]},
                        {"role": "assistant", "content": "green and blue"},
                    ]
                }
            ),
        ),
        (deep + ".png", blue),
        (deep + ".json", text({"id": 5, "image": deep + ".png", "conversations": turns("deep <image>", "blue")})),
        (wide + ".webp", small),
        (wide + ".txt", "weiß".encode()),
        (wide + ".json", text({"url": "not a record", "width": 4})),
        ("README.md", b"no member of a sample"),
        ("late.json", text({"id": "late", "image": "gif", "conversations": turns("<image>", "black")})),
    ]
    samples = [
        ("first", ["<image>\nwhat?", "red"], [("plain/0001.png", red)]),
        ("0002", ["<image>", "A grey square,\nno more."], [("0002.jpg", grey)]),
        ("0003", ["no picture?", "none"], []),
        ("late", ["<image>", "black"], [("late.gif", palette)]),
        ("0004", ["<image>\n<image>\nboth?", "green and blue"], [("0004.0.png", green), ("0004.1.PNG", blue)]),
        ("5", ["deep <image>", "blue"], [(deep + ".png", blue)]),
        (wide, ["<image>", "weiß"], [(wide + ".webp", small)]),
    ]
    return files, samples


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    files, samples = members()
    for name, form in FORMATS.items():
        with tarfile.open(folder / f"{name}.tar", "w", format=form) as shard:
            directory = tarfile.TarInfo("plain")
            directory.type = tarfile.DIRTYPE
            shard.addfile(directory)
            for path, content in files:
                member = tarfile.TarInfo(path)
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    expected = [
        {
            "id": name,
            "turns": texts,
            "media": [{"name": path, "bytes": base64.b64encode(content).decode()} for path, content in media],
        }
        for name, texts, media in samples
    ]
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


main(pathlib.Path(sys.argv[1]))
