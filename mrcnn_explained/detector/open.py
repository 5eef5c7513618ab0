"""Open a model by the name of its weights, with other settings if wanted."""

from os import PathLike
from typing import Any

from mrcnn_explained.config import Config
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.weights.presets import is_preset
from mrcnn_explained.weights.resolve import weights_and_config


def open_model(weights: str | PathLike[str] = "shapes", **changes: Any) -> MaskRCNN:
    """Return a model with its weights, in one line: `open_model("mask_rcnn_coco.h5")`.

    weights    a preset, an .h5 file of Matterport's code or a port, "coco" for the COCO file
               from the cache or its release, or "random"
    changes    fields of the config: thresholds, counts, sizes

    Classes and backbone are read from the file. Raises ConfigError for a config that
    contradicts itself, WeightFileError for weights that cannot be read or do not fit.
    """
    return make_model(*weights_and_config(str(weights), changes))


def make_model(weights: str, config: Config) -> MaskRCNN:
    """Return a model with these weights and this config.

    weights    a preset, an .h5 file, or "random"

    Raises WeightFileError for weights that cannot be read or do not fit.
    """
    if is_preset(weights):
        model = MaskRCNN.from_preset(weights)
        return model.with_config(**config.differences(model.config))
    model = MaskRCNN(config)
    if weights != "random":
        model.load_weights(weights)
    return model
