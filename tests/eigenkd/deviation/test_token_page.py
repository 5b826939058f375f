"""The page of tokens as a string, and in a real browser."""

import os
import re
import shutil
import sys
from html import escape

import numpy as np
import pytest

from eigenkd.deviation import compare
from eigenkd.deviation.token_page import page
from eigenkd.deviation.vocabulary import Vocabulary

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]
EVIL = "</td><script>document.title='taken'</script>"
NAMES = Vocabulary((EVIL, " the", "ing", "\n", "7", "x", "y", "z"))


def tokens(sequences=12, length=20, vocabulary=8):
    rng = np.random.default_rng(0)
    teacher = 2 * rng.normal(size=(sequences, length, vocabulary)).astype(np.float32)
    student = 1.3 * teacher + rng.normal(size=teacher.shape).astype(np.float32)
    return compare(teacher, student, rng.integers(vocabulary, size=(sequences, length)))


@pytest.fixture(scope="module")
def text():
    return page(tokens(), EVIL, (EVIL, EVIL), NAMES)


def test_it_has_the_pictures_the_worst_tokens_and_all_tables(text):
    d = tokens()
    assert text.count("<svg") == 4 == text.count("<figure")
    worst = text.split('class="worst"')[1].split("</table>")[0]
    assert worst.count("<tr>") == 51 and f"{d.divergence.max():.3f}" in worst
    assert "over 12 groups" in text and escape(d.verdict.low.sentence) in text
    for table in ("volume and direction", "perplexity", "teacher&#x27;s confidence", "position", "token"):
        assert f'<th scope="col">{table}</th>' in text


def test_it_runs_nothing_and_asks_for_nothing(text):
    assert "<script" not in text and EVIL not in text and "<title>&lt;/td&gt;" in text
    assert "default-src 'none'" in text
    links = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", text)
    assert links and all(link.startswith(("#", "data:")) for link in links)


def test_ids_of_pictures_do_not_clash(text):
    names = re.findall(r"""<clipPath id="([^"]+)""", text)
    assert names and len(set(names)) == len(names)


def test_it_stays_small_for_many_tokens(text):
    many = len(page(tokens(60, 200), vocabulary=NAMES))
    assert many < 400_000 and many < 3 * len(text)


def test_unknown_numbers_leave_a_picture_out_not_the_page(text):
    student = np.random.default_rng(1).normal(size=(12, 20, 8))
    student[..., 3] = -np.inf  # of probability zero, which its teacher's is not
    found = page(compare(np.random.default_rng(2).normal(size=(12, 20, 8)), student, masked="keep"))
    assert "KL is known as an interval only" in found and "∞" in found
    assert "text says" not in found and "text says" in text


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"page: expected matplotlib, .*install 'eigenkd\[figures\]'"):
        page(tokens())


def test_it_opens_in_a_browser(tmp_path, text):
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no Chromium is on the PATH; install it")
    from playwright.sync_api import sync_playwright

    file, problems = tmp_path / "r.html", []
    file.write_text(text, encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        tab = browser.new_page()
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("request", lambda request: problems.append(request.url))
        for width in (1300, 420):
            tab.set_viewport_size({"width": width, "height": 1000})
            tab.goto(file.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.title() == EVIL == tab.text_content("h1")
            sizes, images = (tab.evaluate(f"""[...document.querySelectorAll("{name}")]
                .map((part) => part.getBoundingClientRect().width)""") for name in ("svg", "svg image"))
            assert len(sizes) == 4 and min(sizes) > 300 and len(images) >= 2 and max(images) > 100
        browser.close()
    assert all(problem.startswith(("file:", "data:")) for problem in problems), problems
