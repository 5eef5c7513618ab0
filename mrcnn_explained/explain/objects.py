"""Objects of two runs on one image: which are found in both, which are lost, which are new."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Int

from mrcnn_explained.boxes import iou

SAME = 0.5  # IoU from which two boxes count as those of one object


class ObjectPair(NamedTuple):
    """One object in two runs."""

    before: int  # row of the first run's boxes; -1: only the second run has it
    after: int  # row of the second run's boxes; -1: only the first run has it
    iou: float  # of the two boxes; 0 without one of them


def pair_objects(
    boxes_before: Float32[np.ndarray, "n 4"],
    class_ids_before: Int[np.ndarray, "n"],
    boxes_after: Float32[np.ndarray, "m 4"],
    class_ids_after: Int[np.ndarray, "m"],
    *,
    same: float = SAME,
) -> list[ObjectPair]:
    """Pair the detections of two runs, one to one.

    boxes    (y1, x1, y2, x2), all in the same coordinate system
    same     lowest IoU of a pair

    Pairs of one class come first, then the others; of these, those of highest IoU. Returned are
    the objects of the first run in their order, then those that only the second run has.
    """
    overlap = iou(
        tf.constant(boxes_before, tf.float32), tf.constant(boxes_after, tf.float32)
    ).numpy()
    one_class = np.equal.outer(class_ids_before, class_ids_after)
    partner: dict[int, int] = {}
    for before, after in _best_first(overlap, one_class, same):
        if before not in partner and after not in partner.values():
            partner[before] = after
    both = [
        ObjectPair(row, partner[row], float(overlap[row, partner[row]]))
        if row in partner
        else ObjectPair(row, -1, 0.0)
        for row in range(len(boxes_before))
    ]
    new = [row for row in range(len(boxes_after)) if row not in partner.values()]
    return both + [ObjectPair(-1, row, 0.0) for row in new]


def _best_first(
    overlap: np.ndarray, one_class: np.ndarray, same: float
) -> Iterator[tuple[int, int]]:
    """Yield the pairs that may be one object, those of one class and of highest IoU first."""
    before, after = np.nonzero(overlap >= same)
    for k in np.lexsort((-overlap[before, after], ~one_class[before, after])):
        yield int(before[k]), int(after[k])
