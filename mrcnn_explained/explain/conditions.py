"""Conditions on tensors. Each one yields a Problem at the first place where it does not hold.

A Problem names the stage and the tensor as a trace does: `proposals`, `nms.rank`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mrcnn_explained.detector.schema import Problem

CLOSE = 1e-4  # a softmax in float32 sums to one within this

Problems = Iterator[Problem]


def must_hold(stage: str, tensor: str, holds: Any, values: Any, expected: str) -> Problems:
    """Yield a Problem at the first element where `holds` is False.

    holds     Bool; its axes are the first axes of `values`
    values    the tensor, of which the Problem shows the element
    """
    holds, values = np.asarray(holds), np.asarray(values)
    if holds.all():
        return
    index = tuple(int(i) for i in np.argwhere(~holds)[0])
    actual = np.array2string(np.asarray(values[index[: values.ndim]]), precision=4, threshold=8)
    yield Problem(stage, tensor, index, expected, actual)


def must_be_probabilities(stage: str, tensor: str, values: Any) -> Problems:
    """Every value lies in 0…1, and the last axis sums to one."""
    values = np.asarray(values)
    inside = (values >= 0) & (values <= 1 + CLOSE)
    yield from must_hold(stage, tensor, inside, values, "0…1")
    total = values.sum(axis=-1)
    is_one = abs(total - 1) <= CLOSE
    yield from must_hold(stage, tensor, is_one, total, "probabilities that sum to one")


def must_be_boxes(stage: str, tensor: str, boxes: Any) -> Problems:
    """Boxes (y1, x1, y2, x2) lie within the image and have their corners in order."""
    boxes = np.asarray(boxes)
    yield from must_hold(stage, tensor, (boxes >= 0) & (boxes <= 1), boxes, "0…1")
    ordered = (boxes[..., 2] >= boxes[..., 0]) & (boxes[..., 3] >= boxes[..., 1])
    yield from must_hold(stage, tensor, ordered, boxes, "y1 <= y2 and x1 <= x2")


def must_fall(stage: str, tensor: str, scores: Any) -> Problems:
    """Scores [B, n] are in order, the best first."""
    scores = np.asarray(scores)
    falls = np.ones(scores.shape, bool)
    falls[:, 1:] = np.diff(scores, axis=1) <= 0
    yield from must_hold(stage, tensor, falls, scores, "no score above the one before it")


def must_start_valid(stage: str, tensor: str, valid: Any) -> Problems:
    """Valid rows come before padded ones."""
    valid = np.asarray(valid)
    holds = valid.copy()
    holds[:, 1:] = valid[:, 1:] <= valid[:, :-1]
    holds[:, :1] = True
    yield from must_hold(stage, tensor, holds, valid, "valid rows before padded ones")


def must_be_zero_padded(stage: str, tensor: str, rows: Any, valid: Any) -> Problems:
    """Rows that are not valid hold zeros."""
    rows, padded = np.asarray(rows), ~np.asarray(valid)
    holds = ~padded[..., None] | (rows == 0)
    yield from must_hold(stage, tensor, holds, rows, "zero in a padded row")
