import re
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from eigenkd.deviation import compare, over_seeds
from eigenkd.deviation.table import cells, html, table
from eigenkd.table import FORMATS

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(200, 4)), RNG.normal(size=(200, 4))
LABELS = RNG.integers(4, size=200)
HALF = np.arange(200) < 100
UGLY = r"<b>a_b|c & 5% \x" + "\nnew"


def plain(n=200, **options):
    return compare(TEACHER[:n], STUDENT[:n], **options)


def of(measured, label):
    """The cells of the row of that label, as strings."""
    (row,) = [row for row in cells(measured).rows if row[0] == label]
    return row[1:]


def test_the_numbers_are_those_of_the_deviation():
    d = plain(labels=LABELS)
    slope = d.slope("high", 0.5)
    assert of(d, "points") == ("200",)
    assert of(d, "slope, most confident 50%") == (f"{slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]",)
    assert of(d, "underfit, least confident 25%") == (f"{d.underfit():.3f}",)
    assert of(d, "overfit, most confident 25%") == (f"{d.overfit():.3f}",)
    assert of(d, "agreement of the classes") == (f"{d.agreement:.3f}",)
    assert float(of(d, "KL(teacher ‖ student), nats")[0]) == pytest.approx(d.kl, rel=5e-3)
    assert of(d, "entropy, nats: teacher / student") == (f"{np.mean(d.teacher_entropy):.3f} / "
                                                         f"{np.mean(d.student_entropy):.3f}",)
    assert of(d, "Brier score: teacher / student") == (f"{d.calibration.teacher.brier:.3f} / "
                                                       f"{d.calibration.student.brier:.3f}",)
    assert of(d, "only teacher right") == (f"{d.groups.only_teacher.share:.3f} ({d.groups.only_teacher.underfit:.3f})",)
    assert [row[0] for row in cells(d).rows if row[0].startswith("slope")] == [
        f"slope, {which} confident {fraction}" for which in ("least", "most") for fraction in ("10%", "25%", "50%")]


def test_without_labels_nothing_is_said_of_who_is_right():
    labels = [row[0] for row in cells(plain()).rows]
    assert not any("right" in label or "accuracy" in label or "Brier" in label for label in labels)
    assert not any(note.startswith("groups") for note in cells(plain()).notes)


def test_a_mask_has_a_column_of_its_own_points():
    d = plain(labels=LABELS, masks={"half": HALF, "none": np.zeros(200)})
    half = plain(100, labels=LABELS[:100])
    content = cells(d)
    assert content.header == ("", "all points", "half", "none")
    assert [row[2] for row in content.rows] == [row[1] for row in cells(half).rows]
    assert {row[3] for row in content.rows} == {"–"}
    assert "– none: the mask has no points" in content.notes


def test_seeds_give_means_and_the_interval_over_seeds():
    one, two = plain(labels=LABELS), compare(TEACHER, STUDENT + TEACHER, LABELS)
    seeds = over_seeds([one, two])
    slope = seeds.slope("low", 0.25)
    assert of(seeds, "slope, least confident 25%") == (f"{slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]",)
    assert of(seeds, "agreement of the classes") == (f"{(one.agreement + two.agreement) / 2:.3f}",)
    mean = (one.calibration.student.nll + two.calibration.student.nll) / 2
    assert of(seeds, "NLL, nats: teacher / student")[0].endswith(f" / {mean:.3f}")
    assert "over 2 seeds" in cells(seeds).notes[0]


def test_only_masks_that_every_seed_has_are_columns():
    seeds = over_seeds([plain(masks={"half": HALF, "odd": ~HALF}), plain(masks={"half": HALF})])
    assert cells(seeds).header == ("", "all points", "half")
    mean = np.mean([d.subset(HALF).agreement for d in seeds.deviations])
    assert of(seeds, "agreement of the classes")[1] == f"{mean:.3f}"


def test_a_slope_that_is_none_is_a_dash_with_its_reason():
    d = compare(np.tile(TEACHER[:1], (30, 1)), STUDENT[:30])
    assert of(d, "slope, least confident 25%") == ("–",)
    assert any(note.startswith("– slope, least confident 25%, all points: the teacher is equally confident on all")
               for note in cells(d).notes)
    assert "nan" not in table(d)


def test_a_slope_of_few_points_is_marked():
    marked, unmarked = of(plain(100), "slope, least confident 10%")[0], of(plain(), "slope, least confident 10%")[0]
    assert marked.endswith("]*") and unmarked.endswith("]")
    assert any(note.startswith("* fewer than 20 points") for note in cells(plain(100)).notes)
    assert not any(note.startswith("*") for note in cells(plain()).notes)


@pytest.mark.parametrize("asarray", [jnp.asarray, torch.asarray])
def test_other_libraries_give_the_same_table(asarray):
    assert table(compare(asarray(TEACHER), asarray(STUDENT), LABELS)) == table(plain(labels=LABELS))


def test_text_is_aligned():
    lines = table(plain(labels=LABELS, masks={"half": HALF}))
    grid = lines.split("\n\n")[0].splitlines()
    assert len({len(line) for line in grid}) == 1
    assert set(grid[1]) == {"-", " "} and all(line == line.rstrip() for line in grid)


def test_markdown_has_as_many_cells_in_every_row_and_escapes():
    lines = table(plain(masks={UGLY: HALF}), "markdown").split("\n\n")[0].splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert lines[0] == r"|  | all points | \<b\>a\_b\|c & 5% \\x new |"
    assert lines[1] == "|---|---:|---:|"


def test_latex_uses_booktabs_and_escapes():
    d = plain(30, masks={UGLY: np.arange(30) < 12})
    lines = table(d, "latex").splitlines()
    assert lines[:2] == [r"% \usepackage{booktabs}", r"\begin{tabular}{lrr}"]
    assert lines[3] == r" & all points & \textless{}b\textgreater{}a\_b\textbar{}c \& 5\% \textbackslash{}x new \\"
    assert [line for line in lines if line.startswith("\\") and "end" not in line and "begin" not in line] == [
        r"\toprule", r"\midrule", r"\bottomrule"]
    body = lines[lines.index(r"\midrule") + 1:lines.index(r"\bottomrule")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 and line.endswith(r" \\") for line in body)
    assert not any(re.search(r"(?<!\\)[%#_]", line) for line in body)
    assert any("$-$" in line for line in body) and not any(re.search(r"[ \[]-\d", line) for line in body)
    assert all(line.startswith("% ") for line in lines[lines.index(r"\end{tabular}") + 1:])


class Tags(HTMLParser):
    """Counts tags and gathers text; a tag that is not closed leaves `open` unbalanced."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_whole_has_no_script_and_escapes():
    d = plain(labels=LABELS, masks={"<script>alert(1)</script>": HALF})
    found = Tags(html(d))
    assert not found.open and "script" not in found.tags
    assert found.tags.count("tr") == 1 + len(cells(d).rows)
    assert d.verdict.sentence in found.text and "<script>alert(1)</script>" in found.text
    assert d._repr_html_() == html(d)


@pytest.mark.parametrize("format", FORMATS)
def test_the_methods_give_the_same(format):
    assert plain().table(format) == table(plain(), format)
    seeds = over_seeds([plain(), plain()])
    assert seeds.table(format) == table(seeds, format)


def test_another_format_or_thing_is_refused():
    with pytest.raises(ValueError, match="format: expected one of text, markdown, latex, csv, json, got 'html'"):
        table(plain(), "html")
    with pytest.raises(TypeError, match="measured: expected what compare or over_seeds returns, got dict"):
        table({})
