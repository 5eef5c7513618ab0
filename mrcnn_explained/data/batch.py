"""Batch: images to train on and the objects in them."""

from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Float32, Int32


class Batch(NamedTuple):
    """Images to train on and their objects, as `batches` of data/pipeline.py makes them."""

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
        Float32[tf.Tensor, "B mh mw G"],
        "0 or 1: mini-masks cut to the boxes, or masks of the molded image (use_mini_mask)",
    ]
    rois: Annotated[
        Float32[tf.Tensor, "B N 4"],
        "(y1, x1, y2, x2), normalised: ROIs to train on if use_rpn_rois is False",
    ]
