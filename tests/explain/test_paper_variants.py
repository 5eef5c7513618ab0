"""The papers' ways: each switch changes what it says, and nothing before it."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.paper_variants import (
    SWITCHES,
    aligned_crops,
    paper_variant,
    paper_variants,
)
from mrcnn_explained.stages.crops import crop_levels, roi_align
from mrcnn_explained.stages.levels import assign_levels

FIRST = {
    "level rounding": "levels",
    "ROIAlign": "crops",
    "anchor centres": "anchors",
    "detection thresholds": "detections",
}


@pytest.mark.parametrize("name", SWITCHES)
def test_runs_part_at_the_switch(tiny_model, tiny_trace, name):
    variant = paper_variant(tiny_model, tiny_trace, name)
    assert variant.comparison.first == FIRST[name]
    assert f"The first difference is at {FIRST[name]}." in str(variant)
    assert variant.what in str(variant)
    assert variant.trace.check() == []


def test_all_of_them_one_at_a_time(tiny_model, tiny_trace):
    found = paper_variants(tiny_model, tiny_trace)
    assert [v.name for v in found] == list(SWITCHES)
    assert found[-1].trace.config.level_rounding == "round"  # the first switch is off again


def test_levels_are_rounded_down(tiny_model, tiny_trace):
    trace = paper_variant(tiny_model, tiny_trace, "level rounding").trace
    shape = tf.constant(tiny_trace.image.molded.shape[1:3], tf.float32)
    expected = assign_levels(tf.constant(tiny_trace.proposals.rpn_rois), shape, rounding="floor")
    np.testing.assert_array_equal(trace.levels.roi_level, expected.roi_level)


def test_thresholds_of_the_papers(tiny_model, tiny_trace):
    trace = paper_variant(tiny_model, tiny_trace, "detection thresholds").trace
    config = trace.config
    assert (config.detection_min_confidence, config.detection_nms_threshold) == (0.05, 0.5)


def test_anchors_move_by_half_a_cell(tiny_model, tiny_trace):
    anchors = paper_variant(tiny_model, tiny_trace, "anchor centres").trace.anchors
    before, after = tiny_trace.anchors.boxes_px, anchors.boxes_px.numpy()
    half = 2.0**tiny_trace.anchors.level / 2
    np.testing.assert_allclose(after - before, np.tile(half[:, None], 4), rtol=1e-5)
    middle = (after[0, :2] + after[0, 2:]) / 2
    np.testing.assert_allclose(middle, [2, 2])  # of the first cell of P2: 4 x 4 pixels
    size = np.array(tiny_trace.image.molded.shape[1:3])
    np.testing.assert_allclose(
        anchors.boxes[0], (after[0] - [0, 0, 1, 1]) / (np.tile(size, 2) - 1), rtol=1e-5
    )


def test_crops_are_those_of_roi_align(tiny_trace):
    maps = [tf.constant(m) for m in tiny_trace.pyramid.roi_maps]
    rois = tf.constant(tiny_trace.proposals.rpn_rois)
    level = tf.constant(tiny_trace.levels.roi_level)
    found = aligned_crops(rois, level, maps, pool_size=5)
    plain = crop_levels(rois, level, maps, pool_size=5)
    for k in range(4):
        np.testing.assert_array_equal(found.ix[k], plain.ix[k])
        expected = roi_align(
            maps[k], plain.level_boxes[k], plain.box_indices[k], (128, 128), pool_size=5
        )
        np.testing.assert_array_equal(found.pooled[k], expected.pooled)
    y1, _, y2, _ = plain.level_boxes[0][0].numpy() * 127
    bins = np.arange(5) + 0.5  # their centres, in pixels and then in cells of 4
    centres = (y1 + bins * (y2 + 1 - y1) / 5) / 4 - 0.5
    np.testing.assert_allclose(found.sample_y[0][0], centres, rtol=1e-4, atol=1e-4)


def test_a_name_that_is_not_a_variant(tiny_model, tiny_trace):
    with pytest.raises(
        InputError, match="'NMS' is not a paper variant; expected level rounding, ROIAlign"
    ):
        paper_variant(tiny_model, tiny_trace, "NMS")
