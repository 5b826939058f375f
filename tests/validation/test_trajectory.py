import json

import numpy as np
import pytest
import torch
from torch import nn

from validation.errors import UsageError
from validation.inputs import Fixed
from validation.settings.setting import Eigenspace
from validation.trajectory import Recorder, basis_for, draw_pairs, exaggerated_pairs, input_basis


@pytest.fixture
def inputs():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32))


def test_basis_diagonalises_the_uncentred_second_moment(inputs):
    basis = input_basis(inputs + 3)
    x = (inputs + 3).double().numpy()
    expected = np.linalg.eigvalsh(x.T @ x)[::-1]
    np.testing.assert_allclose(basis.values.numpy(), expected, rtol=1e-10)
    assert basis.vectors.dtype == torch.float32
    np.testing.assert_allclose(np.abs(np.linalg.norm(x @ basis.vectors.numpy(), axis=0)) ** 2, expected, rtol=1e-4)


def test_recorder_follows_the_weights(inputs):
    network = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
    basis = input_basis(inputs)
    recorder = Recorder(network, "0", basis)
    expected = []
    for step in range(3):
        recorder(step)
        W = network[0].weight.detach().numpy()
        expected.append([np.linalg.norm(W @ v) for v in basis.vectors.numpy().T])
        network[0].weight.data.add_(1.0)
    np.testing.assert_allclose(recorder.path(), expected, rtol=1e-5)


def test_recorder_may_leave_out_steps(inputs):
    network = nn.Linear(5, 3)
    recorder = Recorder(nn.Sequential(network), "0", input_basis(inputs), every=3)
    for step in range(8):
        network.weight.data.fill_(step)
        recorder(step)
    rows = recorder.path()
    assert rows.shape == (3, 5)
    np.testing.assert_allclose(rows[2], 2 * rows[1], rtol=1e-5)  # steps 0, 3 and 6
    np.testing.assert_array_equal(rows[0], 0)


def test_a_convolution_is_recorded_along_the_eigendirections_of_patches():
    """As App. D.3 has it: patches shaped like the kernel, ||W v_k|| with W the kernel as a matrix."""
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 2, 9, 9)).astype(np.float32))
    network = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.Flatten(), nn.Linear(196, 3))
    basis = basis_for(network, "0", Fixed(images, torch.zeros(6)))
    assert basis.values.shape == (18,) and basis.vectors.shape == (18, 18) and basis.vectors.dtype == torch.float32
    every = torch.nn.functional.unfold(images, 3).permute(0, 2, 1).reshape(-1, 18).double().numpy()
    expected = np.linalg.eigvalsh(every.T @ every / len(every))[::-1]
    np.testing.assert_allclose(basis.values.numpy() / 10_000, expected, rtol=0.1)  # 10,000 random ones of all of them
    recorder = Recorder(network, "0", basis)
    recorder(0)
    W = network[0].weight.detach().numpy().reshape(4, 18)
    np.testing.assert_allclose(recorder.path()[0], np.linalg.norm(W @ basis.vectors.numpy(), axis=0), rtol=1e-5)
    assert basis_for(network, "2", Fixed(images[:, :, :, :3].flatten(1), torch.zeros(6))).vectors.shape[0] == 54


def test_recorder_refuses_what_it_cannot_project(inputs):
    network = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
    with pytest.raises(UsageError, match=r"--analysis.layer: expected one of 0, 2, got 'first'"):
        Recorder(network, "first", input_basis(inputs))
    with pytest.raises(UsageError, match=r"--analysis.layer: expected a layer on the network's 5 inputs, got '2' on 3"):
        Recorder(network, "2", input_basis(inputs))
    recorder = Recorder(network, "0", input_basis(inputs))
    network[0].weight.data[0, 0] = torch.nan
    with pytest.raises(UsageError, match="learning rate: expected finite weights, got others after step 4"):
        recorder(4)


def test_pairs_are_drawn_without_replacement_from_their_ranges():
    analysis, everything = Eigenspace("head"), []
    for seed in range(40):
        pairs = draw_pairs(analysis, seed, 128)
        assert pairs.shape == (15, 2)
        assert sorted(pairs[:, 0]) == list(range(15)) and len(set(pairs[:, 1])) == 15
        everything += pairs[:, 1].tolist()
    assert set(everything) == set(range(20, 60))
    np.testing.assert_array_equal(draw_pairs(analysis, 3, 128), draw_pairs(analysis, 3, 60))
    assert (draw_pairs(analysis, 3, 128) != draw_pairs(analysis, 4, 128)).any()


def test_pairs_beyond_the_data_are_refused():
    with pytest.raises(UsageError, match=r"--analysis.bottom: expected a range within the 59 .*got 20 60"):
        draw_pairs(Eigenspace("head"), 0, 59)


def test_a_pair_is_exaggerated_where_the_student_lags_along_the_bottom():
    # Columns: a top direction, a bottom one on which the student lags, one on which it leads, one that nobody learns.
    time = np.linspace(0, 1, 50)
    teacher = np.stack([time, time, time, 0 * time], axis=1)
    student = np.stack([time, time**2, np.sqrt(time), 0 * time], axis=1)
    found = exaggerated_pairs(teacher, student, np.array([[0, 1], [0, 2], [3, 1]]))
    assert (found["pairs"], found["exaggerated"]) == (3, 1)
    assert [pair["exaggerated"] for pair in found["per_pair"]] == [True, False, False]
    assert found["per_pair"][0]["share"] > 0.95 and found["per_pair"][1]["share"] < 0.05
    assert found["per_pair"][2] == {"top": 3, "bottom": 1, "share": None, "exaggerated": False}
    json.dumps(found, allow_nan=False)
