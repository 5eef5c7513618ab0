"""The config of a weight file: inside it, beside it, or assumed.

Files that `save_weights` writes carry their config as an attribute of the root, JSON in pieces,
because HDF5 limits an attribute to 64 KB. Keras and Matterport's code ignore it.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from mrcnn_explained.config import Config, read_fields, read_settings
from mrcnn_explained.errors import ConfigError, shown
from mrcnn_explained.weights.errors import WeightFileError
from mrcnn_explained.weights.hdf5_file import damage_explained
from mrcnn_explained.weights.matterport_h5 import WeightFile, check_attribute, read_tensors
from mrcnn_explained.weights.shapes import contradiction, fields_shown

ATTRIBUTE = "mrcnn_explained_config"  # a number follows it for each piece
PIECE = 60_000  # bytes

#: Fields that no shape shows and on which the numbers of a detection depend.
UNSEEN = (
    "class_names",
    "image_resize_mode",
    "image_min_dim",
    "image_max_dim",
    "mean_pixel",
    "rpn_anchor_scales",
    "rpn_anchor_ratios",
    "detection_min_confidence",
)


#: Those of them whose values a message shows.
SHORT = ("image_min_dim", "image_max_dim", "detection_min_confidence")


class FileConfig(NamedTuple):
    """The config fields of a weight file, and what a user should know about them."""

    fields: dict[str, Any]
    assumed: bool  # True if neither the file nor its folder has a config
    note: str  # of a contradiction; "" if there is none


def write_config(file: h5py.File, config: Config) -> None:
    """Write a config into an open weight file."""
    text = config.to_json().encode()
    for number, start in enumerate(range(0, len(text), PIECE)):
        file.attrs[f"{ATTRIBUTE}{number}"] = np.bytes_(text[start : start + PIECE])


def config_of_file(path: str | PathLike[str]) -> FileConfig:
    """Return the config fields of an .h5 file: its own, else those of the folder's config.json.

    A file without either gets the fields that its shapes show, and Matterport's COCO numbers for
    the others. Raises WeightFileError, and ConfigError for a config that is not valid.
    """
    with read_tensors(path) as file:
        return config_in(file)


def config_in(file: WeightFile) -> FileConfig:
    """Return the config fields of an open weight file; see `config_of_file`."""
    path = file.path
    shapes = {key: tensor.shape for key, tensor in file.tensors.items()}
    inner = _read_config(path, file.root)
    beside = path.parent / "config.json"  # `train` writes one
    if inner is not None:
        config = Config(**inner)
        if wrong := contradiction(config, shapes):
            raise WeightFileError(f"{path} contradicts itself: {wrong}; get it again")
        return FileConfig(inner, assumed=False, note=_differences(path, config, beside))
    note = ""
    if beside.exists():
        fields = read_settings(beside)
        wrong = contradiction(Config(**fields), shapes)
        if not wrong:
            return FileConfig(fields, assumed=False, note="")
        note = f"{beside} belongs to other weights than {path.name} and is not used: {wrong}"
    fields = vars(Config.coco(**fields_shown(shapes)))
    return FileConfig(fields, assumed=True, note=note)


def assumed_note(path: Path, config: Config, settings: Mapping[str, Any]) -> str:
    """Return a sentence about the numbers that were assumed for a file without a config.

    config      that is used
    settings    fields that the caller gave; they are not assumed
    """
    fields = [field for field in UNSEEN if field not in settings]
    if not fields:
        return ""
    values = ", ".join(
        f"{field} {getattr(config, field)}" if field in SHORT else field for field in fields
    )
    return (
        f"{_short(path)} came without its config, so Matterport's COCO numbers are assumed: "
        f"{values}. Put the config.json of its training beside it"
    )


def fit_note(file: WeightFile, config: Config) -> str:
    """Return a sentence about a model that differs from the config of its weights; "" if none does.

    config    of the model
    """
    try:
        found = config_in(file)
    except ConfigError as error:
        return str(error)
    if found.assumed:
        return found.note or f"{_short(file.path)} came without its config: the model's is used"
    theirs = Config(**found.fields)
    differs = [field for field in UNSEEN if getattr(theirs, field) != getattr(config, field)]
    words = [
        f"{field} {shown(getattr(theirs, field))}, the model has {shown(getattr(config, field))}"
        for field in differs[:2]
    ]
    more = f" and {len(differs) - 2} more" if len(differs) > 2 else ""
    return f"the weights were trained with {'; '.join(words)}{more}" if differs else ""


def _short(path: Path) -> str:
    """Return a file's name for a message."""
    return shown(path.name)[1:-1]


def _differences(path: Path, config: Config, beside: Path) -> str:
    """Return a sentence about a config.json that contradicts the file beside it."""
    if not beside.exists():
        return ""
    try:
        fields = Config(**read_settings(beside)).differences(config)
    except ConfigError as error:
        return f"{error}; the config inside {path.name} is used"
    if not fields:
        return ""
    words = [
        f"{f} {shown(v)} beside, {shown(getattr(config, f))} inside" for f, v in fields.items()
    ]
    more = f" and {len(words) - 2} more" if len(words) > 2 else ""
    return f"{path.name} uses the config inside it, not {beside}: {'; '.join(words[:2])}{more}"


def _read_config(path: Path, root: h5py.Group) -> dict[str, Any] | None:
    """Return the config fields inside a file; None if it carries none."""
    pieces: list[bytes] = []
    with damage_explained(path):
        while (name := f"{ATTRIBUTE}{len(pieces)}") in root.attrs:
            stored = check_attribute(root, name)
            if stored.dtype.kind != "S" or stored.shape != ():
                raise WeightFileError(f"{path} is damaged: its attribute {name} is not text")
            pieces.append(bytes(root.attrs[name]))
    if not pieces:
        return None
    return read_fields(b"".join(pieces), f"the config inside {path}")
