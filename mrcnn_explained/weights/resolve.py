"""Which weights and which config: from the name that a person gives. Needs no TensorFlow."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrcnn_explained.config import Config
from mrcnn_explained.errors import AssumedConfigWarning, ConfigError
from mrcnn_explained.weights.download import find_coco_weights
from mrcnn_explained.weights.inner_config import assumed_note, config_of_file
from mrcnn_explained.weights.presets import is_preset, read_preset


def weights_and_config(weights: str | None, settings: Mapping[str, Any]) -> tuple[str, Config]:
    """Return the name or path of weights that `make_model` takes, and the config that fits them.

    weights     a preset, an .h5 file, "coco" or "random"; None: the preset shapes
    settings    fields of the config to change

    The config of an .h5 file is the one that it carries, else the config.json in its folder,
    else what its shapes show and Matterport's COCO numbers; AssumedConfigWarning reports the
    last, and a contradiction. Raises ConfigError and WeightFileError with what to do.
    """
    weights = weights or "shapes"
    if weights == "random":
        return weights, Config.slim(**{"detection_min_confidence": 0.0, **settings})
    if is_preset(weights):
        return weights, _config_of_preset(weights, settings)
    path = find_coco_weights() if weights == "coco" else Path(weights)
    fields = fields_of_file(path, settings, assumed=weights != "coco")
    return str(path), Config(**{**fields, **settings})


def fields_of_file(
    path: Path, settings: Mapping[str, Any], *, assumed: bool = True
) -> dict[str, Any]:
    """Return the config fields of an .h5 file; see `config_of_file`.

    settings    fields that the caller changes: no warning is given of these
    assumed     warn of numbers that had to be assumed: not for Matterport's own file

    Warns with AssumedConfigWarning; raises ConfigError and WeightFileError.
    """
    found = config_of_file(path)
    notes = [found.note]
    if found.assumed and assumed:
        notes.append(assumed_note(path, Config(**found.fields), settings))
    for note in filter(None, notes):
        warnings.warn(note, AssumedConfigWarning, stacklevel=3)
    return found.fields


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
