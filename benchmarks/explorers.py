"""From a slider's move to the new image, in JupyterLab and Chromium: 25 moves an explorer.

.venv/bin/python benchmarks/explorers.py

Time runs in the browser, from the key that moves the slider to the frame after the canvas was
drawn. "canvas" views draw what the trace holds; "stage" views run a stage function again. The
first row is the floor: an explorer of this project that computes nothing and draws an empty
square, so all of its time is Jupyter's and the browser's on this machine. While time runs, no
element is looked up: that takes Playwright 20 ms in the page that is measured.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from conftest import free_port
from jupyter import CHROMIUM, Lab, Page

MOVES = 25
LIMITS = {"canvas": 50, "stage": 100}  # ms, nine moves of ten
SETUP = """
from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.media.images import demo_image
model = MaskRCNN.from_preset("shapes")
trace = model.trace(load_image(demo_image()))
"""
NOTHING = """
import numpy as np
from mrcnn_explained.explorers.explorer import Explorer, slider
from mrcnn_explained.scenes.scene import panel

class Nothing(Explorer):
    def draw(self, moved):
        return {"panels": [panel("", (0, 0, 1, 1), width=100)], "text": [], "tips": {}}

x = Nothing(np.zeros([8, 8, 3], np.uint8), {"moved": slider("moved", 0.5, 0.0, 1.0)})
x
"""


class Watched(NamedTuple):
    """An explorer whose slider is moved."""

    module: str
    name: str
    slider: str
    kind: str  # "canvas": draws what the trace holds; "stage": runs a stage function again
    before: str = ""  # Python that is run before the explorer is shown
    takes: str = "trace"  # what the explorer is made of


VIEWS = [
    Watched("rpn", "RpnExplorer", "opacity of the map", "canvas"),
    Watched("mask_head", "MaskExplorer", "mask threshold", "canvas"),
    Watched("reorder", "ReorderExplorer", "ROIs", "stage"),
    Watched("anchors", "AnchorsExplorer", "row of the cell", "stage"),
    Watched(
        "proposals",
        "ProposalsExplorer",
        "NMS: IoU at most",
        "stage",
        before="x.settings['pre_nms_limit'].value = 6000",
    ),
    Watched("levels", "LevelsExplorer", "canonical side, px", "stage"),
    Watched("crops", "CropsExplorer", "ROI", "stage"),
    Watched("detections", "DetectionsExplorer", "confidence at least", "stage"),
    Watched("what_if", "WhatIfExplorer", "confidence at least", "stage", takes="model, trace"),
    Watched("dashboard", "ObjectDashboard", "ROI", "stage"),
    Watched("deltas", "DeltasExplorer", "dy", "stage", takes=""),
    Watched("nms", "NmsExplorer", "NMS: IoU at most", "stage", takes=""),
    Watched("progress", "TrainingProgress", "proposals drawn", "canvas", takes=""),
]
WATCH = """
(view) => {
  window.spent = [];
  document.addEventListener("keydown", () => { window.start = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
    if (window.start) window.spent.push(performance.now() - window.start);
    window.start = null;
  }))).observe(view, { attributes: true, attributeFilter: ["data-stamp"] });
}
"""


def main() -> None:
    cells = [SETUP, NOTHING] + [
        f"from mrcnn_explained.explorers.{view.module} import {view.name}\n"
        f"x = {view.name}({view.takes})\n{view.before}\nx"
        for view in VIEWS
    ]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), free_port())
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = Page(browser, lab, "speed", cells)
            watched = [Watched("(nothing)", "Nothing", "moved", "floor"), *VIEWS]
            for number, view in enumerate(watched):
                name, kind = view.module, view.kind
                spent = measure(page, number, view.slider)
                tenth, middle = statistics.quantiles(spent, n=10)[-1], statistics.median(spent)
                limit = LIMITS.get(kind)
                verdict = "" if not limit or tenth <= limit else "  TOO SLOW"
                print(
                    f"{name:12}{kind:8}median {middle:5.0f} ms  p90 {tenth:5.0f} ms"
                    f"{f' of {limit}' if limit else ''}  ({len(spent)} moves){verdict}",
                    flush=True,
                )
        finally:
            lab.close()


def measure(page: Page, number: int, slider: str) -> list[float]:
    view = page.explorer(number)
    view.locator("canvas").first.scroll_into_view_if_needed()
    page.settled(view, 1.0)
    box = view.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
    label = box.locator(".widget-inline-hbox label").get_by_text(slider, exact=True)
    handle = label.locator("xpath=..").locator(".noUi-handle")
    view.evaluate(WATCH)
    handle.focus()
    for move in range(MOVES + 1):  # the first one warms up
        page.page.keyboard.press("ArrowLeft" if move % 2 else "ArrowRight")
        page.page.wait_for_function("move => window.spent.length > move", arg=move, polling=100)
        page.page.wait_for_timeout(200)  # for messages of the kernel that are still on their way
    return page.page.evaluate("() => window.spent")[1:]


if __name__ == "__main__":
    main()
