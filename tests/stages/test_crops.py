"""Crops: every ROI from the map of its level, sampled from edge to edge."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.crops import (
    bilinear_weights,
    crop_levels,
    roi_align,
    roi_pool,
    sample_points,
)


def maps_of(sides=(16, 8, 4, 2), images=1, channels=1, seed=0):
    """P2…P5 of noise."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal([images, n, n, channels]).astype(np.float32) for n in sides]


def ramp(cells=8):
    """A map whose every cell holds its row."""
    rows = np.arange(cells, dtype=np.float32)[:, None]
    return np.broadcast_to(rows, [cells, cells])[None, :, :, None].copy()


def test_a_ramp_by_hand(mode):
    # A box from the first to the last row of eight, three samples: rows 0, 3.5 and 7.
    # Half of it, (0, 0.5): rows 0, 1.75 and 3.5. A single sample: the middle, 3.5.
    boxes, level = np.array([[[0, 0, 1, 1], [0, 0, 0.5, 1]]], np.float32), np.array([[2, 2]])
    found = mode(crop_levels)(boxes, level, [ramp()], pool_size=3)
    np.testing.assert_allclose(found.pooled[0][0, :, 0, 0], [0, 3.5, 7])
    np.testing.assert_allclose(found.pooled[0][1, :, 0, 0], [0, 1.75, 3.5])
    np.testing.assert_allclose(found.sample_y[0], [[0, 3.5, 7], [0, 1.75, 3.5]])
    np.testing.assert_allclose(found.sample_x[0], [[0, 3.5, 7], [0, 3.5, 7]])
    single = mode(crop_levels)(boxes, level, [ramp()], pool_size=1)
    np.testing.assert_allclose(single.pooled[0].ravel(), [3.5, 1.75])
    np.testing.assert_allclose(single.sample_y[0], [[3.5], [1.75]])


def test_goldens_of_the_ramp(roi_goldens, mode):
    boxes = roi_goldens["ramp_boxes"][None]
    levels = np.full([1, 4], 2)
    seven = mode(crop_levels)(boxes, levels, [ramp()], pool_size=7).pooled[0][..., 0]
    np.testing.assert_allclose(seven, roi_goldens["ramp_crop7"], atol=1e-6)
    one = mode(crop_levels)(boxes, levels, [ramp()], pool_size=1).pooled[0][..., 0]
    np.testing.assert_allclose(one, roi_goldens["ramp_crop1"], atol=1e-6)


def test_a_sample_outside_the_map_is_zero(mode):
    # (-0.5, 1.5) on rows 0…7, three samples: -3.5, 3.5, 10.5. Only the middle one is inside.
    boxes = np.array([[[-0.5, 0.5, 1.5, 0.5]]], np.float32)
    found = mode(crop_levels)(boxes, np.array([[2]]), [ramp() + 1], pool_size=3)
    np.testing.assert_allclose(found.pooled[0][0, :, 0, 0], [0, 4.5, 0])
    np.testing.assert_allclose(found.sample_y[0], [[-3.5, 3.5, 10.5]])


def test_a_zero_padded_roi_crops_the_first_cell_again_and_again(mode):
    found = mode(crop_levels)(np.zeros([1, 1, 4], np.float32), np.array([[2]]), [ramp() + 5])
    assert (found.pooled[0] == 5).all() and found.pooled[0].shape == (1, 7, 7, 1)


def test_each_level_takes_its_own_rois_in_the_order_of_images_and_rois(mode):
    rois = np.random.default_rng(0).uniform(0, 1, [2, 4, 4]).astype(np.float32)
    level = np.array([[3, 2, 3, 5], [2, 2, 3, 2]])
    found = mode(crop_levels)(rois, level, maps_of(images=2), pool_size=2)
    # Written out by hand from the table of levels: (image, ROI).
    assert found.ix[0].tolist() == [[0, 1], [1, 0], [1, 1], [1, 3]]
    assert found.ix[1].tolist() == [[0, 0], [0, 2], [1, 2]]
    assert found.ix[2].tolist() == [] and found.ix[3].tolist() == [[0, 3]]
    assert [rows.tolist() for rows in found.box_indices] == [[0, 1, 1, 1], [0, 0, 1], [], [0]]
    for ix, boxes in zip(found.ix, found.level_boxes, strict=True):
        np.testing.assert_array_equal(boxes, rois[ix[:, 0], ix[:, 1]])


def test_a_level_without_rois_is_empty_not_absent(mode):
    found = mode(crop_levels)(np.ones([1, 1, 4], np.float32), np.array([[4]]), maps_of())
    assert [p.shape for p in found.pooled] == [(n, 7, 7, 1) for n in (0, 0, 1, 0)]
    assert [y.shape for y in found.sample_y] == [(n, 7) for n in (0, 0, 1, 0)]


def test_no_roi_at_all(mode):
    found = mode(crop_levels)(np.zeros([2, 0, 4], np.float32), np.zeros([2, 0], int), maps_of())
    assert all(len(rows) == 0 for column in found for rows in column)


def test_the_lowest_level_may_be_another(mode):
    maps = maps_of(sides=(8, 4))
    found = mode(crop_levels)(np.ones([1, 1, 4], np.float32), np.array([[4]]), maps, lowest=3)
    assert [len(rows) for rows in found.ix] == [0, 1]


@pytest.mark.parametrize("pool", [1, 2, 7])
def test_random_crops_match_their_witness(mode, pool):
    rng = np.random.default_rng(4)
    maps = maps_of(sides=(12, 6, 5, 2), images=2, channels=3)
    # Rows and columns of another number: a map is rarely square once images are not.
    maps[1] = rng.standard_normal([2, 6, 9, 3]).astype(np.float32)
    rois = rng.uniform(-0.2, 1.2, [2, 10, 4]).astype(np.float32)
    level = rng.integers(2, 6, [2, 10])
    found = mode(crop_levels)(rois, level, maps, pool_size=pool)
    for k, features in enumerate(maps):
        assert len(found.ix[k]) == (level == k + 2).sum()
        for row, (image, roi) in enumerate(found.ix[k]):
            expected = witness.crop(features[image], rois[image, roi], pool)
            np.testing.assert_allclose(found.pooled[k][row], expected, atol=1e-5)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(-0.5, 1.5, width=32), min_size=4, max_size=4), st.integers(1, 9))
def test_sample_points_match_their_witness(box, count):
    y, x = sample_points(tf.constant([box]), tf.constant([5, 11]), count)
    np.testing.assert_allclose(y[0], witness.sample_places(box[0], box[2], 5, count), atol=1e-4)
    np.testing.assert_allclose(x[0], witness.sample_places(box[1], box[3], 11, count), atol=1e-4)


def test_the_sampling_points_are_where_the_crop_was_sampled():
    # Maps that hold their own row and column: a crop of them is the list of its places.
    row, column = np.meshgrid(np.arange(9.0), np.arange(6.0), indexing="ij")
    places = np.stack([row, column], axis=-1)[None].astype(np.float32)
    rois = np.sort(np.random.default_rng(1).uniform(0, 0.999, [1, 20, 2, 2]), axis=2)
    rois = rois.reshape(1, 20, 4).astype(np.float32)
    found = crop_levels(tf.constant(rois), tf.fill([1, 20], 2), [tf.constant(places)])
    y = np.broadcast_to(found.sample_y[0][:, :, None], [20, 7, 7])
    x = np.broadcast_to(found.sample_x[0][:, None], [20, 7, 7])
    np.testing.assert_allclose(found.pooled[0], np.stack([y, x], axis=-1), atol=1e-5)


def _maps(goldens):
    return [goldens["P2"], goldens["P3"], goldens["P4"], goldens["P5"]]


@pytest.mark.parametrize(("name", "pool"), [("p7", 7), ("p14", 14)])
def test_goldens_of_every_level(roi_goldens, mode, name, pool):
    found = mode(crop_levels)(
        roi_goldens["boxes"], roi_goldens[f"{name}_roi_level"], _maps(roi_goldens), pool_size=pool
    )
    for k in range(4):
        ix = roi_goldens[f"{name}_ix_P{k + 2}"]
        np.testing.assert_array_equal(found.ix[k], ix)
        np.testing.assert_array_equal(found.box_indices[k], ix[:, 0])
        pooled = roi_goldens[f"{name}_pooled"][ix[:, 0], ix[:, 1]]
        np.testing.assert_allclose(found.pooled[k], pooled, rtol=1e-5, atol=1e-5)


def test_golden_gradients_reach_the_maps_but_not_the_boxes(roi_goldens, whole_gradients):
    rois, level = tf.constant(roi_goldens["boxes"]), tf.constant(roi_goldens["p7_roi_level"])
    maps = [tf.constant(m) for m in _maps(roi_goldens)]
    cotangent = roi_goldens["grad_cotangent"]
    with tf.GradientTape() as tape:
        tape.watch([rois, *maps])
        found = crop_levels(rois, level, maps)
        terms = [
            tf.reduce_sum(pooled * cotangent[ix.numpy()[:, 0], ix.numpy()[:, 1]])
            for pooled, ix in zip(found.pooled, found.ix, strict=True)
        ]
        total = tf.add_n(terms)
    to_rois, *to_maps = tape.gradient(total, [rois, *maps])
    assert to_rois is None
    for k, gradient in enumerate(to_maps):
        close(gradient, roi_goldens[f"grad_P{k + 2}"], 1e-4)


@pytest.mark.parametrize("stage", ["cls", "mask"])
def test_golden_rows_of_the_model(goldens, mode, stage):
    rois = goldens["rpn_rois"] if stage == "cls" else goldens["detections"][..., :4]
    found = mode(crop_levels)(rois, goldens[f"{stage}_roi_level"], maps_of(images=2))
    for k in range(4):
        np.testing.assert_array_equal(found.ix[k], goldens[f"{stage}_ix_P{k + 2}"])


def test_a_batch_equals_its_images_one_by_one(mode):
    rng = np.random.default_rng(5)
    rois = rng.uniform(0, 1, [2, 6, 4]).astype(np.float32)
    level, maps = rng.integers(2, 6, [2, 6]), maps_of(images=2, channels=2)
    both = mode(crop_levels)(rois, level, maps)
    for image in range(2):
        one = [m[image : image + 1] for m in maps]
        alone = mode(crop_levels)(rois[image : image + 1], level[image : image + 1], one)
        for k in range(4):
            np.testing.assert_array_equal(
                both.pooled[k][both.box_indices[k] == image], alone.pooled[k]
            )


def test_roi_align_by_hand(mode):
    # A ramp of 8 rows over an image of 8 pixels; the box is all of it: pixel edges 0 to 8,
    # which in cells from the first centre is -0.5 to 7.5. Two bins of 4 cells: one sample each
    # sits at 1.5 and 5.5; two samples at 0.5 and 2.5, 4.5 and 6.5, with the same means.
    whole, image = np.array([[0, 0, 1, 1]], np.float32), (8, 8)
    one = mode(roi_align)(ramp(), whole, [0], image, pool_size=2, samples=1)
    np.testing.assert_allclose(one.sample_y, [[1.5, 5.5]], rtol=1e-6)
    np.testing.assert_allclose(one.pooled[0, :, 0, 0], [1.5, 5.5], rtol=1e-6)
    two = mode(roi_align)(ramp(), whole, [0], image, pool_size=2, samples=2)
    np.testing.assert_allclose(two.sample_x, [[0.5, 2.5, 4.5, 6.5]], rtol=1e-6)
    np.testing.assert_allclose(two.samples[0, :, 1, 0], [0.5, 2.5, 4.5, 6.5], rtol=1e-6)
    np.testing.assert_allclose(two.pooled[0, :, 1, 0], [1.5, 5.5], rtol=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.integers(1, 3))
def test_roi_align_is_the_loop_over_bins_and_samples(seed, pool_size, samples):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal([2, 12, 10, 3]).astype(np.float32)
    y1, x1, y2, x2 = (
        rng.uniform(5, 20),
        rng.uniform(5, 20),
        rng.uniform(25, 40),
        rng.uniform(25, 34),
    )
    box = np.array([[y1 / 47, x1 / 39, (y2 - 1) / 47, (x2 - 1) / 39]], np.float32)
    found = roi_align(features, box, [1], (48, 40), pool_size=pool_size, samples=samples)
    expected = witness.roi_align(features[1], (y1, x1, y2, x2), 4, pool_size, samples)
    close(found.pooled[0], expected)


def test_roi_align_of_nothing_and_of_no_samples():
    empty = roi_align(ramp(), np.zeros([0, 4], np.float32), np.zeros([0], np.int32), (8, 8))
    assert empty.pooled.shape == (0, 7, 7, 1)
    with pytest.raises(ValueError, match="samples is 0; expected 1 or more per bin"):
        roi_align(ramp(), np.zeros([1, 4], np.float32), [0], (8, 8), samples=0)


def test_roi_pool_by_hand(mode):
    # A map of 8 x 8 cells over 32 pixels, so a cell covers 4. Pixels 5 to 20 are 1.25 to 5
    # cells, rounded 1 to 5: five cells. Two bins of 2.5 cells each: rows 1 to 3 and 3 to 5,
    # which share row 3. The ramp's cells hold their row, so the maxima are 3 and 5.
    def pooled(first, last):
        box = np.array([[first, first, last, last]], np.float32) / 31
        return mode(roi_pool)(ramp(), box, [0], (32, 32), pool_size=2)

    found = pooled(5, 20)
    assert found.first.tolist() == [[1, 1]] and found.last.tolist() == [[5, 5]]
    assert found.row_bins.tolist() == [[[1, 4], [3, 6]]]
    np.testing.assert_array_equal(found.pooled[0, :, 0, 0], [3, 5])
    # Moved one pixel up nothing changes; moved a little down it jumps by a whole cell.
    np.testing.assert_array_equal(pooled(4, 19).pooled, found.pooled)
    np.testing.assert_array_equal(pooled(7, 23).pooled[0, :, 0, 0], [4, 6])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31 - 1), st.integers(1, 5))
def test_roi_pool_is_the_loop_over_bins(seed, pool_size):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal([2, 12, 10, 3]).astype(np.float32)
    top, left = rng.integers(0, 20, 2)
    bottom, right = top + rng.integers(1, 27), left + rng.integers(1, 19)
    box = np.array([[top / 47, left / 39, bottom / 47, right / 39]], np.float32)
    found = roi_pool(features, box, [1], (48, 40), pool_size=pool_size)
    edges = []
    for first, last in zip(found.first.numpy()[0], found.last.numpy()[0], strict=True):
        size = Fraction(int(last - first + 1), pool_size)
        edges.append(
            [(first + floor(i * size), first + ceil((i + 1) * size)) for i in range(pool_size)]
        )
    for i, (y1, y2) in enumerate(edges[0]):
        for j, (x1, x2) in enumerate(edges[1]):
            cells = features[1, y1:y2, x1:x2].reshape(-1, 3)
            expected = cells.max(axis=0) if len(cells) else np.zeros(3)
            np.testing.assert_array_equal(found.pooled[0, i, j], expected)


def test_roi_pool_of_nothing():
    empty = roi_pool(ramp(), np.zeros([0, 4], np.float32), np.zeros([0], np.int32), (8, 8))
    assert empty.pooled.shape == (0, 7, 7, 1)


def test_bilinear_weights_by_hand(mode):
    # (1.25, 2.5) lies a quarter below row 1, half-way between columns 2 and 3.
    cells, weights = mode(bilinear_weights)(np.float32([1.25, 3]), np.float32([2.5, 4]))
    assert cells[0].tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    np.testing.assert_allclose(weights[0], [0.375, 0.375, 0.125, 0.125])
    assert cells[1].tolist() == [[3, 4]] * 4  # on a centre
    np.testing.assert_allclose(weights[1], [1, 0, 0, 0])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31 - 1))
def test_a_crop_is_the_weighted_sum_of_its_cells(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.5, 2)
    box = np.concatenate([corner, corner + rng.uniform(0, 0.5, 2)])[None, None].astype(np.float32)
    features = maps_of(sides=(9,), channels=2, seed=seed % 1000)
    found = crop_levels(box, np.array([[2]]), features, pool_size=3)
    y, x = np.meshgrid(found.sample_y[0][0], found.sample_x[0][0], indexing="ij")
    cells, weights = (v.numpy() for v in bilinear_weights(y.ravel(), x.ravel()))
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    mixed = np.einsum("nk,nkc->nc", weights, features[0][0][cells[..., 0], cells[..., 1]])
    np.testing.assert_allclose(mixed, found.pooled[0][0].numpy().reshape(9, 2), atol=1e-5)
