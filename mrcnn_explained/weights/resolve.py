"""Choice of weights: from the name that a person gives to a config that fits. No TensorFlow."""

from pathlib import Path
from typing import Any

from mrcnn_explained.config import Config, ConfigError, read_settings
from mrcnn_explained.weights.load import find_coco_weights
from mrcnn_explained.weights.matterport_h5 import config_from_file
from mrcnn_explained.weights.presets import is_preset, read_preset


def weights_and_config(weights: str | None, settings: dict[str, Any]) -> tuple[str, Config]:
    """The weights by the name or path that `make_model` takes, and the config that fits them.

    weights     a preset, an .h5 file, "coco" or "random"; None: the preset shapes
    settings    fields of the config to change

    Classes and backbone are read from an .h5 file, everything else from a config.json beside it
    where `train` wrote one. Raises ConfigError and WeightFileError with what to do.
    """
    weights = weights or "shapes"
    if weights == "random":
        return weights, Config.slim(**{"detection_min_confidence": 0.0, **settings})
    if is_preset(weights):
        config = read_preset(weights)[0]
        backbone = settings.get("backbone", config.backbone)
        if backbone != config.backbone:
            raise ConfigError(
                f"preset {weights} has the backbone {config.backbone}, not {backbone}; give a file "
                "of such weights (--weights FILE), or --weights random"
            )
        return weights, config.replace(**settings)
    if weights == "coco":
        weights = find_coco_weights()
    beside = Path(weights).parent / "config.json"  # `train` writes one
    known = (
        read_settings(beside)
        if beside.is_file()
        else vars(Config.coco(**config_from_file(weights)))
    )
    return str(weights), Config(**{**known, **settings})
