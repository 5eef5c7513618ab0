"""The folder of a training run, checked before TensorFlow is imported."""

import json
from pathlib import Path
from typing import Any

from mrcnn_explained.config import Config, ConfigError
from mrcnn_explained.errors import InputError


def read_settings(path: Path) -> dict[str, Any]:
    """Read config fields from a JSON file, a run's config.json among them.

    Raises ConfigError for a file that is none, or has a field that Config has not.
    """
    try:
        settings = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds a {type(settings).__name__}, not config fields by name")
    unknown = set(settings) - set(Config.__dataclass_fields__)
    if unknown:
        raise ConfigError(f"{path}: {sorted(unknown)} are no fields of the config")
    return settings


def check_run(out: Path, resume: bool) -> None:
    """Refuse to overwrite a run, or to go on with one that is not there."""
    there = (out / "checkpoint.npz").exists()
    if there and not resume:
        raise InputError(
            f"{out} holds a run already: go on with it (--resume), or give another --out"
        )
    if resume and not there:
        raise InputError(f"{out} holds no checkpoint to go on with; leave --resume out")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must be a folder")
