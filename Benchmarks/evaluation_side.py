"""transformers' side of the evaluation: answers one question under one budget for each line of JSON that comes in.

Visual tokens are dropped before the decoder, by chance, which costs less than a cut between its layers: the figure is in its favour.
"""

import argparse
import json
import sys
import time

import numpy
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer
from transformers import LlavaForConditionalGeneration

# What LLaVA-1.5 puts around a question.
BEFORE = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
)
AFTER = " ASSISTANT:"
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Answerer:
    """A model, and how it is asked."""

    def __init__(self, path: str, dtype: str, new_tokens: int) -> None:
        # As the file has it: transformers' own classes give special tokens other ids.
        self.tokenizer = Tokenizer.from_file(f"{path}/tokenizer.json")
        self.model = LlavaForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype), local_files_only=True).eval()
        self.new_tokens = new_tokens

    @torch.inference_mode()
    def answer(self, image: str, question: str, keep: int | None) -> str:
        """The answer's text; `keep` visual tokens stay, all where it is null."""
        ids = self._ids(BEFORE, first=True), self._ids("\n" + question + AFTER, first=False)
        features = self._features(image)
        if keep is not None:
            rows = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))[:keep].sort().values
            features = features[rows]
        embed = self.model.get_input_embeddings()
        rows = torch.cat([embed(ids[0]), features, embed(ids[1])]).unsqueeze(0)
        mask = torch.ones(rows.shape[:2], dtype=torch.long)
        found = self.model.generate(inputs_embeds=rows, attention_mask=mask, do_sample=False, max_new_tokens=self.new_tokens)
        return self.tokenizer.decode(found[0].tolist(), skip_special_tokens=True).strip()

    def _ids(self, text: str, first: bool) -> torch.Tensor:
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return torch.tensor(([self.model.config.text_config.bos_token_id] if first else []) + ids)

    def _features(self, path: str) -> torch.Tensor:
        """Features of a picture that has the tower's size already."""
        pixels = numpy.asarray(Image.open(path).convert("RGB"), dtype=numpy.float32) / 255
        pixels = (pixels - numpy.float32(MEAN)) / numpy.float32(DEVIATION)
        tower = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).to(self.model.dtype)
        hidden = self.model.model.vision_tower(tower, output_hidden_states=True).hidden_states
        return self.model.model.multi_modal_projector(hidden[self.model.config.vision_feature_layer][:, 1:])[0]


def main() -> None:
    """Loads, and answers lines until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    answerer = Answerer(options.model, options.dtype, options.new_tokens)
    ready = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"ready": ready}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.perf_counter()
        text = answerer.answer(asked["image"], asked["question"], asked["keep"])
        print(json.dumps({"seconds": time.perf_counter() - start, "text": text}), flush=True)


if __name__ == "__main__":
    main()
