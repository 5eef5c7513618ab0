"""Non-maximum suppression with a verdict on every candidate, shared by two stages.

`tf.image.non_max_suppression` decides; the verdict records what it decided and why.
Suppressed candidates stay in the result: "which box suppressed mine?" is a field of
`NmsVerdict`.

Shapes   K candidates of one image, M rows for the kept ones; boxes are (y1, x1, y2, x2)
"""

from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import iou

BLOCK = 256  # rows compared at a time: 256 x 1000 IoUs fit into the cache of a core


class NmsVerdict(NamedTuple):
    """What NMS did with every candidate."""

    rank: Annotated[
        Int32[tf.Tensor, "*b K"],
        "place of each candidate among the kept ones: 0 for the best; -1 if it is not kept",
    ]
    suppressed_by: Annotated[
        Int32[tf.Tensor, "*b K"],
        "row of the kept candidate that suppressed this one; -1 if none did",
    ]
    suppressed_iou: Annotated[
        Float32[tf.Tensor, "*b K"], "IoU with the candidate of `suppressed_by`; 0 if there is none"
    ]
    reached: Annotated[
        Bool[tf.Tensor, "*b K"],
        "True if NMS took the candidate up; False if it takes no part, or if enough were kept",
    ]


#: The types of a verdict's fields, for `tf.map_fn` over the images of a batch.
VERDICT_TYPES = NmsVerdict(
    rank=tf.int32, suppressed_by=tf.int32, suppressed_iou=tf.float32, reached=tf.bool
)


def nms_keep(
    boxes: Float32[tf.Tensor, "K 4"],
    scores: Float32[tf.Tensor, "K"],
    candidates: Bool[tf.Tensor, "K"],
    *,
    threshold: float,
    limit: int,
) -> Int32[tf.Tensor, "limit"]:
    """Return the rows that are kept, best first, padded with -1 to `limit`.

    From the best score down, a box is kept unless its IoU with a box that is already kept
    exceeds the threshold. Of equal scores, the lower row comes first. Boxes without area
    have IoU 0 and never suppress each other.

    boxes       in any coordinate system, the same for all
    scores      probabilities, 0…1
    candidates  True for rows that take part
    threshold   highest IoU with a kept box that a box may have and still be kept
    limit       how many rows to keep at most
    """
    ranked = tf.where(candidates, scores, -2.0)
    kept = tf.image.non_max_suppression(boxes, ranked, limit, threshold, score_threshold=-1.0)
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
    """Explain a decision of NMS: which kept box suppressed each candidate, and at which IoU.

    keep      rows that are kept, in any order; -1 is padding
    limit     how many rows are kept at most, per group
    groups    group (class) of each row: boxes of different groups are not compared; None
              puts all rows into one group

    Other arguments as in `nms_keep`. A candidate is suppressed by the kept box of highest
    score whose IoU with it exceeds the threshold.
    """
    if groups is None:
        groups = tf.zeros_like(scores, tf.int32)
    threshold, limit = tf.cast(threshold, tf.float32), tf.cast(limit, tf.int32)
    return _verdict(boxes, scores, candidates, keep, groups, threshold, limit)


# A graph of its own: the loop over blocks is then as fast when a stage is called on its own.
@tf.function(autograph=False, reduce_retracing=True)
def _verdict(
    boxes: Float32[tf.Tensor, "K 4"],
    scores: Float32[tf.Tensor, "K"],
    candidates: Bool[tf.Tensor, "K"],
    keep: Int32[tf.Tensor, "M"],
    groups: Int32[tf.Tensor, "K"],
    threshold: Float32[tf.Tensor, ""],
    limit: Int32[tf.Tensor, ""],
) -> NmsVerdict:
    """Compare every candidate with the kept boxes of higher score, block by block."""
    count = tf.size(scores)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    kept = tf.reduce_any(tf.range(count)[:, None] == keep[None], axis=1)

    # From here on, rows are in the order in which NMS takes them up: best score first.
    boxes, groups = tf.gather(boxes, order), tf.gather(groups, order)
    candidates, kept = tf.gather(candidates, order), tf.gather(kept, order)
    kept_rows = tf.cast(tf.where(kept)[:, 0], tf.int32)

    def compare(rows: Int32[tf.Tensor, "block"]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """For each row: the kept row that suppresses it, their IoU, the number compared with."""
        better = kept_rows[: tf.searchsorted(kept_rows, rows[-1:])[0]]
        better = tf.pad(better, [[0, tf.cast(tf.size(better) == 0, tf.int32)]])  # argmax needs one
        same_group = tf.gather(groups, better) == tf.gather(groups, rows)[:, None]
        compared = (better < rows[:, None]) & same_group
        overlap = iou(tf.gather(boxes, rows), tf.gather(boxes, better))
        overlap = tf.where(compared, overlap, -1.0)
        column = tf.range(tf.size(better))
        first = tf.reduce_min(tf.where(overlap > threshold, column, tf.size(better)), axis=1)
        # `iou` may differ from TensorFlow's kernel in the last bit: then take the largest IoU.
        largest = tf.argmax(overlap, axis=1, output_type=tf.int32)
        first = tf.where(first < tf.size(better), first, largest)
        number = tf.reduce_sum(tf.cast(compared, tf.int32), axis=1)
        return tf.gather(better, first), tf.gather(overlap, first, batch_dims=1), number

    rows = tf.minimum(tf.range(-(-count // BLOCK) * BLOCK), count - 1)  # fill the last block
    compared = tf.map_fn(
        compare, tf.reshape(rows, [-1, BLOCK]), fn_output_signature=(tf.int32, tf.float32, tf.int32)
    )
    suppressor, overlap, better_kept = (tf.reshape(x, [-1])[:count] for x in compared)

    reached = candidates & (better_kept < limit)
    suppressed = reached & ~kept
    place = tf.math.invert_permutation(order)  # brings rows back into the order of the input
    rank = tf.where(kept, tf.cumsum(tf.cast(kept, tf.int32)) - 1, -1)
    suppressed_by = tf.where(suppressed, tf.gather(order, suppressor), -1)
    suppressed_iou = tf.where(suppressed, overlap, 0.0)
    return NmsVerdict(
        rank=tf.gather(rank, place),
        suppressed_by=tf.gather(suppressed_by, place),
        suppressed_iou=tf.gather(suppressed_iou, place),
        reached=tf.gather(reached, place),
    )
