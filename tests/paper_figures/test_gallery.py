"""docs/gallery.md and its pictures show what the committed records say."""

import io

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

import validation.runs
from paper_figures import FIGURES, TABLES, gallery
from tests.paper_figures.looking import check_whole
from validation.record import COMMITTED

WRITE = "another page or picture: write them with python -m paper_figures.gallery"


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    monkeypatch.setattr(validation.runs, "COMMITTED", COMMITTED)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_the_records_is_in_the_gallery_and_nothing_of_it_is_cut_off(name):
    assert gallery.part(name) in gallery.PAGE.read_text(), WRITE
    figure = gallery.drawn(name)
    if FIGURES[name].status(gallery.RECORDS).kind == "missing":
        assert figure is None
        return
    assert gallery.shows(name), WRITE
    check_whole(figure)
    assert figure.get_suptitle() and len(figure.legends) <= 1
    assert not any(text.get_text().count("\n") > 3 for text in figure.findobj(Text))  # captions of a line or two
    with Image.open(gallery.picture_of(name)) as image:
        assert image.width <= 1100
    assert gallery.picture_of(name).stat().st_size < 100_000


def test_tables_and_headings_of_the_gallery():
    page = gallery.PAGE.read_text()
    for name in TABLES:
        assert gallery.part(name) in page, WRITE
    headings = [line.split(":")[0][3:] for line in page.splitlines() if line.startswith("## ")]
    assert headings == [name for name in FIGURES if f"| {name} |" not in page] + ["Tables", "Not drawn"]
    assert "/tmp" not in page and page.count("Stand-in data (") >= 2


@pytest.mark.parametrize("name", ["fig1b", "theory"])
def test_a_picture_looks_like_the_committed_one(name):
    """Up to fonts: both are compared at a quarter of their size."""
    redrawn = io.BytesIO(gallery.picture(gallery.drawn(name)))
    with Image.open(gallery.picture_of(name)) as kept, Image.open(redrawn) as new:
        assert kept.size == new.size
        before, now = (np.asarray(image.convert("RGB").reduce(4), dtype=float) for image in (kept, new))
    assert np.sqrt(np.mean((before - now) ** 2)) < 5
    assert np.sqrt(np.mean((before[:, ::-1] - now) ** 2)) > 20  # what another picture would give


def test_the_command_says_what_differs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gallery, "FIGURES", {"fig3": FIGURES["fig3"]})
    monkeypatch.setattr(gallery, "TABLES", {"table7": TABLES["table7"]})
    monkeypatch.setattr(gallery, "IMAGES", tmp_path)
    monkeypatch.setattr(gallery, "PAGE", tmp_path / "gallery.md")
    assert gallery.main(["--check"]) == 1
    assert capsys.readouterr().out == ("fig3: its picture shows other data\ngallery.md: another page\n"
                                       "write them with: python -m paper_figures.gallery\n")
    assert gallery.main([]) == 0 and gallery.main(["--check"]) == 0
