"""Weights: load a file into a model, name by name, and tell what became of every tensor.

Source   Matterport's `load_weights(by_name=True, exclude=[…])`, which matches outer
         layer names alone and skips in silence what does not fit. Here a tensor is matched by
         layer, weight and shape; whatever does not fit is told, and nothing is loaded then.
"""

import difflib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from platformdirs import user_cache_dir

from mrcnn_explained.config import BACKBONES
from mrcnn_explained.files import atomic_write
from mrcnn_explained.weights.matterport_h5 import (
    WeightFile,
    WeightFileError,
    read_tensors,
    resnet_blocks,
    some,
)

COCO_FILE = "mask_rcnn_coco.h5"
COCO_URL = f"https://github.com/matterport/Mask_RCNN/releases/download/v2.0/{COCO_FILE}"
#: Layers whose last dimension depends on the number of classes (mrcnn_bbox has no weights).
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")
SIGNATURE = b"\x89HDF\r\n\x1a\n"
CHUNK = 2**20  # bytes

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WeightReport:
    """What became of every tensor, named `layer/weight`, of the file and of the model."""

    path: Path
    loaded: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # of the model, left as they were on request
    missing: tuple[str, ...] = ()  # of the model, not in the file
    unused: tuple[str, ...] = ()  # of the file, not in the model
    wrong_shape: Mapping[str, tuple[Shape, Shape]] = field(default_factory=dict)  # (file, model)

    @property
    def left_random(self) -> tuple[str, ...]:
        """Tensors of the model that this file did not fill."""
        return (*self.excluded, *self.missing, *self.wrong_shape)

    @property
    def complete(self) -> bool:
        return not self.left_random

    def rows(self) -> list[tuple[str, str]]:
        """(tensor, what became of it), in the order loaded, excluded, …"""
        shapes = [
            (name, f"wrong shape: {list(theirs)} in the file, {list(ours)} in the model")
            for name, (theirs, ours) in self.wrong_shape.items()
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
        return "; ".join(parts)


def load_into(
    variables: Mapping[str, Any],
    path: str | PathLike[str],
    exclude: Sequence[str] = (),
    *,
    allow_missing: bool = False,
) -> WeightReport:
    """Fill variables from a weight file, all or nothing.

    variables        `layer/weight` → anything with `shape` and `assign(array)`
    exclude          layers to leave as they are, by their exact names
    allow_missing    leave tensors that the file lacks as they are: for files of a backbone

    Raises WeightFileError, which carries the report, before anything is assigned.
    """
    with read_tensors(path) as file:
        _check_exclude(variables, file, exclude)
        report = _compare(variables, file, exclude)
        _check_fit(variables, file, report, allow_missing)
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


def save_weights(path: str | PathLike[str], weights: Mapping[str, Any]) -> None:
    """Write `layer/weight` → array as Matterport's code does, whole or not at all.

    Its own `load_weights(by_name=True)`, Keras and `load_into` read such a file.
    """
    layers: dict[str, list[str]] = {}
    for name in weights:
        layer = _layer(name)
        layers.setdefault("rpn_model" if layer.startswith("rpn_") else layer, []).append(name)
    with atomic_write(path) as raw, h5py.File(raw, "w") as file:
        file.attrs["layer_names"] = list(layers)
        file.attrs["backend"] = "tensorflow"
        for layer, names in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{name}:0" for name in names]
            for name in names:
                group.create_dataset(f"{name}:0", data=np.asarray(weights[name], np.float32))


def _layer(name: str) -> str:
    return name.partition("/")[0]


def _layers(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(_layer, names)))


def _compare(variables, file: WeightFile, exclude: Sequence[str]) -> WeightReport:
    """Say of every tensor what would become of it."""
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


def _check_exclude(variables, file: WeightFile, exclude: Sequence[str]) -> None:
    """Refuse a name that neither side knows: a typing error would leave a layer loaded."""
    known = {*_layers(variables), *file.layers, *_layers(file.tensors), *CLASS_LAYERS}
    for name in exclude:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise WeightFileError(
                f"exclude names {name!r}, which is no layer of model or file{hint}"
            )


def _check_fit(variables, file: WeightFile, report: WeightReport, allow_missing: bool) -> None:
    """Raise what would make the loaded model another one than the file's, in words."""
    path = report.path
    if not report.loaded and not report.wrong_shape:
        raise WeightFileError(
            f"{path} has no tensor of this model: the file holds {some(_layers(file.tensors))}, "
            f"the model wants {some(_layers(variables))}. It is another model's file",
            report,
        )
    if message := _other_backbone(variables, file):
        raise WeightFileError(f"{path} {message}", report)
    if message := _other_classes(report):
        raise WeightFileError(f"{path} {message}", report)
    if report.wrong_shape:
        name, (theirs, ours) = next(iter(report.wrong_shape.items()))
        hint = (
            "the images that it was trained on have another number of channels "
            f"({theirs[2]} instead of {ours[2]}: image_channel_count)"
            if name == "conv1/kernel" and len(theirs) == 4 and theirs[2] != ours[2]
            else "make the model with the config that the file was trained with, or exclude it"
        )
        raise WeightFileError(
            f"{len(report.wrong_shape)} tensors of {path} have another shape than the model's; the "
            f"first is {name}, {list(theirs)} in the file and {list(ours)} in the model: {hint}",
            report,
        )
    if report.missing and not allow_missing:
        layers = _layers(report.missing)
        raise WeightFileError(
            f"{path} lacks {len(report.missing)} tensors of the model, which would stay random: "
            f"{some(layers)}. Give a file of the whole model, or exclude these layers and train "
            "them",
            report,
        )


def _other_backbone(variables, file: WeightFile) -> str:
    """Words for a file with another ResNet. Its first blocks would fit, and mean nothing."""
    names = {blocks: name for name, blocks in BACKBONES.items()}
    theirs, ours = resnet_blocks(list(file.tensors)), resnet_blocks(list(variables))
    if theirs == ours or not any(theirs) or not any(ours):
        return ""
    told = [names.get(b, f"a ResNet with {list(b)} blocks in its stages") for b in (theirs, ours)]
    how = f"backbone={told[0]!r}" if theirs in names else "that backbone"
    return f"holds {told[0]}, but the model is {told[1]}; make the model with {how}"


def _other_classes(report: WeightReport) -> str:
    """Words for a file with another number of classes: which layers to exclude, at what cost."""
    counts = report.wrong_shape.get("mrcnn_class_logits/kernel")
    others = set(_layers(report.wrong_shape)) - set(CLASS_LAYERS)
    if not counts or others or counts[0][0] != counts[1][0]:
        return ""
    theirs, ours = counts[0][-1], counts[1][-1]
    return (
        f"was trained on {theirs} classes, background included; this model has {ours}. Make the "
        f"model with num_classes={theirs}, or exclude the four layers {', '.join(CLASS_LAYERS)}: "
        "they start random then, and must be trained before what the model finds means anything"
    )


def cached_coco_weights() -> Path:
    """Where mask_rcnn_coco.h5 is looked for; $MRCNN_EXPLAINED_CACHE names another folder."""
    folder = os.environ.get("MRCNN_EXPLAINED_CACHE") or user_cache_dir("mrcnn_explained", False)
    return Path(folder) / COCO_FILE


def find_coco_weights(
    *, url: str = COCO_URL, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Return Matterport's COCO weights from the cache, or download them there first.

    progress    called with (bytes so far, bytes in all); None: a bar on the terminal

    The file is there whole or not at all. Raises WeightFileError, which says where to put the
    file by hand, where there is no network.
    """
    target = cached_coco_weights()
    if target.exists():
        return target
    by_hand = f"get {url} (about 250 MB) elsewhere and put it there: {target}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            with _bar(size, progress) as report, atomic_write(target) as file:
                _copy(answer, file, size, report)
    except urllib.error.HTTPError as error:
        raise WeightFileError(f"{url} answered {error.code} {error.reason}; {by_hand}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WeightFileError(f"no connection to {url} ({reason}); {by_hand}") from error
    return target


def _copy(answer, file, size: int, report: Callable[[int, int], None]) -> None:
    """Copy an answer into a file; raise unless all of it came and is HDF5."""
    done = 0
    while chunk := answer.read(CHUNK):
        if not done and not chunk.startswith(SIGNATURE):
            raise WeightFileError(
                f"the download of {COCO_FILE} is not a weight file, it begins with {chunk[:20]!r}: "
                "something on the way answered in its place; try another network"
            )
        file.write(chunk)
        done += len(chunk)
        report(done, size)
    if not done or (size and done != size):
        raise WeightFileError(
            f"the download of {COCO_FILE} broke off after {done:,} of {size:,} bytes; try again"
        )


@contextmanager
def _bar(size: int, progress: Callable[[int, int], None] | None) -> Iterator[Callable]:
    """Give the function to report to: the caller's, or that of a bar on the terminal."""
    if progress is not None:
        yield progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(COCO_FILE), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(COCO_FILE, total=size or None)
        yield lambda done, _: shown.update(task, completed=done)
