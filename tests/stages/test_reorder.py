"""Reorder: every crop returns to its ROI."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.reorder import IMAGE_STEP, reorder


def stacked(level):
    """Rows of each level (image, ROI), and crops that hold 100 * image + ROI."""
    level = np.asarray(level)
    ix = [np.argwhere(level == k) for k in range(2, 6)]
    pooled = [(100.0 * rows[:, 0] + rows[:, 1]).astype(np.float32) for rows in ix]
    return ix, [p[:, None, None, None] * np.ones([1, 2, 2, 1], np.float32) for p in pooled]


def test_two_levels_by_hand(mode):
    # ROIs 0 and 2 read P3, ROI 1 reads P2: the stack is [1, 0, 2]. So ROI 0 takes row 1,
    # ROI 1 takes row 0, ROI 2 takes row 2. The keys are those of image 0: the ROI itself.
    ix, pooled = stacked([[3, 2, 3]])
    found = mode(reorder)(ix, pooled, np.array([1, 3], np.int32))
    assert found.box_to_level.tolist() == [[0, 1, 0], [0, 0, 1], [0, 2, 2]]
    assert found.sorting_tensor.tolist() == [1, 0, 2]
    assert found.sorted_ix.tolist() == [1, 0, 2] and found.final_order.tolist() == [1, 0, 2]
    assert found.home.tolist() == [[True, True, True]]
    assert found.pooled[0, :, 0, 0, 0].tolist() == [0, 1, 2]


def test_the_key_counts_images_in_steps_of_100000(mode):
    ix, pooled = stacked([[2, 3], [3, 2]])
    found = mode(reorder)(ix, pooled, np.array([2, 2], np.int32))
    assert found.sorting_tensor.tolist() == [0, 100_001, 1, 100_000]
    assert found.final_order.tolist() == [0, 2, 3, 1]
    assert found.pooled[..., 0, 0, 0].tolist() == [[0, 1], [100, 101]]


def test_an_roi_from_100000_on_does_not_get_its_crop_back():
    # Deviation 8: ROI 100,000 of image 0 has the key of ROI 0 of image 1. `home` shows it.
    count = IMAGE_STEP + 1
    level = np.full([2, count], 2)
    ix = [np.argwhere(level == k) for k in (2, 3)]
    pooled = [np.zeros([len(rows), 1, 1, 1], np.float32) for rows in ix]
    found = reorder(
        [tf.constant(rows) for rows in ix],
        [tf.constant(p) for p in pooled],
        tf.constant([2, count], tf.int32),
    )
    wrong = np.argwhere(~found.home.numpy())
    assert set(map(tuple, wrong)) == {(0, IMAGE_STEP), (1, 0)}


def test_no_roi_at_all(mode):
    ix, pooled = stacked(np.zeros([2, 0]))
    found = mode(reorder)(ix, pooled, np.array([2, 0], np.int32))
    assert found.pooled.shape == (2, 0, 2, 2, 1) and found.home.shape == (2, 0)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(1, 9), st.data())
def test_every_crop_returns_to_its_roi(images, rois, data):
    cells = st.lists(st.integers(2, 5), min_size=images * rois, max_size=images * rois)
    level = np.reshape(data.draw(cells), [images, rois])
    ix, pooled = stacked(level)
    found = reorder(
        [tf.constant(rows) for rows in ix],
        [tf.constant(p) for p in pooled],
        tf.constant([images, rois]),
    )
    assert found.home.numpy().all()
    expected = 100 * np.arange(images)[:, None] + np.arange(rois)
    np.testing.assert_array_equal(found.pooled[..., 1, 1, 0], expected)
    # The order is a permutation, and the keys ascend along it: the witness is `sorted`.
    assert sorted(found.final_order.numpy()) == list(range(images * rois))
    keys = found.sorting_tensor.numpy()
    assert keys[found.final_order.numpy()].tolist() == sorted(keys.tolist())


def check(found, goldens, name):
    np.testing.assert_array_equal(found.box_to_level, goldens[f"{name}_box_to_level"])
    np.testing.assert_array_equal(found.sorting_tensor, goldens[f"{name}_sorting_tensor"])
    np.testing.assert_array_equal(found.sorted_ix, goldens[f"{name}_topk_reversed"])
    np.testing.assert_array_equal(found.final_order, goldens[f"{name}_final_order"])
    assert found.home.all()


@pytest.mark.parametrize(("name", "count"), [("cls", 150), ("mask", 40)])
def test_goldens_of_the_model(goldens, mode, name, count):
    ix = [goldens[f"{name}_ix_P{k}"] for k in range(2, 6)]
    pooled = [np.zeros([len(rows), 1, 1, 1], np.float32) for rows in ix]
    check(mode(reorder)(ix, pooled, np.array([2, count], np.int32)), goldens, name)


@pytest.mark.parametrize("name", ["p7", "p14"])
def test_goldens_of_hand_made_boxes(roi_goldens, mode, name):
    ix = [roi_goldens[f"{name}_ix_P{k}"] for k in range(2, 6)]
    pooled = [roi_goldens[f"{name}_pooled"][rows[:, 0], rows[:, 1]] for rows in ix]
    found = mode(reorder)(ix, pooled, np.array([2, 64], np.int32))
    check(found, roi_goldens, name)
    np.testing.assert_array_equal(found.pooled, roi_goldens[f"{name}_pooled"])
