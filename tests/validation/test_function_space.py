"""Gains of training in function space: the tangent kernel against plain derivatives, training where it is exact."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from validation import function_space as space
from validation.models.tangent_mlp import TangentMLP
from validation.record import Folder


@pytest.fixture
def study(tmp_path):
    """study(**values) -> the result of a small one in tmp_path."""
    def call(**values):
        one = space.Study(**{"width": 32, "examples": 16, "steps": 60} | values)
        return space.run(one, Folder(tmp_path, one.name), device=torch.device("cpu"), data_dir=tmp_path / "data")

    return call


@pytest.mark.parametrize("memory", [1, 8 * 2 * 3 * 40, 2**31])
def test_the_tangent_kernel_is_made_of_all_derivatives_in_parts_or_at_once(memory):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    inputs = torch.randn(5, 1, 3, 3)
    rows = []
    for value in network(inputs).reshape(-1):
        rows.append(torch.cat([d.reshape(-1) for d in torch.autograd.grad(value, network.parameters(),
                                                                          retain_graph=True)]))
    jacobian = torch.stack(rows).double()
    kernel = space.tangent_kernel(network, inputs, memory)
    assert kernel.dtype == torch.float64
    np.testing.assert_allclose(kernel, jacobian @ jacobian.T, rtol=1e-5, atol=1e-6)


def test_outputs_of_the_network_are_of_order_one_at_any_width():
    inputs = torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    for hidden in (30, 3000):
        torch.manual_seed(1)
        _, network = TangentMLP(hidden=hidden).build((1, 10, 10), 10)
        assert float(network(inputs).detach().std()) == pytest.approx(1, rel=0.35)


@pytest.mark.parametrize("optimiser", ["sgd", "momentum"])
def test_a_linear_network_follows_the_closed_form(optimiser):
    """Where the tangent kernel never changes: within float32."""
    torch.manual_seed(0)
    network, inputs = nn.Linear(6, 2, bias=False), torch.randn(9, 6)
    targets, study = torch.randn(9, 2), space.Study(steps=30, optimiser=optimiser, learning_rate=0.3)
    begin = {name: value.clone() for name, value in network.state_dict().items()}
    start = network(inputs).detach()
    flow = space.kernel_flow(space.tangent_kernel(network, inputs).numpy(), space._flat(targets),
                             start=space._flat(start))
    outputs, wanted = [], targets
    for _ in range(2):
        network.load_state_dict(begin)
        wanted = space.trained(network, inputs, wanted, study, float(flow.spectrum.eigenvalues[0]))
        outputs.append(space._flat(wanted))
    measured, size = space.gains(np.stack(outputs), space._flat(targets), flow.spectrum.sample_basis,
                                 space._flat(start))
    for found, expected in zip(measured, space.predicted(study, flow, measured, size)):
        assert space.drift(expected, found, size) < 1e-5


def test_a_wider_network_drifts_less_and_a_finished_study_is_shown_again(study, tmp_path):
    narrow, wide = (study(width=width)["drift"] for width in (16, 1024))
    assert all(wide[role] < 0.5 * narrow[role] for role in space.ROLES)
    (folder,) = (tmp_path / "function_space").glob("*width1024/seed0")
    before = (folder / "result.json").stat().st_mtime_ns
    assert study(width=1024)["drift"] == wide and (folder / "result.json").stat().st_mtime_ns == before
    arrays = np.load(folder / "gains.npz")
    assert {array.shape for array in arrays.values()} == {(160,)}


def test_adam_is_set_beside_the_times_that_come_nearest(study):
    assert study(optimiser="adam", width=256)["drift"]["teacher"] < 0.5


def test_training_that_diverges_is_refused(study, monkeypatch):
    with pytest.raises(space.UsageError, match=r"--learning-rate: expected less than 2 .* diverges, got 50"):
        study(learning_rate=50.0)
    with pytest.raises(space.UsageError, match=r"expected training that converges, got a teacher that diverges"):
        monkeypatch.setattr(space, "LARGE", 1e-9)
        study()


def test_the_command_prints_a_line_a_width(tmp_path, capsys):
    arguments = ["--widths", "8", "16", "--seeds", "0", "1", "--examples", "8", "--steps", "5", "--out", str(tmp_path)]
    assert space.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["width", "8", "16"] and lines[1].endswith("2")
    results = [json.loads(path.read_text()) for path in tmp_path.glob("function_space/*/seed*/result.json")]
    assert len(results) == 4 and all(result["smoke"] is False for result in results)


@pytest.mark.parametrize("arguments, words", [
    (["--data", "nothing"], "--data: expected one of mnist,"),
    (["--steps", "0"], "expected one or more, from 1 on"),
])
def test_mistakes_are_a_line(tmp_path, capsys, arguments, words):
    assert space.main([*arguments, "--out", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
