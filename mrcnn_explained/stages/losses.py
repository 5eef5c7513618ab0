"""The five losses, each with the term of every anchor, ROI and mask that entered it.

Paper    Faster R-CNN (arXiv:1506.01497), equation 1; Fast R-CNN (arXiv:1504.08083), equations
         1-3; Mask R-CNN (arXiv:1703.06870), section 3
Input    rpn.py and rpn_targets.py; box_head.py, mask_head.py and detection_targets.py
Output   the sum is what training makes smaller
Shapes   B images, R anchors or ROIs, C classes, T anchors to train on, M the side of a mask

`summed_over` adds up a count over the replicas of a distributed run, so that the replicas'
losses add up to the loss of the whole batch; on one device there is nothing to add.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

AverageOver = Literal["positives", "sampled"]
#: Adds a count up over replicas.
Sum = Callable[[tf.Tensor], tf.Tensor]
EPSILON = 1e-7  # keeps logarithms of probabilities finite, twice over, as Keras does


class ClassLoss(NamedTuple):
    """Cross-entropy of anchors or ROIs."""

    loss: Annotated[Float32[tf.Tensor, ""], "mean of the terms that count"]
    terms: Annotated[
        Float32[tf.Tensor, "B R"], "-log of the right class's probability; 0: does not count"
    ]
    counted: Annotated[Bool[tf.Tensor, "B R"], "who entered the mean"]


class BoxLoss(NamedTuple):
    """Smooth L1 of the four deltas of positive anchors or ROIs."""

    loss: Annotated[
        Float32[tf.Tensor, ""], "sum of the terms over four times the number averaged over"
    ]
    loss_of_zero: Annotated[
        Float32[tf.Tensor, ""], "what it would be if all predicted zero: watch both"
    ]
    terms: Annotated[Float32[tf.Tensor, "B R 4"], "of dy dx dh dw; 0: does not count"]
    counted: Annotated[Bool[tf.Tensor, "B R"], "who entered the sum"]


class MaskLoss(NamedTuple):
    """Binary cross-entropy of the pixels of positive ROIs' masks."""

    loss: Annotated[Float32[tf.Tensor, ""], "mean of the terms that count"]
    terms: Annotated[Float32[tf.Tensor, "B R M M"], "of each pixel; 0: does not count"]
    counted: Annotated[Bool[tf.Tensor, "B R"], "who entered the mean"]


class Losses(NamedTuple):
    """The five losses and their sum."""

    rpn_class_loss: Annotated[ClassLoss, "rows are anchors"]
    rpn_bbox_loss: Annotated[BoxLoss, "rows are anchors"]
    mrcnn_class_loss: Annotated[ClassLoss, "rows are ROIs"]
    mrcnn_bbox_loss: Annotated[BoxLoss, "rows are ROIs"]
    mrcnn_mask_loss: Annotated[MaskLoss, "rows are ROIs"]
    weight_decay: Annotated[Float32[tf.Tensor, ""], "the price of large weights"]
    total: Annotated[Float32[tf.Tensor, ""], "the five, times their weights, and the weight decay"]


def nothing_to_add(count: tf.Tensor) -> tf.Tensor:
    """Return the count of one device as it is."""
    return count


def rpn_class_loss(
    rpn_match: Int32[tf.Tensor, "B A"],
    rpn_class_logits: Float32[tf.Tensor, "B A 2"],
    *,
    summed_over: Sum = nothing_to_add,
) -> ClassLoss:
    """Object or not: cross-entropy of the anchors that were drawn, 0 without any.

    rpn_match    1 positive, -1 negative, 0 does not count

    Faster R-CNN, equation 1, first term: the mean is over all anchors drawn in the batch.
    """
    counted = rpn_match != 0
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.cast(rpn_match == 1, tf.int32), rpn_class_logits
    )
    return ClassLoss(*_mean(terms, counted, summed_over), counted)


def rpn_bbox_loss(
    target_bbox: Float32[tf.Tensor, "B T 4"],
    rpn_match: Int32[tf.Tensor, "B A"],
    rpn_bbox: Float32[tf.Tensor, "B A 4"],
    *,
    average_over: AverageOver = "positives",
    summed_over: Sum = nothing_to_add,
) -> BoxLoss:
    """How far the drawn positive anchors' deltas are from their targets; 0 without any.

    target_bbox     rows for the positives in the order of the anchors, then padding
    average_over    "positives" of the batch as Matterport's code does, so that one positive
                    weighs as much as a hundred (deviation 29); "sampled", nearer to Faster
                    R-CNN's equation 1: all anchors drawn
    """
    counted = rpn_match == 1
    row = tf.cumsum(tf.cast(counted, tf.int32), axis=1, exclusive=True)
    row = tf.minimum(row, tf.shape(target_bbox)[1] - 1)
    target = tf.gather(target_bbox, tf.where(counted, row, 0), batch_dims=1)
    among = counted if _over_positives(average_over) else rpn_match != 0
    return _box_loss(target, rpn_bbox, counted, among, summed_over)


def mrcnn_class_loss(
    target_class_ids: Int32[tf.Tensor, "B N"],
    mrcnn_class_logits: Float32[tf.Tensor, "B N C"],
    active_class_ids: Float32[tf.Tensor, "B C"],
    rows: Bool[tf.Tensor, "B N"],
    *,
    summed_over: Sum = nothing_to_add,
) -> ClassLoss:
    """Which class: cross-entropy of the ROIs.

    active_class_ids    1 for classes of the image's dataset. A ROI does not count when its
                        *predicted* class is not active in the *first* image of the batch,
                        as in Matterport's code (deviation 40); NaN if none is left
    rows                which ROIs take part. All True is Matterport's way: zero-padded
                        rows count as background (36). `positive | negative` of the targets is
                        the paper's
    """
    predicted = tf.argmax(mrcnn_class_logits, axis=2, output_type=tf.int32)
    counted = rows & (tf.gather(active_class_ids[0], predicted) > 0)
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(target_class_ids, mrcnn_class_logits)
    terms = tf.where(counted, terms, 0.0)
    number = summed_over(tf.reduce_sum(tf.cast(counted, tf.float32)))
    return ClassLoss(tf.reduce_sum(terms) / number, terms, counted)


def mrcnn_bbox_loss(
    target_bbox: Float32[tf.Tensor, "B N 4"],
    target_class_ids: Int32[tf.Tensor, "B N"],
    mrcnn_bbox: Float32[tf.Tensor, "B N C 4"],
    rows: Bool[tf.Tensor, "B N"],
    *,
    average_over: AverageOver = "positives",
    summed_over: Sum = nothing_to_add,
) -> BoxLoss:
    """How far positive ROIs' deltas, those of the right class, are from their targets.

    average_over    "positives" as Matterport's code does; "sampled" as Fast R-CNN's equation
                    1: all ROIs of `rows`, so that it weighs against the class loss (39)
    """
    counted = target_class_ids > 0
    predicted = tf.gather(mrcnn_bbox, tf.maximum(target_class_ids, 0), batch_dims=2)
    among = counted if _over_positives(average_over) else rows
    return _box_loss(target_bbox, predicted, counted, among, summed_over)


def mrcnn_mask_loss(
    target_mask: Float32[tf.Tensor, "B N M M"],
    class_mask: Float32[tf.Tensor, "B N M M"],
    counted: Bool[tf.Tensor, "B N"],
    *,
    summed_over: Sum = nothing_to_add,
) -> MaskLoss:
    """Which pixels: binary cross-entropy of the mask of the right class; 0 without positives.

    class_mask    probabilities, of each ROI's target class; other classes have no say (section
                  3 of the paper: that is what decouples mask and class)
    counted       the positive ROIs whose masks were computed
    """
    p = tf.clip_by_value(class_mask, EPSILON, 1 - EPSILON)
    # Added to the 1, not to the difference: so graph mode folds it in Matterport's code.
    right, wrong = tf.math.log(p + EPSILON), tf.math.log((1 + EPSILON) - p)
    terms = -(target_mask * right + (1 - target_mask) * wrong)
    pixels = tf.broadcast_to(counted[..., tf.newaxis, tf.newaxis], tf.shape(terms))
    return MaskLoss(*_mean(terms, pixels, summed_over), counted)


def weight_decay(
    weights: Iterable[tf.Tensor], rate: float, *, per: Literal["size", "weight"] = "size"
) -> Float32[tf.Tensor, ""]:
    """Price of large weights: rate times the sum of squares of each tensor.

    per    "size" divides by the tensor's number of elements as Matterport's code does, which
           leaves next to nothing (deviation 43: 1.7e-10 for a 3x3 kernel of 256 channels);
           "weight" does not, as the papers
    """
    if per not in ("size", "weight"):
        raise ValueError(f"per must be 'size' or 'weight', not {per!r}")
    terms = []
    for w in map(tf.convert_to_tensor, weights):
        size = float(w.shape.num_elements()) if per == "size" else 1.0
        terms.append(rate * tf.reduce_sum(tf.square(w)) / size)
    return tf.add_n(terms) if terms else tf.constant(0.0)


def smooth_l1(error: Float32[tf.Tensor, "*n"]) -> Float32[tf.Tensor, "*n"]:
    """Fast R-CNN, equation 3: a parabola up to 1, then a straight line."""
    size = tf.abs(error)
    return tf.where(size < 1, 0.5 * tf.square(size), size - 0.5)


def _over_positives(average_over):
    if average_over not in ("positives", "sampled"):
        raise ValueError(f"average_over must be 'positives' or 'sampled', not {average_over!r}")
    return average_over == "positives"


def _box_loss(target, predicted, counted, among, summed_over):
    terms = smooth_l1(target - predicted)
    number = summed_over(tf.reduce_sum(tf.cast(among, tf.float32)))
    ours = counted[..., tf.newaxis]
    terms = tf.where(ours, terms, 0.0)
    of_zero = tf.where(ours, smooth_l1(target), 0.0)
    loss, loss_of_zero = (
        tf.math.divide_no_nan(tf.reduce_sum(x), 4 * number) for x in (terms, of_zero)
    )
    return BoxLoss(loss, loss_of_zero, terms, counted)


def _mean(terms, counted, summed_over):
    """(mean, terms) of those that count; the mean of nothing is 0."""
    terms = tf.where(counted, terms, 0.0)
    number = summed_over(tf.reduce_sum(tf.cast(counted, tf.float32)))
    return tf.math.divide_no_nan(tf.reduce_sum(terms), number), terms
