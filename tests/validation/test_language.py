"""The language settings, and runs on texts from the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from validation import costs, runs
from validation.models.encoder import SIZES
from validation.settings import SETTINGS, find, language

from .running import ROOT, same_files
from .tiny_roberta import TEXTS, tiny_roberta

ROWS = {  # rows of Table 2: teacher, student, temperature, train and test accuracies where they are known
    "roberta_base_small_mnli": ("Base", "Small", 2, 92.9, 72.1, 72.6, 87.4, 69.9, 70.3),
    "roberta_base_medium_mnli": ("Base", "Medium", 2),
    "roberta_small_mnli": ("Small", "Small", 2, 72.1, 72.1, 71.0, 69.9, 69.9, 69.9),
    "roberta_medium_mnli": ("Medium", "Medium", 2, 88.2, 88.2, 85.6, 83.8, 83.8, 83.5),
    "roberta_small_imdb": ("Small", "Small", 16, 100.0, 100.0, 99.1, 90.4, 90.4, 91.0),
    "roberta_base_small_imdb": ("Base", "Small", 16),
    "roberta_small_qqp": ("Small", "Small", 1, 85.0, 85.0, 83.2, 83.5, 83.5, 82.5),
    "roberta_medium_qqp": ("Medium", "Medium", 1, 92.3, 92.3, 90.5, 89.7, 89.7, 89.0),
    "roberta_base_small_qqp": ("Base", "Small", 1),
    "roberta_small_ag_news": ("Small", "Small", 1, 96.5, 96.5, 95.9, 93.8, 93.8, 93.9),
    "roberta_medium_ag_news": ("Medium", "Medium", 1, 98.6, 98.6, 97.9, 94.6, 94.6, 94.6),
    "roberta_base_medium_ag_news": ("Base", "Medium", 1),
    "roberta_base_small_ag_news": ("Base", "Small", 1),
}
NETWORKS = {"Base": language.BASE, "Medium": language.MEDIUM, "Small": language.SMALL}
SHORT = tuple(f"--{role}.{value}" for role in ("teacher", "student") for value in (
    "batch-size=4", "epochs=2", "warmup-epochs=0.5", "learning-rate=0.01"))


def test_the_13_rows_of_table_2_are_settings():
    assert set(ROWS) == {setting.name for setting in language.SETTINGS if setting.data.set.name != "wordnet"}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_the_papers_values(name):
    setting, (teacher, student, temperature, *accuracies) = find(name), ROWS[name]
    assert (setting.model, setting.student_model or setting.model) == (NETWORKS[teacher], NETWORKS[student])
    assert setting.is_self_distillation == (teacher == student)
    assert (setting.student.loss.terms, setting.student.loss.temperature) == ("distilled", temperature)
    found = [] if setting.published is None else [*setting.published.train, *setting.published.test]
    assert found == accuracies
    a_epoch = np.ceil(setting.data.set.examples[0] / 64)
    for recipe in (setting.teacher, setting.student):
        assert (recipe.batch_size, recipe.learning_rate, recipe.schedule) == (64, 1e-5, "linear")
        assert abs(recipe.epochs - 25_000 / a_epoch) <= 0.5
        assert recipe.warmup_epochs * a_epoch == pytest.approx(1_000, abs=0.5)
    stand_ins = {"model.source": teacher, "student_model.source": None if teacher == student else student}
    assert {key for key in stand_ins if key in setting.guesses} == {
        key for key, network in stand_ins.items() if network in ("Medium", "Small")}
    assert setting.guesses.keys() >= {"teacher.epochs", "student.optimiser", "data.view.length", "model.dropout"}


def test_stand_ins_say_what_they_stand_in_for():
    ours = [setting for setting in language.SETTINGS if setting.data.set.name == "wordnet"]
    assert len(ours) == 9 and all("stand in for AG News" in setting.guesses["data.set"] for setting in ours)
    assert not any(setting.published for setting in ours)
    assert find("wordnet_minilm_undropped").student_model.dropout is False
    assert find("wordnet_minilm").model.dropout and find("wordnet_minilm").is_self_distillation


@pytest.mark.parametrize(("source", "parameters"), [("FacebookAI/roberta-base", 85e6),
                                                    ("gaunernst/bert-small-uncased", 12.6e6)])
def test_the_cost_of_a_token_is_six_times_the_parameters_of_the_layers(source, parameters):
    model = language.BASE if source == language.BASE.source else language.SMALL
    assert model.source == source and model.cost.gflop * 1e9 / 6 == pytest.approx(parameters, rel=0.02)
    assert language.SCRATCH.cost.gflop * 1e9 / 6 == 4 * 12 * 256**2 and set(SIZES) >= {source}
    assert costs.size(find("roberta_small_imdb")) == 270 and costs.size(SETTINGS["wordnet_minilm"]) == 15.7


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two tiny encoders of different tokenisers and a table of texts."""
    folder = tmp_path_factory.mktemp("language")
    tiny_roberta(folder / "teacher")
    tiny_roberta(folder / "student", [text.replace("family", "kind") for text in TEXTS], vocabulary=280, layers=1)
    rows = [f"{text} {i}\t{text.split()[4]}" for i in range(4) for text in TEXTS]
    (folder / "own.tsv").write_text("\n".join(["text\tlabel", *rows]))
    return folder


def texts(place, *arguments):
    return ("wordnet_minilm_small", f"--model.source={place / 'teacher'}", "--data.set", "texts",
            f"--data.set.path={place / 'own.tsv'}", "--data.train-examples=30", "--evaluation.evaluated=10", *SHORT,
            *arguments)


def test_your_own_texts_train_a_teacher_and_its_student(place, result_of, tmp_path):
    result = result_of(*texts(place))
    assert result["data"]["source"].startswith("texts_") and result["accuracy"]["test"]["teacher"] > 0.25
    origin = result["data"]["pretrained"]
    assert origin["teacher"] == origin["student"] and origin["student"]["source"] == str(place / "teacher")
    (run,) = runs.find("wordnet_minilm_small", where=runs.ANY, out=tmp_path / "runs", committed=tmp_path)
    student, labels = run.arrays("outputs", "student_train", "train_labels")
    assert student.shape == (30, 4) and labels.shape == (30,)
    assert result_of(*texts(place))["reused"]
    assert len(list((tmp_path / "data" / "cache" / "tokens").iterdir())) == 2  # of the training and the test examples


def test_a_student_may_have_another_tokeniser(place, result_of, tmp_path):
    other = ("--student-model", "encoder", f"--student-model.source={place / 'student'}",
             "--student-model.pooling=mean")
    result = result_of(*texts(place, *other))
    assert result["accuracy"]["train"].keys() == {"teacher", "one_hot", "distilled"}
    assert result["data"]["pretrained"]["one_hot"]["sha256"] != result["data"]["pretrained"]["teacher"]["sha256"]
    again = result_of(*texts(place))  # the same teacher serves
    assert again["teachers"]["teacher"] == result["teachers"]["teacher"]
    assert len(list((tmp_path / "data" / "cache" / "tokens").iterdir())) == 4


def test_a_student_on_other_inputs_needs_the_teachers_saved_answers(place, command):
    other = ("--student-model", "encoder", f"--student-model.source={place / 'student'}")
    code, _, err = command(*texts(place, *other, "--evaluation.saved-logits=20"))
    assert code == 2 and "--student-model: expected a network with the same inputs as the teacher" in err


def test_smoke_and_dry_runs_of_a_setting_of_texts(place, command, result_of):
    assert result_of("roberta_small_mnli", f"--model.source={place / 'teacher'}", "--smoke",
                     "--data.view.length=60")["smoke"]
    code, out, _ = command("roberta_small_mnli", "--dry-run", "--no-download")
    assert code == 0 and "networks: MISSING: --no-download: expected the encoder gaunernst/bert-small" in out
    assert "data: MISSING: --no-download: expected MNLI in" in out and "a stand-in: RoBERTa-Small is not public" in out
    assert "seed 0: cannot run before what is MISSING is there" in out
    _, out, _ = command("roberta_small_mnli", "--dry-run")
    assert "networks: not on this machine, to be downloaded" in out and "seed 0: would run" in out
    code, out, _ = command("roberta_small_mnli", "--dry-run", "--no-download", "--json")
    (plan,) = json.loads(out)
    assert plan["parameters"] is None and plan["megabytes"] is None and "models/gaunernst" in plan["missing"]
    code, _, err = command("roberta_small_mnli", "--no-download")
    assert code == 2 and err.startswith("error: --no-download: expected the encoder gaunernst/bert-small-uncased in")


@pytest.mark.parametrize(("arguments", "message"), [
    (("--data.view", "rows"), "--data.view: expected tokens for the texts of"),
    (("--data.view", "images"), "--data.view: expected tokens for the texts of"),
    (("--data.view.length=3",), "--data.view.length: expected at least 4 tokens, got 3"),
    (("--data.view.length=65",), "--data.view.length: expected at most the 64 tokens that the encoder supports"),
    (("--model", "mlp"), "--model: expected an encoder for the texts of"),
])
def test_views_and_networks_that_do_not_fit_texts_raise(place, command, arguments, message):
    given = [argument for argument in texts(place) if "--model" not in arguments or "--model" not in argument]
    code, _, err = command(*given, *arguments)
    assert code == 2 and err.splitlines()[-1].startswith(f"error: {message}"), err


def test_tokens_of_numbers_raise(command):
    code, _, err = command("mlp_mnist", "--data.view", "tokens")
    assert code == 2 and "--data.view: expected texts for tokens, got the numbers of" in err


def test_bf16_trains_and_logits_stay_float32(place, result_of, tmp_path):
    result_of(*texts(place, "--precision=bf16"))
    (run,) = runs.find("wordnet_minilm_small", where=runs.ANY, out=tmp_path / "runs", committed=tmp_path)
    (logits,) = run.arrays("outputs", "student_test")
    assert logits.dtype == np.float32
    assert (logits != torch.from_numpy(logits).bfloat16().float().numpy()).any()


def test_a_killed_run_on_texts_is_bit_identical_when_it_is_resumed(place, tmp_path):
    """Dropout is on; 5 kills with SIGKILL, at random times and file operations."""
    done = subprocess.run([sys.executable, "-m", "tests.validation.killing", str(tmp_path / "runs"), "5", *texts(place),
                           "--checkpoint-every", "2"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["differing"] == [] and sum(report["kills"].values()) == 5
    assert {path.split("/")[-1] for path in report["files"]} >= {"outputs.npz", "weights.safetensors", "manifest.json"}


def test_two_processes_with_dropout_are_bit_identical_when_they_are_resumed(place, tmp_path):
    """Each process draws its own dropout, and resumes with its own random state. A checkpoint is made after step 10."""
    done = subprocess.run([sys.executable, "-m", "tests.validation.two_killed", str(tmp_path), "12", *texts(place),
                           "--data-dir", str(tmp_path / "data"), "--checkpoint-every", "10"], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [done.stderr.count(f"{role}: resumes after step 10 ") for role in ("teacher", "student")] == [1, 1]
    assert same_files(tmp_path / "whole", tmp_path / "killed") == []
