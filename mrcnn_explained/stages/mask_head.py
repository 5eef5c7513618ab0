"""Mask head: which pixels of its box belong to each detection?

Paper    Mask R-CNN (arXiv:1703.06870), section 3 and figure 4 right
Input    pooled of reorder.py, 14x14, on the boxes of detections.py
Output   class_mask is read by instances.py
Shapes   B images, D detections, R detections computed (padding is left out), C classes,
         F channels of the pyramid, P side of a crop, M = 2P side of a mask
"""

from typing import Annotated, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, Int64

from mrcnn_explained.stages.layers import batch_norm, conv, deconv


class MaskHeadOutput(NamedTuple):
    """Every layer of the head for the detections computed, and the mask of every detection."""

    rows: Annotated[Int64[tf.Tensor, "R 2"], "(image, detection) of each row computed"]
    conv1: Annotated[Float32[tf.Tensor, "R P P ch"], "first convolution, after BatchNorm and ReLU"]
    conv2: Annotated[Float32[tf.Tensor, "R P P ch"], "second convolution, after BatchNorm and ReLU"]
    conv3: Annotated[Float32[tf.Tensor, "R P P ch"], "third convolution, after BatchNorm and ReLU"]
    conv4: Annotated[Float32[tf.Tensor, "R P P ch"], "fourth convolution, after BatchNorm and ReLU"]
    deconv: Annotated[
        Float32[tf.Tensor, "R M M ch"], "deconvolution, twice as high and wide, after ReLU"
    ]
    mrcnn_mask: Annotated[
        Float32[tf.Tensor, "R M M C"], "probability of each pixel of the box, for every class"
    ]
    class_mask: Annotated[
        Float32[tf.Tensor, "B D M M"],
        "probability of each pixel for the class of the detection; 0 for rows not computed",
    ]


class MaskHead(keras.layers.Layer):
    """Four 3x3 convolutions, a deconvolution, and one mask per class.

    in_channels    F, channels of a crop
    num_classes    C, background included
    channels       channels of the convolutions

    Classes do not compete: each pixel has one sigmoid per class, and the class that the box
    head chose selects the mask. BatchNorm follows each convolution; the paper's head has
    none (deviation 16).
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
        """Compute the masks of the valid rows.

        class_ids    class whose mask goes into `class_mask`
        valid        which rows to compute
        train_bn     as in `ResNet.call`

        Matterport's code also computes zero-padded rows and ignores their masks (deviation
        6); pass `valid` all True to see them. One row costs as much as ten ROIs in the box
        head, and it does not change the other rows.
        """
        rows = tf.where(valid)
        x = tf.gather_nd(pooled, rows)  # folds images and detections into one axis
        # Without any row, TensorFlow's oneDNN convolution returns a wrong number of channels:
        # then one row of zeros goes through and is removed at the end.
        count = tf.shape(x)[0]
        x = tf.pad(x, [[0, tf.cast(count == 0, tf.int32)], [0, 0], [0, 0], [0, 0]])
        outputs = []
        for convolution, norm in zip(self.convs, self.norms, strict=True):
            x = tf.nn.relu(norm(convolution(x), training=train_bn))
            outputs.append(x)
        up = self.deconv(x)
        masks = self.mask(up)[:count]

        class_first = tf.transpose(masks, [0, 3, 1, 2])
        chosen = tf.gather(class_first, tf.gather_nd(class_ids, rows), batch_dims=1)
        shape = tf.concat([tf.shape(valid, tf.int64), tf.shape(chosen, tf.int64)[1:]], axis=0)
        conv1, conv2, conv3, conv4 = outputs
        return MaskHeadOutput(
            rows=rows,
            conv1=conv1[:count],
            conv2=conv2[:count],
            conv3=conv3[:count],
            conv4=conv4[:count],
            deconv=up[:count],
            mrcnn_mask=masks,
            class_mask=tf.scatter_nd(rows, chosen, shape),
        )
