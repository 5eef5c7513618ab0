"""Receptive fields from kernels and strides, against the gradient of the real network."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.receptive_field import PIXEL, receptive_fields
from mrcnn_explained.stages.backbone import ResNet

SIDE = 256
BLOCKS = (1, 1, 2, 1)


@pytest.fixture(scope="module")
def gradients():
    """Map → (cell, the rows and the columns on which it depends), of several noisy images."""
    backbone = ResNet(BLOCKS, width=8)
    rng = np.random.default_rng(1)
    images = tf.constant(rng.normal(0, 1, [6, SIDE, SIDE, 3]), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        maps = backbone(images)._asdict()
        middle = {name: values.shape[1] // 2 for name, values in maps.items()}
        seen = {name: tf.reduce_sum(v[:, middle[name], middle[name]]) for name, v in maps.items()}
    found = {}
    for name, value in seen.items():
        touched = np.abs(tape.gradient(value, images)).sum(axis=(0, 3)) > 0
        found[name] = (middle[name], *(np.flatnonzero(touched.any(axis=a)) for a in (1, 0)))
    return backbone, found


@pytest.mark.parametrize("name", ["c1", "c2", "c3", "c4", "c5"])
def test_the_field_is_where_the_gradient_is(gradients, name):
    backbone, found = gradients
    cell, rows, columns = found[name]
    start, end = receptive_fields(backbone)[name].of(cell)
    start, end = max(start, 0), min(end, SIDE)
    for touched in (rows, columns):
        assert (touched[0], touched[-1] + 1) == (start, end)


def test_sizes_and_strides_by_hand():
    fields = receptive_fields(ResNet((3, 4, 6, 3), width=4))
    assert [field.stride for field in fields.values()] == [4, 4, 8, 16, 32]
    assert fields["c1"].size == 7 + 2 * 2  # the stem's kernel, then the pooling at stride 2
    assert fields["c2"].size == 11 + 3 * 2 * 4  # a 3x3 convolution in each block
    assert fields["c5"].size == 11 + 3 * 8 + 4 * 16 + 6 * 32 + 3 * 64
    assert PIXEL.through(3, 2, 1) == (3, 2, -1)


def test_another_backbone_is_refused():
    with pytest.raises(InputError, match="the layers of function are unknown"):
        receptive_fields(lambda images: None)
