"""Presets: trained weights that come with the package, half precision, with their config.

A preset is one .npz without pickle; the model card beside it says how it came to be.
"""

import json
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.files import atomic_write
from mrcnn_explained.weights.matterport_h5 import WeightFileError

ASSETS = Path(__file__).parent / "assets"


def presets() -> list[str]:
    """Return the names of the presets that come with the package."""
    return sorted(path.stem for path in ASSETS.glob("*.npz"))


def is_preset(weights: str | PathLike[str] | None) -> bool:
    """Tell a preset, or a file of one, from a weight file."""
    return weights is not None and (str(weights) in presets() or str(weights).endswith(".npz"))


def read_preset(
    name: str | PathLike[str] = "shapes",
) -> tuple[Config, dict[str, np.ndarray]]:
    """Return a preset's config and its weights by `layer/weight`, float32.

    name    of a preset, or the path of a file that `save_preset` wrote

    Raises WeightFileError where there is none, or the file is broken.
    """
    path = ASSETS / f"{name}.npz" if str(name) in presets() else Path(name)
    if not path.is_file():
        known = ", ".join(presets()) or "none"
        raise WeightFileError(f"{str(name)!r} is no preset and no file; presets: {known}")
    try:
        with np.load(path, allow_pickle=False) as file:
            config = Config.from_json(str(file["config"]))
            weights = {n: file[n].astype(np.float32) for n in file.files if n != "config"}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise WeightFileError(f"{path} is not a preset, or is broken: {error}") from error
    return config, weights


def save_preset(
    path: str | PathLike[str], config: Config, weights: Mapping[str, np.ndarray]
) -> None:
    """Write config and weights as one file, float16, whole or not at all.

    Raises ValueError for a weight that half precision cannot hold.
    """
    halves = {}
    for name, value in weights.items():
        with np.errstate(over="ignore"):
            halves[name] = np.asarray(value).astype(np.float16)
        if not np.isfinite(halves[name]).all():
            raise ValueError(f"{name} has values beyond half precision (65504)")
    with atomic_write(path) as file:
        np.savez_compressed(file, config=config.to_json(), **halves)
