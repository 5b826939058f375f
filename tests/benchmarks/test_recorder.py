"""The benchmarks of the recorder and of the tangent kernel add up; no time is judged."""

import numpy as np
import pytest
import torch

from benchmarks import recorder, tangent_kernel
from validation.function_space.kernels import tangent_kernel as factored
from validation.models.tangent_mlp import TangentMLP


@pytest.mark.parametrize("name", ["rf_noisy_mnist", "mlp_mnist"])
def test_the_cost_is_that_of_the_records_that_the_setting_makes(name, monkeypatch):
    monkeypatch.setattr(recorder, "MEASURED", 6)
    found = recorder.measured(name)
    assert found["cost"] == pytest.approx(found["record"] / (found["every"] * found["step"]))
    assert found["record"] / (found["least_every"] * found["step"]) <= 0.05
    lines = list(recorder.table({"recorder": {name: found}}))
    assert len(lines) == 2 and lines[1].startswith(f"{name}, 16 ")


def test_the_usual_way_to_a_tangent_kernel_is_measured_on_the_same_kernel():
    torch.manual_seed(0)
    _, network = TangentMLP(hidden=7).build((1, 3, 3), 4)
    inputs = torch.rand(5, 9)
    np.testing.assert_allclose(factored(network, inputs), tangent_kernel.by_all_derivatives(network, inputs), rtol=1e-9)
