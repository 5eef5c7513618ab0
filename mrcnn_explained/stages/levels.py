"""Level assignment: which pyramid level does each ROI read its features from?

Paper    Feature Pyramid Networks (arXiv:1612.03144), section 4.2, equation 1
Input    rpn_rois of proposals.py; for masks, boxes of detections.py
Output   roi_level is read by crops.py
Shapes   B images of H x W molded pixels, N ROIs; a box is (y1, x1, y2, x2), normalised
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Float, Float32, Int32

CANONICAL_SIDE = 224.0  # molded pixels: the side of an ImageNet training crop
CANONICAL_LEVEL = 4  # k0 in the paper: the level that an ROI of that side reads
LOWEST, HIGHEST = 2, 5  # levels that ROIs read; only the RPN reads P6
ROI_LEVELS = tuple(range(LOWEST, HIGHEST + 1))

Rounding = Literal["round", "floor"]


class LevelAssignment(NamedTuple):
    """Every step of equation 1, for every ROI."""

    h: Annotated[Float32[tf.Tensor, "B N"], "height of each ROI, normalised (not pixels)"]
    w: Annotated[Float32[tf.Tensor, "B N"], "width of each ROI, normalised (not pixels)"]
    side: Annotated[
        Float32[tf.Tensor, "B N"], "side of each ROI, sqrt(w h) sqrt(H W), molded pixels"
    ]
    octaves: Annotated[
        Float32[tf.Tensor, "B N"],
        "log2(side / 224): doublings from the canonical side; -inf for a zero-padded ROI",
    ]
    exact_level: Annotated[Float32[tf.Tensor, "B N"], "level before rounding, 4 + octaves"]
    rounded_octaves: Annotated[
        Float32[tf.Tensor, "B N"], "octaves rounded to a whole number as `rounding` says"
    ]
    roi_level: Annotated[
        Int32[tf.Tensor, "B N"], "level that each ROI reads, limited to the pyramid: 2…5"
    ]
    boundary: Annotated[
        Float32[tf.Tensor, "B N"], "nearest side at which the level changes, molded pixels"
    ]
    margin: Annotated[
        Float32[tf.Tensor, "B N"], "side minus boundary, molded pixels; negative below the boundary"
    ]


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
    """Choose a pyramid level for each ROI from its size alone.

        k = 4 + log2(sqrt(w h) / 224)                            (FPN, eq. 1)

    An ROI twice as wide and twice as high reads the next level, where a cell covers twice
    as many pixels along y and x. So it covers the same number of cells.

    image_shape        (H, W) of the molded image, pixels; pass a tensor (see the comment)
    lowest, highest    finest and coarsest level that ROIs may read
    rounding           how k becomes a whole number. "floor" rounds down, as the paper does.
                       "round" takes the nearest (halves to even), as Matterport's code does:
                       the boundaries move from 112, 224 and 448 pixels to 79, 158 and 317
                       (deviation 1). Weights trained with one lose accuracy with the other
    canonical_side     224 in the equation, molded pixels
    canonical_level    4 in the equation

    ROIs without area, with crossed corners, NaN or infinity read the lowest level, as in
    Matterport's code. Raises ValueError if lowest > highest or for another rounding.
    """
    if lowest > highest:
        raise ValueError(f"the lowest level, {lowest}, is above the highest, {highest}")
    if rounding not in ("round", "floor"):
        raise ValueError(f"rounding must be 'round' or 'floor', not {rounding!r}")

    y1, x1, y2, x2 = tf.unstack(rois, axis=-1)
    h, w = y2 - y1, x2 - x1
    image_side = tf.sqrt(tf.cast(tf.reduce_prod(image_shape), tf.float32))
    normalised_side = tf.sqrt(h * w)

    # Keep this order of operations: an ROI exactly on a boundary must get the same level as in
    # Matterport's code. If image_shape were a constant in graph mode, TensorFlow would replace
    # the division by a multiplication, which rounds differently.
    octaves = tf.math.log(normalised_side / (canonical_side / image_side)) / tf.math.log(2.0)
    whole = tf.round(octaves) if rounding == "round" else tf.floor(octaves)
    level = tf.clip_by_value(canonical_level + whole, lowest, highest)
    level = tf.where(tf.math.is_finite(whole), level, float(lowest))  # int32 has no NaN

    side = normalised_side * image_side
    boundaries = level_boundaries(lowest, highest, rounding, canonical_side, canonical_level)
    boundary = _nearest(side, boundaries)
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
    """Return the sides, in molded pixels, at which an ROI moves to the next coarser level.

    Arguments as in `assign_levels`. By default: 79.2, 158.4 and 316.8.
    """
    half = 0.5 if rounding == "round" else 0.0
    coarser = range(lowest + 1, highest + 1)
    return [canonical_side * 2.0 ** (k - half - canonical_level) for k in coarser]


def _nearest(
    side: Float32[tf.Tensor, "*b"], boundaries: Sequence[float]
) -> Float32[tf.Tensor, "*b"]:
    """Return the boundary nearest to each side; infinity if there is only one level."""
    steps = tf.constant(boundaries or [float("inf")], tf.float32)
    return tf.gather(steps, tf.argmin(tf.abs(side[..., tf.newaxis] - steps), axis=-1))
