"""Level assignment: equation 1 of FPN, its knife edges, and the pixels to the next level."""

import math

import numpy as np
import pytest
import tensorflow as tf
import witness
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.levels import assign_levels, level_boundaries

SQUARE = np.array([1024, 1024], np.float32)


def squares(sides, image=1024):
    """Boxes [1, n, 4] at the origin whose side is so many pixels of a square image."""
    ends = (np.asarray(sides) / image).astype(np.float32)
    return np.stack([np.zeros_like(ends)] * 2 + [ends] * 2, axis=-1)[None]


def test_the_papers_example(mode):
    # 224 pixels, the side of an ImageNet crop, read P4. Half of it: one level lower.
    found = mode(assign_levels)(squares([224, 112, 448, 56]), SQUARE)
    assert found.roi_level.tolist() == [[4, 3, 5, 2]]
    np.testing.assert_allclose(found.exact_level, [[4, 3, 5, 2]], atol=1e-6)
    np.testing.assert_allclose(found.side, [[224, 112, 448, 56]], rtol=1e-6)


def test_only_the_area_counts(mode):
    # 56 x 896 has the area of 224 x 224.
    wide = np.array([[[0, 0, 56 / 1024, 896 / 1024]]], np.float32)
    found = mode(assign_levels)(wide, SQUARE)
    assert found.roi_level == 4
    np.testing.assert_allclose([found.h, found.w], [[[56 / 1024]], [[896 / 1024]]])
    np.testing.assert_allclose(found.side, 224, rtol=1e-6)


def test_round_and_floor_have_different_boundaries(mode):
    # round: 224 * 2^(k - 4.5), that is 79.2, 158.4, 316.8. floor: 112, 224, 448.
    np.testing.assert_allclose(level_boundaries(), [79.196, 158.392, 316.784], atol=1e-3)
    assert level_boundaries(rounding="floor") == [112, 224, 448]
    sides = squares([79, 80, 158, 159, 316, 317])
    assert mode(assign_levels)(sides, SQUARE).roi_level.tolist() == [[2, 3, 3, 4, 4, 5]]
    sides = squares([111, 112.1, 223, 224.1, 447, 448.1])
    found = mode(assign_levels)(sides, SQUARE, rounding="floor")
    assert found.roi_level.tolist() == [[2, 3, 3, 4, 4, 5]]


def test_the_margin_is_the_pixels_to_the_nearest_boundary(mode):
    # 100 px: 79.2 is 20.8 below, 158.4 is 58.4 above. 600 px: 316.8 is the last boundary.
    found = mode(assign_levels)(squares([100, 600, 10]), SQUARE)
    np.testing.assert_allclose(found.boundary, [[79.196, 316.784, 79.196]], atol=1e-3)
    np.testing.assert_allclose(found.margin, [[20.804, 283.216, -69.196]], atol=1e-3)
    found = mode(assign_levels)(squares([230]), SQUARE, rounding="floor")
    np.testing.assert_allclose(found.margin, [[6]], atol=1e-3)


def test_with_one_level_there_is_no_boundary():
    found = assign_levels(
        tf.constant(squares([10, 1000])), tf.constant(SQUARE), lowest=3, highest=3
    )
    assert found.roi_level.numpy().tolist() == [[3, 3]]
    assert np.isinf(found.boundary).all()


def test_octaves_are_log2_of_the_side_over_224(mode):
    sides = np.array([7, 30, 100, 300, 999])
    found = mode(assign_levels)(squares(sides), SQUARE)
    expected = [math.log(side / 224, 2) for side in sides]
    np.testing.assert_allclose(found.octaves[0], expected, atol=1e-5)
    np.testing.assert_array_equal(found.rounded_octaves[0], np.round(expected))


def test_rois_without_area_crossed_or_nan_read_the_lowest_level(mode):
    # h * w is 0: the logarithm is -inf. One corner pair crossed: the root of a negative
    # number is NaN. Both crossed: a positive product, so it has a level like any other.
    rows = [
        *([0, 0, 0, 0], [0.5, 0.5, 0.5, 0.9], [0.9, 0.1, 0.1, 0.9], [np.nan, 0, 1, 1]),
        [1, 1, 0.5, 0.5],
    ]
    found = mode(assign_levels)(np.array([rows], np.float32), SQUARE)
    assert found.roi_level.tolist() == [[2, 2, 2, 2, 5]]
    assert found.octaves[0, 0] == -np.inf and found.side[0, 0] == 0
    assert np.isnan(found.octaves[0, 2:4]).all()
    lowest = mode(assign_levels)(np.array([rows], np.float32), SQUARE, lowest=3)
    assert lowest.roi_level.tolist() == [[3, 3, 3, 3, 5]]


def test_no_roi_at_all(mode):
    found = mode(assign_levels)(np.zeros([2, 0, 4], np.float32), SQUARE)
    assert all(field.shape == (2, 0) for field in found)


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"lowest": 5, "highest": 2}, "lowest level, 5"), ({"rounding": "ceil"}, "'ceil'")],
)
def test_settings_that_make_no_sense_are_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        assign_levels(tf.zeros([1, 1, 4]), tf.constant(SQUARE), **setting)


@pytest.mark.parametrize("rounding", ["round", "floor"])
def test_random_boxes_match_the_witness_in_whole_numbers(mode, rounding):
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 1, [1, 1000, 2])
    sizes = np.exp(rng.uniform(np.log(0.01), 0, [1, 1000, 2]))
    rois = np.concatenate([corners, corners + sizes], axis=-1).astype(np.float32)
    found = mode(assign_levels)(rois, np.array([512, 1024], np.float32), rounding=rounding)
    expected = [witness.level(roi, (512, 1024), rounding) for roi in rois[0]]
    assert found.roi_level[0].tolist() == expected


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(1, 2000), st.floats(1, 2000))
def test_a_larger_roi_never_reads_a_finer_level(one, other):
    small, large = sorted((one, other))
    levels = {
        how: assign_levels(
            tf.constant(squares([small, large])), tf.constant(SQUARE), rounding=how
        ).roi_level.numpy()[0]
        for how in ("round", "floor")
    }
    assert levels["round"][0] <= levels["round"][1] and levels["floor"][0] <= levels["floor"][1]
    # Deviation 1: rounding gives the same level or the next coarser one, never a finer.
    assert set(levels["round"] - levels["floor"]) <= {0, 1}


def test_twice_the_side_is_one_level_up():
    found = assign_levels(tf.constant(squares([90, 180, 360])), tf.constant(SQUARE))
    np.testing.assert_allclose(np.diff(found.exact_level.numpy()[0]), [1, 1], atol=1e-5)


def test_the_image_counts_as_the_root_of_its_area(mode):
    # A normalised side of 0.5 in an image of 128 x 512 is 0.5 * 256 = 128 pixels.
    found = mode(assign_levels)(
        np.array([[[0, 0, 0.5, 0.5]]], np.float32), np.array([128, 512], np.float32)
    )
    assert found.side == 128


@pytest.mark.parametrize("pool", ["p7", "p14"])
def test_goldens_on_every_knife_edge(roi_goldens, mode, pool):
    # Rows 11…25 sit on a boundary or one float beside it: see box_notes.
    assert "exactly" in roi_goldens["box_notes"][11]
    found = mode(assign_levels)(roi_goldens["boxes"], roi_goldens["image_meta"][0, 4:6])
    # The logarithm's last bit differs between eager, graph and versions; no level does.
    np.testing.assert_allclose(found.octaves, roi_goldens[f"{pool}_log2_raw"], 1e-6)
    np.testing.assert_array_equal(found.rounded_octaves, roi_goldens[f"{pool}_log2_rounded"])
    np.testing.assert_array_equal(found.roi_level, roi_goldens[f"{pool}_roi_level"])
    _same_whole_numbers(found.rounded_octaves, roi_goldens[f"{pool}_log2_cast_int32"])


def _same_whole_numbers(rounded, cast):
    """The original casts to int32; what no int32 holds (-inf, NaN) became its minimum there."""
    holds = np.isfinite(rounded)
    np.testing.assert_array_equal(rounded[holds], cast[holds])
    assert (cast[~holds] == np.iinfo(np.int32).min).all()


def test_goldens_of_an_image_that_is_not_square(roi_goldens, mode):
    shape = roi_goldens["meta_rect_128x512"][0, 4:6]
    found = mode(assign_levels)(roi_goldens["boxes"], shape)
    np.testing.assert_array_equal(found.roi_level, roi_goldens["rect_roi_level"])
    np.testing.assert_allclose(found.octaves, roi_goldens["rect_log2_raw"], rtol=1e-6)


def test_goldens_of_the_primitives(roi_goldens, mode):
    # Round half to even, clip to 2…5; what no int32 holds (NaN, -inf, +inf) reads P2.
    x = roi_goldens["prim_x"]
    np.testing.assert_array_equal(mode(tf.round)(x), roi_goldens["prim_round"])
    _same_whole_numbers(roi_goldens["prim_round"], roi_goldens["prim_cast_round_int32"])
    side = 224 / 1024 * 2.0 ** x.astype(np.float64)
    found = mode(assign_levels)(squares(side, image=1), SQUARE)
    exact = (found.octaves[0] == x) | ~np.isfinite(x)
    assert exact.sum() >= 6  # for the others no float32 box has that logarithm
    expected = roi_goldens["prim_clamped_level"]
    np.testing.assert_array_equal(found.roi_level[0][exact], expected[exact])


@pytest.mark.parametrize(("stage", "boxes"), [("cls", "rpn_rois"), ("mask", "detections")])
def test_goldens_of_the_model(goldens, mode, stage, boxes):
    rois = {"rpn_rois": goldens["rpn_rois"], "detections": goldens["detections"][..., :4]}[boxes]
    found = mode(assign_levels)(rois, goldens["image_meta"][0, 4:6].astype(np.float32))
    np.testing.assert_allclose(found.octaves, goldens[f"{stage}_log2_raw"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.rounded_octaves, goldens[f"{stage}_log2_rounded"])
    np.testing.assert_array_equal(found.roi_level, goldens[f"{stage}_roi_level"])
    _same_whole_numbers(found.rounded_octaves, goldens[f"{stage}_log2_cast_int32"])


def test_a_batch_equals_its_images_one_by_one(roi_goldens, mode):
    boxes, shape = roi_goldens["boxes"], roi_goldens["image_meta"][0, 4:6]
    batch = mode(assign_levels)(boxes, shape)
    for image in range(2):
        alone = mode(assign_levels)(boxes[image : image + 1], shape)
        for together, single in zip(batch, alone, strict=True):
            np.testing.assert_array_equal(together[image], single[0])
