"""docs/gallery.md and its pictures show what the committed records say."""

import pytest
from matplotlib.text import Text
from PIL import Image

import validation.runs
from paper_figures import FIGURES, TABLES, gallery
from tests.paper_figures.looking import check_whole
from validation.record import COMMITTED


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    monkeypatch.setattr(validation.runs, "COMMITTED", COMMITTED)


def test_the_gallery_is_that_of_the_records(monkeypatch, tmp_path, capsys):
    """`python -m paper_figures.gallery` writes it; needed after every change of records or figures."""
    assert gallery.main(["--check"]) == 0, capsys.readouterr().out
    monkeypatch.setattr(gallery, "IMAGES", tmp_path)
    assert gallery.main(["--check"]) == 1
    assert "fig1b: its picture shows other data\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", gallery.drawn())
def test_nothing_is_cut_off_and_nothing_overlaps(name):
    figure = gallery.drawn()[name]
    check_whole(figure)
    assert figure.get_suptitle() and len(figure.legends) <= 1
    assert (gallery.IMAGES / f"{gallery.file_of(name)}.png").stat().st_size < 100_000
    with Image.open(gallery.IMAGES / f"{gallery.file_of(name)}.png") as image:
        assert image.width <= 1100
    captions = [text.get_text() for text in figure.findobj(Text) if len(text.get_text()) > 150]
    assert all(caption.count("\n") < 4 for caption in captions)


def test_what_is_on_the_page():
    page = gallery.PAGE.read_text()
    for name in (FIGURES | TABLES):
        assert f"## {name}: " in page or f"| {name} | " in page
    assert "/tmp" not in page and "seed" in page
    assert page.count("Stand-in data (") >= 2
