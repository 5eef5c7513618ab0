"""Box maths that several stages share.

A box is `(y1, x1, y2, x2)` on the last axis; any leading axes are allowed. Every function
keeps the order of operations of Matterport's code: a box exactly at a threshold (a level
boundary, an IoU) must get the same answer.
"""

import tensorflow as tf
from jaxtyping import Float


def norm_boxes(
    boxes: Float[tf.Tensor, "*n 4"], image_shape: Float[tf.Tensor, "2"]
) -> Float[tf.Tensor, "*n 4"]:
    """Convert boxes from pixels to normalised coordinates: (0, 0, H, W) becomes (0, 0, 1, 1).

    image_shape    (H, W) of the image, pixels

    In pixels, y2 and x2 lie one outside the box; normalised, they lie inside it. Hence the
    shift by one and the division by H-1 and W-1: a box loses one pixel (deviation 10).
    """
    scale, shift = _pixel_grid(boxes, image_shape)
    return (boxes - shift) / scale


def denorm_boxes(
    boxes: Float[tf.Tensor, "*n 4"], image_shape: Float[tf.Tensor, "2"]
) -> Float[tf.Tensor, "*n 4"]:
    """Convert boxes from normalised coordinates to pixels, not rounded. Undoes `norm_boxes`."""
    scale, shift = _pixel_grid(boxes, image_shape)
    return boxes * scale + shift


def _pixel_grid(
    boxes: Float[tf.Tensor, "*n 4"], image_shape: Float[tf.Tensor, "2"]
) -> tuple[Float[tf.Tensor, "4"], Float[tf.Tensor, "4"]]:
    """Return the scale (H-1, W-1, H-1, W-1) and the shift (0, 0, 1, 1) between the systems."""
    side = tf.cast(image_shape, boxes.dtype)
    scale = tf.concat([side, side], axis=-1) - tf.constant(1.0, boxes.dtype)
    return scale, tf.constant([0.0, 0.0, 1.0, 1.0], boxes.dtype)


def apply_box_deltas(
    boxes: Float[tf.Tensor, "*n 4"], deltas: Float[tf.Tensor, "*n 4"]
) -> Float[tf.Tensor, "*n 4"]:
    """Move and scale boxes by deltas `(dy, dx, log dh, log dw)`, relative to the box's size.

    boxes     in any coordinate system; the result is in the same
    deltas    already multiplied by the standard deviations

    Source: R-CNN (arXiv:1311.2524), appendix C, equations 1-4. The box is scaled about its
    centre.
    """
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)
    dy, dx, dh, dw = tf.unstack(deltas, axis=-1)
    height, width = y2 - y1, x2 - x1
    center_y = y1 + 0.5 * height + dy * height
    center_x = x1 + 0.5 * width + dx * width
    height *= tf.exp(dh)
    width *= tf.exp(dw)
    y1 = center_y - 0.5 * height
    x1 = center_x - 0.5 * width
    return tf.stack([y1, x1, y1 + height, x1 + width], axis=-1)


def box_refinement(
    boxes: Float[tf.Tensor, "*n 4"], targets: Float[tf.Tensor, "*n 4"]
) -> Float[tf.Tensor, "*n 4"]:
    """Return the deltas `(dy, dx, log dh, log dw)` that turn boxes into targets.

    boxes, targets    both in the same coordinate system

    Undone by `apply_box_deltas`. The deltas of a box without area are not finite.

    Source: R-CNN (arXiv:1311.2524), appendix C, equations 6-9.
    """
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)
    target_y1, target_x1, target_y2, target_x2 = tf.unstack(targets, axis=-1)
    height, width = y2 - y1, x2 - x1
    target_height, target_width = target_y2 - target_y1, target_x2 - target_x1
    dy = (target_y1 + 0.5 * target_height - (y1 + 0.5 * height)) / height
    dx = (target_x1 + 0.5 * target_width - (x1 + 0.5 * width)) / width
    dh = tf.math.log(target_height / height)
    dw = tf.math.log(target_width / width)
    return tf.stack([dy, dx, dh, dw], axis=-1)


def clip_boxes(
    boxes: Float[tf.Tensor, "*n 4"], window: Float[tf.Tensor, "*w 4"]
) -> Float[tf.Tensor, "*n 4"]:
    """Clip boxes: move every corner into the window.

    window    (y1, x1, y2, x2), in the coordinate system of the boxes; broadcasts over them
    """
    top, left, bottom, right = tf.unstack(window, axis=-1)
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)
    inside_y = lambda y: tf.maximum(tf.minimum(y, bottom), top)  # noqa: E731
    inside_x = lambda x: tf.maximum(tf.minimum(x, right), left)  # noqa: E731
    return tf.stack([inside_y(y1), inside_x(x1), inside_y(y2), inside_x(x2)], axis=-1)


def iou(
    boxes1: Float[tf.Tensor, "*b n 4"], boxes2: Float[tf.Tensor, "*c m 4"]
) -> Float[tf.Tensor, "*bc n m"]:
    """Return the intersection over union of every pair, as `tf.image.non_max_suppression` does.

    boxes1, boxes2    both in the same coordinate system; leading axes broadcast

    The two corners of a box may come in any order. A pair has IoU 0 if a box has no area.
    """
    top1, left1, bottom1, right1 = _ordered(boxes1[..., :, tf.newaxis, :])
    top2, left2, bottom2, right2 = _ordered(boxes2[..., tf.newaxis, :, :])
    area1 = (bottom1 - top1) * (right1 - left1)
    area2 = (bottom2 - top2) * (right2 - left2)
    height = tf.maximum(tf.minimum(bottom1, bottom2) - tf.maximum(top1, top2), 0.0)
    width = tf.maximum(tf.minimum(right1, right2) - tf.maximum(left1, left2), 0.0)
    intersection = height * width
    overlap = intersection / (area1 + area2 - intersection)
    return tf.where((area1 > 0) & (area2 > 0), overlap, 0.0)


def _ordered(boxes: Float[tf.Tensor, "*n 4"]) -> tuple[tf.Tensor, ...]:
    """Return top, left, bottom and right of each box, whichever corner comes first."""
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)
    return tf.minimum(y1, y2), tf.minimum(x1, x2), tf.maximum(y1, y2), tf.maximum(x1, x2)
