"""Writes the torch.save files that PickleTests reads, and what they hold as safetensors. Needs torch and safetensors."""

import collections
import os
import pathlib

import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent


class Evil:
    """Pickles as a call of os.system."""

    def __reduce__(self):
        return os.system, ("touch epic-was-here",)


def main() -> None:
    torch.manual_seed(0)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    weights = collections.OrderedDict(
        plain=torch.randn(3, 5),
        half=torch.randn(7).half(),
        brain=torch.randn(2, 3, 2).bfloat16(),
        integers=torch.tensor([1, -2, 1 << 40]),
        small=torch.tensor([5, -6], dtype=torch.int32),
        truth=torch.tensor([True, False, True]),
        bytes=torch.tensor([0, 255], dtype=torch.uint8),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 4),
        transposed=base.t(),
        window=base[1:3, 2:5],
        repeated=torch.tensor([9.0]).expand(3),
        parameter=torch.nn.Parameter(torch.randn(4)),
    )
    weights._metadata = {"": {"version": 1}}
    torch.save(weights, HERE / "weights.bin")
    dense = {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
    safetensors.torch.save_file(dense, HERE / "weights.safetensors")
    torch.save({"epoch": 3, "names": ["a", "b"], "state_dict": {"inner": torch.ones(2)}}, HERE / "nested.bin")
    torch.save({"evil": Evil(), "good": torch.ones(1)}, HERE / "evil.bin")
    torch.save(torch.ones(2), HERE / "bare.bin")
    torch.save({"a": torch.ones(2)}, HERE / "legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
