"""Batch: images to train on and the objects in them."""

from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32


class Batch(NamedTuple):
    """Images to train on and their objects, as `batches` of data/pipeline.py makes them.

    The RPN is trained on all G objects; the heads on the first K, at most `max_gt_instances` of
    an image, which are drawn at random where there are more.
    """

    molded: Annotated[Float32[tf.Tensor, "B H W ch"], "molded images, minus the mean pixel"]
    image_meta: Annotated[
        Float32[tf.Tensor, "B meta"],
        "as in MoldedImage; the image ids are those of the dataset",
    ]
    gt_class_ids: Annotated[
        Int32[tf.Tensor, "B G"], "class of each object; 0 is padding, negative is a crowd"
    ]
    gt_boxes: Annotated[Float32[tf.Tensor, "B G 4"], "(y1, x1, y2, x2), molded pixels"]
    gt_masks: Annotated[
        Float32[tf.Tensor, "B mh mw K"],
        "0 or 1, of the first K objects: mini-masks cut to the boxes, or masks of the molded "
        "image (use_mini_mask)",
    ]
    gt_has_mask: Annotated[
        Bool[tf.Tensor, "B G"],
        "False for objects with a box only, whose masks are not trained on, and for padding",
    ]
    rois: Annotated[
        Float32[tf.Tensor, "B N 4"],
        "(y1, x1, y2, x2), normalised: ROIs to train on if use_rpn_rois is False",
    ]
