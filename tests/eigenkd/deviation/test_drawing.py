"""The pairs of axes of Fig. 16 and the fits on both sides, in Matplotlib."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from eigenkd import plot
from eigenkd.deviation import VIEWS, compare

RNG = np.random.default_rng(0)
DEVIATION = compare(RNG.normal(size=(60, 3)), RNG.normal(size=(60, 3)), masks={"few": np.arange(60) < 6,
                                                                            "none": np.zeros(60)})


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_draws_its_points_and_names_its_axes(name, ax):
    assert plot.view(DEVIATION, name, ax=ax) is ax
    x, y, *labels = DEVIATION.view(name)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.stack([x, y], axis=1))
    assert [ax.get_xlabel(), ax.get_ylabel()] == labels
    assert len(ax.get_lines()) == (0 if name.endswith("kl") else 1)


def test_masks_are_set_apart_by_colour_and_shape(ax):
    plot.view(DEVIATION, "entropy", ax=ax, highlight={"few": np.arange(60) < 6, "none": np.zeros(60),
                                                      "late": np.arange(60) > 56})
    _, few, late = ax.collections
    assert [len(c.get_offsets()) for c in ax.collections] == [51, 6, 3]
    assert (few.get_label(), late.get_label()) == ("few", "late")
    assert not np.array_equal(few.get_facecolor(), late.get_facecolor())
    assert not np.array_equal(few.get_paths()[0].vertices, late.get_paths()[0].vertices)


def test_both_sides_are_fitted_where_asked_for(ax):
    plot.confidence(DEVIATION, ax=ax, sides=("low", "high"))
    _, low, high = ax.get_lines()
    for line, side in ((low, "low"), (high, "high")):
        x, y = line.get_data()
        assert np.diff(y)[0] / np.diff(x)[0] == pytest.approx(DEVIATION.slope(side).value)
    assert low.get_linestyle() != high.get_linestyle()
    np.testing.assert_allclose(high.get_xdata(), np.sort(DEVIATION.teacher_confidence)[[-15, -1]])
    top = np.argsort(DEVIATION.teacher_confidence)[-15:]
    expected = np.polyval(np.polyfit(DEVIATION.teacher_confidence[top], DEVIATION.student_confidence[top], 1),
                          high.get_xdata())
    np.testing.assert_allclose(high.get_ydata(), expected)


def test_points_at_infinity_are_counted_and_not_drawn(ax):
    rows = RNG.normal(size=(60, 3))
    sure = rows.copy()
    sure[:7, 1:] = -np.inf
    plot.confidence(compare(sure, rows), ax=ax, highlight={"few": np.arange(60) < 9})
    assert [len(c.get_offsets()) for c in ax.collections] == [51, 2]
    assert "not drawn: 7 infinite" in [text.get_text() for text in ax.get_legend().get_texts()]
    ax.figure.canvas.draw()


def test_an_unknown_view_and_a_mask_of_other_points_are_refused(ax):
    with pytest.raises(ValueError, match=r"name: expected one of confidence, .*, got 'margin'"):
        plot.view(DEVIATION, "margin", ax=ax)
    with pytest.raises(ValueError, match=r"highlight: expected one truth value a point, \(60,\), got shape \(3,\)"):
        plot.view(DEVIATION, "entropy", ax=ax, highlight={"few": np.ones(3)})
