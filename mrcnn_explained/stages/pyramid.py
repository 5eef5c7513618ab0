"""Feature pyramid: maps of stride 4 to 64 that all carry the semantics of the deepest map.

Paper    Feature Pyramid Networks (arXiv:1612.03144), section 3, figure 3
Input    c2…c5 of backbone.py
Output   p2…p6 are read by rpn.py, p2…p5 by crops.py
Shapes   B images of H x W molded pixels; F channels of the pyramid, 256
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.stages.layers import conv


class PyramidFeatures(NamedTuple):
    """The pyramid, and the steps of its top-down path."""

    laterals: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ F"], ...],
        "outputs of the 1x1 convolutions of C2…C5, one per level 2…5",
    ]
    upsampled: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ F"], ...],
        "sums of the next coarser level, upsampled to this level, one per level 2…4",
    ]
    sums: Annotated[
        tuple[Float32[tf.Tensor, "B _ _ F"], ...],
        "lateral plus upsampled, one per level 2…5; at level 5 the lateral alone",
    ]
    p2: Annotated[
        Float32[tf.Tensor, "B H//4 W//4 F"], "map of level 2, stride 4: its sum after a 3x3 conv"
    ]
    p3: Annotated[
        Float32[tf.Tensor, "B H//8 W//8 F"], "map of level 3, stride 8: its sum after a 3x3 conv"
    ]
    p4: Annotated[
        Float32[tf.Tensor, "B H//16 W//16 F"], "map of level 4, stride 16: its sum after a 3x3 conv"
    ]
    p5: Annotated[
        Float32[tf.Tensor, "B H//32 W//32 F"], "map of level 5, stride 32: its sum after a 3x3 conv"
    ]
    p6: Annotated[
        Float32[tf.Tensor, "B H//64 W//64 F"], "map of level 6, stride 64: every second cell of p5"
    ]

    @property
    def rpn_maps(self) -> tuple[tf.Tensor, ...]:
        """The maps that the RPN reads, P2…P6, finest first: Matterport's rpn_feature_maps."""
        return self.p2, self.p3, self.p4, self.p5, self.p6

    @property
    def roi_maps(self) -> tuple[tf.Tensor, ...]:
        """The maps that ROIs read, P2…P5, finest first: Matterport's mrcnn_feature_maps."""
        return self.p2, self.p3, self.p4, self.p5


class FeaturePyramid(keras.layers.Layer):
    """Lateral 1x1 convolutions, nearest-neighbour upsampling, addition, 3x3 convolutions.

    in_channels    channels of C2…C5
    channels       F, channels of every level of the pyramid

    There is no non-linearity. The 3x3 convolutions smooth the blocks that nearest-neighbour
    upsampling leaves. Matterport's code makes P6 by a max-pooling whose window is 1x1: it
    keeps one of four cells (deviation 12).
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 256):
        super().__init__(name="pyramid")
        self.lateral = [
            conv(f"fpn_c{k}p{k}", count, channels, 1) for k, count in enumerate(in_channels, 2)
        ]
        self.smooth = [conv(f"fpn_p{k}", channels, channels, 3) for k in range(2, 6)]
        self.built = True

    def call(self, maps: Sequence[Float32[tf.Tensor, "B _ _ _"]]) -> PyramidFeatures:
        """Build P2…P6 from C2…C5.

        maps    C2…C5, finest first
        """
        laterals = [layer(c) for layer, c in zip(self.lateral, maps, strict=True)]
        upsampled: list[tf.Tensor] = []
        sums = [laterals[-1]]
        for lateral in reversed(laterals[:-1]):  # top down: levels 4, 3, 2
            upsampled.insert(0, upsample(sums[0]))
            sums.insert(0, lateral + upsampled[0])
        p2, p3, p4, p5 = (layer(total) for layer, total in zip(self.smooth, sums, strict=True))
        p6 = p5[:, ::2, ::2]
        return PyramidFeatures(
            laterals=tuple(laterals),
            upsampled=tuple(upsampled),
            sums=tuple(sums),
            p2=p2,
            p3=p3,
            p4=p4,
            p5=p5,
            p6=p6,
        )


def upsample(x: Float32[tf.Tensor, "B h w F"]) -> Float32[tf.Tensor, "B 2h 2w F"]:
    """Double the height and width by nearest neighbour: each cell becomes 2x2 equal cells."""
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
