"""The explorer of the box head: the box of one ROI as each class would have it."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.boxes import apply_box_deltas, clip_boxes, norm_boxes
from mrcnn_explained.explorers.box_head import BoxHeadExplorer
from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.plots.style import to_pixels


def drawn_box(explorer):
    return np.frombuffer(explorer.view.scene["panels"][0]["boxes"][-1]["data"], np.float32)


@pytest.mark.parametrize("image", [0, 1])
def test_each_class_moves_the_box_by_its_own_deltas(trace, image):
    explorer = BoxHeadExplorer(trace, image=image)
    explorer.view.selected = 4
    assert explorer.settings["roi"].value == 4
    shape = explorer.pixels.shape[:2]
    window = norm_boxes(tf.constant(trace.image.window[image], tf.float32), shape)
    for class_id in range(trace.config.num_classes):
        explorer.settings["class_id"].value = class_id
        deltas = trace.box_head.mrcnn_bbox[image, 4, class_id] * trace.config.bbox_std_dev
        refined = apply_box_deltas(trace.proposals.rpn_rois[image, 4], deltas)
        expected = to_pixels(clip_boxes(refined, window), explorer.pixels)[0]
        np.testing.assert_allclose(drawn_box(explorer), expected, rtol=1e-5, atol=1e-3)
        for name, value in zip(("dy", "dx", "dh", "dw"), deltas.numpy(), strict=True):
            assert f"{name} {value:+.3f}" in " ".join(explorer.text)
    probable = int(np.argmax(trace.box_head.mrcnn_class[image, 4]))
    explorer.settings["class_id"].value = probable
    assert "It is the most probable class" in explorer.text[-1]
    own = trace.detections.refined_rois_clipped[image, 4]
    np.testing.assert_allclose(drawn_box(explorer), to_pixels(own, explorer.pixels)[0], rtol=1e-5)


def test_the_background_is_no_detection(trace):
    explorer = BoxHeadExplorer(trace)
    explorer.settings["class_id"].value = 0
    assert any("no loss and in no detection" in text for text in explorer.text)


def test_a_bar_chooses_its_class(trace):
    explorer = BoxHeadExplorer(trace)
    order = np.argsort(-trace.box_head.mrcnn_class[0, 0].numpy(), kind="stable")
    explorer.view.clicked = {"panel": "classes", "x": 0.1, "y": 2.3, "event": 1}
    assert explorer.settings["class_id"].value == order[2]


def test_the_roi_is_shared(trace):
    selection = Selection()
    explorer = BoxHeadExplorer(trace, selection=selection)
    selection.roi = 3
    assert explorer.settings["roi"].value == 3
    assert explorer.view.scene["panels"][0]["title"].startswith("ROI 3 ")


@pytest.mark.slow
def test_rois_and_bars_are_clicked(trace, on_page):
    explorer = BoxHeadExplorer(trace)
    bench = on_page(explorer)
    order = np.argsort(-trace.box_head.mrcnn_class[0, 0].numpy(), kind="stable")
    bench.click("classes", 0.3, 1)
    assert explorer.settings["class_id"].value == order[1]
    bench.press("classes", "ArrowDown")
    assert explorer.settings["class_id"].value == order[2]
    bench.press(0, "ArrowRight")
    assert explorer.settings["roi"].value == explorer.view.selected >= 0
    assert bench.page.locator(".mx-line").first.text_content() == explorer.text[0]
