"""Writes twenty training steps of PyTorch and transformers, in float32, that the tests of Training follow.

Usage: distillation_sequence.py MODEL OUTPUT, the checkpoint to start from and the safetensors file to write.

Each step is the plain two-pass step of Benchmarks/two_pass.py under torch's AdamW with a linear schedule; tokens are chosen as the compressor
`uniform` does, layers and ratios move as in the integrated curriculum.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlavaForConditionalGeneration

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Benchmarks"))
import two_pass  # noqa: E402

STEPS, BATCH, BEFORE, AFTER, LEARNING_RATE, EPSILON, DECAY = 20, 2, 3, 12, 2e-3, 1e-6, 0.1
# Whole weights that are kept; of all others the size of their change.
KEPT = ["layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj", "layers.2.mlp.down_proj", "layers.4.self_attn.v_proj", "linear_1", ".norm.weight"]


def main() -> None:
    """Trains, and writes what came of it."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = LlavaForConditionalGeneration.from_pretrained(sys.argv[1], dtype=torch.float32, local_files_only=True).train()
    config = model.config
    side, layers = config.vision_config.image_size, config.text_config.num_hidden_layers
    count = (side // config.vision_config.patch_size) ** 2
    parameters = two_pass.trained(model)
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    start = {name: parameter.detach().clone() for name, parameter in named.items()}
    plain = [p for n, p in named.items() if "norm" in n or n.endswith("bias")]
    decaying = [p for n, p in named.items() if not ("norm" in n or n.endswith("bias"))]
    groups = [{"params": decaying, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
    assert len(plain) + len(decaying) == len(parameters)
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=EPSILON)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    tensors, steps = {}, []
    # Four batches that come again and again, so that there is something to learn.
    for index in range(4):
        text = torch.randint(3, 1000, [BATCH, BEFORE + AFTER])
        tensors[f"ids/{index}"] = text
        tensors[f"pixels/{index}"] = torch.randn([BATCH, 3, side, side])
    for step in range(STEPS):
        text, pixels = tensors[f"ids/{step % 4}"], tensors[f"pixels/{step % 4}"]
        image = torch.full([BATCH, count], config.image_token_id)
        ids = torch.cat([text[:, :BEFORE], image, text[:, BEFORE:]], 1)
        labels = torch.full_like(ids, two_pass.IGNORED)
        # Unequal numbers of supervised tokens, so that weighting by them shows.
        for sample in range(BATCH):
            labels[sample, -(5 + 2 * sample) :] = ids[sample, -(5 + 2 * sample) :]
        layer = max(1, layers - step // 4)
        student, teacher = 0.3 + 0.03 * step, 0.2 + 0.015 * step
        terms = two_pass.loss(model, ids, pixels, labels, two_pass.Side(layer, student), two_pass.Side(layer, teacher))
        terms.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        steps.append({
            "layer": layer, "studentRatio": student, "teacherRatio": teacher, "loss": terms.total.item(),
            "crossEntropy": terms.cross_entropy.item(), "divergence": terms.divergence.item(), "gradientNorm": norm.item(),
        })  # fmt: skip
    changes = {name: (parameter.detach() - start[name]).norm().item() for name, parameter in named.items()}
    for name, parameter in named.items():
        if any(part in name for part in KEPT):
            tensors[f"weight/{name}"] = parameter.detach().clone()
    index = {
        "before": BEFORE, "learningRate": LEARNING_RATE, "epsilon": EPSILON, "weightDecay": DECAY, "maximumGradientNorm": 1.0,
        "divergenceWeight": 0.7, "steps": steps, "changes": changes,
    }  # fmt: skip
    save_file(tensors, sys.argv[2])
    Path(sys.argv[2]).with_suffix(".json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
