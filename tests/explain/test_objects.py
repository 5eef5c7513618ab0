"""Objects: pairs of detections of two runs."""

import numpy as np
import pytest

from mrcnn_explained.explain.objects import ObjectPair, pair_objects

BOX = [10.0, 10.0, 50.0, 50.0]
NEAR = [12.0, 10.0, 52.0, 50.0]  # IoU 0.905 with BOX
FAR = [100.0, 100.0, 150.0, 150.0]


def pairs(before, after):
    """Pair lists of (box, class)."""
    sides = [
        (np.reshape([b for b, _ in side], [-1, 4]), np.array([c for _, c in side], int))
        for side in (before, after)
    ]
    return [pair[:2] for pair in pair_objects(*sides[0], *sides[1])]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([(BOX, 1)], [(FAR, 1), (NEAR, 1)], [(0, 1), (-1, 0)]),
        ([(BOX, 1), (FAR, 2)], [(FAR, 2)], [(0, -1), (1, 0)]),
        ([], [(BOX, 1)], [(-1, 0)]),
        ([(BOX, 1)], [], [(0, -1)]),
        ([(BOX, 1)], [(NEAR, 2)], [(0, 0)]),  # the same object, called something else
        ([(BOX, 1)], [(BOX, 2), (NEAR, 1)], [(0, 1), (-1, 0)]),  # its class before its IoU
        ([(BOX, 1)], [(NEAR, 1), (BOX, 1)], [(0, 1), (-1, 0)]),  # then the higher IoU
        ([(BOX, 1), (NEAR, 1)], [(BOX, 1)], [(0, 0), (1, -1)]),  # one to one
    ],
)
def test_pairs_by_hand(before, after, expected):
    assert pairs(before, after) == expected


def test_the_iou_of_a_pair():
    (pair,) = pair_objects(np.array([BOX]), np.array([1]), np.array([NEAR]), np.array([1]))
    assert pair == ObjectPair(0, 0, pytest.approx(38 / 42))
    (lost, new) = pair_objects(
        np.array([BOX]), np.array([1]), np.array([NEAR]), np.array([1]), same=0.95
    )
    assert (lost.iou, new.iou) == (0, 0)
