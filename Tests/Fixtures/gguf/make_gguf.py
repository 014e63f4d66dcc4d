"""Writes small GGUF files with llama.cpp's Python package, and what they stand for.

    pip install gguf==0.19.0 torch transformers safetensors
    python make_gguf.py

Writes beside this file:
  types.gguf         a tensor of each type that is read and of one that is not, and metadata of every type; alignment 64
  types.safetensors  the same tensors in float32, by gguf.quants.dequantize
  llama.gguf         a language model of architecture llama, matrices in F16, its queries and keys turned as llama.cpp's converter turns them
  mmproj.gguf        tower and projector of a LLaVA, with the older names of the two layers of each MLP
  llava.safetensors  the weights of the two, as transformers names and has them
  qwen2.gguf, qwen2.safetensors  the same of a language model of architecture qwen2
  expected.json      ids of texts by the `tokenizers` package, what transformers' configurations say, and the visual tokens that its LLaVA
                     makes of the picture whose number i is sin(i / 10)
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, Qwen2Config

HERE = Path(__file__).parent
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


# Where blocks that gguf cannot make have their scales in half precision.
SCALES = {
    Type.Q6_K: [208], Type.Q5_K: [0, 2], Type.Q4_K: [0, 2], Type.Q3_K: [108], Type.Q2_K: [80, 82], Type.IQ4_XS: [0],
}


def random_blocks(rng: np.random.Generator, kind: Type, rows: int, columns: int) -> np.ndarray:
    """Bytes of blocks that gguf cannot make; scales in half precision are finite."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (rows * columns // block, size), dtype=np.uint8)
    for place in SCALES[kind]:
        scales = rng.normal(0, 0.01, len(data)).astype(np.float16)
        scales[0] = np.float16(3e-6)  # Below the smallest normal number.
        data[:, place : place + 2] = scales.view(np.uint8).reshape(-1, 2)
    return data.reshape(rows, -1)


def types() -> None:
    rng = np.random.default_rng(1)
    writer = GGUFWriter(HERE / "types.gguf", "none")
    writer.add_custom_alignment(64)
    for name, value in {
        "uint8": 255, "int8": -128, "uint16": 65535, "int16": -32768, "uint32": 4294967295, "int32": -2147483648,
        "uint64": 2**63 - 1, "int64": -(2**63), "float32": 1e-5, "float64": 1e-5, "bool": True, "string": "ä \"q\"\n☃",
    }.items():
        getattr(writer, f"add_{name}")(f"test.{name}", value)
    writer.add_uint64("test.huge", 2**64 - 1)
    writer.add_string("test.empty", "")
    writer.add_array("test.texts", ["a", "", "e\u0301", "é"])
    writer.add_array("test.numbers", [1, -2, 3])
    writer.add_array("test.floats", [0.5, 0.1])
    writer.add_array("test.bools", [True, False])
    writer.add_array("test.nested", [[1, 2], [3], [4, 5, 6]])
    expected: dict[str, np.ndarray] = {}
    values = rng.normal(0, 1, (2, 1, 256)).astype(np.float32)
    values[0, 0, :32] = 0
    plain = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q5_1, Type.Q5_0, Type.Q4_1, Type.Q4_0]
    for kind in [*plain, *SCALES]:
        if kind in SCALES:
            data = random_blocks(rng, kind, 2, 256).reshape(2, 1, -1)
        else:
            data = gguf.quants.quantize(values, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(values.shape)
    del expected["IQ4_XS"]
    writer.add_tensor("I32", np.arange(6, dtype=np.int32).reshape(2, 3))
    finish(writer)
    save_file(expected, HERE / "types.safetensors")


def finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def turned(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a head as llama.cpp wants them: those that a rotary embedding turns together lie beside each other."""
    half = weight.shape[0] // heads // 2
    rows = [head * 2 * half + part * half + index for head in range(heads) for index in range(half) for part in range(2)]
    return weight[rows]


def byte_tokens(size: int) -> list[str]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = SPECIAL + alphabet + ["Ġa", "he"]
    return tokens + [f"[PAD{index}]" for index in range(len(tokens), size)]


def tokenizer(tokens: list[str], steps: list[pre_tokenizers.PreTokenizer]) -> Tokenizer:
    vocabulary = {token: index for index, token in enumerate(tokens) if not token.startswith("[PAD")}
    found = Tokenizer(models.BPE(vocabulary, [("Ġ", "a"), ("h", "e")]))
    found.pre_tokenizer = pre_tokenizers.Sequence(steps)
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return found


def add_tokenizer(writer: GGUFWriter, pre: str, tokens: list[str]) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 5 if token.startswith("[PAD") else 1 for token in tokens])
    writer.add_token_merges(["Ġ a", "h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def add_sizes(writer: GGUFWriter, config: LlamaConfig | Qwen2Config) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


LEAVES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TOWER = {
    "layer_norm1": "ln1", "layer_norm2": "ln2", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out", "mlp.fc1": "ffn_down", "mlp.fc2": "ffn_up",
}
OTHERS = {
    "embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "embeddings.class_embedding": "v.class_embd",
    "embeddings.patch_embedding.weight": "v.patch_embd.weight", "embeddings.position_embedding.weight": "v.position_embd.weight",
    "pre_layrnorm.weight": "v.pre_ln.weight", "pre_layrnorm.bias": "v.pre_ln.bias",
}


def renamed(name: str, block: str, leaves: dict[str, str]) -> str:
    if "layers." not in name:
        return OTHERS[name]
    number, leaf = name.split("layers.")[1].split(".", 1)
    stem, kind = leaf.rsplit(".", 1)
    return f"{block}.{number}.{leaves[stem]}.{kind}"


def put(writer: GGUFWriter, name: str, weight: torch.Tensor) -> None:
    # As the converter does: vectors in F32, all else in F16.
    writer.add_tensor(name, weight.float().numpy() if weight.dim() == 1 else weight.half().numpy())


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Weights that half precision holds, vectors too, so that each is told from each other one."""
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((torch.randn(weight.shape) * 0.3).half())
    return model


def llava() -> tuple[dict, list[str], list[float]]:
    tokens = byte_tokens(272)
    text = LlamaConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=len(tokens),
        max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 50_000.0},
    )
    vision = CLIPVisionConfig(hidden_size=8, intermediate_size=20, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=14)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=len(tokens), image_seq_length=4)
    model = randomised(LlavaForConditionalGeneration(config))
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}

    writer = GGUFWriter(HERE / "llama.gguf", "llama")
    add_sizes(writer, text)
    writer.add_vocab_size(len(tokens))
    writer.add_rope_dimension_count(text.head_dim)
    add_tokenizer(writer, "smollm", tokens)
    for name, weight in weights.items():
        if rest := name.split("language_model.")[1:]:
            heads = 4 if "q_proj" in name else 2 if "k_proj" in name else None
            put(writer, renamed(rest[0], "blk", LEAVES), turned(weight, heads) if heads else weight)
    put(writer, "output.weight", weights["lm_head.weight"])
    finish(writer)
    check = AutoModelForCausalLM.from_pretrained(HERE, gguf_file="llama.gguf", dtype=torch.float32)
    for name, weight in check.state_dict().items():
        own = name if name == "lm_head.weight" else name.replace("model.", "model.language_model.", 1)
        assert torch.equal(weight, weights[own]), name

    writer = GGUFWriter(HERE / "mmproj.gguf", "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", False)
    for name, value in [
        ("image_size", 28), ("patch_size", 14), ("embedding_length", 8), ("feed_forward_length", 20), ("projection_dim", 768),
        ("attention.head_count", 2), ("block_count", 2),
    ]:
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.25, 0.5, 0.75])
    writer.add_array("clip.vision.image_std", [0.1, 0.2, 0.3])
    for name, weight in weights.items():
        # The converter leaves out what LLaVA does not use: the last layer and what comes behind it.
        if "post_layernorm" in name or "layers.2" in name or "position_ids" in name:
            continue
        if "vision_tower." in name:
            rest = name.split("vision_tower.")[1].removeprefix("vision_model.")
            put(writer, renamed(rest, "v.blk", TOWER), weight)
        if rest := name.split("multi_modal_projector.")[1:]:
            put(writer, rest[0].replace("linear_1", "mm.0").replace("linear_2", "mm.2"), weight)
    finish(writer)
    kept = {name: weight for name, weight in weights.items() if "layers.2" not in name and "post_layernorm" not in name}
    save_file({name: weight.half().numpy() for name, weight in kept.items() if weight.is_floating_point()}, HERE / "llava.safetensors")
    pixels = torch.sin(torch.arange(3 * 28 * 28, dtype=torch.float64) / 10).float().reshape(1, 3, 28, 28)
    with torch.inference_mode():
        features = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        seen = model.model.multi_modal_projector(features)[0].flatten().tolist()
    return {"text": text.to_dict(), "vision": vision.to_dict()}, tokens, seen


def qwen2() -> dict:
    tokens = byte_tokens(261)
    config = Qwen2Config(
        hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, vocab_size=len(tokens),
        max_position_embeddings=128, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
    )
    weights = randomised(AutoModelForCausalLM.from_config(config)).state_dict()
    writer = GGUFWriter(HERE / "qwen2.gguf", "qwen2")
    add_sizes(writer, config)
    add_tokenizer(writer, "qwen2", tokens)
    for name, weight in weights.items():
        if name != "lm_head.weight":
            put(writer, renamed(name.removeprefix("model."), "blk", LEAVES), weight)
    finish(writer)
    save_file({name: weight.half().numpy() for name, weight in weights.items() if name != "lm_head.weight"}, HERE / "qwen2.safetensors")
    return config.to_dict()


def main() -> None:
    types()
    configurations, tokens, seen = llava()
    configurations["qwen2"] = qwen2()
    digits = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    reference = tokenizer(tokens, digits)
    texts = ["", "he has 12 a", "<|im_start|>user\nthe<|im_end|>", "é e\u0301 ☃  a", "[PAD270]"]
    cases = [{"text": text, "ids": reference.encode(text, add_special_tokens=False).ids} for text in texts]
    wanted = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size"]
    sizes = {name: {key: found[key] for key in wanted if key in found} for name, found in configurations.items()}
    document = {"cases": cases, "sizes": sizes, "visualTokens": seen}
    (HERE / "expected.json").write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")


main()
