"""Trace: one whole run of the detector as one value, every tensor of every stage.

A file of it is an .npz without pickle: it can be mailed, handed in and opened again
without a model.
"""

import json
import typing
import zipfile
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.invariants import Problem, check, wrong_shapes
from mrcnn_explained.explain.lineage import Lineage, lineage
from mrcnn_explained.explain.why_missed import Missed, why_missed
from mrcnn_explained.files import atomic_write
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.backbone import BackboneFeatures
from mrcnn_explained.stages.box_head import BoxHeadOutput
from mrcnn_explained.stages.crops import LevelCrops
from mrcnn_explained.stages.detections import Detections
from mrcnn_explained.stages.image import MoldedImage
from mrcnn_explained.stages.instances import Instances
from mrcnn_explained.stages.levels import LevelAssignment
from mrcnn_explained.stages.mask_head import MaskHeadOutput
from mrcnn_explained.stages.proposals import Proposals
from mrcnn_explained.stages.pyramid import PyramidFeatures
from mrcnn_explained.stages.reorder import Reordered
from mrcnn_explained.stages.rpn import RpnScores

#: Fields that are large and that no plot of a saved trace needs.
BULKY = (
    *("backbone", "pyramid.laterals", "pyramid.upsampled", "pyramid.sums", "rpn.shared"),
    *("reordered.pooled", "mask_reordered.pooled"),
    *("mask_head.conv1", "mask_head.conv2", "mask_head.conv3", "mask_head.conv4"),
    "mask_head.deconv",
)


class TraceFileError(InputError):
    """A file that is not a trace, or no longer one: what came and what to do."""


class Run(NamedTuple):
    """Where and how the trace came to be."""

    config: str  # JSON of the Config
    weights: str  # where the weights came from
    random: str  # why what it found means nothing, in words; empty where it was all trained
    device: str  # where TensorFlow ran it
    tensorflow: str  # its version
    rois: str  # "rpn", or "given" by the caller
    settings: str  # JSON: stage → arguments that the config has no name for
    edited: str  # stages whose results a reader had edited before the run went on
    replaced: str  # stages in whose place another function ran


class Omitted(NamedTuple):
    """Stands in a loaded trace for a tensor that was left out when it was saved."""

    path: str
    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, index: Any) -> Any:
        return self.__array__()[index]

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TraceFileError(
            f"{self.path} {list(self.shape)} was left out when this trace was saved; "
            "run the model again, or save the trace with omit=()"
        )


class Trace(NamedTuple):
    """The stages' results in the order of the data. `trace.rpn.rpn_class[0]`: of image 0."""

    image: MoldedImage
    backbone: BackboneFeatures
    pyramid: PyramidFeatures
    anchors: Anchors
    rpn: RpnScores
    proposals: Proposals
    levels: LevelAssignment
    crops: LevelCrops
    reordered: Reordered
    box_head: BoxHeadOutput
    detections: Detections
    mask_levels: LevelAssignment
    mask_crops: LevelCrops
    mask_reordered: Reordered
    mask_head: MaskHeadOutput
    instances: Instances
    run: Run

    @property
    def config(self) -> Config:
        return Config.from_json(self.run.config)

    def randomness(self) -> str:
        """Which weights were random, in words; empty where none was. Reports must show it."""
        return self.run.random

    def lineage(
        self,
        *,
        detection: int | None = None,
        roi: int | None = None,
        anchor: int | None = None,
        image: int = 0,
    ) -> Lineage:
        """The whole path of one detection, ROI or anchor; as lineage.py's `lineage`."""
        return lineage(self, detection=detection, roi=roi, anchor=anchor, image=image)

    def why_missed(self, box: Any, class_id: int | None = None, *, image: int = 0) -> Missed:
        """The first stage that lost an object; as missed.py's `why_missed`."""
        return why_missed(self, box, class_id, image=image)

    def check(self) -> list[Problem]:
        """What must hold and does not; as health.py's `check`. Nothing: the run is sound."""
        return check(self)

    def tensors(self) -> Iterator[tuple[str, Any]]:
        """Yield (`proposals.nms.rank`, tensor) for every tensor, in the order of the data."""
        for stage, result in zip(self._fields, self, strict=True):
            if stage != "run":
                yield from _leaves(result, stage)

    def numpy(self) -> Self:
        """The same trace with NumPy arrays for tensors."""
        return _map(lambda x: x if isinstance(x, Omitted | str) else np.asarray(x), self)

    def save(self, path: str | PathLike[str], omit: Iterable[str] = ()) -> None:
        """Write an .npz file, whole or not at all.

        omit    stages or fields to leave out, `backbone`, `pyramid.sums`, …; `BULKY`
                names those that take nine tenths of the room
        """
        omit, arrays, omitted = tuple(omit), {}, {}
        for name, tensor in self.tensors():
            if isinstance(tensor, Omitted) or _within(name, omit):
                dtype = (
                    tensor.dtype
                    if isinstance(tensor, Omitted)
                    else np.dtype(getattr(tensor.dtype, "as_numpy_dtype", tensor.dtype)).name
                )
                omitted[name] = [list(tensor.shape), dtype]
            else:
                arrays[name] = np.asarray(tensor)
        with atomic_write(path) as file:
            np.savez(
                file, run=json.dumps(self.run._asdict()), omitted=json.dumps(omitted), **arrays
            )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote. Never unpickles.

        Raises TraceFileError for a file that is no trace, broken, or of another version.
        """
        path = Path(path)
        if not path.is_file():
            raise TraceFileError(f"{path} is not a file; give the .npz that Trace.save wrote")
        if not zipfile.is_zipfile(path):
            raise TraceFileError(
                f"{path} is not a trace of this version, or is broken: it is no .npz file. Give "
                "the one that Trace.save wrote"
            )
        try:
            trace = cls._read(path)
            problems = [p for stage in cls._fields[:-1] for p in wrong_shapes(trace, stage)]
        except MemoryError:
            raise
        except Exception as error:  # whatever the bytes of a damaged file make NumPy or JSON raise
            raise TraceFileError(
                f"{path} is not a trace of this version, or is broken: "
                f"{error or type(error).__name__}. Make it again with trace.save(...)"
            ) from error
        if problems:
            raise TraceFileError(f"{path} is damaged: {problems[0]}. Make it again")
        return trace

    @classmethod
    def _read(cls, path: Path) -> Self:
        """The trace in a file; any error where there is none."""
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            leaves = {name: file[name] for name in file.files}
        run = Run(**json.loads(str(leaves.pop("run"))))
        Config.from_json(run.config)
        dict(json.loads(run.settings))
        for name, (shape, dtype) in json.loads(str(leaves.pop("omitted"))).items():
            leaves[name] = Omitted(name, tuple(shape), dtype)
        hints = typing.get_type_hints(cls)
        return cls(*(_build(hints[name], name, leaves) for name in cls._fields[:-1]), run=run)


def _within(name: str, paths: Iterable[str]) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def named_tensors(result: Any) -> Iterator[tuple[str, Any]]:
    """Yield (`nms.rank`, tensor) for every tensor of one stage's result."""
    for name in result._fields:
        yield from _leaves(getattr(result, name), name)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple) and not isinstance(value, Omitted):
        names = getattr(value, "_fields", range(len(value)))
        for name, part in zip(names, value, strict=True):
            yield from _leaves(part, f"{path}.{name}")
    else:
        yield path, value


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    if not isinstance(value, tuple) or isinstance(value, Omitted):
        return function(value)
    parts = [_map(function, part) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def _build(kind: Any, path: str, leaves: dict[str, Any]) -> Any:
    """A value of the annotated type from its leaves: a result, a tuple of tensors, a tensor."""
    if hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind)
        return kind(*(_build(hints[name], f"{path}.{name}", leaves) for name in kind._fields))
    if typing.get_origin(kind) is tuple:
        count = len(
            {key.split(".")[path.count(".") + 1] for key in leaves if key.startswith(f"{path}.")}
        )
        return tuple(_build(kind.__args__[0], f"{path}.{i}", leaves) for i in range(count))
    return leaves[path]
