"""The closed form's diagrams, next to dense exponentials and to the whole tangent kernel."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import nn

from eigenkd.torch import tangent_kernel
from validation import runs
from validation.closed_form.diagram import SHARES, Kernel, diagram, run
from validation.closed_form.kernel import mean_tangent_kernel
from validation.closed_form.matching import diagram_of, gain_at, switched_gain
from validation.closed_form.setting import ClosedForm
from validation.errors import UsageError

SMALL = ClosedForm(of="rf_noisy_mnist", label_noise=(0.0, 0.4), teacher_fractions=(1.0, 0.5), times=3, test_examples=40)


def test_the_shared_kernel_is_the_mean_of_the_outputs_own():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                            nn.Linear(12, 4)).double()
    x = torch.rand(7, 1, 4, 4, dtype=torch.float64)
    whole = tangent_kernel(network, x).reshape(7, 4, 7, 4)
    expected = sum(whole[:, c, :, c] for c in range(4)) / 4
    found = mean_tangent_kernel(network, x[:5], x[5:])
    assert found.shape == (7, 5)
    torch.testing.assert_close(found, expected[:, :5])
    torch.testing.assert_close(mean_tangent_kernel(network, x[:5], x[5:], memory=1), found)
    torch.testing.assert_close(mean_tangent_kernel(network, x[:5]), found[:5])


@pytest.fixture
def problem():
    """K (n, n), K_test (m, n), labels, test labels, three classes."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 30))
    K = rows @ rows.T
    return K[:14, :14], K[14:, :14], rng.integers(0, 3, 14), rng.integers(0, 3, 6)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_a_diagram_is_that_of_dense_exponentials(problem, fraction):
    K, K_test, labels, test_labels = problem
    taught = np.arange(14) < 14 * fraction
    found = diagram(replace(SMALL, decades=(0.0, 2.0)), Kernel(K, K_test), K_test, labels, labels, test_labels, 3,
                    taught)
    y, target = np.eye(3)[labels] - 1 / 3, np.eye(3)[test_labels] - 1 / 3
    own = K[np.ix_(taught, taught)]

    def after(K, goal, time, start=0.0):
        return goal + expm(-time * K) @ (start - goal)

    def right(outputs, labels):
        return round(float(np.mean(outputs.argmax(1) == labels)), 5)

    def risk(outputs):
        return pytest.approx(np.square(outputs - target).sum(1).mean(), abs=2e-5)

    assert found["mislabelled"] == 0 and len(found["times"]) == 3
    np.testing.assert_allclose(found["times"], np.geomspace(1, 100, 3) / np.linalg.eigvalsh(K)[-1])
    for i, time in enumerate(found["times"]):
        dual = np.linalg.solve(own, after(own, y[taught], time))
        outputs, test = K[:, taught] @ dual, K_test[:, taught] @ dual
        assert found["teacher"]["train"][i] == right(outputs, labels)
        assert found["teacher"]["test"][i] == right(test, test_labels) and found["teacher"]["risk"][i] == risk(test)
        for j, long in enumerate(found["times"]):
            fitted = after(K, outputs, long)
            test = K_test @ np.linalg.solve(K, fitted)
            assert found["student"]["train"][i][j] == right(fitted, labels)
            assert found["student"]["test"][i][j] == right(test, test_labels)
            assert found["student"]["risk"][i][j] == risk(test)
        for share in SHARES:
            for way, first, then in (("distilled to one_hot", outputs, y), ("one_hot to distilled", y, outputs)):
                end = after(K, then, (1 - share) * time, after(K, first, share * time))
                expected = right(K_test @ np.linalg.solve(K, end), test_labels)
                assert found["switched"][f"{way} at {share:.0%}"][i] == expected


def result(teacher, student):
    """A closed form's result with one diagram; teacher, student: (train, test)."""
    return {"diagrams": [{"label_noise": 0.2, "teacher_fraction": 1.0, **{
        role: {"train": train, "test": test} for role, (train, test) in (("teacher", teacher), ("student", student))}}]}


def test_a_pair_is_matched_by_what_it_fits():
    made = result(([0.5, 0.7, 0.9], [0.6, 0.7, 0.65]),
                  ([[0.4, 0.5, 0.5], [0.5, 0.6, 0.7], [0.6, 0.8, 0.9]], [[0.5, 0.6, 0.6], [0.6, 0.7, 0.72],
                                                                        [0.62, 0.7, 0.66]]))
    assert gain_at(made, 0.2, 1.0, 0.7) == pytest.approx(0)
    assert gain_at(made, 0.2, 1.0, 0.9) == pytest.approx(1)
    assert gain_at(made, 0.2, 1.0, 0.8) == pytest.approx(100 * ((0.7 + 0.72 + 0.7 + 0.66) / 4 - 0.675))
    assert gain_at(made, 0.2, 1.0, 0.9, student_fit=0.8) == pytest.approx(5)
    assert gain_at(made, 0.2, 1.0, 0.9, student_fit=0.7) == pytest.approx(100 * ((0.62 + 0.7) / 2 - 0.65))
    assert gain_at(made, 0.2, 1.0, 0.1) == pytest.approx(-10) and gain_at(made, 0.2, 1.0, 1.0) == pytest.approx(1)
    made["diagrams"][0]["switched"] = {"distilled to one_hot at 75%": [0.6, 0.75, 0.8]}
    assert switched_gain(made, 0.2, 1.0, "distilled to one_hot at 75%", 0.8) == pytest.approx(10)
    assert switched_gain(made, 0.2, 1.0, "distilled to one_hot at 50%", 0.8) is None
    assert switched_gain(made, 0.3, 1.0, "distilled to one_hot at 75%", 0.8) is None
    assert gain_at(made, 0.3, 1.0, 0.7) is None and diagram_of(made, 0.2, 0.5) is None


def test_a_run_has_a_diagram_for_each_rate_and_fraction(tmp_path):
    made = run(SMALL, tmp_path, device=torch.device("cpu"), data_dir=tmp_path / "data")
    assert [(one["label_noise"], one["teacher_fraction"], one["mislabelled"]) for one in made["diagrams"]] == [
        (0.0, 1.0, 0), (0.0, 0.5, 0), (0.4, 1.0, 51), (0.4, 0.5, 51)]
    for one in made["diagrams"]:
        fits = one["teacher"]["train"]
        assert len(fits) == 3 and fits[0] < fits[-1]
    assert made["diagrams"][0]["teacher"]["train"][-1] > made["diagrams"][1]["teacher"]["train"][-1]
    (found,) = runs.find("closed_form", {"of": "rf_noisy_mnist", "data": runs.ANY, "model": runs.ANY, **{
        name: getattr(SMALL, name) for name in ("label_noise", "times", "test_examples")}}, out=tmp_path)
    assert found.result == made
    assert run(SMALL, tmp_path, device=torch.device("cpu"), data_dir=tmp_path / "data") == made


def test_a_setting_that_augments_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"^of: expected a setting with --data.view rows, .* got resnet8_digits; "):
        run(ClosedForm(of="resnet8_digits"), tmp_path, device=torch.device("cpu"), data_dir=tmp_path)
