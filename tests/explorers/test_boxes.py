"""The explorers of notebook 03b: IoU, deltas, NMS and pooling are the project's own functions."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import noise_image

from explorers.bench import Bench
from mrcnn_explained.boxes import apply_box_deltas, denorm_boxes, iou, norm_boxes
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.deltas import START, DeltasExplorer
from mrcnn_explained.explorers.iou import EXAMPLES, IouExplorer
from mrcnn_explained.explorers.nms import BOXES, SCORES, NmsExplorer
from mrcnn_explained.explorers.pooling import PoolingExplorer
from mrcnn_explained.plots.palette import LOST_DASH, NEVER_DASH
from mrcnn_explained.stages.crops import crop_levels, roi_align, roi_pool


def move(explorer, name, box):
    event = explorer.view.moved_box.get("event", 0) + 1
    explorer.view.moved_box = {"panel": "", "name": name, "box": box, "event": event}


# IoU ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_numbers_in_the_formula_give_the_iou(example):
    explorer = IouExplorer()
    explorer.settings["example"].value = example
    a, b = (np.array([box], np.float32) for box in EXAMPLES[example])
    assert explorer.result[0, 0] == iou(a, b).numpy()[0, 0]
    *_, quotient, value = explorer.text[0].split(" = ")
    shared, together = map(float, quotient.split(" / "))
    assert shared / together == pytest.approx(float(explorer.result[0, 0]))
    assert float(value) == pytest.approx(float(explorer.result[0, 0]), abs=5e-4)
    assert ("share no area" in explorer.text[1]) == (shared == 0)


def test_boxes_are_dragged_and_an_example_puts_them_back():
    explorer = IouExplorer()
    move(explorer, "B", [40.0, 30.0, 120.0, 110.0])
    assert explorer.result[0, 0] == 1 and "= 1.000" in explorer.text[0]
    move(explorer, "A", [40.0, 30.0, 80.0, 110.0])
    assert explorer.result[0, 0] == 0.5
    extents = [layer["extent"] for layer in explorer.view.scene["panels"][0]["images"][1:]]
    assert extents[2] == [30, 40, 110, 80]  # the shared area
    explorer.settings["example"].value = "equal"
    assert explorer.boxes["A"] == [50, 50, 150, 150] and explorer.result[0, 0] == 1


# Deltas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("deltas", [(0, 0, 0, 0), (0.25, -0.1, 0.4, -0.7), (-1, 1, 1.5, -1.5)])
def test_the_moved_box_is_that_of_the_stages(deltas):
    explorer = DeltasExplorer()
    for name, value in zip(("dy", "dx", "dh", "dw"), deltas, strict=True):
        explorer.settings[name].value = value
    expected = apply_box_deltas(tf.constant([START]), tf.constant([deltas], tf.float32)).numpy()
    np.testing.assert_allclose(explorer.result, expected)
    y1, x1, y2, x2 = expected[0]
    ends = [float(text.split(" = ")[-1]) for text in explorer.text[:4]]
    right = [(y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1]
    np.testing.assert_allclose(ends, right, atol=0.051)
    drawn = np.frombuffer(explorer.view.scene["panels"][0]["boxes"][0]["data"], np.float32)
    np.testing.assert_allclose(drawn, expected[0])


def test_the_same_deltas_move_a_dragged_box_in_proportion():
    explorer = DeltasExplorer()
    move(explorer, "box", [0.0, 0.0, 100.0, 100.0])
    large = explorer.result[0].copy()
    move(explorer, "box", [0.0, 0.0, 10.0, 10.0])
    np.testing.assert_allclose(explorer.result[0] * 10, large, rtol=1e-5)
    assert "outside the image" not in explorer.text[-1]
    explorer.settings["dy"].value = -1.0
    assert "outside the image" in explorer.text[-1]


# NMS ------------------------------------------------------------------------------------------


def test_every_step_says_what_nms_decides():
    explorer = NmsExplorer()
    kept = tf.image.non_max_suppression(np.array(BOXES, np.float32), SCORES, 5, 0.5).numpy()
    assert np.flatnonzero(explorer.result.rank >= 0).tolist() == sorted(kept.tolist())
    assert explorer.text == ["Next: box A."]
    for step in range(1, 6):
        explorer.go(1)
        assert explorer.settings["step"].value == step
        assert len([text for text in explorer.text if text.startswith("Box ")]) == step
    assert explorer.text[-1].startswith(f"{len(kept)} of 5 boxes are kept")
    for row, text in enumerate(explorer.text[:-1]):  # the boxes are in order of their scores
        assert (": kept" in text) == (row in kept)
    assert "a suppressed box suppresses nothing" in explorer.text[2]
    explorer.go(1)
    assert explorer.settings["step"].value == 5


def test_line_styles_are_the_fates():
    explorer = NmsExplorer()
    explorer.settings["step"].value = 3
    held = {box["name"]: box for box in explorer.view.scene["panels"][0]["movable"]}
    assert held["A"]["dash"] == [] and held["B"]["dash"] == LOST_DASH
    assert held["D"]["dash"] == held["E"]["dash"] == NEVER_DASH
    assert held["C"]["width"] > held["A"]["width"]


def test_a_threshold_of_one_keeps_all_and_a_dragged_box_changes_the_verdict():
    explorer = NmsExplorer()
    explorer.settings["step"].value = 5
    explorer.settings["threshold"].value = 1.0
    assert explorer.text[-1].startswith("5 of 5")
    explorer.settings["threshold"].value = 0.5
    move(explorer, "B", [120.0, 20.0, 200.0, 100.0])  # away from A
    assert explorer.result.rank[1] >= 0
    move(explorer, "B", list(map(float, BOXES[0])))
    assert explorer.result.suppressed_by[1] == 0 and explorer.result.suppressed_iou[1] == 1


def test_own_boxes_in_any_order_and_wrong_ones():
    explorer = NmsExplorer([[0, 0, 50, 50], [0, 0, 50, 50]], [0.2, 0.9])
    assert explorer.names == {1: "A", 0: "B"} and explorer.result.suppressed_by[0] == 1
    for boxes, scores in (
        ([], []),
        ([[0, 0, 1, 1]], [0.1, 0.2]),
        ([[0, 0, 1, 1]] * 13, [0.5] * 13),
    ):
        with pytest.raises(InputError, match="expected 1 to 12 boxes"):
            NmsExplorer(boxes, scores)


# Pooling --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trace(tiny_model):
    model = tiny_model.with_config(detection_min_confidence=0.0)
    return model.trace([noise_image(100, 128, seed=1), noise_image(90, 60, seed=2)])


def mean(crop):
    return np.abs(np.asarray(crop)).mean(axis=-1)


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("level", [2, 4])
def test_crops_are_those_of_the_three_functions(trace, image, level):
    explorer = PoolingExplorer(trace, image=image)
    explorer.settings["roi"].value = 2
    explorer.settings["level"].value = level
    explorer.settings["pool_size"].value = 5
    features = tf.constant(trace.pyramid.roi_maps[level - 2][image : image + 1])
    box = tf.constant(trace.proposals.rpn_rois[image][2:3])
    shape = trace.image.molded.shape[1:3]
    for name, function in (("roi_pool", roi_pool), ("roi_align", roi_align)):
        expected = function(features, box, tf.constant([0]), shape, pool_size=5).pooled[0]
        np.testing.assert_allclose(getattr(explorer.result, name), mean(expected), atol=1e-4)
    sampled = crop_levels(
        box[tf.newaxis], tf.constant([[level]]), [features], pool_size=5, lowest=level
    )
    np.testing.assert_allclose(
        explorer.result.crop_and_resize, mean(sampled.pooled[0][0]), atol=1e-4
    )


def test_roi_pooling_jumps_where_the_others_glide(trace):
    explorer = PoolingExplorer(trace)
    start = explorer.settings["roi"].value
    explorer.settings["level"].value = 3
    first = explorer.result
    (held,) = explorer.view.scene["panels"][0]["movable"]
    box = np.round(np.array(held["box"])) + 0.2  # far from where a corner is rounded
    move(explorer, "ROI", box.tolist())
    at_start = explorer.result
    move(explorer, "ROI", (box + 0.1).tolist())
    np.testing.assert_array_equal(explorer.result.roi_pool, at_start.roi_pool)
    assert np.abs(explorer.result.roi_align - at_start.roi_align).max() > 1e-4
    assert "ROI Pooling 0.0000" in explorer.text[-1]
    move(explorer, "ROI", (box + 0.9).tolist())
    assert np.abs(explorer.result.roi_pool - at_start.roi_pool).max() > 1e-4
    other = start + 1
    explorer.settings["roi"].value = other
    assert explorer.settings["level"].value == trace.levels.roi_level[0, other]
    explorer.settings["roi"].value = start
    explorer.settings["level"].value = 3
    np.testing.assert_allclose(explorer.result.roi_align, first.roi_align, atol=1e-5)


def test_the_drawn_box_is_the_roi_in_cells(trace):
    explorer = PoolingExplorer(trace)
    roi, level = explorer.settings["roi"].value, explorer.settings["level"].value
    shape = tf.constant(trace.image.molded.shape[1:3], tf.float32)
    pixels = denorm_boxes(tf.constant(trace.proposals.rpn_rois[0][roi]), shape).numpy()
    (held,) = explorer.view.scene["panels"][0]["movable"]
    np.testing.assert_allclose(held["box"], pixels / 2**level - 0.5, atol=1e-4)
    back = norm_boxes(tf.constant(pixels), shape)
    np.testing.assert_allclose(back, trace.proposals.rpn_rois[0][roi], atol=1e-6)


# In Chromium ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_boxes_are_dragged_in_a_browser(chromium):
    bench = Bench(chromium, IouExplorer())
    bench.drag(0, (110, 80), (70, 80))  # B, which lies on top, on A
    np.testing.assert_allclose(bench.explorer.boxes["B"], [40, 30, 120, 110], atol=1)
    assert float(bench.explorer.result[0, 0]) > 0.95
    bench.press_box("A", "ArrowDown")
    assert bench.explorer.boxes["A"][0] == 41
    nms = Bench(chromium, NmsExplorer())
    nms.press_box("B", "Shift+ArrowDown")  # it is moved: its size is fixed
    size = np.subtract(nms.explorer.boxes[1][2:], nms.explorer.boxes[1][:2])
    np.testing.assert_allclose(size, 80)
    nms.drag(0, (60, 60), (60, 100))  # A, the best box, is reached first
    np.testing.assert_allclose(nms.explorer.boxes[0], [60, 20, 140, 100], atol=1)
