"""A plain step of consistency distillation with PyTorch and transformers: two complete forward passes, logits everywhere.

What epic's step is compared with, in speed (Benchmarks/training) and in numbers (Tests/Python/distillation_sequence.py). Prompts of a batch
have the same length and their picture at the same place.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from transformers import LlavaForConditionalGeneration

IGNORED = -100


def uniform_tokens(side: int, count: int) -> list[int]:
    """The middles of `count` nearly equal rectangles of a side × side grid of patches, as epic's compressor `uniform` chooses them."""
    count = min(count, side * side)
    if count == 0:
        return []
    # Halves away from zero, unlike Python's round.
    wanted = math.floor(math.sqrt(float(count)) + 0.5)
    bands = min(max(wanted, -(-count // side)), min(side, count))
    kept = []
    for band in range(bands):
        top, bottom = band * side // bands, (band + 1) * side // bands
        parts = (band + 1) * count // bands - band * count // bands
        for part in range(parts):
            left, right = part * side // parts, (part + 1) * side // parts
            kept.append((top + bottom - 1) // 2 * side + (left + right - 1) // 2)
    return kept


@dataclass(frozen=True)
class Side:
    """What one pass keeps of each picture."""

    layer: int
    ratio: float


def forward(
    model: LlavaForConditionalGeneration, ids: torch.Tensor, pixels: torch.Tensor, side: Side
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [batch, kept rows, vocabulary] of a whole pass, and the rows of the uncompressed prompt that were kept."""
    parts = model.model
    image_token = model.config.image_token_id
    mask = ids == image_token
    hidden = parts.language_model.embed_tokens(ids)
    features = parts.vision_tower(pixels, output_hidden_states=True).hidden_states[model.config.vision_feature_layer][:, 1:]
    features = parts.multi_modal_projector(features)
    hidden = hidden.masked_scatter(mask.unsqueeze(-1), features.to(hidden.dtype))
    rows = torch.arange(ids.shape[1])
    count = features.shape[1]
    start = int(mask[0].int().argmax())
    for index, layer in enumerate(parts.language_model.layers):
        if index in (0, side.layer):
            if index == side.layer:
                kept = uniform_tokens(math.isqrt(count), int((1 - side.ratio) * count))
                rows = torch.cat([rows[:start], start + torch.tensor(kept, dtype=torch.long), rows[start + count :]])
                hidden = hidden[:, rows]
            positions = rows.unsqueeze(0).expand(len(ids), -1)
            rotary = parts.language_model.rotary_emb(hidden, position_ids=positions)
        output = layer(hidden, attention_mask=None, position_ids=positions, position_embeddings=rotary)
        hidden = output[0] if isinstance(output, tuple) else output
    return model.lm_head(parts.language_model.norm(hidden)), rows


@dataclass(frozen=True)
class Terms:
    """A step's loss and its two terms, as means."""

    total: torch.Tensor
    cross_entropy: torch.Tensor
    divergence: torch.Tensor


def loss(
    model: LlavaForConditionalGeneration, ids: torch.Tensor, pixels: torch.Tensor, labels: torch.Tensor, student: Side,
    teacher: Side, weight: float = 0.7, supervised_only: bool = False,
) -> Terms:  # fmt: skip
    """(1 - weight) · CE + weight · KL(teacher ‖ student) at positions that predict supervised tokens, in float32.

    As the released code does, the teacher's logits are brought to the student's rows through the uncompressed prompt, and the divergence is
    computed at all rows, then masked (but at the rows that predict). With `supervised_only` both terms are computed at the rows that count
    alone, which is how one would write it today; logits are everywhere all the same.
    """
    with torch.no_grad():
        teacher_logits, teacher_rows = forward(model, ids, pixels, teacher)
    logits, rows = forward(model, ids, pixels, student)
    targets = labels[:, rows][:, 1:]
    counted = targets != IGNORED
    if supervised_only:
        # Text is never dropped, so that its rows are as far from the end on either side.
        tail = ids.shape[1] - int((labels[0] != IGNORED).int().argmax()) + 1
        counted = counted[:, 1 - tail :]
        p = F.log_softmax(logits[:, -tail:-1][counted].float(), -1)
        q = F.log_softmax(teacher_logits[:, -tail:-1][counted].float(), -1)
        ce = F.nll_loss(p, targets[:, 1 - tail :][counted])
        kl = F.kl_div(p, q, log_target=True, reduction="sum") / counted.sum()
    else:
        logits, teacher_logits = logits.float(), teacher_logits.float()
        ce = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORED)
        aligned = torch.zeros(len(ids), ids.shape[1], logits.shape[-1])
        aligned[:, teacher_rows] = teacher_logits
        q = F.softmax(aligned[:, rows[:-1]], -1)
        p = F.log_softmax(logits[:, :-1], -1)
        each = F.kl_div(p, q, reduction="none").sum(-1)
        kl = (each * counted).sum() / counted.sum()
    return Terms((1 - weight) * ce + weight * kl, ce, kl)


def trained(model: LlavaForConditionalGeneration) -> list[torch.nn.Parameter]:
    """Projector and decoder; the tower is frozen."""
    model.model.vision_tower.requires_grad_(False)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
