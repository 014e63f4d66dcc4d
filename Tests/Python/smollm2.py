"""Puts SmolLM2, which comes as a GGUF file, into a LLaVA with a random tower, and asks transformers and tokenizers what they make of texts.

    smollm2.py FILE.gguf FOLDER

Writes the checkpoint into FOLDER/model, weights in bfloat16, and FOLDER/expected.json:
  answers: [{prompt, ids, tokens}], greedy continuations in float32
  texts:   [{text, ids, decoded}]
  chats:   [{turns: [{role, content}], prompt}], by the model's own chat template
"""

import json
import random
import sys
from pathlib import Path

import torch
from odd_texts import texts
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

PROMPTS = [
    "The capital of France is",
    "Water boils at a temperature of",
    "def fibonacci(n):\n",
    "Once upon a time, in a small village,",
    "1, 2, 3, 4, 5,",
    "The three primary colours are",
    "Dear Sir or Madam,\n\nI am writing to",
    "Question: What is 7 times 8?\nAnswer:",
    "SELECT name FROM",
    "The quick brown fox",
    "In 1969, the first man",
    "Photosynthesis is the process by which",
    "<html>\n<head>\n  <title>",
    "My favourite food is pizza because",
    "E = mc^2 means that",
    "Bonjour, je m'appelle",
    "To be, or not to be,",
    "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n",
    "The café’s menu — 3 pages, 42 dishes —",
    "猫は",
]
CHATS = [
    ["Hi."],
    ["What is the capital of France?", "Paris.", "And of Spain?"],
    ["  Two\nlines, 2024 and 😀 "],
]
NEW_TOKENS = 12


def llava(decoder: torch.nn.Module, image_token: int) -> LlavaForConditionalGeneration:
    """The decoder behind a tower of two layers that has learnt nothing."""
    del decoder.config.quantization_config
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    config = LlavaConfig(vision_config=vision, text_config=decoder.config, image_token_index=image_token, image_seq_length=4)
    config.tie_word_embeddings = decoder.config.tie_word_embeddings
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(decoder.model.state_dict())
    model.lm_head.load_state_dict(decoder.lm_head.state_dict())
    return model


def main() -> None:
    # Threads that spin for each other collapse beside one busy process.
    torch.set_num_threads(1)
    gguf, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    decoder = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    model = llava(decoder, tokenizer.convert_tokens_to_ids("<|endoftext|>")).to(torch.bfloat16)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder / "model")
    del model, decoder

    model = LlavaForConditionalGeneration.from_pretrained(folder / "model", dtype=torch.float32).eval()
    answers = []
    with torch.inference_mode():
        for prompt in PROMPTS:
            ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
            tokens = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=[], pad_token_id=0
            )
            answers.append({"prompt": prompt, "ids": ids[0].tolist(), "tokens": tokens[0, ids.shape[1] :].tolist()})
    found = []
    for text in texts(random.Random(9), 400, 200):
        ids = tokenizer.encode(text, add_special_tokens=False)
        found.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, clean_up_tokenization_spaces=False)})
    chats = []
    for words in CHATS:
        turns = [{"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(words)]
        prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        chats.append({"turns": turns, "prompt": prompt})
    (folder / "expected.json").write_text(json.dumps({"answers": answers, "texts": found, "chats": chats}))


main()
