"""Spectrograms of transformers' WhisperFeatureExtractor, of clips that MelSpectrogramTests computes by the same formula.

Usage: make_mel.py FILE
"""

import sys

import numpy as np
from safetensors.torch import save_file
from transformers import WhisperFeatureExtractor


def clip(samples: int, loudness: float) -> np.ndarray:
    """A rising tone and noise."""
    i = np.arange(samples, dtype=np.float64)
    tone = 0.5 * np.sin(2 * np.pi * 440 * i / 16000 * (1 + i / 16000))
    return (tone + 0.1 * ((i * 7919 % 1000) / 1000 - 0.5)).astype(np.float32) * loudness


found = {}
for name, bands, samples, loudness in [("short", 16, 5921, 1), ("cut", 128, 17600, 1), ("quiet", 40, 900, 1e-3)]:
    extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=1)
    found[name] = extractor(clip(samples, loudness), sampling_rate=16000, return_tensors="pt")["input_features"][0].contiguous()
save_file(found, sys.argv[1])
