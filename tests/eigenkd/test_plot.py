import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from eigenkd import plot
from eigenkd.deviation import compare

matplotlib.use("Agg")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def nothing_is_shown(monkeypatch):
    import matplotlib.pyplot as plt

    def show(*args, **kwargs):
        raise AssertionError("a plot was shown")

    monkeypatch.setattr(plt, "show", show)
    yield
    plt.close("all")


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}


def deviation(n=40):
    rng = np.random.default_rng(0)
    return compare(rng.normal(size=(n, 3)), rng.normal(size=(n, 3)))


DRAWINGS = [
    pytest.param(lambda ax: plot.confidence(deviation(), ax=ax), id="confidence"),
    pytest.param(lambda ax: plot.trajectories(np.eye(2), np.eye(2), (0, 1), ax=ax), id="trajectories"),
    pytest.param(lambda ax: plot.gains([1, 2], [0.1, 0.2], [0, 0.3], ax=ax), id="gains"),
    pytest.param(lambda ax: deviation().plot(ax=ax), id="Deviation.plot"),
]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_axes_in_axes_out_with_both_axes_named(draw, ax):
    assert draw(ax) is ax
    made = draw(None)
    assert made is not ax and made.get_xlabel() and made.get_ylabel()
    made.figure.canvas.draw()


@pytest.mark.parametrize("draw", DRAWINGS)
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"plot: expected Matplotlib, .*pip install 'eigenkd\[figures\]'"):
        draw(None)


def test_importing_it_loads_no_plotting_and_no_framework():
    program = ("import sys, eigenkd.plot, eigenkd.deviation, eigenkd.projection; "
               "print([m for m in ('matplotlib', 'torch', 'jax') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


def test_confidence_draws_every_point_the_diagonal_and_the_fit(ax):
    d = deviation()
    plot.confidence(d, ax=ax, fraction=0.5)
    points = np.stack([d.teacher_confidence, d.student_confidence], axis=1)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), points)
    diagonal, fit = ax.get_lines()
    assert diagonal.get_slope() == 1 and tuple(diagonal.get_xy1()) == (0, 0)
    x, y = fit.get_data()
    low = np.sort(d.teacher_confidence)[:20]
    np.testing.assert_allclose(x, [low[0], low[-1]])
    order = np.argsort(d.teacher_confidence)[:20]
    expected = np.polyval(np.polyfit(low, np.asarray(d.student_confidence)[order], 1), x)
    np.testing.assert_allclose(y, expected)
    assert fit.get_label() == "slope {0.value:.2f} [{0.low:.2f}, {0.high:.2f}], least confident 50%".format(
        d.slope(fraction=0.5))


def test_confidence_without_a_slope_has_no_fit(ax):
    plot.confidence(deviation(n=2), ax=ax)
    assert list(lines(ax)) == ["student = teacher"]


def test_confidence_sets_highlighted_points_apart(ax):
    d = deviation()
    mask = np.arange(40) < 5
    plot.confidence(d, ax=ax, highlight=(torch.asarray(mask), "mislabelled"), label="correctly labelled")
    others, marked = ax.collections
    assert (others.get_label(), marked.get_label()) == ("correctly labelled", "mislabelled")
    np.testing.assert_allclose(marked.get_offsets()[:, 0], d.teacher_confidence[:5])
    assert len(others.get_offsets()) == 35


def test_a_highlight_of_other_points_is_refused(ax):
    with pytest.raises(ValueError, match=r"highlight: expected one truth value a point, \(40,\), got shape \(3,\)"):
        plot.confidence(deviation(), ax=ax, highlight=np.ones(3, dtype=bool))


def test_trajectories_have_the_top_along_x_the_shared_start_and_starred_ends(ax):
    teacher = np.array([[0.0, 9, 1], [2, 9, 3], [4, 9, 7]])
    student = torch.tensor([[0.0, 9, 1], [5, 9, 2]], requires_grad=True)
    plot.trajectories(teacher, student, (0, 2), ax=ax)
    np.testing.assert_array_equal(lines(ax)["teacher"].get_xydata(), [[0, 1], [2, 3], [4, 7]])
    np.testing.assert_array_equal(lines(ax)["student"].get_xydata(), [[0, 1], [5, 2]])
    marked = {marker: [line.get_xydata()[0].tolist() for line in ax.get_lines() if line.get_marker() == marker]
              for marker in "*o"}
    assert marked == {"*": [[4, 7], [5, 2]], "o": [[0, 1], [0, 1]]}
    assert ax.get_xlabel().startswith("top") and "{0}" in ax.get_xlabel()
    assert ax.get_ylabel().startswith("bottom") and "{2}" in ax.get_ylabel()


@pytest.mark.parametrize("draw", [DRAWINGS[1], DRAWINGS[2]])
def test_teacher_and_student_differ_in_line_style_as_well_as_colour(draw, ax):
    draw(ax)
    teacher, student = lines(ax)["teacher"], lines(ax)["student"]
    assert teacher.get_linestyle() != student.get_linestyle() and teacher.get_color() != student.get_color()


def test_gains_leave_null_directions_out_and_mark_the_pivot(ax):
    plot.gains(np.array([4.0, 1, 2, 0]), np.array([0.4, 0.1, 0.2, 0]), np.array([0.5, 0.05, 0.2, 0]), ax=ax, pivot=2)
    np.testing.assert_array_equal(lines(ax)["teacher"].get_xydata(), [[1, 0.1], [2, 0.2], [4, 0.4]])
    np.testing.assert_array_equal(lines(ax)["student"].get_ydata(), [0.05, 0.2, 0.5])
    np.testing.assert_array_equal(lines(ax)["matched here"].get_xydata(), [[2, 0.2]])
    assert ax.get_xscale() == "log"
