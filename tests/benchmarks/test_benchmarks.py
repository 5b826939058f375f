"""The measuring of times, without measuring any: candidates in turn, ratios in pairs, records that JSON takes."""

import json
import time

import pytest

from benchmarks import BENCHMARKS, __main__, timing


def test_candidates_take_turns_after_a_warm_up():
    calls = []
    seconds = timing.side_by_side({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] * 4
    assert list(seconds) == ["a", "b"]
    assert seconds["a"]["over_first"] == 1
    assert all(s["least"] <= s["median"] <= s["greatest"] for s in seconds.values())


def test_ratios_are_taken_round_by_round(monkeypatch):
    """A machine that becomes ten times slower half way changes no ratio."""
    clock = iter([0, 1, 10, 12, 20, 30, 40, 60])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    seconds = timing.side_by_side({"a": lambda: None, "b": lambda: None}, rounds=2)
    assert seconds["b"]["over_first"] == 2
    assert seconds["a"] == {"median": 5.5, "least": 1, "greatest": 10, "over_first": 1}


def test_a_record_is_written_and_a_table_printed(tmp_path, monkeypatch, capsys):
    class Fake:
        """What takes longer?"""

        @staticmethod
        def run():
            times = {"median": 1.0, "least": 0.5, "greatest": 2.0, "over_first": 1.0}
            return {"seconds": {"this": times}, "machine": timing.machine("numpy")}

    monkeypatch.setitem(BENCHMARKS, "fake", Fake)
    assert __main__.main(["fake", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "fake.json").read_text())
    assert record["seconds"]["this"]["median"] == 1 and "numpy" in record["machine"]["versions"]
    assert "What takes longer?" in capsys.readouterr().out


def test_an_unknown_name_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["speed"])
    assert stopped.value.code == 2
    assert "no benchmark is called speed; there are: closed_form, deviation, import_time" in capsys.readouterr().err
    assert __main__.main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(BENCHMARKS)
