"""Mask head: for each detection, which pixels of its box belong to it?

Paper    Mask R-CNN (arXiv:1703.06870), section 3 and figure 4 right
Input    pooled of reorder.py, 14x14, on the boxes of detections.py
Output   class_mask is read by instances.py
Shapes   B images, D detections, C classes, P side of a crop, R real detections, M = 2P
"""

from typing import Annotated, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, Int64

from mrcnn_explained.stages.layers import batch_norm, conv, deconv


class MaskHeadOutput(NamedTuple):
    """Every layer of the head for the rows that it computed, and the masks in their places."""

    rows: Annotated[Int64[tf.Tensor, "R 2"], "(image, detection) of each row computed"]
    conv1: Annotated[Float32[tf.Tensor, "R P P ch"], "convolution, BatchNorm and ReLU"]
    conv2: Annotated[Float32[tf.Tensor, "R P P ch"], "the second of the kind"]
    conv3: Annotated[Float32[tf.Tensor, "R P P ch"], "the third of the kind"]
    conv4: Annotated[Float32[tf.Tensor, "R P P ch"], "the fourth of the kind"]
    deconv: Annotated[Float32[tf.Tensor, "R M M ch"], "twice as high and wide, after ReLU"]
    mrcnn_mask: Annotated[
        Float32[tf.Tensor, "R M M C"], "probability of each pixel, for every class"
    ]
    class_mask: Annotated[
        Float32[tf.Tensor, "B D M M"], "that of the chosen class; 0 where not computed"
    ]


class MaskHead(keras.layers.Layer):
    """Four 3x3 convolutions, a deconvolution, and one mask for every class.

    Classes do not compete: each pixel has a sigmoid per class, and the box head's class
    chooses the mask. BatchNorm follows the convolutions, which the paper's head lacks (16).
    """

    def __init__(self, in_channels: int, num_classes: int, channels: int = 256):
        super().__init__(name="mask_head")
        into = (in_channels, channels, channels, channels)
        self.convs = [conv(f"mrcnn_mask_conv{k}", n, channels, 3) for k, n in enumerate(into, 1)]
        self.norms = [batch_norm(f"mrcnn_mask_bn{k}", channels) for k in range(1, 5)]
        self.deconv = deconv("mrcnn_mask_deconv", channels, channels)
        self.mask = conv("mrcnn_mask", channels, num_classes, 1, activation="sigmoid")
        self.built = True

    def call(
        self,
        pooled: Float32[tf.Tensor, "B D P P F"],
        class_ids: Int32[tf.Tensor, "B D"],
        valid: Bool[tf.Tensor, "B D"],
        train_bn: bool = False,
    ) -> MaskHeadOutput:
        """Compute the masks of the valid rows; `train_bn` as in backbone.py.

        Matterport's code computes zero-padded rows too and throws their masks away
        (deviation 6): give it `valid` all True to see them. A row costs as much as ten
        ROIs in the box head, and it does not change any other row.
        """
        rows = tf.where(valid)
        x = tf.gather_nd(pooled, rows)  # folds images and detections into one axis
        # TensorFlow's convolution of no rows forgets how many channels it makes (oneDNN):
        # then one row of zeros goes through and is dropped again.
        count = tf.shape(x)[0]
        x = tf.pad(x, [[0, tf.cast(count == 0, tf.int32)], [0, 0], [0, 0], [0, 0]])
        outputs = []
        for convolution, norm in zip(self.convs, self.norms, strict=True):
            x = tf.nn.relu(norm(convolution(x), training=train_bn))
            outputs.append(x)
        up = self.deconv(x)
        masks = self.mask(up)
        *outputs, up, masks = (x[:count] for x in (*outputs, up, masks))
        chosen = tf.gather(
            tf.transpose(masks, [0, 3, 1, 2]), tf.gather_nd(class_ids, rows), batch_dims=1
        )
        shape = tf.concat([tf.shape(valid, tf.int64), tf.shape(chosen, tf.int64)[1:]], axis=0)
        return MaskHeadOutput(rows, *outputs, up, masks, tf.scatter_nd(rows, chosen, shape))
