"""Weights: load a file into a model, name by name, and report what became of every tensor.

Source   Matterport's `load_weights(by_name=True, exclude=[…])` matches the names of outer
         layers alone and skips in silence what does not fit. Here a tensor is matched by layer,
         weight and shape; whatever does not fit is reported, and nothing is loaded then.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from mrcnn_explained.config import BACKBONES, Config
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.errors import WeightFileError, some
from mrcnn_explained.weights.inner_config import fit_note, write_config
from mrcnn_explained.weights.matterport_h5 import WeightFile, read_tensors
from mrcnn_explained.weights.shapes import resnet_blocks

#: Layers whose last dimension depends on the number of classes (mrcnn_bbox has no weights).
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")

Shape = tuple[int, ...]


class Variable(Protocol):
    """What loading needs of a variable."""

    @property
    def shape(self) -> Sequence[int]:
        """The shape of the values."""

    def assign(self, value: np.ndarray) -> Any:
        """Replace the values."""


@dataclass(frozen=True)
class WeightReport:
    """What became of every tensor, named `layer/weight`, of the file and of the model."""

    path: Path
    loaded: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # of the model: left as they were on request
    missing: tuple[str, ...] = ()  # of the model: not in the file
    unused: tuple[str, ...] = ()  # of the file: not in the model
    wrong_shape: Mapping[str, tuple[Shape, Shape]] = field(default_factory=dict)  # (file, model)
    note: str = ""  # about the config of the file: missing, or other numbers than the model's

    @property
    def left_random(self) -> tuple[str, ...]:
        """Return the tensors of the model that this file did not fill."""
        return (*self.excluded, *self.missing, *self.wrong_shape)

    @property
    def complete(self) -> bool:
        """Return whether the file filled the whole model."""
        return not self.left_random

    def rows(self) -> list[tuple[str, str]]:
        """Return (tensor, what became of it), in the order loaded, excluded, …"""
        shapes = [
            (name, f"wrong shape: {list(in_file)} in the file, {list(in_model)} in the model")
            for name, (in_file, in_model) in self.wrong_shape.items()
        ]
        return [
            *((name, "loaded") for name in self.loaded),
            *((name, "excluded: left random") for name in self.excluded),
            *((name, "missing in the file: left random") for name in self.missing),
            *shapes,
            *((name, "unused: the model has no such tensor") for name in self.unused),
        ]

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.left_random)
        parts = [f"{len(self.loaded)} of {total} tensors loaded from {self.path}"]
        for word in ("excluded", "missing", "wrong_shape", "unused"):
            if names := list(getattr(self, word)):
                parts.append(f"{word.replace('_', ' ')}: {some(names)}")
        if self.note:
            parts.append(self.note)
        return "; ".join(parts)


def load_into(
    variables: Mapping[str, Variable],
    path: str | PathLike[str],
    exclude: Sequence[str] = (),
    *,
    allow_missing: bool = False,
    config: Config | None = None,
) -> WeightReport:
    """Fill variables from a weight file, all or nothing.

    variables        of the model, by `layer/weight`
    exclude          layers to leave as they are, by their exact names
    allow_missing    leave tensors that the file lacks as they are: for files of a backbone
    config           of the model, to compare with that of the file: see `WeightReport.note`

    Raises WeightFileError, which carries the report, before anything is assigned, and
    OutOfMemoryError.
    """
    with read_tensors(path) as file:
        _check_exclude(variables, file, exclude)
        report = _compare(variables, file, exclude)
        _check_fit(variables, file, report, allow_missing)
        if config is not None:
            report = replace(report, note=fit_note(file, config))
        values = {name: file.read(name) for name in report.loaded}
    for name, array in values.items():
        if wrong := int(np.sum(~np.isfinite(array))):
            raise WeightFileError(
                f"{name} in {path} holds {wrong} values that are NaN or infinite, so the training "
                "that wrote the file had failed; use an earlier checkpoint",
                report,
            )
    for name, array in values.items():
        variables[name].assign(array)
    return report


def save_weights(
    path: str | PathLike[str], weights: Mapping[str, Any], config: Config | None = None
) -> None:
    """Write `layer/weight` → array as Matterport's code does, whole or not at all.

    config    of the model; the file carries it, so that it can be copied alone

    Matterport's `load_weights(by_name=True)`, Keras and `load_into` read such a file.
    """
    groups: dict[str, list[str]] = {}
    for name in weights:
        layer = _layer(name)
        groups.setdefault("rpn_model" if layer.startswith("rpn_") else layer, []).append(name)
    with atomic_write(path) as raw, h5py.File(raw, "w") as file:
        file.attrs["layer_names"] = _fixed_length(groups)
        file.attrs["backend"] = "tensorflow"
        if config is not None:
            write_config(file, config)
        for group_name, names in groups.items():
            group = file.create_group(group_name)
            group.attrs["weight_names"] = _fixed_length(f"{name}:0" for name in names)
            for name in names:
                group.create_dataset(f"{name}:0", data=np.asarray(weights[name], np.float32))


def _fixed_length(names: Iterable[str]) -> np.ndarray:
    """Return names as bytes of one length, as Keras 2 writes them."""
    return np.array([name.encode() for name in names])


def _layer(name: str) -> str:
    """Return the layer of a tensor named `layer/weight`."""
    return name.partition("/")[0]


def _layers(names: Iterable[str]) -> list[str]:
    """Return the layers of tensors, each once, in their order."""
    return list(dict.fromkeys(map(_layer, names)))


def _compare(
    variables: Mapping[str, Variable], file: WeightFile, exclude: Sequence[str]
) -> WeightReport:
    """Report what would become of every tensor."""
    wanted = {n: tuple(v.shape) for n, v in variables.items() if _layer(n) not in exclude}
    shapes = {n: t.shape for n, t in file.tensors.items() if _layer(n) not in exclude}
    return WeightReport(
        path=file.path,
        loaded=tuple(name for name, shape in wanted.items() if shapes.get(name) == shape),
        excluded=tuple(name for name in variables if _layer(name) in exclude),
        missing=tuple(name for name in wanted if name not in shapes),
        unused=tuple(name for name in shapes if name not in variables),
        wrong_shape={
            name: (shapes[name], shape)
            for name, shape in wanted.items()
            if name in shapes and shapes[name] != shape
        },
    )


def _check_exclude(
    variables: Mapping[str, Variable], file: WeightFile, exclude: Sequence[str]
) -> None:
    """Refuse a name that neither side knows: a typing error would leave a layer loaded."""
    known = {*_layers(variables), *file.layers, *_layers(file.tensors), *CLASS_LAYERS}
    for name in exclude:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise WeightFileError(
                f"exclude names {name!r}, but neither the model nor the file has such a layer{hint}"
            )


def _check_fit(
    variables: Mapping[str, Variable], file: WeightFile, report: WeightReport, allow_missing: bool
) -> None:
    """Raise WeightFileError if the loaded model would not be the one that the file holds."""
    path = report.path
    if not report.loaded and not report.wrong_shape:
        raise WeightFileError(
            f"{path} has no tensor of this model: the file holds {some(_layers(file.tensors))}, "
            f"the model needs {some(_layers(variables))}. It is another model's file",
            report,
        )
    for message in (
        _other_backbone(variables, file),
        _other_classes(report),
        _other_shapes(report),
        "" if allow_missing else _missing(report),
    ):
        if message:
            raise WeightFileError(f"{path} {message}", report)


def _other_backbone(variables: Mapping[str, Variable], file: WeightFile) -> str:
    """Explain a file with another ResNet: its first blocks would fit, without any meaning."""
    names = {blocks: name for name, blocks in BACKBONES.items()}
    in_file, in_model = resnet_blocks(file.tensors), resnet_blocks(variables)
    if in_file == in_model or not any(in_file) or not any(in_model):
        return ""
    holds, model = (
        names.get(blocks, f"a ResNet with {list(blocks)} blocks in its stages")
        for blocks in (in_file, in_model)
    )
    how = f"backbone={holds!r}" if in_file in names else "that backbone"
    return f"holds {holds}, but the model is {model}; make the model with {how}"


def _other_classes(report: WeightReport) -> str:
    """Explain a file with another number of classes: which layers to exclude, at what price."""
    kernels = report.wrong_shape.get("mrcnn_class_logits/kernel")
    others = set(_layers(report.wrong_shape)) - set(CLASS_LAYERS)
    if not kernels or others:
        return ""
    in_file, in_model = kernels  # (channels, classes)
    if len(in_file) != 2 or in_file[0] != in_model[0]:
        return ""
    classes = in_file[-1]
    return (
        f"was trained on {classes} classes, background included; this model has {in_model[-1]}. "
        f"Make the model with num_classes={classes}, or exclude the four layers "
        f"{', '.join(CLASS_LAYERS)}: they start random then, and what the model finds has no "
        "meaning until they are trained"
    )


def _other_shapes(report: WeightReport) -> str:
    """Explain tensors of another shape by the first of them."""
    if not report.wrong_shape:
        return ""
    name, (in_file, in_model) = next(iter(report.wrong_shape.items()))
    if name == "conv1/kernel" and len(in_file) == 4 and in_file[2] != in_model[2]:
        hint = (
            f"it was trained on images of {in_file[2]} channels instead of {in_model[2]}: make "
            f"the model with image_channel_count={in_file[2]}"
        )
    else:
        hint = "make the model with the config that the file was trained with, or exclude it"
    count = len(report.wrong_shape)
    return (
        f"has {count} tensors of another shape than the model's; the first is {name}, "
        f"{list(in_file)} in the file and {list(in_model)} in the model: {hint}"
    )


def _missing(report: WeightReport) -> str:
    """Explain tensors of the model that the file lacks."""
    if not report.missing:
        return ""
    return (
        f"lacks {len(report.missing)} tensors of the model, which would stay random: "
        f"{some(_layers(report.missing))}. Give a file of the whole model, or exclude these "
        "layers and train them"
    )
