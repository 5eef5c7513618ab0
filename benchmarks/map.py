"""The Map with 1,000 ROIs in Chromium: a hover until its path is lit, a control until all is drawn.

.venv/bin/python benchmarks/map.py

Time runs in the browser: from the pointer's move (or the change of a setting) to the end of the
frame that shows the result. The last row is the browser's decisions alone, without drawing.
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

HOVER, CONTROL, MOVES = 50, 60, 25  # ms, nine of ten
SETTINGS = (
    ("rpnNms", (0.9, 0.95)),
    ("side", (112, 224)),
    ("rounding", ("floor", "round")),
    ("confidence", (0.3, 0.7)),
    ("nms", (0.6, 0.3)),
)
WATCH = """
() => {
  window.spent = [];
  const map = document.getElementById("map");
  map.addEventListener("pointermove", () => {
    const start = performance.now();
    requestAnimationFrame(() => setTimeout(() => window.spent.push(performance.now() - start)));
  }, true);
}
"""
CHANGE = """
([key, values, count]) => new Promise((done) => {
  const map = document.getElementById("map").theMap, spent = [];
  const next = (i) => {
    if (i === count) { done(spent); return; }
    const start = performance.now();
    map.change(key, values[i % values.length]);
    requestAnimationFrame(() => setTimeout(() => {
      spent.push(performance.now() - start);
      next(i + 1);
    }));
  };
  next(0);
})
"""
DECIDE = """
([key, values, count]) => {
  const { detector } = document.getElementById("map").theMap, spent = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    detector.detect({ ...detector.header.settings, [key]: values[i % values.length] });
    spent.push(performance.now() - start);
  }
  return spent;
}
"""


def ninth(values: list[float]) -> float:
    """Return the time that nine of ten stay below."""
    return statistics.quantiles(values, n=10)[-1]


def row(name: str, values: list[float], limit: float | None = None) -> None:
    """Print a line of the table."""
    bound = f" of {limit}" if limit else ""
    print(
        f"{name:28} median {statistics.median(values):4.0f} ms, p90 {ninth(values):4.0f} ms{bound}"
    )


def main() -> None:
    """Measure and print."""
    model = MaskRCNN.from_preset(
        "shapes", post_nms_rois_inference=1000, pre_nms_limit=6000, rpn_nms_threshold=0.95
    )
    trace = model.trace(load_image(demo_image())).numpy()
    html = render(trace, "1,000 ROIs", [], model)
    print(f"{int(trace.proposals.valid.sum())} ROIs, page {len(html) / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "index.html"
        path.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 1440, "height": 900}).new_page()
        page.goto(path.as_uri())
        page.wait_for_selector("#map[data-state=ready]")
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        rng = np.random.default_rng(0)
        for x, y in rng.uniform([0.0, 0.15], [1.0, 0.85], (MOVES + 3, 2)):
            page.mouse.move(1440 * x, 900 * y)
            page.wait_for_timeout(120)
        row("hover", page.evaluate("() => window.spent")[3:], HOVER)
        page.mouse.move(5, 5)
        for key, values in SETTINGS:
            row(f"control {key}", page.evaluate(CHANGE, [key, values, MOVES + 3])[3:], CONTROL)
            page.evaluate("() => document.getElementById('map').theMap.reset()")
        for key, values in SETTINGS[:2]:
            row(f"decisions {key}", page.evaluate(DECIDE, [key, values, MOVES + 3])[3:])
        browser.close()


if __name__ == "__main__":
    main()
