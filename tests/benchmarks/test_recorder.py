"""The benchmarks of the recorder and of the tangent kernel add up; no time is judged."""

import time

import numpy as np
import pytest
import torch

from benchmarks import recorder, tangent_kernel
from validation.function_space.kernels import tangent_kernel as factored
from validation.models.tangent_mlp import TangentMLP


@pytest.mark.parametrize("name", ["rf_noisy_mnist", "mlp_mnist"])
def test_what_the_recorder_takes_is_the_records_and_not_the_steps(name, monkeypatch):
    """Made slow by 0.2 s: so long is a record, and no step."""
    class Slow(recorder.Recorder):
        def __call__(self, step):
            super().__call__(step)
            time.sleep(0.2)

    monkeypatch.setattr(recorder, "MEASURED", 3)
    monkeypatch.setattr(recorder, "Recorder", Slow)
    found = recorder.measured(name)
    assert found["record"] >= 0.2 and 0 < found["step"] < 0.2
    assert found["cost"] > 1 and found["least_every"] > 20
    ((label, *_, least),) = recorder.table({"recorder": {name: found}}).rows
    assert label == f"{name}, 16" and least == str(found["least_every"])


def test_the_usual_way_to_a_tangent_kernel_is_measured_on_the_same_kernel():
    torch.manual_seed(0)
    _, network = TangentMLP(hidden=7).build((1, 3, 3), 4)
    inputs = torch.rand(5, 9)
    np.testing.assert_allclose(factored(network, inputs), tangent_kernel.by_all_derivatives(network, inputs), rtol=1e-9)
