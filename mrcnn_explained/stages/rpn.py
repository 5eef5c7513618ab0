"""Region proposal network: for every anchor, is there an object, and how to fit the box to it?

Paper    Faster R-CNN (arXiv:1506.01497), section 3.1; shared by all levels: FPN, section 4.1
Input    p2…p6 of pyramid.py
Output   read by proposals.py; rows are in the order of anchors.py
Shapes   B images, A anchors, R anchors per cell, F channels of the pyramid, S channels of the
         shared convolution
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.stages.layers import conv


class RpnScores(NamedTuple):
    """Scores and box deltas of all anchors: as maps, one per level (P2…P6), and as one list."""

    shared: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ S"], ...],
        "activation of the shared 3x3 convolution, after ReLU, one map per level",
    ]
    level_class_logits: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ R 2"], ...],
        "logits (background, object) of each anchor, one map per level",
    ]
    level_class: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ R 2"], ...],
        "probabilities (background, object) of each anchor, one map per level",
    ]
    level_bbox: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ R 4"], ...],
        "deltas (dy, dx, dh, dw) of each anchor in standard deviations, one map per level",
    ]
    rpn_class_logits: Annotated[
        Float32[tf.Tensor, "B A 2"], "logits (background, object) of all anchors, level by level"
    ]
    rpn_class: Annotated[
        Float32[tf.Tensor, "B A 2"], "probabilities (background, object) of all anchors"
    ]
    rpn_bbox: Annotated[
        Float32[tf.Tensor, "B A 4"],
        "deltas (dy, dx, dh, dw) of all anchors in standard deviations",
    ]


class RegionProposalNetwork(keras.layers.Layer):
    """One small network with the same weights for every level.

    in_channels         F, channels of each map
    anchors_per_cell    R, number of ratios
    channels            S, channels of the shared convolution
    stride              cells from one anchor position to the next

    Scores are a softmax over two classes, as in the paper; later code uses one sigmoid. The
    shared convolution has 512 channels, as for VGG; FPN has 256 (deviation 22).
    """

    def __init__(
        self, in_channels: int, anchors_per_cell: int = 3, channels: int = 512, stride: int = 1
    ):
        super().__init__(name="rpn_model")
        self.anchors_per_cell = anchors_per_cell
        self.conv_shared = conv(
            "rpn_conv_shared", in_channels, channels, 3, strides=stride, activation="relu"
        )
        self.class_raw = conv("rpn_class_raw", channels, 2 * anchors_per_cell, 1)
        self.bbox_pred = conv("rpn_bbox_pred", channels, 4 * anchors_per_cell, 1)
        self.built = True

    def call(self, maps: Sequence[Float32[tf.Tensor, "B _ _ F"]]) -> RpnScores:
        """Score every anchor of every map.

        maps    P2…P6, finest first
        """
        shared = tuple(self.conv_shared(p) for p in maps)
        logits = tuple(self._per_anchor(self.class_raw(x), 2) for x in shared)
        probabilities = tuple(tf.nn.softmax(x) for x in logits)
        deltas = tuple(self._per_anchor(self.bbox_pred(x), 4) for x in shared)
        return RpnScores(
            shared=shared,
            level_class_logits=logits,
            level_class=probabilities,
            level_bbox=deltas,
            rpn_class_logits=_rows(logits),
            rpn_class=_rows(probabilities),
            rpn_bbox=_rows(deltas),
        )

    def _per_anchor(
        self, x: Float32[tf.Tensor, "B h w Rv"], values: int
    ) -> Float32[tf.Tensor, "B h w R v"]:
        """Split the channels of a map into one axis of anchors and one of their values."""
        b, h, w = tf.unstack(tf.shape(x)[:3])
        return tf.reshape(x, [b, h, w, self.anchors_per_cell, values])


def _rows(maps: Sequence[Float32[tf.Tensor, "B _ _ R v"]]) -> Float32[tf.Tensor, "B A v"]:
    """Flatten the maps of all levels to one list, in the order of the anchors."""
    flat = [tf.reshape(x, [tf.shape(x)[0], -1, x.shape[-1]]) for x in maps]
    return tf.concat(flat, axis=1)
