"""Presets: trained weights that the package includes, in half precision, with their config.

A preset is one .npz file without pickle; the model card of the same name describes its training.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.errors import memory_for, shown
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.errors import WeightFileError
from mrcnn_explained.weights.load import Variable
from mrcnn_explained.weights.matterport_h5 import is_float
from mrcnn_explained.weights.npz import Expected, NpzFile
from mrcnn_explained.weights.shapes import contradiction

ASSETS = Path(__file__).parent / "assets"
EXPECTED_PRESET = Expected(
    "a preset", "Give a file that save_preset wrote, or get it again", WeightFileError
)


def presets() -> list[str]:
    """Return the names of the presets that the package includes."""
    return sorted(path.stem for path in ASSETS.glob("*.npz"))


def is_preset(weights: str | PathLike[str] | None) -> bool:
    """Return whether this is a preset's name, or a file of one, rather than a weight file."""
    return weights is not None and (str(weights) in presets() or str(weights).endswith(".npz"))


def read_preset(
    name: str | PathLike[str] = "shapes",
) -> tuple[Config, dict[str, np.ndarray]]:
    """Return a preset's config and its weights by `layer/weight`, float32.

    name    of a preset, or the path of a file that `save_preset` wrote

    Raises WeightFileError for an unknown name and a broken file, and OutOfMemoryError.
    """
    path = ASSETS / f"{name}.npz" if str(name) in presets() else Path(name)
    if not str(path).endswith(".npz"):
        known = ", ".join(presets()) or "none"
        raise WeightFileError(
            f"{shown(str(name))} is neither a preset nor a file of one; presets are {known}"
        )
    with NpzFile(path, EXPECTED_PRESET) as file:
        config = Config.from_json(file.text("config"))
        names = [name for name in file.headers if name != "config"]
        shapes = {name: file.headers[name].shape for name in names}
        if wrong := contradiction(config, shapes):
            raise file.damaged(wrong)
        for weight in names:
            if not is_float(file.headers[weight].dtype):
                raise file.damaged(f"{weight} is not of floats")
        size = sum(file.headers[name].size for name in names)
        with memory_for(str(path), 3 * size):  # float16 as stored, and float32
            return config, {name: file.read(name).astype(np.float32) for name in names}


def load_preset(
    variables: Mapping[str, Variable], weights: Mapping[str, np.ndarray], name: str
) -> None:
    """Fill all variables with the weights of a preset, all or nothing.

    variables    of the model, by `layer/weight`
    weights      that `read_preset` returned
    name         of the preset, for the message

    Raises WeightFileError for weights that are missing, of another shape, or not finite.
    """
    for key, variable in variables.items():
        shape = tuple(variable.shape)
        if key not in weights or weights[key].shape != shape:
            has = list(weights[key].shape) if key in weights else "nothing"
            raise WeightFileError(
                f"the preset {name} has {has} for {key}, its config needs {list(shape)}: it is "
                "damaged, or of another version; get it again"
            )
        if not np.isfinite(weights[key]).all():
            raise WeightFileError(f"{key} of the preset {name} holds NaN or infinite values")
    for key, variable in variables.items():
        variable.assign(weights[key])


def save_preset(
    path: str | PathLike[str], config: Config, weights: Mapping[str, np.ndarray]
) -> None:
    """Write config and weights as one file, float16, whole or not at all.

    weights    by `layer/weight`

    Raises ValueError for a weight that half precision cannot hold.
    """
    arrays: dict[str, Any] = {"config": np.array(config.to_json())}
    for name, value in weights.items():
        with np.errstate(over="ignore"):
            arrays[name] = np.asarray(value).astype(np.float16)
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has values beyond half precision (65504)")
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)
