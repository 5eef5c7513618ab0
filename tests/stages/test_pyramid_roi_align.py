"""Stages 7 to 9 together: the PyramidROIAlign of Matterport's code."""

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close

from mrcnn_explained.stages.crops import crop_levels
from mrcnn_explained.stages.levels import assign_levels
from mrcnn_explained.stages.pyramid_roi_align import PyramidROIAlign, pyramid_roi_align
from mrcnn_explained.stages.reorder import reorder


def inputs(goldens):
    maps = [goldens["P2"], goldens["P3"], goldens["P4"], goldens["P5"]]
    return goldens["boxes"], goldens["image_meta"][0, 4:6], maps


@pytest.mark.parametrize(("name", "pool"), [("p7", 7), ("p14", 14)])
def test_goldens_from_boxes_to_crops(roi_goldens, mode, name, pool):
    found = mode(pyramid_roi_align)(*inputs(roi_goldens), pool_size=pool)
    np.testing.assert_array_equal(found.levels.roi_level, roi_goldens[f"{name}_roi_level"])
    np.testing.assert_array_equal(found.reordered.final_order, roi_goldens[f"{name}_final_order"])
    np.testing.assert_allclose(
        found.reordered.pooled, roi_goldens[f"{name}_pooled"], rtol=1e-5, atol=1e-5
    )


def test_it_is_the_three_stages_in_order(roi_goldens, mode):
    rois, shape, maps = inputs(roi_goldens)
    levels = mode(assign_levels)(rois, shape, rounding="floor")
    crops = mode(crop_levels)(rois, levels.roi_level, maps, pool_size=3)
    back = mode(reorder)(crops.ix, crops.pooled, np.array([2, 64], np.int32))
    found = mode(pyramid_roi_align)(rois, shape, maps, pool_size=3, rounding="floor")
    expected = PyramidROIAlign(levels, crops, back)
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def test_every_roi_gets_the_crop_of_its_own_box(roi_goldens):
    rois, shape, maps = inputs(roi_goldens)
    found = pyramid_roi_align(
        tf.constant(rois), tf.constant(shape), [tf.constant(m) for m in maps], pool_size=2
    )
    for roi in (0, 6, 7, 15, 30, 53):  # one at least on each level
        features = maps[witness.level(rois[1, roi], shape) - 2][1]
        expected = witness.crop(features, rois[1, roi], 2)
        np.testing.assert_allclose(found.reordered.pooled[1, roi], expected, atol=1e-4)


def test_golden_gradients(roi_goldens, whole_gradients):
    rois, shape, maps = inputs(roi_goldens)
    rois, maps = tf.constant(rois), [tf.constant(m) for m in maps]
    with tf.GradientTape() as tape:
        tape.watch([rois, *maps])
        pooled = pyramid_roi_align(rois, tf.constant(shape), maps).reordered.pooled
        total = tf.reduce_sum(pooled * roi_goldens["grad_cotangent"])
    to_rois, *to_maps = tape.gradient(total, [rois, *maps])
    assert to_rois is None  # deviation 7: no gradient reaches the boxes
    for k, gradient in enumerate(to_maps):
        close(gradient, roi_goldens[f"grad_P{k + 2}"], 1e-4)


def test_crops_of_the_model_are_those_of_the_goldens(golden_trace, goldens, mode):
    """On the golden ROIs and this run's maps, which equal the golden ones to 1e-5."""
    maps, shape = golden_trace.pyramid.roi_maps, np.array([448, 448], np.float32)
    for name, rois, pool in (
        ("cls", goldens["rpn_rois"], 7),
        ("mask", goldens["detections"][..., :4], 14),
    ):
        pooled = mode(pyramid_roi_align)(rois, shape, maps, pool_size=pool).reordered.pooled
        close(pooled.mean((2, 3, 4)), goldens[f"{name}_pooled_mean_per_roi"], spread=1e-3)
        close(pooled.std((2, 3, 4)), goldens[f"{name}_pooled_std_per_roi"], spread=1e-3)
        for k in range(2, 6):
            image, roi = goldens[f"{name}_pooled_P{k}_slice_ix"].T
            close(pooled[image, roi], goldens[f"{name}_pooled_P{k}_slice"], spread=1e-3)
