"""The explorer of anchors: cells that are clicked, and an object that is moved."""

import re

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.boxes import iou
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.anchors import AnchorsExplorer
from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.stages.anchors import pyramid_anchors


def floats(layer):
    return np.frombuffer(layer["data"], np.float32).reshape(-1, 4)


def rows(layer):
    return np.frombuffer(layer["rows"], np.int32)


def test_anchors_are_the_stage_functions(trace):
    explorer = AnchorsExplorer(trace)
    explorer.settings["factor"].value = 2.0
    c = trace.config
    expected = pyramid_anchors(
        explorer.pixels.shape[:2],
        scales=[2 * s for s in c.rpn_anchor_scales],
        ratios=c.rpn_anchor_ratios,
        strides=c.backbone_strides,
    )
    np.testing.assert_array_equal(explorer.result.boxes_px, expected.boxes_px)


@pytest.mark.parametrize("panel", ["image", "map"])
def test_a_clicked_cell_has_its_anchors_drawn(trace, panel):
    explorer = AnchorsExplorer(trace)
    explorer.settings["level"].value = 3
    size = 8 if panel == "image" else 1
    explorer.view.clicked = {"panel": panel, "x": 9.7 * size, "y": 2.2 * size, "event": 1}
    assert (explorer.settings["row"].value, explorer.settings["column"].value) == (2, 9)
    a = trace.anchors
    here = np.flatnonzero((a.level.numpy() == 3) & (a.row.numpy() == 2) & (a.column.numpy() == 9))
    drawn = explorer.view.scene["panels"][0]["boxes"][1]
    np.testing.assert_array_equal(rows(drawn), here)
    np.testing.assert_array_equal(floats(drawn), a.boxes_px.numpy()[here])
    explorer.settings["level"].value = 2  # the same place: two rows and columns for each
    assert (explorer.settings["row"].value, explorer.settings["column"].value) == (5, 19)
    explorer.view.clicked = {"panel": "image", "x": -20.0, "y": 9999.0, "event": 2}
    last = explorer.pixels.shape[0] // 4 - 1
    assert (explorer.settings["row"].value, explorer.settings["column"].value) == (last, 0)


def test_the_best_anchor_is_that_of_the_stages_iou(trace):
    explorer = AnchorsExplorer(trace)
    box = [10.0, 20.0, 43.0, 51.0]
    explorer.view.moved_box = {"panel": "image", "name": "object", "box": box, "event": 1}
    overlaps = iou(trace.anchors.boxes_px, tf.constant([box])).numpy()[:, 0]
    best = int(overlaps.argmax())
    np.testing.assert_array_equal(explorer.overlaps, overlaps)
    image, cells = explorer.view.scene["panels"]
    assert rows(image["boxes"][2]).tolist() == [best]
    assert image["movable"][0]["box"] == box
    assert f"anchor {best} on P{trace.anchors.level[best]}" in explorer.text[0]
    assert f"IoU {overlaps[best]:.3f}" in explorer.text[0]
    of_level = trace.anchors.level.numpy() == 4
    assert f"best IoU {overlaps[of_level].max():.3f}" in explorer.text[5]
    assert cells["title"].endswith(f"brightest {overlaps[of_level].max():.2f}")


def test_anchors_outside_are_drawn_and_said(trace):
    explorer = AnchorsExplorer(trace)
    explorer.set_controls(level=6, row=0, column=0)
    image = explorer.view.scene["panels"][0]
    anchors = floats(image["boxes"][1])
    left, top, right, bottom = image["extent"]
    assert left <= anchors[:, 1].min() < 0 and top <= anchors[:, 0].min() < 0
    assert right >= anchors[:, 3].max() and bottom >= anchors[:, 2].max()
    assert "3 of the 3 anchors of this cell reach beyond" in explorer.text[2]
    assert f"by up to {-anchors[:, :2].min():.0f} px" in explorer.text[2]
    # The object stays on the image.
    assert image["bounds"] == [0, 0, *reversed(explorer.pixels.shape[:2])]


def test_the_object_is_the_best_detection_or_the_first_box_passed(trace, nothing_found):
    y1, x1, y2, x2 = AnchorsExplorer(trace).object
    assert 0 <= y1 < y2 <= 128 and 0 <= x1 < x2 <= 128
    passed = AnchorsExplorer(trace, objects=[[1, 2, 30, 40], [5, 5, 9, 9]])
    assert passed.object == [1, 2, 30, 40] and passed.text[0].startswith("The object is 29 x 38")
    assert AnchorsExplorer(nothing_found).text  # in the middle, then
    for wrong in ([[1, 2, 3]], [[5, 5, 1, 9]], [[0, 0, np.nan, 5]], "a box"):
        with pytest.raises(InputError, match=r"expected boxes \(y1, x1, y2, x2\)"):
            AnchorsExplorer(trace, objects=wrong)


def test_a_selected_anchor_leaves_the_selected_roi_alone(trace):
    selection = Selection(roi=3)
    explorer = AnchorsExplorer(trace, selection=selection)
    explorer.view.selected = 40
    assert selection.roi == 3
    selection.roi = 5
    assert explorer.view.selected == 40


@pytest.mark.slow
def test_a_cell_is_clicked_and_the_object_dragged(trace, on_page):
    explorer = AnchorsExplorer(trace, objects=[[40, 40, 80, 90]])
    bench = on_page(explorer)
    bench.click("image", 36, 20)  # cells of 16 pixels
    assert (explorer.settings["row"].value, explorer.settings["column"].value) == (1, 2)
    bench.click("map", 6.5, 4.5)
    assert (explorer.settings["row"].value, explorer.settings["column"].value) == (4, 6)
    bench.press("map", "ArrowUp")
    assert explorer.settings["row"].value == 3
    bench.press("image", "ArrowLeft", times=2)
    assert explorer.settings["column"].value == 4
    bench.drag("image", (65, 60), (45, 70))
    np.testing.assert_allclose(explorer.object, [50, 20, 90, 70], atol=1)
    bench.drag("image", (70, 90), (999, 999))  # its corner
    np.testing.assert_allclose(explorer.object, [50, 20, 128, 128], atol=1)
    shown = bench.page.locator(".mx-line").first.text_content()
    best = int(re.search(r"anchor (\d+)", shown)[1])
    assert best == iou(explorer.result.boxes_px, tf.constant([explorer.object])).numpy().argmax()
