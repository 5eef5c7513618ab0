"""Explorers in JupyterLab and a real Chromium: controls, clicks, keys; no request goes out."""

import re

import numpy as np
import pytest
from jupyter import CHROMIUM, RESTART, RUN, Lab, Page

from explorers.test_explorers import EXPLORERS, make
from mrcnn_explained.report.explorable import _portable
from mrcnn_explained.report.page import as_base64
from mrcnn_explained.scenes.bundle import widget_module
from mrcnn_explained.scenes.scene import panel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; ends where it is installed"),
]

SETUP = """
from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.media.images import demo_image
trace = MaskRCNN.from_preset("shapes").trace(load_image(demo_image()))
"""
TRAINING = """
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.explorers.training import TrainingExplorer
model = MaskRCNN.from_preset("shapes")
batch = next(iter(batches(ShapesDataset(4, seed=7), model.config, batch_size=2, shuffle=False)))
TrainingExplorer(model.training_trace(batch), model.config)
"""
NAMES = [*EXPLORERS, "training"]
#: Sliders whose largest value follows other controls.
FOLLOWING = (
    "row of the cell",
    "column of the cell",
    "row of the bin",
    "column of the bin",
    "NMS step, 0: all",
    "boxes shown, hardest first",
)
PLACES = ("anchors",)  # its panels take places instead of rows: see test_anchors
CANVAS = {"rpn": 1}  # the panel that can be clicked, if it is not the first


@pytest.fixture(scope="module")
def lab_and_browser(tmp_path_factory, chromium):
    from conftest import free_port

    lab = Lab(tmp_path_factory.mktemp("lab"), free_port())
    try:
        yield lab, chromium
    finally:
        lab.close()


@pytest.fixture(scope="module", params=["first"])
def page(request, lab_and_browser):
    cells = [SETUP] + [
        f"from mrcnn_explained.explorers.{module} import {name}\n{name}(trace)"
        for module, name in EXPLORERS.items()
    ]
    cells.append(TRAINING)
    return Page(lab_and_browser[1], lab_and_browser[0], request.param, cells)


@pytest.fixture(scope="module")
def ours():
    """The same explorers in this process, to be compared with those in the browser."""
    names: dict = {}
    exec(SETUP, names)
    found = {name: make(name, names["trace"]) for name in EXPLORERS}
    *head, last = TRAINING.strip().split("\n")
    exec("\n".join(head), names)
    return {**found, "training": eval(last, names)}


def view_of(page, name):
    view = page.explorer(NAMES.index(name))
    view.locator("canvas").first.scroll_into_view_if_needed()  # the view itself has no box
    return view


def control_of(view, text):
    box = view.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
    return box.locator(".widget-inline-hbox").filter(
        has=view.page.locator("label", has_text=re.compile(f"^{re.escape(text)}$"))
    )


def lines(view):
    """The lines of text below the panels; also of a cell that JupyterLab has not laid out yet."""
    return [text.replace("\xa0", " ") for text in view.locator(".mx-line").all_text_contents()]


def without_times(texts, name):
    """The lines without milliseconds, which differ from run to run."""
    return (
        [re.sub(r"[0-9.]+ ms", "", text) for text in texts] if name == "time_distributed" else texts
    )


def image(view):
    return view.evaluate("v => [...v.querySelectorAll('canvas')].map(c => c.toDataURL()).join()")


def scene(explorer):
    return repr(explorer.view.scene["panels"])


def first_row(panel, frame):
    """The position of the first box or dot that can be selected, in pixels of its canvas."""
    kind, layer = next(
        (kind, layer)
        for kind in ("boxes", "points")
        for layer in panel.get(kind, [])
        if layer["rows"]
    )
    data = np.frombuffer(layer["data"], np.float32)
    x, y = data[:2] if kind == "points" else ((data[1] + data[3]) / 2, (data[0] + data[2]) / 2)
    left, top, right, bottom = panel["extent"]
    share = {"x": (x - left) / (right - left), "y": (y - top) / (bottom - top)}
    sides = {"x": frame["width"], "y": frame["height"]}
    return {axis: float(np.clip(share[axis], 0.01, 0.99)) * sides[axis] for axis in "xy"}


@pytest.mark.parametrize("name", [n for n in NAMES if n not in PLACES])
def test_keys_and_clicks_select(page, ours, name):
    view = view_of(page, name)
    canvas = view.locator("canvas").nth(CANVAS.get(name, 0))
    page.changed(view, lambda: canvas.press("ArrowRight"))
    chosen = int(view.get_attribute("data-selected"))
    assert chosen >= 0
    page.changed(view, lambda: canvas.press("ArrowRight"))
    assert int(view.get_attribute("data-selected")) > chosen
    page.changed(view, lambda: canvas.press("Escape"))
    assert view.get_attribute("data-selected") == "-1"
    place = first_row(ours[name].view.scene["panels"][CANVAS.get(name, 0)], canvas.bounding_box())
    tip = view.locator(".mx-tip").nth(CANVAS.get(name, 0))
    canvas.hover(position=place)
    if ours[name].view.scene.get("tips"):
        assert tip.inner_text() in ours[name].view.scene["tips"].values()
    page.changed(view, lambda: canvas.click(position=place))
    assert int(view.get_attribute("data-selected")) >= 0
    page.changed(view, lambda: canvas.press("Escape"))
    assert view.get_attribute("data-selected") == "-1"


def move(in_browser, control):
    """Move a control, in the browser and in this process, to its next choice or to an end."""
    if hasattr(control, "options"):
        control.index = (control.index + 1) % len(control.options)
        in_browser.locator("select").select_option(index=control.index)
    elif hasattr(control, "placeholder"):
        control.value = "40, 30, 300, 400"
        in_browser.locator("input").fill(control.value)
        in_browser.locator("input").press("Enter")
    elif control.description in FOLLOWING:
        # Of a slider whose end has moved, the key End still goes to the old one (noUiSlider).
        up = control.value < control.max
        control.value += control.step if up else -control.step
        in_browser.locator(".noUi-handle").press("ArrowRight" if up else "ArrowLeft")
    else:
        up = control.value < control.max
        control.value = control.max if up else control.min
        in_browser.locator(".noUi-handle").press("End" if up else "Home")


@pytest.mark.parametrize("page", ["controls"], indirect=True)  # one that is untouched
@pytest.mark.parametrize("name", NAMES)
def test_every_control_runs_the_stage_again(page, ours, name):
    view, explorer = view_of(page, name), ours[name]
    assert without_times(lines(view), name) == without_times(explorer.text, name)
    for control in explorer.settings.values():
        before, scene_before = image(view), scene(explorer)
        if control.disabled or (hasattr(control, "min") and control.min == control.max):
            continue
        page.changed(view, lambda c=control: move(control_of(view, c.description), c))
        page.settled(view)
        assert without_times(lines(view), name) == without_times(explorer.text, name), (
            control.description
        )
        acts_in_browser = control is explorer.settings.get(explorer.opacity_control)
        if acts_in_browser or scene(explorer) != scene_before:
            assert image(view) != before, control.description


DRAW = """
async ([source, values]) => {
  const { default: widget } = await import("data:text/javascript;base64," + source);
  const model = { values, listeners: {}, get: (name) => values[name],
                  on: (event, call) => { model.listeners[event] = call; },
                  set: (name, value) => { values[name] = value; }, save_changes: () => {} };
  const element = document.body.appendChild(document.createElement("div"));
  // So that nothing is scaled; views leave one pixel free.
  element.style.width = `${values.scene.panels[0].size[0] + 1}px`;
  widget.render({ model, el: element });
  window.shown = (threshold) => {
    values.threshold = threshold;
    model.listeners["change:threshold"]();
    const canvas = element.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 === 3);
  };
  window.reached = (times) => Array.from({ length: times }, () => {
    const event = new KeyboardEvent("keydown", { key: "ArrowRight" });
    element.querySelector("canvas").dispatchEvent(event);
    return values.selected;
  });
}
"""


@pytest.mark.parametrize("threshold", [0.25, 0.7, "a value that occurs"])
def test_the_browser_thresholds_a_mask_as_the_stage_does(lab_and_browser, ours, threshold):
    """A pixel of the canvas for a pixel of the mask, so that both can be compared."""
    explorer = ours["mask_head"]
    if isinstance(threshold, str):  # that pixel belongs to the object
        values = np.sort(np.frombuffer(explorer.view.maps["scaled"]["data"], np.float64))
        threshold = float(values[np.searchsorted(values, 0.5)])
    explorer.settings["threshold"].value = threshold
    (over,) = (p for p in explorer.view.scene["panels"][0]["images"] if "tint" in p)
    x1, y1, x2, y2 = (int(v) for v in over["extent"])
    small = panel("", over["extent"], width=x2 - x1, images=[{**over, "alpha": 1}])
    shown, _ = drawn_at(lab_and_browser[1], explorer, small, threshold)
    expected = explorer.result[y1:y2, x1:x2]
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(np.reshape(shown, expected.shape) == 255, expected)


@pytest.mark.parametrize("place", [0, 20, 59, "nowhere"])
def test_the_browser_hides_anchors_below_the_score(lab_and_browser, ours, place):
    """At the score of an anchor, as float32 has it, that one is the last of those drawn."""
    explorer = ours["rpn"]
    explorer.settings["shown"].value = explorer.settings["shown"].max
    explorer.settings["score"].value = 0.0
    best = explorer.trace.rpn.rpn_class[0].numpy()[explorer.result, 1]
    threshold = 1.0 if place == "nowhere" else float(np.nextafter(float(best[place]), 1))
    explorer.settings["score"].value = threshold
    (layer,) = (layer for layer in explorer.view.scene["panels"][1]["boxes"] if layer["rows"])
    rows = np.frombuffer(layer["rows"], np.int32)
    number = min(len(explorer.result), len(rows))
    assert number == (0 if place == "nowhere" else place + 1)
    assert rows[:number].tolist() == explorer.result[:number].tolist()
    # The worst anchor comes first here, so that a position cannot pass for a row.
    frames = np.arange(len(rows))[:, None] * [0, 10, 0, 10] + [1, 1, 5, 5]
    worst_first = {
        "data": frames.astype(np.float32).tobytes(),
        "rows": rows[::-1].tobytes(),
        "scores": np.frombuffer(layer["scores"], np.float32)[::-1].tobytes(),
    }
    small = panel(
        "", (0, 0, 10 * len(frames), 6), width=10 * len(frames), boxes=[{**layer, **worst_first}]
    )
    shown, reached = drawn_at(lab_and_browser[1], explorer, small, threshold)
    inked = np.reshape(shown, [6, len(frames), 10]).any(axis=(0, 2))
    np.testing.assert_array_equal(inked[::-1], np.arange(len(frames)) < number)
    assert reached == set(explorer.result[:number].tolist())


def drawn_at(browser, explorer, one, threshold):
    """Draw one panel at a threshold: the alpha of each pixel, and the rows that keys select."""
    source = widget_module().encode()
    values = {
        "scene": {"panels": [one], "stamp": 1},
        "maps": explorer.view.maps,
        "selected": -1,
        "threshold": 0.0,
        "opacity": 1.0,
    }
    page = browser.new_page()
    page.evaluate(DRAW, [as_base64(source), _portable(values)])
    shown = page.evaluate("threshold => window.shown(threshold)", threshold)
    reached = page.evaluate("() => window.reached(70)")
    page.close()
    return shown, set(reached) - {-1}


def test_a_box_is_drawn_with_the_mouse(page):
    view = view_of(page, "levels")
    canvas = view.locator("canvas").first
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")  # all of it
    frame = canvas.bounding_box()
    mouse = page.page.mouse

    def drag():
        mouse.move(frame["x"] + 0.375 * frame["width"], frame["y"] + 0.375 * frame["height"])
        mouse.down()
        mouse.move(
            frame["x"] + 0.875 * frame["width"], frame["y"] + 0.875 * frame["height"], steps=4
        )
        mouse.up()

    page.changed(view, drag)
    page.page.wait_for_timeout(500)
    found = lines(view)
    assert any(re.search(r"^Your box: .* a side of 25[56]\.\d px", text) for text in found), found


def test_several_views_share_one_selection(lab_and_browser):
    """An ROI that is selected on the image is selected in the explorers of all other stages."""
    names = ("levels", "crops", "reorder", "detections", "mask_head")
    cells = [SETUP + "from mrcnn_explained.explorers.explorer import Selection\nroi = Selection()"]
    cells += [
        f"from mrcnn_explained.explorers.{name} import {EXPLORERS[name]}\n"
        f"{EXPLORERS[name]}(trace, selection=roi)"
        for name in names
    ]
    lab, browser = lab_and_browser
    page = Page(browser, lab, "shared", cells)
    views = [page.explorer(i) for i in range(len(names))]
    here: dict = {}
    exec(SETUP, here)
    roi = int(here["trace"].detections.detection_roi[0, 1])
    canvas = views[0].locator("canvas").first
    canvas.scroll_into_view_if_needed()
    for _ in range(roi + 1):
        page.changed(views[0], lambda: canvas.press("ArrowRight"))
    for view in views:
        page.settled(view)
        assert view.get_attribute("data-selected") == str(roi)
    texts = [lines(view) for view in views]
    assert texts[0][-1].startswith(f"ROI {roi}: ") and texts[3][-1].startswith(f"ROI {roi}: ")
    assert f"ROI {roi} reads P" in views[1].locator(".mx-title").first.text_content()
    assert views[4].locator(".mx-title").first.text_content().startswith("Detection 1: ")
    assert page.errors == [] and page.outside == []


def test_shown_twice_and_after_a_restart_of_the_kernel(lab_and_browser):
    lab, browser = lab_and_browser
    made = "from mrcnn_explained.explorers.levels import LevelsExplorer\nx = LevelsExplorer(trace)"
    page = Page(browser, lab, "twice", [SETUP, made, "x", "x"])

    def none_drawn(view):
        handle = control_of(view, "boxes shown").locator(".noUi-handle")
        page.changed(view, lambda: handle.press("Home"))
        page.settled(view)

    first, second = page.explorer(0), page.explorer(1)
    none_drawn(first)
    assert image(first) == image(second)
    page.page.evaluate(RESTART)
    page.page.evaluate(RUN)
    page.page.wait_for_function("() => document.querySelectorAll('.mx[data-stamp]').length === 2")
    page.settled(page.explorer(0))
    before = image(page.explorer(0))
    none_drawn(page.explorer(0))
    assert image(page.explorer(0)) != before
    assert page.errors == [] and page.outside == []


def test_no_error_and_no_request_to_another_machine(page):
    for number in range(len(NAMES)):
        page.explorer(number)
    assert page.errors == [] and page.outside == []
