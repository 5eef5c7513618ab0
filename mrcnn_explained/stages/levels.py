"""Level assignment: which pyramid level does each ROI read its features from?

Paper    Feature Pyramid Networks (arXiv:1612.03144), section 4.2, equation 1
Input    rpn_rois of proposals.py; for masks, boxes of detections.py
Output   roi_level is read by crops.py
Shapes   B images, N ROIs; a box is (y1, x1, y2, x2), normalised
"""

from typing import Annotated, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Float, Float32, Int32

CANONICAL_SIDE = 224.0  # pixels: the side of an ImageNet training crop
CANONICAL_LEVEL = 4  # k0 in the paper: the level that such a ROI reads
LOWEST, HIGHEST = 2, 5  # levels that ROIs read; the RPN alone reads P6
ROI_LEVELS = tuple(range(LOWEST, HIGHEST + 1))

Rounding = Literal["round", "floor"]


class LevelAssignment(NamedTuple):
    """Every step of equation 1, for every ROI."""

    h: Annotated[Float32[tf.Tensor, "B N"], "normalised height"]
    w: Annotated[Float32[tf.Tensor, "B N"], "normalised width"]
    side: Annotated[Float32[tf.Tensor, "B N"], "sqrt(w h), pixels of the molded image"]
    octaves: Annotated[Float32[tf.Tensor, "B N"], "log2(side / 224); -inf for a zero-padded ROI"]
    exact_level: Annotated[Float32[tf.Tensor, "B N"], "k before rounding: 4 + octaves"]
    rounded_octaves: Annotated[Float32[tf.Tensor, "B N"], "octaves, to a whole number"]
    roi_level: Annotated[Int32[tf.Tensor, "B N"], "k, kept within the pyramid"]
    boundary: Annotated[
        Float32[tf.Tensor, "B N"], "pixels: the nearest side at which the level changes"
    ]
    margin: Annotated[Float32[tf.Tensor, "B N"], "pixels: side - boundary, negative below it"]


def assign_levels(
    rois: Float32[tf.Tensor, "B N 4"],
    image_shape: Float[tf.Tensor, "2"],
    *,
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    rounding: Rounding = "round",
    canonical_side: float = CANONICAL_SIDE,
    canonical_level: int = CANONICAL_LEVEL,
) -> LevelAssignment:
    """Choose a pyramid level for each ROI from nothing but its size.

        k = 4 + log2(sqrt(w h) / 224)                            (FPN, eq. 1)

    A ROI twice as wide and twice as high goes up one level, where one cell covers twice
    as many pixels each way, so it still spans as many cells.

    image_shape    (H, W) of the molded image, pixels; as a tensor, see below
    rounding       the paper rounds k down. The code explained here rounds to the nearest
                   (halves to even), which moves the boundaries from 112, 224 and 448
                   pixels to 79, 158 and 317 (deviation 1). Weights trained one way lose
                   accuracy the other way.

    ROIs with no area, crossed corners, NaN or infinity read the lowest level, as there.
    """
    if lowest > highest:
        raise ValueError(f"the lowest level, {lowest}, is above the highest, {highest}")
    if rounding not in ("round", "floor"):
        raise ValueError(f"rounding must be 'round' or 'floor', not {rounding!r}")

    y1, x1, y2, x2 = tf.unstack(rois, axis=-1)
    h, w = y2 - y1, x2 - x1
    image_side = tf.sqrt(tf.cast(tf.reduce_prod(image_shape), tf.float32))
    normalised_side = tf.sqrt(h * w)

    # This order of operations, and no other: a ROI that sits exactly on a boundary must
    # fall to the same side as in Matterport's code. In graph mode a constant
    # image_shape would let TensorFlow fold the division into a multiplication.
    octaves = tf.math.log(normalised_side / (canonical_side / image_side)) / tf.math.log(2.0)
    whole = tf.round(octaves) if rounding == "round" else tf.floor(octaves)
    level = tf.clip_by_value(canonical_level + whole, lowest, highest)
    level = tf.where(tf.math.is_finite(whole), level, float(lowest))  # no int32 holds it there

    side = normalised_side * image_side
    boundary = _nearest(
        side, level_boundaries(lowest, highest, rounding, canonical_side, canonical_level)
    )
    return LevelAssignment(
        h=h,
        w=w,
        side=side,
        octaves=octaves,
        exact_level=canonical_level + octaves,
        rounded_octaves=whole,
        roi_level=tf.cast(level, tf.int32),
        boundary=boundary,
        margin=side - boundary,
    )


def level_boundaries(
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    rounding: Rounding = "round",
    canonical_side: float = CANONICAL_SIDE,
    canonical_level: int = CANONICAL_LEVEL,
) -> list[float]:
    """Sides in pixels at which a ROI goes up a level: 79.2, 158.4 and 316.8 by default."""
    half = 0.5 if rounding == "round" else 0.0
    return [
        canonical_side * 2.0 ** (k - half - canonical_level) for k in range(lowest + 1, highest + 1)
    ]


def _nearest(side, boundaries):
    """The boundary nearest to each side; infinitely far where there is one level only."""
    steps = tf.constant(boundaries or [float("inf")], tf.float32)
    return tf.gather(steps, tf.argmin(tf.abs(side[..., tf.newaxis] - steps), axis=-1))
