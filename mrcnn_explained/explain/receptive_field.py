"""Receptive fields: the pixels that one cell of the backbone's maps depends on.

They follow from the kernel sizes and strides of the layers, without running the network.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.backbone import ResNet

STEM_PADDING = 3  # rows above the image that the first convolution reads
POOL_SIZE, POOL_STRIDE = 3, 2  # of the stem's max-pooling, which pads below and right only


class ReceptiveField(NamedTuple):
    """The rows of the image on which each row of cells depends; the same for columns."""

    size: int  # pixels
    stride: int  # pixels from one cell's field to the next one's
    first: int  # first row of the field of cell 0; below 0: it reaches beyond the image

    def of(self, cell: int) -> tuple[int, int]:
        """Return the first row of a cell's field, and the row after its last; not clipped."""
        start = self.first + cell * self.stride
        return start, start + self.size

    def through(self, kernel: int, stride: int, padding: int) -> "ReceptiveField":
        """Return the field after one more layer.

        padding    rows above its input that the layer reads
        """
        return ReceptiveField(
            size=self.size + (kernel - 1) * self.stride,
            stride=self.stride * stride,
            first=self.first - padding * self.stride,
        )


PIXEL = ReceptiveField(size=1, stride=1, first=0)


def receptive_fields(backbone: Any) -> dict[str, ReceptiveField]:
    """Return the receptive field of a cell of each map: "c1" to "c5".

    backbone    of a model: `model.backbone`

    Raises InputError for a backbone that is not the package's ResNet: its layers are unknown.
    """
    if not isinstance(backbone, ResNet):
        raise InputError(
            f"the layers of {type(backbone).__name__} are unknown; expected the package's ResNet"
        )
    stem = _through(PIXEL, backbone.conv1, STEM_PADDING)
    field = stem.through(POOL_SIZE, POOL_STRIDE, 0)
    fields = {"c1": field}
    for name, convolutions in _blocks(backbone):
        for convolution in convolutions:
            field = _through(field, convolution, (convolution.kernel_size[0] - 1) // 2)
        fields[name] = field
    return fields


def _blocks(backbone: ResNet) -> Iterator[tuple[str, tuple[keras.layers.Conv2D, ...]]]:
    """Yield the map that each block belongs to, "c2" to "c5", and the convolutions of its path."""
    for block in backbone.blocks:
        stage = block.label.removeprefix("res")[0]
        yield f"c{stage}", (block.conv_a, block.conv_b, block.conv_c)


def _through(
    field: ReceptiveField, convolution: keras.layers.Conv2D, padding: int
) -> ReceptiveField:
    """Return the field after a convolution."""
    return field.through(convolution.kernel_size[0], convolution.strides[0], padding)
