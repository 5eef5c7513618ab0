"""Hovering over a page of 2,000 ROIs: from the pointer's move to the tip, in Chromium, 25 moves.

.venv/bin/python benchmarks/page.py
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from jupyter import CHROMIUM

from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.media.images import demo_image
from mrcnn_explained.report.page import render

LIMIT, MOVES = 50, 25
# The handler runs, then the browser paints: the frame after it holds the tip.
MEASURE = """
() => {
  window.spent = [];
  document.querySelector("#explorer canvas").addEventListener("pointermove", () => {
    const start = performance.now();
    requestAnimationFrame(() => setTimeout(() => window.spent.push(performance.now() - start)));
  }, true);
}
"""


def main() -> None:
    model = MaskRCNN.from_preset(
        "shapes", post_nms_rois_inference=2000, pre_nms_limit=6000, rpn_nms_threshold=0.95
    )
    trace = model.trace(load_image(demo_image()))
    html = render(trace.numpy(), "2,000 ROIs", [])
    number = int(trace.proposals.valid.numpy().sum())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "index.html"
        path.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.goto(path.as_uri())
        page.wait_for_selector("#explorer[data-stamp]")
        page.locator("#explorer canvas").first.scroll_into_view_if_needed()
        frame = page.locator("#explorer canvas").first.bounding_box()
        page.evaluate(MEASURE)
        rng = np.random.default_rng(0)
        for x, y in rng.uniform(0.05, 0.95, (MOVES + 3, 2)):
            page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
            page.wait_for_timeout(80)
        spent = page.evaluate("() => window.spent")[3:]
    tenth = statistics.quantiles(spent, n=10)[-1]
    middle = statistics.median(spent)
    print(
        f"{number} ROIs, page {len(html) / 1e6:.1f} MB, {len(spent)} moves: median {middle:.0f} ms"
    )
    print(f"p90 {tenth:.0f} ms of {LIMIT}")


if __name__ == "__main__":
    main()
