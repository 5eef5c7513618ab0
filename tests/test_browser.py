"""Explorers in JupyterLab and a real Chromium: controls, clicks, keys; no request goes out."""

import pytest
from jupyter import CHROMIUM, Lab, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; ends where it is installed"),
]

SETUP = """
from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.pictures import demo_image
trace = MaskRCNN.from_preset("shapes").trace(load_image(demo_image()))
"""
NAMES = {
    "levels": "LevelsExplorer", "proposals": "ProposalsExplorer", "anchors": "AnchorsExplorer",
    "rpn": "RpnExplorer", "crops": "CropsExplorer", "reorder": "ReorderExplorer",
    "box_head": "TimeDistributedExplorer", "detections": "DetectionsExplorer",
    "mask_head": "MaskExplorer",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    from conftest import free_port
    from playwright.sync_api import sync_playwright

    lab = Lab(tmp_path_factory.mktemp("lab"), free_port())
    cells = [SETUP] + [
        f"from mrcnn_explained.explorers.{module} import {name}\n{name}(trace)"
        for module, name in NAMES.items()
    ]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield Page(browser, lab, "explorers", cells)
            browser.close()
    finally:
        lab.close()


@pytest.fixture(scope="module")
def trace():
    from mrcnn_explained import MaskRCNN, load_image
    from mrcnn_explained.pictures import demo_image

    return MaskRCNN.from_preset("shapes").trace(load_image(demo_image()))


def view_of(page, name):
    view = page.explorer(list(NAMES).index(name))
    view.scroll_into_view_if_needed()
    return view


def slider_of(view, text):
    """The handle of the slider with this description."""
    box = view.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
    return box.locator(".widget-inline-hbox", has_text=text).locator(".noUi-handle")


def lines(view):
    return view.locator(".mx-line").all_inner_texts()


def test_a_slider_runs_the_stage_again(page, trace):
    from mrcnn_explained.explorers.proposals import ProposalsExplorer

    view = view_of(page, "proposals")
    ours = ProposalsExplorer(trace)
    assert lines(view) == ours.text
    page.changed(view, lambda: slider_of(view, "NMS: IoU at most").press("ArrowLeft"))
    ours.settings["nms_threshold"].value -= 0.01
    assert lines(view) == ours.text


@pytest.mark.parametrize("name", ["proposals", "levels", "detections"])
def test_keys_and_clicks_select(page, name):
    view = view_of(page, name)
    canvas = view.locator("canvas").first
    page.changed(view, lambda: canvas.press("ArrowRight"))
    chosen = int(view.get_attribute("data-selected"))
    assert chosen >= 0
    page.changed(view, lambda: canvas.press("ArrowRight"))
    assert int(view.get_attribute("data-selected")) > chosen
    page.changed(view, lambda: canvas.press("Escape"))
    assert view.get_attribute("data-selected") == "-1"
    middle = canvas.bounding_box()
    place = {"x": middle["width"] * 0.5, "y": middle["height"] * 0.5}
    page.changed(view, lambda: canvas.click(position=place))
    assert int(view.get_attribute("data-selected")) >= 0


def test_a_box_is_drawn_with_the_mouse(page):
    view = view_of(page, "levels")
    view.locator("canvas").first.scroll_into_view_if_needed()
    frame = view.locator("canvas").first.bounding_box()
    mouse = page.page.mouse

    def drag():
        mouse.move(frame["x"] + 150, frame["y"] + 150)
        mouse.down()
        mouse.move(frame["x"] + 350, frame["y"] + 350, steps=4)
        mouse.up()

    page.changed(view, drag)
    page.page.wait_for_timeout(500)
    assert lines(view)[-1].startswith("Your box: ") and ": P4." in lines(view)[-1]


def test_nothing_went_wrong_and_nothing_left_the_machine(page):
    for number in range(len(NAMES)):
        page.explorer(number)
    assert page.errors == [] and page.outside == []
