"""Devices and precisions that whole runs do not test."""

import pytest
import torch

from validation.assembly import build
from validation.device import choose
from validation.engine import Engine
from validation.errors import UsageError
from validation.settings import find


def test_bfloat16_logits_are_close_to_float32_logits():
    engine, images = Engine(choose("cpu")), torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    network = build(find("resnet8_digits"), 0)[1]["teacher"].eval()
    with torch.no_grad():
        exact = network(images)
        with engine.precision("bf16")():
            rounded = network(images)
    assert rounded.dtype == torch.bfloat16 and exact.dtype == torch.float32
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.05 * float(exact.abs().max()))


def test_fp64_on_a_device_without_float64_raises():
    engine = Engine(torch.device("mps"))
    assert engine.dtype("auto") == engine.dtype("fp32") == engine.dtype("bf16") == torch.float32
    with pytest.raises(UsageError, match=r"--precision: expected auto, fp32 or bf16 on mps, .* got fp64; pass one of"):
        engine.dtype("fp64")
