"""The timing code, without judging any time: candidates in turn, paired ratios, records that JSON can store."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import BENCHMARKS, __main__, closed_form, large, load, nt_process, question, timing


def test_candidates_take_turns_after_a_warm_up():
    calls = []
    seconds = timing.side_by_side({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] * 4
    assert list(seconds) == ["a", "b"]
    assert seconds["a"]["over_first"] == 1
    assert all(s["least"] <= s["median"] <= s["greatest"] for s in seconds.values())


def test_ratios_are_computed_per_round(monkeypatch):
    """A machine that becomes ten times slower halfway changes no ratio."""
    clock = iter([0, 1, 10, 12, 20, 30, 40, 60])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    seconds = timing.side_by_side({"a": lambda: None, "b": lambda: None}, rounds=2)
    assert seconds["b"]["over_first"] == 2
    assert seconds["a"] == {"median": 5.5, "least": 1, "greatest": 10, "over_first": 1, "rounds": 2}


def test_slow_candidates_run_in_fewer_rounds_and_the_warm_up_result_is_passed_on():
    calls, seen = [], {}
    candidates = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b") or "answer"}
    seconds = timing.side_by_side(candidates, rounds=3, fewer={"b": 1}, seen=seen.__setitem__)
    assert calls == ["a", "b", "a", "b", "a", "a"]
    assert seen == {"a": None, "b": "answer"}
    assert seconds["b"]["rounds"] == 1 and seconds["a"]["rounds"] == 3


def test_a_record_is_saved_and_a_table_is_printed(tmp_path, monkeypatch, capsys):
    class Fake:
        """What takes longer?"""

        @staticmethod
        def run():
            times = {"median": 1.0, "least": 0.5, "greatest": 2.0, "over_first": 1.0}
            return {"seconds": {"this": times}, "machine": timing.machine("numpy")}

    monkeypatch.setattr(__main__, "BENCHMARKS", ("fake",))
    monkeypatch.setattr(__main__, "load", {"fake": Fake}.get)
    monkeypatch.setattr(__main__, "question", lambda name: Fake.__doc__)
    assert __main__.main(["fake", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "fake.json").read_text())
    assert record["seconds"]["this"]["median"] == 1 and "numpy" in record["machine"]["versions"]
    said = capsys.readouterr().out
    assert "What takes longer?" in said
    assert any(line.split() == ["this", "1.0000", "0.5000", "to", "2.0000", "1.00"] for line in said.splitlines())


def test_the_question_of_every_benchmark_is_read_without_importing_it():
    for name in BENCHMARKS:
        assert load(name).__doc__.strip() == question(name) and callable(load(name).run)


def test_an_unknown_name_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["speed"])
    assert stopped.value.code == 2
    assert "no benchmark is called speed; there are: advisor, closed_form, cross_entropy" in capsys.readouterr().err
    assert __main__.main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(BENCHMARKS) + 1


def nowhere(K, y, times):
    raise OSError("no network")


@pytest.fixture(scope="module")
def closed_form_record():
    return closed_form.run(n=20, p=60, targets=3, count=30, rounds=1, tangents=nowhere)


def test_all_candidates_of_closed_form_agree(closed_form_record):
    for name, one in closed_form_record["seconds"].items():
        if name.startswith("ill-conditioned"):
            bound = 1e-11 if "svd, 30" in name else 1e-9 if "gram" not in name else np.inf
        else:
            bound = 1e-6 if name in ("scipy DOP853", "diffrax Tsit5") else 1e-9
        assert one["difference"] < bound, name
    assert closed_form_record["methods"] == {
        "linear_flow auto, 30 teachers": "gram", "linear_flow gram, 30 teachers": "gram",
        "linear_flow svd, 30 teachers": "svd", "ill-conditioned X, linear_flow auto, 30 teachers": "svd",
        "ill-conditioned X, linear_flow gram, 30 teachers": "gram",
        "ill-conditioned X, linear_flow svd, 30 teachers": "svd"}
    assert set(closed_form.FEWER) <= set(closed_form_record["seconds"])
    json.dumps(closed_form_record)


def test_a_record_without_neural_tangents_says_so(closed_form_record):
    assert closed_form_record["neural_tangents"].startswith("not measured: OSError")


def test_methods_for_large_problems_agree_and_have_certified_errors():
    record = large.run(n=300, p=20, targets=2, count=4, rounds=1)
    assert len(record["seconds"]) > 6 and record["dense"].keys() == {"short", "long"}
    for name, one in record["seconds"].items():
        assert one["difference"] < (1e-6 if "expm_multiply" in name else 1e-9), name
    assert all(facts["certified"] < 1e-8 for facts in (record["sparse"], *record["dense"].values()))
    assert record["peak_memory_gib"] > 0
    json.dumps(record)


WORKER = """
import json, sys
import numpy as np
problem = np.load(sys.argv[1])
np.save(sys.argv[2], problem["K"] @ problem["y"])
print(json.dumps({"jax": "0"}), flush=True)
for number, _ in enumerate(sys.stdin):
    if number == 1:
        sys.exit(3)
    print("done", flush=True)
"""


def test_the_worker_process_predicts_on_request(tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(nt_process, "WORKER", tmp_path / "worker.py")
    monkeypatch.setattr(nt_process, "environment", lambda: sys.executable)
    worker = nt_process.Worker(2 * np.eye(2), np.ones((2, 1)), np.ones(1))
    assert worker.versions == {"jax": "0"}
    np.testing.assert_array_equal(worker(), [[2], [2]])
    with pytest.raises(ChildProcessError, match=r"exited with status 3; run worker\.py"):
        worker()
    worker.close()


def test_an_environment_is_created_once_and_again_for_other_requirements(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(nt_process, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    for _ in range(2):
        assert nt_process.environment() == tmp_path / "bin" / "python"
    assert len(commands) == 2 and commands[1][-len(nt_process.REQUIREMENTS):] == list(nt_process.REQUIREMENTS)
    monkeypatch.setattr(nt_process, "REQUIREMENTS", ("neural-tangents==0", "jax==0"))
    nt_process.environment()
    assert len(commands) == 4
