"""Box maths: deltas, clipping, IoU and the two kinds of coordinates."""

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.boxes import apply_box_deltas, clip_boxes, denorm_boxes, iou, norm_boxes

FEW = settings(max_examples=30, deadline=None, derandomize=True)
unit = st.floats(0, 1, width=32)
box = st.tuples(unit, unit, unit, unit)
boxes = st.lists(box, min_size=1, max_size=6).map(lambda rows: np.array(rows, np.float32))


def test_the_whole_image_is_zero_to_one(mode):
    # (0, 0, H, W) with H = 101, W = 201: y2 is the row after the last, 100 is the last one;
    # 100 / (101 - 1) = 1. A box of one pixel, rows 50 to 51, has no height: 50/100 to 50/100.
    pixels = np.array([[0, 0, 101, 201], [50, 100, 51, 101]], np.float32)
    found = mode(norm_boxes)(pixels, np.array([101, 201], np.float32))
    assert found.tolist() == [[0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]]


def test_denorm_undoes_norm(mode):
    pixels = np.random.default_rng(0).uniform(-50, 500, [3, 5, 4]).astype(np.float32)
    shape = np.array([448, 320], np.float32)
    back = mode(denorm_boxes)(mode(norm_boxes)(pixels, shape), shape)
    np.testing.assert_allclose(back, pixels, atol=1e-3)


def test_coordinates_take_whole_number_shapes_and_keep_float64():
    found = norm_boxes(tf.constant([[0.0, 0, 3, 5]], tf.float64), tf.constant([3, 5]))
    assert found.dtype == tf.float64 and found.numpy().tolist() == [[0, 0, 1, 1]]


def test_golden_anchors_and_windows_are_normalised_alike(goldens, mode):
    px = goldens["anchors_px_every7"].astype(np.float64)
    found = mode(norm_boxes)(px, np.array([448.0, 448.0])).astype(np.float32)
    np.testing.assert_allclose(found, goldens["anchors_every7"], atol=1e-7)
    window = goldens["window_px"].astype(np.float32)
    found = mode(norm_boxes)(window, np.array([448, 448], np.float32))
    np.testing.assert_array_equal(found, goldens["det_window_norm"])


def test_deltas_by_hand(mode):
    # 10 high, 20 wide, centre (5, 10). dy = 0.5: half its height down, centre (10, 10).
    # dh = ln 2: 20 high, 0…20. dw = 0: still 20 wide, 0…20.
    found = mode(apply_box_deltas)(
        np.array([[0, 0, 10, 20]], np.float32), np.array([[0.5, 0, np.log(2), 0]], np.float32)
    )
    np.testing.assert_allclose(found, [[0, 0, 20, 20]], atol=1e-5)
    # dx = -0.25 of 20: centre (5, 5). dw = ln 1/2: 10 wide, 0…10.
    found = mode(apply_box_deltas)(
        np.array([[0, 0, 10, 20]], np.float32), np.array([[0, -0.25, 0, -np.log(2)]], np.float32)
    )
    np.testing.assert_allclose(found, [[0, 0, 10, 10]], atol=1e-5)


def test_deltas_of_zero_leave_the_box():
    place = tf.constant([[0.125, 0.25, 0.5, 0.75]])
    assert apply_box_deltas(place, tf.zeros([1, 4])).numpy().tolist() == place.numpy().tolist()


@FEW
@given(boxes, st.floats(-2, 2, width=32), st.floats(-2, 2, width=32))
def test_deltas_match_their_witness(places, shift, stretch):
    deltas = np.tile(np.array([shift, -shift, stretch, -stretch], np.float32), [len(places), 1])
    found = apply_box_deltas(tf.constant(places), tf.constant(deltas)).numpy()
    expected = [witness.moved(*pair) for pair in zip(places, deltas, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.exp(2))


def test_golden_deltas(goldens, mode):
    anchors = mode(apply_box_deltas)(goldens["rpn_rois"], np.zeros([2, 150, 4], np.float32))
    np.testing.assert_allclose(anchors, goldens["rpn_rois"], atol=1e-7)


def test_clipping_by_hand(mode):
    # The window is (1, 2, 5, 6). A box outside ends as a box without area at its border.
    places = np.array([[0, 0, 9, 9], [2, 3, 4, 5], [7, 8, 9, 9], [-3, -3, -1, -1]], np.float32)
    found = mode(clip_boxes)(places, np.array([1, 2, 5, 6], np.float32))
    assert found.tolist() == [[1, 2, 5, 6], [2, 3, 4, 5], [5, 6, 5, 6], [1, 2, 1, 2]]


def test_each_image_of_a_batch_is_clipped_to_its_own_window():
    places = tf.constant([[[0.0, 0, 1, 1]] * 3] * 2)
    windows = tf.constant([[0.1, 0.2, 0.9, 0.8], [0.0, 0.3, 1, 0.7]])
    found = clip_boxes(places, windows[:, tf.newaxis]).numpy()
    np.testing.assert_array_equal(found, np.repeat(windows.numpy()[:, None], 3, axis=1))


@FEW
@given(boxes)
def test_clipping_matches_its_witness_and_is_done_once(places):
    places, window = 3 * places - 1, [0.125, 0.25, 0.75, 0.875]
    once = clip_boxes(tf.constant(places), tf.constant(window))
    np.testing.assert_array_equal(once, [witness.clipped(place, window) for place in places])
    np.testing.assert_array_equal(clip_boxes(once, tf.constant(window)), once)


def test_iou_by_hand(mode):
    # a: 2x2. b: shifted by one column, common 2x1 = 2, covered 4 + 4 - 2 = 6: 1/3.
    # c: inside a, 1x1: 1/4. d: touches a along an edge: 0. e: has no area: 0, even with itself.
    places = [[0, 0, 2, 2], [0, 1, 2, 3], [0, 0, 1, 1], [0, 2, 2, 4], [1, 1, 1, 1]]
    places = np.array(places, np.float32)
    found = mode(iou)(places, places)
    np.testing.assert_allclose(found[0], [1, 1 / 3, 1 / 4, 0, 0], rtol=1e-6)
    assert found[4].tolist() == [0] * 5
    np.testing.assert_array_equal(found, found.T)


def test_iou_takes_corners_in_any_order():
    upright, crossed = tf.constant([[0.0, 0, 2, 3]]), tf.constant([[2.0, 3, 0, 0]])
    assert iou(upright, crossed).numpy() == 1


def test_iou_of_nothing_is_empty():
    assert iou(tf.zeros([0, 4]), tf.zeros([3, 4])).shape == (0, 3)


@FEW
@given(boxes, boxes)
def test_iou_matches_its_witness(first, second):
    # Boxes smaller than a few floats' distance are all rounding: none of them here.
    first, second = np.round(first * 64) / 64, np.round(second * 64) / 64
    found = iou(tf.constant(first, tf.float32), tf.constant(second, tf.float32)).numpy()
    expected = [[witness.overlap(a, b) for b in second] for a in first]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert (found >= 0).all() and (found <= 1).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_iou_does_not_depend_on_the_unit(scale):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 1, [2, 20, 4]).astype(np.float32)
    close(iou(tf.constant(a * scale), tf.constant(b * scale)), iou(a, b), 1e-4)
