"""Feature pyramid: maps of stride 4 to 64 that all carry the meaning of the deepest one.

Paper    Feature Pyramid Networks (arXiv:1612.03144), section 3, figure 3
Input    c2…c5 of backbone.py
Output   p2…p6 are read by rpn.py, p2…p5 by crops.py
Shapes   B images of H x W pixels; F = top_down_pyramid_size, 256
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.stages.layers import conv


class PyramidFeatures(NamedTuple):
    """The pyramid, and the steps of its top-down path from coarse to fine."""

    laterals: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ F"], ...], "C2…C5 through their 1x1 convolutions"
    ]
    upsampled: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ F"], ...], "each from the level above it: 2, 3, 4"
    ]
    sums: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ F"], ...], "lateral + upsampled, 2…5 (5: the lateral)"
    ]
    p2: Annotated[Float32[tf.Tensor, "B H//4 W//4 F"], "stride 4: the sum after a 3x3 convolution"]
    p3: Annotated[Float32[tf.Tensor, "B H//8 W//8 F"], "stride 8"]
    p4: Annotated[Float32[tf.Tensor, "B H//16 W//16 F"], "stride 16"]
    p5: Annotated[Float32[tf.Tensor, "B H//32 W//32 F"], "stride 32"]
    p6: Annotated[Float32[tf.Tensor, "B H//64 W//64 F"], "stride 64: every second cell of p5"]

    @property
    def rpn_maps(self) -> tuple[tf.Tensor, ...]:
        """P2…P6, finest first."""
        return self.p2, self.p3, self.p4, self.p5, self.p6

    @property
    def roi_maps(self) -> tuple[tf.Tensor, ...]:
        """P2…P5, finest first."""
        return self.p2, self.p3, self.p4, self.p5


class FeaturePyramid(keras.layers.Layer):
    """Lateral 1x1 convolutions, nearest upsampling, addition, 3x3 convolutions.

    in_channels    of C2…C5
    channels       of every level of the pyramid

    There is no non-linearity anywhere. The 3x3 convolutions take away the steps that
    nearest upsampling leaves. P6 is called a max-pooling there, but its window is 1x1:
    it drops three of four cells (deviation 12).
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 256):
        super().__init__(name="pyramid")
        self.lateral = [
            conv(f"fpn_c{k}p{k}", below, channels, 1) for k, below in enumerate(in_channels, 2)
        ]
        self.smooth = [conv(f"fpn_p{k}", channels, channels, 3) for k in range(2, 6)]
        self.built = True

    def call(self, maps: Sequence[Float32[tf.Tensor, "B _ _ _"]]) -> PyramidFeatures:
        """Build P2…P6 from C2…C5."""
        laterals = [layer(c) for layer, c in zip(self.lateral, maps, strict=True)]
        upsampled, sums = [], [laterals[-1]]
        for lateral in reversed(laterals[:-1]):  # top down: 4, 3, 2
            upsampled.insert(0, upsample(sums[0]))
            sums.insert(0, lateral + upsampled[0])
        p2, p3, p4, p5 = (layer(total) for layer, total in zip(self.smooth, sums, strict=True))
        p6 = p5[:, ::2, ::2]
        return PyramidFeatures(
            tuple(laterals), tuple(upsampled), tuple(sums), p2=p2, p3=p3, p4=p4, p5=p5, p6=p6
        )


def upsample(x: Float32[tf.Tensor, "B h w F"]) -> Float32[tf.Tensor, "B 2h 2w F"]:
    """Nearest neighbour, twice as high and wide: each cell becomes four of the same."""
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
