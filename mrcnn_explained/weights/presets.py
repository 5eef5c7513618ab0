"""Presets: trained weights that the package includes, in half precision, with their config.

A preset is one .npz file without pickle; the model card of the same name describes its training.
"""

import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.errors import OutOfMemoryError, memory_for
from mrcnn_explained.files import atomic_write
from mrcnn_explained.weights.errors import WeightFileError

ASSETS = Path(__file__).parent / "assets"


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
    if not path.is_file():
        known = ", ".join(presets()) or "none"
        raise WeightFileError(f"{str(name)!r} is neither a preset nor a file; presets are {known}")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        needed = 3 * size  # float16 as stored, and float32
        with memory_for(str(path), needed), np.load(path, allow_pickle=False) as file:
            config = Config.from_json(str(file["config"]))
            names = [n for n in file.files if n != "config"]
            return config, {n: file[n].astype(np.float32) for n in names}
    except OutOfMemoryError:
        raise
    except PermissionError as error:
        raise WeightFileError(f"no permission to read {path}: change it (chmod u+r)") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightFileError(f"{path} is not a preset, or is broken: {error}") from error


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
