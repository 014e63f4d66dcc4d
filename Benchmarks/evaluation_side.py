"""transformers' side of an evaluation: one generation for each question, compressor and budget.

Speaks JSON lines: prints {"ready": ...} after loading, then for each {"first", "count"} the seconds for as many questions under all budgets
and compressors, and the answers with the whole picture.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
import transformers
from PIL import Image
from sentencepiece import SentencePieceProcessor
from transformers import CLIPImageProcessor, LlavaForConditionalGeneration

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


class Asker:
    """A model and how LLaVA asks it."""

    def __init__(self, folder: Path, dtype: torch.dtype, new_tokens: int) -> None:
        self.model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype, local_files_only=True).eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder)
        self.pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        self.new_tokens = new_tokens

    def ids(self, question: str) -> torch.Tensor:
        """The prompt with its picture as one token, tokenized in two pieces as LLaVA does."""
        before, after = self.pieces.encode([f"{SYSTEM} USER: ", f"\n{question} ASSISTANT:"])
        return torch.tensor([[1, *before, self.model.config.image_token_id, *after]])

    @torch.inference_mode()
    def answer(self, question: str, picture: Path, keep: int | None) -> str:
        """Greedy; `keep` rows of the picture, evenly spread, go into the decoder, or all."""
        ids, image = self.ids(question), self.model.config.image_token_id
        pixels = self.processor(Image.open(picture).convert("RGB"), return_tensors="pt")["pixel_values"].to(self.model.dtype)
        settings = {"do_sample": False, "max_new_tokens": self.new_tokens}
        place = int((ids[0] == image).int().argmax())
        if keep is None:
            count = (self.model.config.vision_config.image_size // self.model.config.vision_config.patch_size) ** 2
            whole = torch.cat([ids[:, :place], torch.full([1, count], image), ids[:, place + 1 :]], 1)
            made = self.model.generate(input_ids=whole, pixel_values=pixels, attention_mask=torch.ones_like(whole), **settings)
            made = made[:, whole.shape[1] :]
        else:
            parts = self.model.model
            features = parts.vision_tower(pixels, output_hidden_states=True).hidden_states[self.model.config.vision_feature_layer]
            features = parts.multi_modal_projector(features[:, 1:])
            rows = features[:, torch.linspace(0, features.shape[1] - 1, keep).long()]
            embed = parts.language_model.embed_tokens
            hidden = torch.cat([embed(ids[:, :place]), rows, embed(ids[:, place + 1 :])], 1)
            mask = torch.ones(hidden.shape[:2], dtype=torch.long)
            made = self.model.generate(inputs_embeds=hidden, attention_mask=mask, **settings)
        return self.pieces.decode([int(token) for token in made[0] if token not in (1, 2)])


def main() -> None:
    """Loads, warms up, and answers lines until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("questions", type=Path, help="JSON: a list of [question, picture]")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], required=True)
    parser.add_argument("--keep", required=True, help="budgets, with commas")
    parser.add_argument("--compressors", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    asker = Asker(options.model, getattr(torch, options.dtype), options.new_tokens)
    questions = json.loads(options.questions.read_text())
    budgets = [int(part) for part in options.keep.split(",")]
    asker.answer(*questions[0], keep=None)
    asker.answer(*questions[0], keep=budgets[0])
    print(json.dumps({"ready": {"torch": torch.__version__, "transformers": transformers.__version__}}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        start = time.perf_counter()
        answers = []
        for question, picture in questions[wanted["first"] : wanted["first"] + wanted["count"]]:
            answers.append(asker.answer(question, picture, keep=None))
            for _ in range(options.compressors):
                for keep in budgets:
                    asker.answer(question, picture, keep=keep)
        print(json.dumps({"seconds": time.perf_counter() - start, "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
