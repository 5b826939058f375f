"""docs/findings.md says what the committed records say: its tables are theirs, and so are the numbers of its claims.

Tables of docs/language.md and docs/language_models.md are those of the records too."""

import re
from pathlib import Path

import pytest

from eigenkd.table import written
from paper_figures import TABLES
from paper_figures.choice import Choice
from validation import study
from validation.studies import STUDIES

BESIDE = {"teacher_fit": "table_phase", "loss_switching": "table_switching", "intervention": "table_intervention"}
DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "findings.md").read_text()
SHOWN = re.findall(r"<!-- (\w+) -->\n\n((?:\|.*\n)+)", PAGE + "".join(
    (DOCS / name).read_text() for name in ("language.md", "language_models.md")))
DRAWN = {}  # name -> table
CLAIMS = [line.split(" | ") for line in PAGE.split("## Claims")[1].split("\n## ")[0].splitlines()
          if line.startswith("| ")][1:]


@pytest.fixture
def table(tmp_path, capsys):
    """table(name) -> the Markdown table of a study or of paper_figures, of the committed records; drawn once."""
    def of(name):
        if name not in DRAWN:
            if name in TABLES:
                text = written(TABLES[name].draw(Choice(tmp_path)), "markdown")
            else:
                assert study.main([name, "--there", "--format", "markdown", "--out", str(tmp_path)]) == 0
                text = capsys.readouterr().out
            DRAWN[name] = text.split("\n\n")[0]
        return DRAWN[name]

    return of


@pytest.mark.parametrize(("name", "shown"), SHOWN, ids=[name for name, _ in SHOWN])
def test_a_table_is_that_of_the_records(name, shown, table):
    assert shown.strip() == table(name).strip()


def test_intervals_of_claims_are_those_of_the_study_that_they_name(table):
    checked = 0
    for _, _, ran, result, *_ in CLAIMS:
        named = [name for name in re.findall(r"`(\w+)`", ran) if name in STUDIES]
        numbers = re.findall(r"[−+]?[\d.]+ \[[^\]]+\]", result)
        if named and numbers:
            tables = [table(name) for name in named] + [table(BESIDE[name]) for name in named if name in BESIDE]
            for number in numbers:
                wanted = re.escape(number.replace("−", "-").lstrip("+"))
                assert any(re.search(rf"(?<![-\d.]){wanted}", shown) for shown in tables), number
                checked += 1
    assert checked >= 10


def test_every_claim_has_a_verdict_or_was_not_run():
    verdicts = ("replicated", "not replicated", "can't tell", "–")
    assert len(CLAIMS) > 30 and "{" not in PAGE
    for *_, result, seeds, verdict in CLAIMS:
        verdict = verdict.rstrip(" |")
        assert verdict.startswith(verdicts)
        assert (verdict == "–") == (result.startswith(("not run", "no number")) and seeds == "–")
