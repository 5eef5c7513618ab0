"""Initial weights for training from nothing: small where a large start would drown the rest."""

import zlib
from typing import Any

import keras
import numpy as np

from mrcnn_explained.detector.training_step import PARTS, Batch, image_seeds, training_step

#: Standard deviations of the layers that make outputs: with Glorot's, the class logits start
#: at 5, the class loss at 8 and the gradient norm at 130.
OUTPUTS = {
    "rpn_class_raw": 0.01,
    "rpn_bbox_pred": 0.01,
    "mrcnn_class_logits": 0.01,
    "mrcnn_bbox_fc": 0.001,
    "mrcnn_mask": 0.01,
}


def initialise(model: Any, seed: int = 0) -> None:
    """Draw every weight anew for training from nothing.

    He's normal distribution (arXiv:1502.01852) for what a ReLU follows; the last BatchNorm of
    each residual block starts at 0, so that the block starts as its shortcut
    (arXiv:1706.02677, section 5.1); background starts as the likeliest class.
    """
    for name, variable in model.weights.items():
        layer, kind = name.split("/")
        shape = tuple(variable.shape)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        if kind == "kernel":
            fan_in = (
                shape[0] * shape[1] * shape[3 if layer == "mrcnn_mask_deconv" else 2]
                if (len(shape) == 4)
                else shape[0]
            )
            deviation = OUTPUTS.get(layer, np.sqrt(2 / fan_in))
            value = deviation * np.clip(rng.standard_normal(shape), -2, 2)
        elif kind == "gamma":
            value = np.zeros(shape) if layer.endswith("branch2c") else np.ones(shape)
        else:
            value = np.ones(shape) if kind == "moving_variance" else np.zeros(shape)
        if name == "mrcnn_class_logits/bias":
            value[0] = 1
        variable.assign(value)


def calibrate_batch_norm(model: Any, batch: Batch) -> None:
    """Set BatchNorm's statistics to those of one large batch, once and for all.

    From then on BatchNorm is a fixed affine map with learnt gamma and beta (deviation 15):
    training and inference are the same graph, whatever the size of a batch.
    """
    norms = [
        layer
        for part in PARTS
        for layer in getattr(getattr(model, part), "submodules", ())
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [norm.momentum for norm in norms]
    learning = model.with_config(train_bn=True)
    anchors = model.anchors(batch.molded.shape[1:3])
    try:
        for norm in norms:
            norm.momentum = 0.0
        training_step(
            learning, learning.runner(), batch, anchors, image_seeds(0, 0, len(batch.molded))
        )
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
