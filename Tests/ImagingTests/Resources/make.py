"""Makes the pictures of this folder, and expected.safetensors, which says what Pillow sees in them.

Needs Pillow 11, numpy, safetensors, a C compiler and libjpeg's headers. Usage: python3 make.py

Pillow before 13 resizes across and then down, always; from 13 on it sometimes goes down first, with other roundings. The
older order is the one that published models were trained and measured with.
"""

import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(7)
EXPECTED = {}


def smooth(width, height, channels=3):
    """A picture with slow gradients and some noise, so that codecs have something to get wrong."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (3 + c) + c) * np.cos(y / (4 + c)) for c in range(channels)]
    picture = 128 + 100 * np.stack(waves, -1) + RANDOM.normal(0, 6, (height, width, channels))
    return picture.clip(0, 255).astype(np.uint8)


def remember(name, expected=None):
    with Image.open(HERE / name) as image:
        rgb = np.array(image.convert("RGB"))
    EXPECTED[f"rgb/{name}"] = np.ascontiguousarray(rgb if expected is None else expected)


# PNG: every colour type and depth, written here because Pillow writes only some and never interlaced.

SWEEPS = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples, depth):
    """Rows of [height, width, channels] samples, each after a zero for 'no filter'."""
    rows = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
        else:
            bits = "".join(format(v, f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return rows


def png(name, color, depth, extra=b"", interlaced=False, entries=200, width=13, height=9):
    samples = RANDOM.integers(0, 2**depth, (height, width, CHANNELS[color]))
    if color == 3:
        entries = min(2**depth, entries)
        if depth == 8:
            samples %= entries
        extra = chunk(b"PLTE", RANDOM.integers(0, 256, 3 * entries, dtype=np.uint8).tobytes()) + extra
    rows = (
        b"".join(packed(samples[y::dy, x::dx], depth) for x, y, dx, dy in SWEEPS if samples[y::dy, x::dx].size)
        if interlaced
        else packed(samples, depth)
    )
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    content = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (HERE / name).write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    # Pillow clips 16-bit grey to 8 bits (without alpha), which whitens the picture; the high byte is meant.
    high = (samples[..., :1] >> 8).astype(np.uint8).repeat(3, -1) if color == 0 and depth == 16 else None
    remember(name, high)


for interlaced in [False, True]:
    tag = "_interlaced" if interlaced else ""
    for color, label, depths in [
        (0, "gray", [1, 2, 4, 8, 16]),
        (2, "rgb", [8, 16]),
        (3, "palette", [1, 2, 4, 8]),
        (4, "la", [8, 16]),
        (6, "rgba", [8, 16]),
    ]:
        for depth in depths:
            png(f"{label}{depth}{tag}.png", color, depth, interlaced=interlaced)
png("gray8_transparent.png", 0, 8, chunk(b"tRNS", b"\0\x10"))
png("rgb8_transparent.png", 2, 8, chunk(b"tRNS", b"\0\x10\0\x20\0\x30"))
png("palette8_transparent.png", 3, 8, chunk(b"tRNS", bytes(range(0, 200, 2))))
png("palette4_short.png", 3, 4, entries=10)
png("rgb8_gamma.png", 2, 8, chunk(b"gAMA", struct.pack(">I", 100000)))
png("rgb8_profile.png", 2, 8, chunk(b"iCCP", b"x\0\0" + zlib.compress(b"not a profile")))

# JPEG.

photo = Image.fromarray(smooth(37, 29))
for name, image, options in [
    ("420.jpg", photo, {"subsampling": 2}),
    ("422.jpg", photo, {"subsampling": 1}),
    ("444.jpg", photo, {"subsampling": 0}),
    ("progressive.jpg", photo, {"progressive": True}),
    ("restarts.jpg", photo, {"restart_marker_blocks": 2}),
    ("unconverted_rgb.jpg", photo, {"keep_rgb": True}),
    ("gray.jpg", photo.convert("L"), {}),
    ("cmyk.jpg", Image.fromarray(smooth(21, 18, 4), "CMYK"), {}),
]:
    image.save(HERE / name, **options)
    remember(name)
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["cc", HERE / "odd_sampling.c", "-o", f"{folder}/tool", "-ljpeg"], check=True)
    subprocess.run([f"{folder}/tool", HERE / "odd_sampling.jpg"], check=True)
    remember("odd_sampling.jpg")

# WebP.

clear = Image.fromarray(smooth(37, 29, 4), "RGBA")
for name, image, options in [
    ("lossy.webp", photo, {}),
    ("lossless.webp", photo, {"lossless": True}),
    ("lossy_alpha.webp", clear, {}),
    ("lossless_alpha.webp", clear, {"lossless": True, "exact": True}),
    ("animated.webp", photo, {"save_all": True, "append_images": [ImageOps.invert(photo)], "lossless": True}),
    ("animated_alpha.webp", clear, {"save_all": True, "append_images": [clear.rotate(180)], "lossless": True, "exact": True}),
]:
    image.save(HERE / name, **options)
    remember(name)

# GIF.

colors = photo.quantize(60)
for name, image, options in [
    ("plain.gif", colors, {"interlace": 0}),
    ("interlaced.gif", colors, {"interlace": 1}),
    ("gray.gif", photo.convert("L"), {}),
    ("transparent.gif", colors, {"transparency": 5}),
    ("animated.gif", colors, {"save_all": True, "append_images": [ImageOps.invert(photo).quantize(20)], "duration": 50}),
]:
    image.save(HERE / name, **options)
    remember(name)


def gif(name, screen, frame, transparent=None, local=False, palette=4):
    """A GIF whose first frame need not cover the screen, with 2-bit indices in uncompressed codes.

    `palette` is the number of colours, 4, 2 or 0.
    """
    width, height, left, top = frame
    flags = {4: 0x81, 2: 0x80, 0: 0}[palette]
    table = RANDOM.integers(0, 256, 3 * palette, dtype=np.uint8).tobytes()
    codes, bits, used = [4], [], 0
    for i in range(width * height):
        codes.append(int(RANDOM.integers(0, 4)))
        if i % 2 == 1:
            codes.append(4)  # clearing the dictionary often keeps every code at 3 bits
    for code in codes + [5]:
        bits += [code >> b & 1 for b in range(3)]
    bits += [0] * (-len(bits) % 8)
    data = bytes(sum(bits[i + b] << b for b in range(8)) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    content = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x10 | (0 if local else flags), 2, 0) + (b"" if local else table)
    if transparent is not None:
        content += b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    content += b"\x2c" + struct.pack("<HHHHB", left, top, width, height, flags if local else 0) + (table if local else b"")
    (HERE / name).write_bytes(content + b"\x02" + blocks + b"\0\x3b")
    remember(name)


gif("partial.gif", (20, 15), (8, 7, 5, 4))
gif("partial_transparent.gif", (20, 15), (8, 7, 5, 4), transparent=2)
gif("local_colors.gif", (12, 11), (12, 11, 0, 0), local=True)
gif("few_colors.gif", (12, 11), (12, 11, 0, 0), palette=2)
gif("no_colors.gif", (12, 11), (12, 11, 0, 0), palette=0)
gif("beyond_screen.gif", (6, 6), (10, 9, 2, 3))

# EXIF orientation: what each value makes of 420.jpg, and files of the two other containers that carry one.

plain = Image.open(HERE / "420.jpg").convert("RGB")
for value in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = value
    turned = plain.copy()
    turned.info["exif"] = exif.tobytes()
    EXPECTED[f"upright/{value}"] = np.ascontiguousarray(np.array(ImageOps.exif_transpose(turned)))
for name, value, options in [("turned.png", 6, {}), ("turned.webp", 8, {"lossless": True})]:
    exif = Image.Exif()
    exif[0x0112] = value
    photo.save(HERE / name, exif=exif.tobytes(), **options)
    remember(name)
    with Image.open(HERE / name) as image:
        EXPECTED[f"upright/{name}"] = np.ascontiguousarray(np.array(ImageOps.exif_transpose(image).convert("RGB")))

# Resampling of noise, where every rounding shows.

WIDE_SIZES = [(7, 5), (1, 1), (13, 90), (47, 31), (47, 12), (100, 64), (46, 32), (3, 200)]
for shape, size, sizes in [("wide", (31, 47), WIDE_SIZES), ("tall", (80, 20), [(13, 52), (8, 20), (24, 10), (5, 70)])]:
    noise = Image.fromarray(RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8))
    EXPECTED[f"noise/{shape}"] = np.array(noise)
    for width, height in sizes:
        for label, filter in [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)]:
            EXPECTED[f"resized/{shape}/{label}/{width}x{height}"] = np.array(noise.resize((width, height), filter))

save_file(EXPECTED, HERE / "expected.safetensors")
