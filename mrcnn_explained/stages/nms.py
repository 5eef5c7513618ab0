"""Non-maximum suppression with a verdict for every candidate, shared by two stages.

`tf.image.non_max_suppression` decides; the verdict tells what it decided and why. The
losers stay: "which box killed mine?" is a row of `NmsVerdict`.

Shapes   K candidates of one image, M places for those that are kept
"""

from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import iou

BLOCK = 256  # rows compared at a time: 256 x 1000 overlaps fit into a core's cache


class NmsVerdict(NamedTuple):
    """What became of every candidate."""

    rank: Annotated[Int32[tf.Tensor, "*b K"], "0 for the best one kept, 1, 2, …; -1: not kept"]
    suppressed_by: Annotated[
        Int32[tf.Tensor, "*b K"], "row of the one that removed it; -1: nobody did"
    ]
    suppressed_iou: Annotated[Float32[tf.Tensor, "*b K"], "IoU with that one; 0: nobody did"]
    reached: Annotated[
        Bool[tf.Tensor, "*b K"], "False: no candidate, or the limit was full before it"
    ]


def nms_keep(
    boxes: Float32[tf.Tensor, "K 4"],
    scores: Float32[tf.Tensor, "K"],
    candidates: Bool[tf.Tensor, "K"],
    *,
    threshold: float,
    limit: int,
) -> Int32[tf.Tensor, "limit"]:
    """Return the rows that are kept, best first, padded with -1 to `limit`.

    From the best score down, a box stays unless its IoU with one that stays already
    exceeds the threshold. Of equal scores the lower row comes first; boxes without area
    have IoU 0 and never remove each other.

    boxes       any coordinates, as long as all have the same
    scores      probabilities, 0…1
    candidates  rows that take part
    """
    contest = tf.where(candidates, scores, -2.0)
    kept = tf.image.non_max_suppression(boxes, contest, limit, threshold, score_threshold=-1.0)
    return tf.pad(kept, [[0, limit - tf.size(kept)]], constant_values=-1)


def nms_verdict(
    boxes: Float32[tf.Tensor, "K 4"],
    scores: Float32[tf.Tensor, "K"],
    candidates: Bool[tf.Tensor, "K"],
    keep: Int32[tf.Tensor, "M"],
    *,
    threshold: float,
    limit: int,
    groups: Int32[tf.Tensor, "K"] | None = None,
) -> NmsVerdict:
    """Explain a decision: which kept box removed each candidate, and at which IoU.

    keep      rows that were kept, in any order; -1 is padding
    limit     how many are kept at most, in each group
    groups    candidates of different groups (classes) do not meet; None: one group

    The remover is the best kept box whose IoU with this one passes the threshold.
    """
    groups = tf.zeros_like(scores, tf.int32) if groups is None else groups
    setting = tf.cast(threshold, tf.float32), tf.cast(limit, tf.int32)
    return _judge(boxes, scores, candidates, keep, groups, *setting)


# A graph of its own, so that the loop over blocks is as fast where stages are called one by one.
@tf.function(autograph=False, reduce_retracing=True)
def _judge(boxes, scores, candidates, keep, groups, threshold, limit):
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    kept = tf.reduce_any(tf.range(tf.size(scores))[:, None] == keep[None], axis=1)

    # From here on rows stand in the order in which NMS took them up, best first.
    boxes, groups, candidates, kept = (
        tf.gather(x, order) for x in (boxes, groups, candidates, kept)
    )
    judges = tf.cast(tf.where(kept)[:, 0], tf.int32)

    def compare(rows):
        """For rows of one block: the judge that removes each, their IoU, the judges it met."""
        ahead = judges[: tf.searchsorted(judges, rows[-1:])[0]]
        ahead = tf.pad(ahead, [[0, tf.cast(tf.size(ahead) == 0, tf.int32)]])  # argmax needs one
        meets = (ahead < rows[:, None]) & (
            tf.gather(groups, ahead) == tf.gather(groups, rows)[:, None]
        )
        overlap = tf.where(meets, iou(tf.gather(boxes, rows), tf.gather(boxes, ahead)), -1.0)
        column = tf.range(tf.size(ahead))
        first = tf.reduce_min(tf.where(overlap > threshold, column, tf.size(ahead)), axis=1)
        # `iou` may differ from the kernel's in the last bit: then the closest box is meant.
        closest = tf.argmax(overlap, axis=1, output_type=tf.int32)
        first = tf.where(first < tf.size(ahead), first, closest)
        met = tf.reduce_sum(tf.cast(meets, tf.int32), axis=1)
        return tf.gather(ahead, first), tf.gather(overlap, first, batch_dims=1), met

    count = tf.size(scores)
    rows = tf.minimum(tf.range(-(-count // BLOCK) * BLOCK), count - 1)
    like = (tf.int32, tf.float32, tf.int32)
    found = tf.map_fn(compare, tf.reshape(rows, [-1, BLOCK]), fn_output_signature=like)
    judge, overlap, met = (tf.reshape(x, [-1])[:count] for x in found)

    reached = candidates & (met < limit)
    removed = reached & ~kept
    rank = tf.where(kept, tf.cumsum(tf.cast(kept, tf.int32)) - 1, -1)
    suppressed_by = tf.where(removed, tf.gather(order, judge), -1)
    verdict = (rank, suppressed_by, tf.where(removed, overlap, 0.0), reached)

    place = tf.math.invert_permutation(order)  # back to the rows as they came
    return NmsVerdict(*(tf.gather(x, place) for x in verdict))
