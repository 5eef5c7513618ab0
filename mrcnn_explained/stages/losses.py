"""The five losses, each with the term of every anchor, ROI and mask that entered it.

Paper    Faster R-CNN (arXiv:1506.01497), equation 1; Fast R-CNN (arXiv:1504.08083), equations
         1-3; Mask R-CNN (arXiv:1703.06870), section 3
Input    rpn.py and rpn_targets.py; box_head.py, mask_head.py and detection_targets.py
Output   `total`, the sum that training minimises
Shapes   B images, A anchors, N ROIs, n anchors or ROIs, C classes, T anchors to train on, M
         side of a mask

Each loss is a sum of terms divided by a count. `summed_over` adds the count over the replicas
of a distributed run, so the losses of the replicas add up to the loss of the whole batch. On
one device there is nothing to add.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

AverageOver = Literal["positives", "sampled"]
#: A function that adds a count over all replicas.
Sum = Callable[[tf.Tensor], tf.Tensor]
EPSILON = 1e-7  # keeps logarithms finite: clips probabilities and is added to them, as in Keras


class ClassLoss(NamedTuple):
    """Cross-entropy of anchors or ROIs."""

    loss: Annotated[Float32[tf.Tensor, ""], "mean of the terms that count"]
    terms: Annotated[
        Float32[tf.Tensor, "B n"],
        "cross-entropy of each anchor or ROI, -log of the target class's probability; 0 for those "
        "that do not count",
    ]
    counted: Annotated[Bool[tf.Tensor, "B n"], "True for anchors or ROIs that enter the mean"]


class BoxLoss(NamedTuple):
    """Smooth L1 of the four deltas of positive anchors or ROIs."""

    loss: Annotated[
        Float32[tf.Tensor, ""],
        "sum of the terms, divided by four times the number of anchors or ROIs averaged over",
    ]
    loss_of_zero: Annotated[
        Float32[tf.Tensor, ""],
        "loss if all predicted deltas were zero: a useful loss is lower than this",
    ]
    terms: Annotated[
        Float32[tf.Tensor, "B n 4"],
        "smooth L1 of dy, dx, dh and dw of each anchor or ROI; 0 for those that do not count",
    ]
    counted: Annotated[Bool[tf.Tensor, "B n"], "True for anchors or ROIs that enter the sum"]


class MaskLoss(NamedTuple):
    """Binary cross-entropy of the pixels of positive ROIs' masks."""

    loss: Annotated[Float32[tf.Tensor, ""], "mean of the terms that count"]
    terms: Annotated[
        Float32[tf.Tensor, "B n M M"],
        "binary cross-entropy of each pixel; 0 for ROIs that do not count",
    ]
    counted: Annotated[Bool[tf.Tensor, "B n"], "True for ROIs that enter the mean"]


class Losses(NamedTuple):
    """The five losses and their sum."""

    rpn_class_loss: Annotated[ClassLoss, "object or background, one term per anchor"]
    rpn_bbox_loss: Annotated[BoxLoss, "deltas of the RPN, four terms per anchor"]
    mrcnn_class_loss: Annotated[ClassLoss, "class, one term per ROI"]
    mrcnn_bbox_loss: Annotated[BoxLoss, "deltas of the box head, four terms per ROI"]
    mrcnn_mask_loss: Annotated[MaskLoss, "mask, one term per pixel of each ROI"]
    weight_decay: Annotated[Float32[tf.Tensor, ""], "L2 penalty on the weights"]
    total: Annotated[
        Float32[tf.Tensor, ""], "five losses times their weights, plus the weight decay"
    ]


def nothing_to_add(count: tf.Tensor) -> tf.Tensor:
    """Return the count of one device as it is."""
    return count


def rpn_class_loss(
    rpn_match: Int32[tf.Tensor, "B A"],
    rpn_class_logits: Float32[tf.Tensor, "B A 2"],
    *,
    summed_over: Sum = nothing_to_add,
) -> ClassLoss:
    """Return the cross-entropy of the sampled anchors, object or background; 0 without any.

    rpn_match    1 positive, -1 negative, 0 not sampled

    Source: Faster R-CNN, equation 1, first term. The mean is over all sampled anchors of the
    batch.
    """
    counted = rpn_match != 0
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.cast(rpn_match == 1, tf.int32), rpn_class_logits
    )
    terms = tf.where(counted, terms, 0.0)
    return ClassLoss(loss=_mean(terms, counted, summed_over), terms=terms, counted=counted)


def rpn_bbox_loss(
    target_bbox: Float32[tf.Tensor, "B T 4"],
    rpn_match: Int32[tf.Tensor, "B A"],
    rpn_bbox: Float32[tf.Tensor, "B A 4"],
    *,
    average_over: AverageOver = "positives",
    summed_over: Sum = nothing_to_add,
) -> BoxLoss:
    """Return the smooth L1 between deltas and targets of positive anchors; 0 without any.

    target_bbox     deltas for the positive anchors in ascending order, then padding
    average_over    "positives": divide by the positive anchors of the batch, as Matterport's
                    code does, so one positive weighs as much as a hundred (deviation 29).
                    "sampled": divide by all sampled anchors, closer to Faster R-CNN's
                    equation 1
    """
    counted = rpn_match == 1
    row = tf.cumsum(tf.cast(counted, tf.int32), axis=1, exclusive=True)
    row = tf.minimum(row, tf.shape(target_bbox)[1] - 1)
    target = tf.gather(target_bbox, tf.where(counted, row, 0), batch_dims=1)
    averaged = counted if _over_positives(average_over) else rpn_match != 0
    return _box_loss(target, rpn_bbox, counted, averaged, summed_over)


def mrcnn_class_loss(
    target_class_ids: Int32[tf.Tensor, "B N"],
    mrcnn_class_logits: Float32[tf.Tensor, "B N C"],
    active_class_ids: Float32[tf.Tensor, "B C"],
    rows: Bool[tf.Tensor, "B N"],
    *,
    summed_over: Sum = nothing_to_add,
) -> ClassLoss:
    """Return the cross-entropy of the ROIs' classes.

    active_class_ids    1 for each class of the image's dataset. An ROI does not count if its
                        *predicted* class is not active in the *first* image of the batch,
                        as in Matterport's code (deviation 40). The loss is NaN if ROIs take
                        part and none counts
    rows                which ROIs take part. Matterport's code takes all, so zero-padded
                        rows count as background (36); the paper takes `positive | negative`
                        of the targets. The loss is 0 without any
    """
    predicted = tf.argmax(mrcnn_class_logits, axis=2, output_type=tf.int32)
    counted = rows & (tf.gather(active_class_ids[0], predicted) > 0)
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(target_class_ids, mrcnn_class_logits)
    terms = tf.where(counted, terms, 0.0)
    number = summed_over(tf.reduce_sum(tf.cast(counted, tf.float32)))
    taking_part = summed_over(tf.reduce_sum(tf.cast(rows, tf.float32)))
    number = tf.where(taking_part > 0, number, 1.0)
    return ClassLoss(loss=tf.reduce_sum(terms) / number, terms=terms, counted=counted)


def mrcnn_bbox_loss(
    target_bbox: Float32[tf.Tensor, "B N 4"],
    target_class_ids: Int32[tf.Tensor, "B N"],
    mrcnn_bbox: Float32[tf.Tensor, "B N C 4"],
    rows: Bool[tf.Tensor, "B N"],
    *,
    average_over: AverageOver = "positives",
    summed_over: Sum = nothing_to_add,
) -> BoxLoss:
    """Return the smooth L1 between positive ROIs' deltas for their target class and targets.

    rows            ROIs to average over with "sampled"
    average_over    "positives": divide by the positive ROIs, as Matterport's code does.
                    "sampled": divide by all ROIs of `rows`, as Fast R-CNN's equation 1, which
                    balances it against the class loss (deviation 39)
    """
    counted = target_class_ids > 0
    predicted = tf.gather(mrcnn_bbox, tf.maximum(target_class_ids, 0), batch_dims=2)
    averaged = counted if _over_positives(average_over) else rows
    return _box_loss(target_bbox, predicted, counted, averaged, summed_over)


def mrcnn_mask_loss(
    target_mask: Float32[tf.Tensor, "B N M M"],
    class_mask: Float32[tf.Tensor, "B N M M"],
    counted: Bool[tf.Tensor, "B N"],
    *,
    summed_over: Sum = nothing_to_add,
) -> MaskLoss:
    """Return the binary cross-entropy of the masks of the target class; 0 without any.

    class_mask    probabilities for the target class of each ROI. The masks of other classes
                  do not count: this decouples mask and class (section 3 of the paper)
    counted       positive ROIs with a target mask, whose masks were computed
    """
    p = tf.clip_by_value(class_mask, EPSILON, 1 - EPSILON)
    # Add EPSILON to 1, not to the difference, as graph mode does with Matterport's code.
    right, wrong = tf.math.log(p + EPSILON), tf.math.log((1 + EPSILON) - p)
    terms = -(target_mask * right + (1 - target_mask) * wrong)
    pixels = tf.broadcast_to(counted[..., tf.newaxis, tf.newaxis], tf.shape(terms))
    terms = tf.where(pixels, terms, 0.0)
    return MaskLoss(loss=_mean(terms, pixels, summed_over), terms=terms, counted=counted)


def weight_decay(
    weights: Iterable[tf.Tensor], rate: float, *, per: Literal["size", "weight"] = "size"
) -> Float32[tf.Tensor, ""]:
    """Return the L2 penalty: rate times the sum of squares of each tensor.

    rate    Matterport's WEIGHT_DECAY
    per     "size" divides by the number of elements of the tensor, as Matterport's code does.
            That leaves almost nothing (deviation 43: 1.7e-10 for a 3x3 kernel of 256
            channels). "weight" does not divide, as in the papers

    Raises ValueError for another `per`.
    """
    if per not in ("size", "weight"):
        raise ValueError(f"per must be 'size' or 'weight', not {per!r}")
    terms = []
    for w in map(tf.convert_to_tensor, weights):
        size = float(w.shape.num_elements()) if per == "size" else 1.0
        terms.append(rate * tf.reduce_sum(tf.square(w)) / size)
    return tf.add_n(terms) if terms else tf.constant(0.0)


def smooth_l1(error: Float32[tf.Tensor, "*n"]) -> Float32[tf.Tensor, "*n"]:
    """Return 0.5 error^2 up to an error of 1, and |error| - 0.5 above (Fast R-CNN, equation 3)."""
    size = tf.abs(error)
    return tf.where(size < 1, 0.5 * tf.square(size), size - 0.5)


def _over_positives(average_over: AverageOver) -> bool:
    """Return True for "positives", False for "sampled"; raise ValueError for anything else."""
    if average_over not in ("positives", "sampled"):
        raise ValueError(f"average_over must be 'positives' or 'sampled', not {average_over!r}")
    return average_over == "positives"


def _box_loss(
    target: Float32[tf.Tensor, "B n 4"],
    predicted: Float32[tf.Tensor, "B n 4"],
    counted: Bool[tf.Tensor, "B n"],
    averaged: Bool[tf.Tensor, "B n"],
    summed_over: Sum,
) -> BoxLoss:
    """Return the smooth L1 of the rows that count, divided by the number of rows averaged."""
    number = summed_over(tf.reduce_sum(tf.cast(averaged, tf.float32)))
    row_counts = counted[..., tf.newaxis]
    terms = tf.where(row_counts, smooth_l1(target - predicted), 0.0)
    of_zero = tf.where(row_counts, smooth_l1(target), 0.0)
    return BoxLoss(
        loss=tf.math.divide_no_nan(tf.reduce_sum(terms), 4 * number),
        loss_of_zero=tf.math.divide_no_nan(tf.reduce_sum(of_zero), 4 * number),
        terms=terms,
        counted=counted,
    )


def _mean(
    terms: Float32[tf.Tensor, "*n"], counted: Bool[tf.Tensor, "*n"], summed_over: Sum
) -> Float32[tf.Tensor, ""]:
    """Return the mean of the terms that count, 0 if none does; the other terms are 0."""
    number = summed_over(tf.reduce_sum(tf.cast(counted, tf.float32)))
    return tf.math.divide_no_nan(tf.reduce_sum(terms), number)
