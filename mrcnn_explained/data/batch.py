"""Batch: images to train on and the objects in them."""

from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Float32, Int32


class Batch(NamedTuple):
    """Images to train on and what is on them, as data/pipeline.py makes it."""

    molded: Annotated[Float32[tf.Tensor, "B H W ch"], "as MoldedImage has it"]
    image_meta: Annotated[
        Float32[tf.Tensor, "B meta"], "as MoldedImage has it; ids are the dataset's"
    ]
    gt_class_ids: Annotated[Int32[tf.Tensor, "B G"], "0 is padding, a crowd is negative"]
    gt_boxes: Annotated[Float32[tf.Tensor, "B G 4"], "(y1, x1, y2, x2), pixels of the molded image"]
    gt_masks: Annotated[
        Float32[tf.Tensor, "B mh mw G"], "0 or 1; mini-masks where the config says so"
    ]
    rois: Annotated[
        Float32[tf.Tensor, "B N 4"], "normalised; used where the config has use_rpn_rois off"
    ]
