"""Initial weights to train from scratch.

Layers that make outputs start small: with large initial values one loss outweighs the others.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from mrcnn_explained.data.batch import Batch
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.training_step import PARTS, image_seeds, training_step

#: Standard deviations of the layers that make outputs. With Glorot's deviations the class logits
#: start at 5, the class loss at 8 and the gradient norm at 130.
OUTPUT_DEVIATIONS = {
    "rpn_class_raw": 0.01,
    "rpn_bbox_pred": 0.01,
    "mrcnn_class_logits": 0.01,
    "mrcnn_bbox_fc": 0.001,
    "mrcnn_mask": 0.01,
}


def initialise(model: MaskRCNN, seed: int = 0) -> None:
    """Draw all weights of a model at random, to train it from scratch.

    Kernels follow He's normal distribution (arXiv:1502.01852), made for layers with a ReLU. The
    last BatchNorm of each residual block starts at 0, so that the block starts as its shortcut
    (arXiv:1706.02677, section 5.1). The background starts as the most probable class.
    """
    for name, variable in model.weights.items():
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        variable.assign(_initial_value(name, tuple(variable.shape), rng))


def _initial_value(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return the initial value of one variable, named `layer/weight`."""
    layer, kind = name.split("/")
    if kind == "kernel":
        he = float(np.sqrt(2 / _inputs_of(layer, shape)))
        deviation = OUTPUT_DEVIATIONS.get(layer, he)
        return deviation * np.clip(rng.standard_normal(shape), -2, 2)
    if kind == "moving_variance" or (kind == "gamma" and not layer.endswith("branch2c")):
        return np.ones(shape)
    value = np.zeros(shape)
    if name == "mrcnn_class_logits/bias":
        value[0] = 1  # the background
    return value


def _inputs_of(layer: str, shape: tuple[int, ...]) -> int:
    """Return how many inputs each output of a kernel sums up (fan-in)."""
    if len(shape) == 2:  # Dense: [inputs, outputs]
        return shape[0]
    # Convolution: [height, width, inputs, outputs]; the deconvolution has the last two swapped.
    channels = shape[3] if layer == "mrcnn_mask_deconv" else shape[2]
    return shape[0] * shape[1] * channels


def calibrate_batch_norm(model: MaskRCNN, batch: Batch) -> None:
    """Set BatchNorm's stored statistics to those of one large batch.

    With `train_bn=False` BatchNorm is then a fixed affine map with trained gamma and beta
    (deviation 15): training and inference are the same graph, whatever the size of a batch.
    """
    norms = [
        layer
        for part in PARTS
        for layer in getattr(getattr(model, part), "submodules", ())
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    anchors = model.anchors(batch.molded.shape[1:3])
    seeds = image_seeds(0, 0, len(batch.molded))
    calibrated = model.with_config(train_bn=True)
    with _without_momentum(norms):
        training_step(calibrated, calibrated.runner(), batch, anchors, seeds)


@contextmanager
def _without_momentum(norms: list[keras.layers.BatchNormalization]) -> Iterator[None]:
    """Let one batch replace the stored statistics of BatchNorm layers entirely."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
