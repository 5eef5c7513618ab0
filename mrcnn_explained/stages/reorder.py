"""Reorder: bring the crops, which are sorted by level, back into the order of the ROIs.

Source   Matterport's PyramidROIAlign; the papers need no such step
Input    ix and pooled of crops.py
Output   pooled is read by box_head.py and mask_head.py
Shapes   B images, N ROIs, F channels of the pyramid, P side of a crop; BN = B times N rows:
         the stack of the crops of all levels
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, Int64

IMAGE_STEP = 100_000  # sorting key: image * IMAGE_STEP + ROI


class Reordered(NamedTuple):
    """The way of every crop back to its ROI."""

    box_to_level: Annotated[
        Int32[tf.Tensor, "BN 3"],
        "(image, ROI, row of the stack) of each crop, level by level",
    ]
    sorting_tensor: Annotated[
        Int32[tf.Tensor, "BN"], "sorting key of each row of the stack, image * 100,000 + ROI"
    ]
    sorted_ix: Annotated[
        Int32[tf.Tensor, "BN"],
        "row numbers of box_to_level, and so of the stack, in ascending order of the key",
    ]
    final_order: Annotated[
        Int32[tf.Tensor, "BN"], "row of the stack that each ROI takes its crop from"
    ]
    home: Annotated[
        Bool[tf.Tensor, "B N"], "True if the crop at this place is the crop of this ROI"
    ]
    pooled: Annotated[Float32[tf.Tensor, "B N P P F"], "crops in the order of the ROIs"]


def reorder(
    ix: Sequence[Int64[tf.Tensor, "_ 2"]],
    pooled: Sequence[Float32[tf.Tensor, "_ P P F"]],
    batch_shape: Int32[tf.Tensor, "2"],
) -> Reordered:
    """Sort the stacked crops of all levels by image, then by ROI.

    ix             (image, ROI) of each crop, one list per level
    pooled         the crops, one list per level
    batch_shape    (B, N)

    `top_k` sorts by one number only, so image and ROI share one int32 key. From 100,000 ROIs
    per image on, two ROIs get the same key; beyond 21,474 images the key overflows
    (deviation 8). `top_k` sorts in descending order, hence the reversal. `home` shows whether
    every crop is back at its ROI.
    """
    box_to_level = tf.cast(tf.concat(ix, axis=0), tf.int32)
    box_range = tf.range(tf.shape(box_to_level)[0])
    box_to_level = tf.concat([box_to_level, box_range[:, tf.newaxis]], axis=1)

    sorting_tensor = box_to_level[:, 0] * IMAGE_STEP + box_to_level[:, 1]
    sorted_ix = tf.math.top_k(sorting_tensor, k=tf.size(sorting_tensor)).indices[::-1]
    final_order = tf.gather(box_to_level[:, 2], sorted_ix)

    image, roi = tf.meshgrid(tf.range(batch_shape[0]), tf.range(batch_shape[1]), indexing="ij")
    expected = tf.reshape(tf.stack([image, roi], axis=-1), [-1, 2])
    found = tf.gather(box_to_level[:, :2], final_order)
    home = tf.reduce_all(found == expected, axis=1)

    crops = tf.gather(tf.concat(pooled, axis=0), final_order)
    return Reordered(
        box_to_level=box_to_level,
        sorting_tensor=sorting_tensor,
        sorted_ix=sorted_ix,
        final_order=final_order,
        home=tf.reshape(home, batch_shape),
        pooled=tf.reshape(crops, tf.concat([batch_shape, tf.shape(crops)[1:]], axis=0)),
    )
