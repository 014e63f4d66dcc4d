"""Measurements as Markdown tables."""

import os
import platform
from pathlib import Path
from statistics import median

from sides import Measurement, Side

Rounds = dict[str, list[Measurement]]


def machine() -> str:
    """Processor, cores, instruction sets that decide the speed, and load by others."""
    fields = dict(
        (key.strip(), value.strip())
        for key, _, value in (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    )
    flags = fields.get("flags", "").split()
    sets = [f"{name} {'yes' if flag in flags else 'no'}" for name, flag in
            [("AVX2", "avx2"), ("AVX-512", "avx512f"), ("AVX512-BF16", "avx512_bf16"), ("AMX-BF16", "amx_bf16")]]  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = fields.get("model name", platform.machine())
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {', '.join(sets)}, {memory:.0f} GiB"


def _cells(values: list[float], digits: int) -> str:
    """Median, smallest, and the spread from smallest to largest as a part of the median."""
    middle = median(values)
    return f"{middle:.{digits}f} | {min(values):.{digits}f} | {(max(values) - min(values)) / middle:.0%}"


def timings(rounds: Rounds, unavailable: dict[str, str]) -> str:
    """One row for each side."""
    lines = [
        "| | vision + prefill, ms: median | min | spread | decode, ms per token: median | min | spread | peak memory, MiB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, found in rounds.items():
        first = _cells([m.first_token * 1e3 for m in found], 0)
        each = _cells([m.per_token * 1e3 for m in found], 2)
        lines.append(f"| {name} | {first} | {each} | {max(m.peak_bytes for m in found) / 2**20:.0f} |")
    lines += [f"| {name} | not measured: {reason.replace('|', '/')} | | | | | | |" for name, reason in unavailable.items()]
    return "\n".join(lines)


def stage_ratio(ours: list[Measurement], theirs: list[Measurement], stage: str) -> tuple[float, float]:
    """How many times as long the other side takes: by medians, and by the fastest rounds."""
    a, b = ([getattr(m, stage) for m in side] for side in (ours, theirs))
    return median(b) / median(a), min(b) / min(a)


def ratios(rounds: Rounds, ours: list[Side], theirs: list[Side]) -> str:
    """How much faster each of our sides is than each of theirs in the same precision, and than their best in each stage."""
    lines = [
        "| how many times as fast | vision + prefill: medians | minima | decode: medians | minima |",
        "|---|---:|---:|---:|---:|",
    ]
    measured = [side for side in theirs if side.name in rounds]
    for own in (side for side in ours if side.name in rounds):
        pairs = [(f"{own.name}, against {side.name}", [side.name]) for side in measured if side.dtype == own.dtype]
        pairs.append((f"{own.name}, against the fastest transformers of each stage", [side.name for side in measured]))
        for label, names in pairs:
            cells = []
            for stage in ("first_token", "per_token"):
                found = [stage_ratio(rounds[own.name], rounds[name], stage) for name in names]
                cells += [f"{min(ratio[kind] for ratio in found):.2f}" for kind in (0, 1)]
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)
