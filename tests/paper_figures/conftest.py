import shutil

import pytest

import validation.runs
from tests.paper_figures.made_up_runs import write_run, write_study
from tests.paper_figures.made_up_studies import write_studies
from validation.function_space.setting import AWAY, FunctionSpace


@pytest.fixture
def no_committed_records(monkeypatch, tmp_path):
    """Runs are those of the test alone."""
    monkeypatch.setattr(validation.runs, "COMMITTED", tmp_path / "committed")


@pytest.fixture(scope="session")
def written_runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("written") / "runs"
    for setting in ("rf_noisy_mnist", "mlp_mnist", "cnn_cifar10", "cnn_fashion_mnist", "resnet8_mnist",
                    "resnet56_resnet20_cifar10"):
        write_run(place, setting)
    for seed in (0, 1):
        for study in (FunctionSpace(width=64), FunctionSpace(width=256), *AWAY):
            write_study(place, study, seed)
    write_studies(place, names=("noisy_labels", "teacher_fit"))
    return place


@pytest.fixture
def runs(written_runs, tmp_path):
    """A copy of the synthetic runs, to be changed."""
    return shutil.copytree(written_runs, tmp_path / "runs")
