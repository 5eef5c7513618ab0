"""The candidates of a Map: the RPN's, best score first, or the ROIs themselves."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Int

from mrcnn_explained.explain.reading import OneImage
from mrcnn_explained.stages.nms import nms_keep


class Candidates(NamedTuple):
    """Every box that can become an ROI; one more row stands for the zero-padded ROIs."""

    boxes: Float32[np.ndarray, "K+1 4"]  # after deltas and clipping, normalised; the last is 0
    scores: Float32[np.ndarray, "K"]  # NaN where no RPN proposed them
    of_roi: Int[np.ndarray, "N"]  # candidate of each ROI; K for padding
    given: bool  # the ROIs are the candidates

    def kept(self, thresholds: Sequence[float], limit: int) -> Int[np.ndarray, "n"]:
        """Return the candidates that become ROIs at one of several thresholds of NMS."""
        count = len(self.scores)
        if self.given:
            return np.arange(count)
        boxes, everyone = tf.constant(self.boxes[:-1]), tf.ones(count, tf.bool)
        found = [
            np.asarray(nms_keep(boxes, self.scores, everyone, threshold=value, limit=limit))
            for value in thresholds
        ]
        kept = np.unique(found)
        return kept[kept >= 0]


def candidates_of(one: OneImage) -> Candidates:
    """Return the candidates of one image.

    In a run whose ROIs were given or edited, the ROIs are not boxes of the RPN's candidates: then
    they are the candidates, in their order.
    """
    rois, valid = one.of("proposals", "rpn_rois"), one.of("proposals", "valid")
    boxes = one.of("proposals", "refined_anchors_clipped")
    rows = one.of("proposals", "post_nms_ix")
    linked = len(boxes) > 0 and bool((rows[valid] >= 0).all())
    if linked and np.array_equal(rois[valid], boxes[rows[valid]]):
        of_roi = np.where(valid, rows, len(boxes))
        scores, given = one.of("proposals", "scores"), False
    else:
        count = int(np.max(np.nonzero(valid)[0], initial=-1)) + 1
        boxes, of_roi = rois[:count], np.minimum(np.arange(len(rois)), count)
        scores, given = np.full(count, np.nan, np.float32), True
    padded = np.concatenate([boxes, np.zeros((1, 4), np.float32)]).astype(np.float32)
    return Candidates(padded, scores, of_roi, given)
