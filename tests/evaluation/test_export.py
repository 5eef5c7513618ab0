"""Results for other programs: COCO's list and run lengths."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle

from mrcnn_explained.evaluation.export import coco_results, run_lengths, without_overlaps

MASKS = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 4)))


def test_run_lengths_by_hand():
    """Columns from the left, each from the top: pixels 1 2 3 | 4 5 6 | 7 8 9."""
    mask = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 1]], bool)
    assert run_lengths(mask) == "2 4 9 1"  # 2, 3, 4, 5 touch across the end of a column


@pytest.mark.parametrize(("mask", "text"), [
    (np.zeros([2, 2], bool), ""), (np.ones([2, 3], bool), "1 6"), (np.zeros([0, 3], bool), ""),
])  # fmt: skip
def test_run_lengths_at_the_edges(mask, text):
    assert run_lengths(mask) == text


@given(MASKS)
def test_run_lengths_can_be_painted_again(masks):
    for mask in np.moveaxis(masks, -1, 0):
        painted = [False] * mask.size
        numbers = [int(n) for n in run_lengths(mask).split()]
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            for pixel in range(start, start + length):
                assert not painted[pixel - 1]  # no pixel twice
                painted[pixel - 1] = True
        height = mask.shape[0]
        for pixel, inside in enumerate(painted):
            assert inside == mask[pixel % height, pixel // height]


@given(MASKS, st.randoms(use_true_random=False))
def test_a_pixel_goes_to_the_best_score(masks, random):
    scores = np.array([random.choice([0.1, 0.5, 0.9]) for _ in range(masks.shape[-1])])
    apart = without_overlaps(scores, masks)
    for y, x in np.ndindex(masks.shape[:2]):
        here = [i for i in range(len(scores)) if masks[y, x, i]]
        owner = max(here, key=lambda i: (scores[i], -i), default=None)
        assert np.flatnonzero(apart[y, x]).tolist() == ([] if owner is None else [owner])


def test_coco_results_by_hand():
    masks = np.zeros([4, 5, 1], bool)
    masks[1:3, 2:5] = True
    (row,) = coco_results(7, np.array([[1, 2, 3, 5]]), np.array([4]), np.array([0.5]), masks)
    assert (row["image_id"], row["category_id"], row["score"]) == (7, 4, 0.5)
    assert row["bbox"] == [2, 1, 3, 2]  # left, top, width, height
    again = json.loads(json.dumps(row))["segmentation"]
    np.testing.assert_array_equal(rle.decode(again), masks[..., 0])


def test_no_detection_makes_no_result():
    nothing = (np.zeros([0, 4], int), np.zeros(0, int), np.zeros(0), np.zeros([4, 5, 0], bool))
    assert coco_results(1, *nothing) == []
