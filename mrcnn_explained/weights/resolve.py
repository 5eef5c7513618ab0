"""Which weights and which config: from the name that a person gives. Needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrcnn_explained.config import Config, ConfigError, read_settings
from mrcnn_explained.weights.download import find_coco_weights
from mrcnn_explained.weights.matterport_h5 import config_from_file
from mrcnn_explained.weights.presets import is_preset, read_preset


def weights_and_config(weights: str | None, settings: Mapping[str, Any]) -> tuple[str, Config]:
    """Return the name or path of weights that `make_model` takes, and the config that fits them.

    weights     a preset, an .h5 file, "coco" or "random"; None: the preset shapes
    settings    fields of the config to change

    Classes and backbone of an .h5 file follow from the file, the other fields from the
    config.json in its folder if `train` wrote one. Raises ConfigError and WeightFileError with
    what to do.
    """
    weights = weights or "shapes"
    if weights == "random":
        return weights, Config.slim(**{"detection_min_confidence": 0.0, **settings})
    if is_preset(weights):
        return weights, _config_of_preset(weights, settings)
    path = find_coco_weights() if weights == "coco" else Path(weights)
    beside = path.parent / "config.json"  # `train` writes one
    if beside.is_file():
        known = read_settings(beside)
    else:
        known = vars(Config.coco(**config_from_file(path)))
    return str(path), Config(**{**known, **settings})


def _config_of_preset(weights: str, settings: Mapping[str, Any]) -> Config:
    """Return a preset's config with these fields changed; its backbone is fixed."""
    config, _ = read_preset(weights)
    backbone = settings.get("backbone", config.backbone)
    if backbone != config.backbone:
        raise ConfigError(
            f"preset {weights} has the backbone {config.backbone}, not {backbone}; give a file "
            "of such weights (--weights FILE), or --weights random"
        )
    return config.replace(**settings)
