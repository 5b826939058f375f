"""The page as a string, and the same page in a real browser."""

import json
import os
import re
import shutil
import sys
from html import escape, unescape

import numpy as np
import pytest
import torch

from eigenkd.deviation import VIEWS, compare, over_seeds
from eigenkd.deviation.page import _json, chosen, page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]
EVIL = "</script><script>document.title='taken'</script>"
RNG = np.random.default_rng(0)
TEACHER = 3 * RNG.normal(size=(200, 12))
LABELS = RNG.integers(12, size=200)
ODD = np.arange(200) % 2 == 1


def deviation(**options):
    return compare(TEACHER, 1.5 * TEACHER + 0.3 * np.random.default_rng(1).normal(size=TEACHER.shape), **options)


def data(text):
    """What the page hands to its script."""
    return json.loads(re.search(r"<script>const students = (.*?);</script>", text).group(1))


def many(n=6000):
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(n, 3))
    return compare(logits, logits + rng.normal(size=(n, 3)), masks={"rare": np.arange(n) % 100 == 0})


def test_it_holds_the_points_of_all_views():
    d = deviation(labels=LABELS, masks={"odd": ODD})
    (found,) = data(page(d))
    assert found["index"] == list(range(200)) and found["thinned"] == ""
    assert found["teacher_class"] == d.teacher_class.tolist() and found["labels"] == LABELS.tolist()
    assert found["student_class"] == d.student_class.tolist()
    assert found["masks"] == [{"name": "odd", "at": np.flatnonzero(ODD).tolist(), "points": 100}]
    for name in VIEWS:
        x, y, *labels = d.view(name)
        drawn = found["views"][name]
        np.testing.assert_allclose(drawn["x"], x, rtol=1e-5)
        np.testing.assert_allclose(drawn["y"], y, rtol=1e-5)
        assert [unescape(drawn["xlabel"]), unescape(drawn["ylabel"])] == labels
        assert drawn["diagonal"] == (not name.endswith("kl"))


def test_the_lines_are_the_fits():
    d = deviation()
    (found,) = data(page(d))
    for side, which, line in zip(("low", "high"), ("least", "most"), found["lines"]):
        slope = d.slope(side)
        assert np.diff(line["y"])[0] / np.diff(line["x"])[0] == pytest.approx(slope.value, rel=1e-3)
        assert line["name"] == f"{which} confident 25%: slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]"
    assert min(found["lines"][0]["x"]) == pytest.approx(d.teacher_confidence.min(), rel=1e-5)
    assert max(found["lines"][1]["x"]) == pytest.approx(d.teacher_confidence.max(), rel=1e-5)


def test_without_a_slope_there_is_no_line():
    (found,) = data(page(compare(np.tile(TEACHER[:1], (30, 1)), TEACHER[:30])))
    assert found["lines"] == []


def test_many_points_are_thinned_and_both_ends_kept():
    d = many()
    keep, said = chosen(d)
    assert keep.size == 5000 and (np.diff(keep) > 0).all()
    order = np.argsort(d.teacher_confidence)
    assert np.isin(order[:1000], keep).all() and np.isin(order[-1000:], keep).all()
    assert np.isin(np.flatnonzero(d.masks["rare"]), keep).all()
    assert said.startswith("5,000 of 6,000 points are drawn: the 1,000 that the teacher is least confident of")
    np.testing.assert_array_equal(chosen(d)[0], keep)
    (found,) = data(page(d))
    assert found["index"] == keep.tolist() and found["thinned"] == said
    np.testing.assert_allclose(found["views"]["confidence"]["x"], d.teacher_confidence[keep], rtol=1e-5)
    at = np.array(found["masks"][0]["at"])
    assert d.masks["rare"][keep[at]].all() and at.size == 60


def test_few_points_are_all_drawn():
    keep, said = chosen(many(5000))
    assert keep.size == 5000 and said == ""


def test_names_are_escaped_wherever_they_stand():
    text = page(deviation(masks={EVIL: ODD}), EVIL, (EVIL, EVIL))
    assert EVIL not in text and "<title>&lt;/script&gt;" in text
    assert text.count("<script>") == 3 == text.count("</script>")
    assert data(text)[0]["masks"][0]["name"].startswith("&lt;/script&gt;")


def test_no_string_can_end_the_script_that_holds_it():
    written = _json({"name": EVIL + "<!--"})
    assert "<" not in written and json.loads(written) == {"name": EVIL + "<!--"}


def test_it_names_no_address_to_load_from_and_forbids_it():
    text = page(deviation())
    own = re.sub(r"<script>/\*\*\s*\* plotly\.js.*?</script>", "", text, flags=re.DOTALL)
    assert len(own) < len(text) / 10 and "http:" not in own and "https:" not in own
    assert "default-src 'none'" in own and '<html lang="en">' in own


def test_the_ten_most_underfit_classes_are_shown_and_the_others_folded():
    d = deviation(labels=LABELS)
    text = page(d)
    assert "The other 2 classes" in text
    shown, folded = text.split("<details>")
    rows = re.findall(r"<tr><td>.*?</tr>", shown.split('class="classes"')[1])
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert len(rows) == 10 and folded.count("<tr><td>") == 2
    underfit = [float(row[2]) for row in rows]
    assert underfit == sorted(underfit, reverse=True)
    worst = next(row for row in d.per_class if row["class"] == int(rows[0][0]))
    assert rows[0][1:3] == [str(worst["points"]), f"{worst['underfit']:.3f}"]
    assert worst["underfit"] == max(row["underfit"] for row in d.per_class)


def test_several_students_can_be_chosen_and_have_means():
    seeds = over_seeds([deviation(), compare(TEACHER, TEACHER + 1e-3 * RNG.normal(size=TEACHER.shape))])
    text = page(seeds, names=("T", "S & 1", "S2"))
    assert [student["name"] for student in data(text)] == ["S &amp; 1", "S2"]
    assert '<option value="0">S &amp; 1</option><option value="1">S2</option>' in text
    assert "Means over the students" in text and escape(seeds.verdict.sentence) in text
    assert '<select id="student">' not in page(deviation())


def test_tensors_give_the_same_page():
    student = 1.5 * TEACHER
    assert data(page(compare(torch.asarray(TEACHER), torch.asarray(student)))) == data(page(compare(TEACHER, student)))


def test_wrong_names_and_things_are_refused():
    with pytest.raises(ValueError, match="names: expected 2, the teacher's and one a student, got 1"):
        page(deviation(), names=("teacher",))
    with pytest.raises(TypeError, match="measured: expected what compare or over_seeds returns, got str"):
        page("deviation")


def test_without_plotly_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"page: expected plotly, which is missing; pip install 'eigenkd\[report\]'"):
        page(deviation())


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"the page is to be looked at in a browser: none of {', '.join(BROWSERS)} is on the PATH; install Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens the page of a deviation; afterwards nothing may have gone wrong or been asked for."""
    problems, requests, pages = [], [], []

    def open_page(measured, width=1300, **options):
        path = tmp_path / "report.html"
        path.write_text(page(measured, **options), encoding="utf-8")
        tab = browser.new_page(viewport={"width": width, "height": 1000})
        pages.append(tab)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda message: problems.append(message.text) if message.type != "log" else None)
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(path.as_uri())
        tab.wait_for_selector(".scatterlayer .points path", state="attached")
        return tab

    yield open_page
    for tab in pages:
        tab.close()
    assert problems == []
    assert requests and all(re.match(r"file:.*report\.html$|(data|blob):", url) for url in requests)


def marks(tab):
    """How many marks of each trace of points are drawn, the legend's own left out."""
    return tab.evaluate("""[...document.querySelectorAll(".cartesianlayer .scatterlayer .trace")]
        .map((trace) => trace.querySelectorAll(".points path").length).filter((count) => count > 0)""")


def axis_titles(tab):
    return [tab.text_content(f".{letter}title") for letter in "xy"]


def ranges(tab):
    return tab.evaluate("[plot.layout.xaxis.range, plot.layout.yaxis.range]")


def test_every_point_is_drawn_in_the_colour_of_its_mask(opened):
    tab = opened(deviation(labels=LABELS, masks={"odd": ODD}))
    assert marks(tab) == [100, 100]
    fills = tab.evaluate("""[...document.querySelectorAll(".cartesianlayer .scatterlayer .trace .points")]
        .map((points) => points.querySelector("path")).filter(Boolean).map((path) => getComputedStyle(path).fill)""")
    assert len(set(fills)) == 2
    names = tab.eval_on_selector_all(".legendtext", "texts => texts.map((text) => text.textContent)")
    assert names[:3] == ["other points", "odd", "student = teacher"] and len(names) == 5


def test_a_mask_is_hidden_by_a_click_on_its_name(opened):
    tab = opened(deviation(masks={"odd": ODD}))
    tab.locator(".legend .traces", has_text="odd").locator(".legendtoggle").click()
    for _ in range(100):  # a click waits for a second one; the page's own rules keep wait_for_function out
        if marks(tab) == [100]:
            break
        tab.wait_for_timeout(50)
    assert marks(tab) == [100]


def test_the_menu_changes_the_axes(opened):
    d = deviation()
    tab = opened(d)
    for name in VIEWS:
        tab.select_option("#view", name)
        x, _, *labels = d.view(name)
        assert axis_titles(tab) == labels
        assert marks(tab) == [200]
        (low, high), _ = ranges(tab)
        assert low < x.min() and high > x.max()
    assert len(tab.query_selector_all("#view option")) == len(VIEWS) == 6


def test_hovering_shows_the_index_and_the_classes(opened):
    d = deviation(labels=LABELS, masks={"odd": ODD})
    tab = opened(d)
    tab.locator("#plot").scroll_into_view_if_needed()
    lowest = int(np.argmin(d.teacher_confidence))
    box = tab.evaluate("""(lowest) => {
        const says = (text) => text.includes(`point ${lowest}<`);
        const trace = plot.data.findIndex((trace) => (trace.text || []).some(says));
        const at = plot.data[trace].text.findIndex(says);
        const area = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
        return [area.left + xaxis._offset + xaxis.d2p(plot.data[trace].x[at]),
                area.top + yaxis._offset + yaxis.d2p(plot.data[trace].y[at])];
    }""", lowest)
    tab.mouse.move(*box)
    tab.wait_for_selector(".hoverlayer .hovertext")
    shown = tab.text_content(".hoverlayer .hovertext")
    for part in (f"point {lowest}", f"teacher: class {d.teacher_class[lowest]}",
                 f"student: class {d.student_class[lowest]}", f"label: class {LABELS[lowest]}"):
        assert part in shown


def test_the_button_zooms_into_the_low_corner_and_back(opened):
    d = deviation()
    tab = opened(d)
    whole = ranges(tab)
    tab.click("#zoom")
    (low, high), _ = ranges(tab)
    quarter = np.sort(d.teacher_confidence)[:50]
    assert low < quarter[0] and quarter[-1] < high < d.teacher_confidence.max()
    assert tab.text_content("#zoom") == "Show all points"
    tab.click("#zoom")
    assert ranges(tab) == whole


def test_another_student_is_drawn_when_it_is_chosen(opened):
    other = compare(TEACHER, 0.5 * TEACHER)
    tab = opened(over_seeds([deviation(), other]))
    tab.select_option("#student", "1")
    np.testing.assert_allclose(tab.evaluate("plot.data[0].y"), other.student_confidence, rtol=1e-5)
    assert marks(tab) == [200]


def test_a_thinned_page_draws_five_thousand_marks_and_says_so(opened):
    tab = opened(many())
    assert sum(marks(tab)) == 5000
    assert tab.text_content("#thinned").startswith("5,000 of 6,000 points are drawn")


def test_points_at_infinity_are_counted_and_left_off_the_axes(opened):
    student = 1.5 * TEACHER
    student[:30, 1:] = -np.inf
    tab = opened(compare(TEACHER, student, LABELS, masks={"odd": ODD}))
    assert tab.text_content("#thinned").startswith(f"{200 - sum(marks(tab))} points are infinite on these axes")
    assert "∞" in tab.text_content(".numbers") and "∞" in tab.text_content(".classes")
    tab.click("#zoom")
    assert np.isfinite(ranges(tab)).all()
    tab.select_option("#view", "confidence-kl")
    assert sum(marks(tab)) == 170 and np.isfinite(ranges(tab)).all()


@pytest.mark.parametrize("width", [1300, 420])
def test_it_fits_the_window_and_runs_no_name_as_a_script(opened, width):
    tab = opened(deviation(labels=LABELS, masks={EVIL: ODD}), width, title=EVIL, names=(EVIL, EVIL))
    assert tab.title() == EVIL == tab.text_content("h1")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.querySelector('#plot .main-svg').getBoundingClientRect().width") <= width
    assert EVIL in tab.eval_on_selector_all(".legendtext", "texts => texts.map((text) => text.textContent)")


def test_no_button_sends_the_picture_anywhere(opened):
    tab = opened(deviation())
    titles = tab.eval_on_selector_all(".modebar-btn", "buttons => buttons.map((b) => b.getAttribute('data-title'))")
    assert titles and not any(re.search("cloud|studio|link|share|edit", title, re.IGNORECASE) for title in titles)


def test_the_picture_can_be_saved(opened, tmp_path):
    tab = opened(deviation())
    tab.locator("#plot").hover()
    with tab.expect_download() as download:
        tab.locator(".modebar-btn").first.click()
    download.value.save_as(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
