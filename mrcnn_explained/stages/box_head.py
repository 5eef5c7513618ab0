"""Box head: which class is in each ROI, and how must its box change?

Paper    Feature Pyramid Networks (arXiv:1612.03144), section 4.2; Mask R-CNN, figure 4 right
Input    pooled of reorder.py, 7x7
Output   read by detections.py
Shapes   B images, N ROIs, C classes, F channels of the pyramid, P side of a crop, U units
"""

from typing import Annotated, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.stages.layers import batch_norm, conv, dense


class BoxHeadOutput(NamedTuple):
    """Every layer of the head, for every ROI. Zero-padded ROIs go through it as well."""

    conv1: Annotated[
        Float32[tf.Tensor, "B N U"],
        "output of the P x P convolution, which is a fully connected layer here",
    ]
    bn1: Annotated[Float32[tf.Tensor, "B N U"], "conv1 after BatchNorm"]
    relu1: Annotated[Float32[tf.Tensor, "B N U"], "bn1 after ReLU"]
    conv2: Annotated[
        Float32[tf.Tensor, "B N U"],
        "output of the 1x1 convolution, the second fully connected layer",
    ]
    bn2: Annotated[Float32[tf.Tensor, "B N U"], "conv2 after BatchNorm"]
    shared: Annotated[
        Float32[tf.Tensor, "B N U"],
        "bn2 after ReLU, read by scores and deltas; Matterport's `pool_squeeze`",
    ]
    mrcnn_class_logits: Annotated[Float32[tf.Tensor, "B N C"], "class scores before the softmax"]
    mrcnn_class: Annotated[
        Float32[tf.Tensor, "B N C"], "class probabilities; class 0 is background"
    ]
    mrcnn_bbox: Annotated[
        Float32[tf.Tensor, "B N C 4"],
        "deltas (dy, dx, dh, dw) for every class, in standard deviations",
    ]


class BoxHead(keras.layers.Layer):
    """Two fully connected layers, then class scores and class-specific box deltas.

    channels       F, channels of a crop
    num_classes    C, background included
    pool_size      P
    units          U, Matterport's FPN_CLASSIF_FC_LAYERS_SIZE

    Matterport's code wraps each layer in `TimeDistributed`: fold images and ROIs into one
    axis, apply the layer once, unfold. BatchNorm follows both layers; the heads of the papers
    have none (deviation 16).
    """

    def __init__(self, channels: int, num_classes: int, pool_size: int = 7, units: int = 1024):
        super().__init__(name="box_head")
        self.conv1 = conv("mrcnn_class_conv1", channels, units, pool_size, padding="valid")
        self.bn1 = batch_norm("mrcnn_class_bn1", units)
        self.conv2 = conv("mrcnn_class_conv2", units, units, 1)
        self.bn2 = batch_norm("mrcnn_class_bn2", units)
        self.class_logits = dense("mrcnn_class_logits", units, num_classes)
        self.bbox_fc = dense("mrcnn_bbox_fc", units, 4 * num_classes)
        self.built = True

    def call(
        self, pooled: Float32[tf.Tensor, "B N P P F"], train_bn: bool = False
    ) -> BoxHeadOutput:
        """Score every ROI for every class.

        train_bn    as in `ResNet.call`
        """
        batch_shape = tf.shape(pooled)[:2]
        crops = tf.reshape(pooled, tf.concat([[-1], tf.shape(pooled)[2:]], axis=0))  # fold
        crops = tf.ensure_shape(crops, [None, *pooled.shape[2:]])

        conv1 = self.conv1(crops)
        bn1 = self.bn1(conv1, training=train_bn)
        relu1 = tf.nn.relu(bn1)
        conv2 = self.conv2(relu1)
        bn2 = self.bn2(conv2, training=train_bn)
        shared = tf.nn.relu(bn2)[:, 0, 0]
        logits = self.class_logits(shared)
        probabilities = tf.nn.softmax(logits)
        deltas = self.bbox_fc(shared)

        def unfold(x: tf.Tensor, *sizes: int) -> tf.Tensor:
            return tf.reshape(x, tf.concat([batch_shape, sizes], axis=0))

        units, classes = shared.shape[-1], logits.shape[-1]
        return BoxHeadOutput(
            conv1=unfold(conv1, units),
            bn1=unfold(bn1, units),
            relu1=unfold(relu1, units),
            conv2=unfold(conv2, units),
            bn2=unfold(bn2, units),
            shared=unfold(shared, units),
            mrcnn_class_logits=unfold(logits, classes),
            mrcnn_class=unfold(probabilities, classes),
            mrcnn_bbox=unfold(deltas, classes, 4),
        )
