"""The benchmarks of the recorder and the tangent kernel measure what they should; no time is judged."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import recorder, tangent_kernel
from eigenkd.torch import Recorder
from eigenkd.torch import tangent_kernel as factored
from validation.inputs import Fixed
from validation.models.tangent_mlp import TangentMLP


@pytest.mark.parametrize("name", ["rf_noisy_mnist", "mlp_mnist"])
def test_the_time_of_a_record_is_separated_from_the_time_of_a_step(name, monkeypatch):
    """On a fake clock a record takes 3 s and a step 2 s."""
    clock = SimpleNamespace(now=0, perf_counter=lambda: clock.now)

    def taking(seconds, work):
        def timed(*arguments, **named):
            clock.now += seconds
            return work(*arguments, **named)

        return timed

    monkeypatch.setattr(recorder, "MEASURED", 3)
    monkeypatch.setattr(recorder, "time", clock)
    monkeypatch.setattr(Recorder, "__call__", taking(3, Recorder.__call__))
    monkeypatch.setattr(Fixed, "view", taking(2, Fixed.view))
    found = recorder.measured(name)
    assert (found["record"], found["step"]) == (3, 2)
    assert found["cost"] == 1.5 / found["every"] and found["least_every"] == 31
    ((label, *_, least),) = recorder.table({"recorder": {name: found}}).rows
    assert label == f"{name}, 16" and least == str(found["least_every"])


def test_both_ways_compute_the_same_tangent_kernel():
    torch.manual_seed(0)
    _, network = TangentMLP(hidden=7).build((1, 3, 3), 4)
    inputs = torch.rand(5, 9)
    np.testing.assert_allclose(factored(network, inputs), tangent_kernel.by_all_derivatives(network, inputs), rtol=1e-9)
