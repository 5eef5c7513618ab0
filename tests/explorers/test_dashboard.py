"""The dashboard of one object: six views, whose numbers are those of the run."""

import numpy as np
import pytest
from conftest import noise_image

from explorers.bench import Bench
from mrcnn_explained.explain.fates import FateKind, fates
from mrcnn_explained.explorers.dashboard import ObjectDashboard
from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.plots.style import to_pixels


@pytest.fixture(scope="module")
def trace(tiny_model):
    model = tiny_model.with_config(detection_min_confidence=0.2)
    return model.trace([noise_image(100, 128, seed=1), noise_image(90, 60, seed=2)])


def drawn(layer):
    return np.frombuffer(layer["data"], np.float32).reshape(-1, 4)


@pytest.mark.parametrize("image", [0, 1])
def test_boxes_crop_and_mask_are_those_of_the_run(trace, image):
    explorer = ObjectDashboard(trace, image=image)
    rois = np.asarray(trace.detections.detection_roi[image])
    for detection in (0, 1):
        roi = int(rois[detection])
        explorer.settings["roi"].value = roi
        panels = explorer.view.scene["panels"]
        candidate = int(trace.proposals.post_nms_ix[image, roi])
        anchor = int(trace.proposals.top_ix[image, candidate])
        np.testing.assert_allclose(
            drawn(panels[0]["boxes"][0])[0], trace.anchors.boxes_px[anchor], atol=1e-3
        )
        box = to_pixels(trace.proposals.rpn_rois[image][roi], explorer.pixels)
        np.testing.assert_allclose(drawn(panels[1]["boxes"][2]), box, atol=1e-3)
        crop = np.frombuffer(panels[3]["images"][0]["data"], np.uint8)
        pooled = np.abs(trace.reordered.pooled[image, roi]).mean(axis=-1)
        assert crop.argmax() == pooled.argmax() and crop.size == pooled.size
        best = int(trace.detections.class_ids[image, roi])
        assert panels[4]["title"] == f"5 Class: {trace.config.class_name(best)}"
        final = to_pixels(trace.detections.detections[image][detection, :4], explorer.pixels)
        np.testing.assert_allclose(drawn(panels[5]["boxes"][1]), final, atol=1e-3)


def test_the_sentences_have_the_numbers_of_the_run(trace):
    explorer = ObjectDashboard(trace)
    roi = explorer.settings["roi"].value
    assert len(explorer.text) == 6
    side = float(trace.levels.side[0, roi])
    level = int(trace.levels.roi_level[0, roi])
    assert f"side of {side:.1f} px" in explorer.text[2] and f"reads P{level}." in explorer.text[2]
    best = float(trace.box_head.mrcnn_class[0, roi].numpy().max())
    assert f"with {best:.3f}" in explorer.text[4]
    steps = explorer.view.scene["steps"]
    assert [step["panel"] for step in steps] == list(range(6))
    assert [f"{i}. {step['text']}" for i, step in enumerate(steps, 1)] == explorer.text


def test_a_lost_roi_ends_where_it_was_lost(trace):
    fate_of = fates(trace)
    real = np.flatnonzero(trace.proposals.valid[0])
    lost = {fate_of[roi].kind: roi for roi in real if fate_of[roi].kind is not FateKind.DETECTION}
    assert lost
    explorer = ObjectDashboard(trace)
    for roi in lost.values():
        explorer.settings["roi"].value = int(roi)
        assert explorer.view.scene["panels"][5]["title"] == "6 No mask"
        assert explorer.text[5] == f"6. No mask: the path ends at the filters ({fate_of[roi]})."


def test_it_shares_its_selection(trace):
    selection = Selection()
    explorer = ObjectDashboard(trace, selection=selection)
    explorer.view.selected = 4
    assert selection.roi == 4 and explorer.settings["roi"].value == 4 == explorer.result.roi
    selection.roi = 2
    assert explorer.result.roi == 2


def test_given_rois_have_no_anchor(tiny_model):
    given = tiny_model.trace(noise_image(64, 64), rois=[[5, 5, 40, 50]])
    explorer = ObjectDashboard(given)
    assert explorer.view.scene["panels"][0]["title"] == "1 No anchor"
    assert len(explorer.view.scene["panels"]) == 6


# In Chromium: Play, and the divider of the what-if explorer -----------------------------------


def now(bench):
    """The number of the view in front; -1: none."""
    names = bench.page.locator(".mx-panel").evaluate_all("views => views.map(v => v.className)")
    return next((i for i, name in enumerate(names) if "mx-now" in name), -1)


@pytest.mark.slow
def test_play_shows_the_six_within_12_seconds_and_stops_at_any_key(trace, chromium):
    bench = Bench(chromium, ObjectDashboard(trace))
    page = bench.page
    page.get_by_role("button", name="Play").click()
    assert now(bench) == 0
    sentence = page.locator(".mx-sentence")
    assert sentence.inner_text() == f"1 of 6: {bench.explorer.text[0][3:]}"
    page.wait_for_function("() => document.querySelectorAll('.mx-panel')[1].matches('.mx-now')")
    page.keyboard.press("a")
    stopped = now(bench)
    page.wait_for_timeout(2300)
    assert now(bench) == stopped and page.get_by_role("button", name="Play").is_visible()
    for _ in range(6 - stopped):
        page.get_by_role("button", name="Step").click()
    assert now(bench) == -1 and sentence.inner_text() == ""
    page.evaluate("() => { window.began = performance.now(); }")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => !document.querySelector('.mx-now')", timeout=20_000)
    assert page.evaluate("() => performance.now() - window.began") < 13_000
    assert bench.errors == []


@pytest.mark.slow
def test_with_less_motion_nothing_moves_by_itself(trace, chromium):
    bench = Bench(chromium, ObjectDashboard(trace))
    page = bench.page
    page.emulate_media(reduced_motion="reduce")
    roi = bench.explorer.settings["roi"]
    roi.value = roi.value - 1 if roi.value else 1  # a new scene, which asks the system again
    bench.sync()
    assert not page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("button", name="Step").click()
    assert now(bench) == 0
    assert (
        page.locator(".mx-panel").nth(1).evaluate("v => getComputedStyle(v).transitionDuration")
        == "0s"
    )


@pytest.mark.slow
def test_the_divider_shows_one_run_on_each_side(tiny_model, trace, chromium):
    from mrcnn_explained.explorers.what_if import WhatIfExplorer

    model = tiny_model.with_config(detection_min_confidence=0.2)
    explorer = WhatIfExplorer(model, trace)
    explorer.settings["min_confidence"].value = 1.0  # all objects are lost
    bench = Bench(chromium, explorer)
    divider = bench.page.locator(".mx-divider")
    canvas = bench.page.locator("canvas").first

    def picture():
        return canvas.evaluate("c => c.toDataURL()")

    at_middle = picture()
    divider.press("End")
    assert divider.get_attribute("aria-valuenow") == "100"
    before = picture()
    divider.press("Home")
    after = picture()
    assert len({at_middle, before, after}) == 3
    frame = canvas.bounding_box()
    mouse = bench.page.mouse
    mouse.move(frame["x"] + 2, frame["y"] + 20)
    mouse.down()
    mouse.move(frame["x"] + frame["width"] * 0.25, frame["y"] + 30, steps=3)
    mouse.up()
    bench.sync()
    assert bench.explorer.view.divider == pytest.approx(0.25, abs=0.02)
