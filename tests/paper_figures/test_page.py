"""The phase diagram to explore, in a real browser."""

import os
import shutil

import pytest

from paper_figures import FIGURES
from paper_figures.choice import Choice
from tests.eigenkd.deviation.test_page import BROWSERS, FLAGS

pytestmark = pytest.mark.usefixtures("no_committed_records")


def test_the_pointer_shows_setting_seed_and_numbers(written_runs, tmp_path):
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no browser is on the PATH; install Chromium")
    from playwright.sync_api import sync_playwright

    entry, problems, requests = FIGURES["phase"], [], []
    document = tmp_path / "phase.html"
    document.write_text(entry.page(entry.found(Choice(written_runs))), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(document.as_uri())
        tab.wait_for_selector(".scatterlayer .point")
        points = tab.query_selector_all(".scatterlayer .points path")
        box = points[-1].bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.wait_for_selector(".hovertext")
        said = tab.text_content(".hoverlayer")
        browser.close()
    assert len(points) == 36 and problems == []
    assert "cnn_fashion_mnist_noisy@data.label_noise=0.4,data.teacher_fraction=0.5, seed" in said
    assert "gain on test: +" in said and "closed form: " in said
    assert not [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]
