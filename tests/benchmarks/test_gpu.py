"""The GPU benchmark, on a CPU with small tasks: what is pending, what runs once, what a time limit leaves."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import __main__, gpu
from validation.settings import SETTINGS


@pytest.fixture
def little(monkeypatch, tmp_path):
    """main(minutes) on a CPU, with fake throughputs and one setting that takes seconds."""
    monkeypatch.setattr(gpu, "NETWORKS", {"ResNet-8": SETTINGS["resnet8_digits"]})
    monkeypatch.setattr(gpu, "BATCHES", (4,))
    monkeypatch.setattr(gpu, "TRAINED", (("mlp_mnist", 3),))
    monkeypatch.setattr(gpu, "bandwidth", lambda device: 1e9)
    monkeypatch.setattr(gpu, "throughput", lambda *arguments: [5.0, 1.0, 3.0, 2.0, 4.0])
    return lambda minutes: gpu.main(tmp_path / "results", minutes, records=tmp_path / "records",
                                    runs=tmp_path / "runs", device="cpu")


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_throughput_is_measured_on_training_steps(role):
    setting = replace(SETTINGS["resnet8_digits"], precision="fp32")
    rates = gpu.throughput(setting, role, 8, False, "cpu", warm=1, measured=10)
    assert len(rates) == 5 and min(rates) > 0


def test_a_step_of_resnet_56_moves_17_megabytes_per_image():
    assert gpu.bytes_per_image(gpu.NETWORKS["ResNet-56"]) == pytest.approx(17e6, rel=0.03)
    assert gpu.bytes_per_image(gpu.NETWORKS["ResNet-20"]) < 0.4 * gpu.bytes_per_image(gpu.NETWORKS["ResNet-56"])


def test_bandwidth_is_positive():
    assert gpu.bandwidth("cpu", size=2**20) > 0


def test_every_task_without_a_record_runs_once(little, tmp_path, capsys):
    assert little(minutes=5) == 0
    assert "pending  ResNet-8, teacher, batch 4, eager" in capsys.readouterr().out
    record = json.loads((tmp_path / "results" / "gpu.json").read_text())
    assert len(record["throughput"]) == 4
    assert record["throughput"]["ResNet-8, student, batch 4, compiled"] == {
        "images_per_second": 3.0, "least": 1.0, "greatest": 5.0,
        "floor": 1e9 / gpu.bytes_per_image(SETTINGS["resnet8_digits"])}
    kept = tmp_path / "records" / "mlp_mnist" / "seed3"
    assert json.loads((kept / "result.json").read_text())["seed"] == 3
    assert (kept / "outputs.npz").exists() and not (kept / "weights.safetensors").exists()
    assert little(minutes=5) == 0
    assert "pending" not in capsys.readouterr().out


def test_a_time_limit_leaves_the_rest_for_the_next_call(little, tmp_path, capsys):
    assert little(minutes=0) == 1
    assert "left, run the same command again: ResNet-8, teacher" in capsys.readouterr().out
    gpu._train("mlp_mnist", 3, tmp_path / "records", tmp_path / "runs", "cpu", seconds=0.1)
    assert not (tmp_path / "records").exists()


def test_without_a_gpu_pending_tasks_are_only_listed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert __main__.main(["gpu", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "pending  ResNet-56, student, batch 1024, compiled" in printed.out
    assert "expected an NVIDIA GPU that PyTorch can use, got none" in printed.err
    assert list(tmp_path.iterdir()) == []
