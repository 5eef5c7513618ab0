"""Trace: one whole run of the detector as one value, every tensor of every stage.

Its file is an .npz without pickle: it can be mailed, handed in and opened again without a
model.
"""

import json
import operator
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from typing import Any, NamedTuple, Self

import numpy as np

import mrcnn_explained
from mrcnn_explained.config import Config
from mrcnn_explained.detector.provenance import Provenance
from mrcnn_explained.detector.ranges import misfits
from mrcnn_explained.detector.schema import Omitted, TraceFileError, tensors_of
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
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.npz import Expected, NpzFile

EXPECTED_TRACE = Expected(
    "a trace of this version", "Make it again with trace.save(...)", TraceFileError
)

#: Fields that are large and that no plot of a saved trace needs.
BULKY = (
    "backbone",
    "pyramid.laterals",
    "pyramid.upsampled",
    "pyramid.sums",
    "rpn.shared",
    "reordered.pooled",
    "mask_reordered.pooled",
    "mask_head.conv1",
    "mask_head.conv2",
    "mask_head.conv3",
    "mask_head.conv4",
    "mask_head.deconv",
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
    run: Provenance

    @property
    def config(self) -> Config:
        """Every number that this run was computed with."""
        return self.run.config

    @property
    def has_given_rois(self) -> bool:
        """Whether the caller chose the ROIs of the second stage, and not the RPN."""
        return self.proposals.scores.shape[1] == 0

    def randomness(self) -> str:
        """Return a sentence about random weights; empty if all were trained. Reports show it."""
        return self.run.randomness()

    # These three ask through the package's public names, because explain/ reads traces: the
    # one place where a room uses what lies above it.

    def lineage(
        self,
        *,
        detection: int | None = None,
        roi: int | None = None,
        anchor: int | None = None,
        image: int = 0,
    ) -> Any:
        """Return the whole path of one detection, ROI or anchor: `explain.lineage.Lineage`."""
        rows = {"detection": detection, "roi": roi, "anchor": anchor}
        return mrcnn_explained.lineage(self, **rows, image=image)

    def why_missed(self, box: Any, class_id: int | None = None, *, image: int = 0) -> Any:
        """Return the first stage that lost an object: `explain.why_missed.Missed`."""
        return mrcnn_explained.why_missed(self, box, class_id, image=image)

    def check(self) -> list[Any]:
        """Return what must hold and does not (`explain.invariants.check`); [] for a sound run."""
        return mrcnn_explained.check(self)

    def tensors(self) -> Iterator[tuple[str, Any]]:
        """Yield (`proposals.nms.rank`, tensor) for every tensor, in the order of the data."""
        for stage in COMPUTED:
            yield from tensors_of(getattr(self, stage), stage)

    def numpy(self) -> Self:
        """Return the same trace with NumPy arrays in place of tensors."""
        results = {stage: _map(_as_array, getattr(self, stage)) for stage in COMPUTED}
        return self._replace(**results)

    def save(self, path: str | PathLike[str], omit: Iterable[str] = ()) -> None:
        """Write an .npz file, whole or not at all.

        omit    stages or fields to leave out, such as "backbone" or "pyramid.sums"; `BULKY`
                names those that take nine tenths of the space
        """
        omit = tuple(omit)
        arrays: dict[str, Any] = {}
        omitted: dict[str, Any] = {}
        for name, tensor in self.tensors():
            if isinstance(tensor, Omitted) or _is_within(name, omit):
                omitted[name] = [list(tensor.shape), _dtype_name(tensor.dtype)]
            else:
                arrays[name] = np.asarray(tensor)
        with atomic_write(path) as file:
            np.savez(file, run=self.run.to_json(), omitted=json.dumps(omitted), **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a file that `save` wrote. Never unpickles.

        Raises TraceFileError for a file that is not a trace, is damaged, or belongs to another
        version.
        """
        with NpzFile(path, EXPECTED_TRACE) as file, file.damage_explained():
            omitted = {
                name: Omitted(name, tuple(map(operator.index, shape)), str(dtype))
                for name, (shape, dtype) in file.json("omitted", dict).items()
            }
            names = [name for name in file.headers if name not in ("run", "omitted")]
            declared = {
                name: Omitted(name, file.headers[name].shape, file.headers[name].dtype.name)
                for name in names
            }
            run = Provenance.from_json(file.text("run"))
            cls._of({**declared, **omitted}, run, file)  # before an array is read
            return cls._of({**{name: file.read(name) for name in names}, **omitted}, run, file)

    @classmethod
    def _of(cls, leaves: Mapping[str, Any], run: Provenance, file: NpzFile) -> Self:
        """Return the trace of these tensors, or of what a file declares about them.

        Raises TraceFileError if a tensor is missing or has another kind or shape than a stage's
        result has.
        """
        hints = typing.get_type_hints(cls)
        results = {stage: _build(hints[stage], stage, leaves) for stage in COMPUTED}
        trace = cls(**results, run=run)
        if problem := next(misfits(trace, COMPUTED), None):
            raise file.damaged(problem)
        return trace


#: The stages of a trace, in the order of the data.
COMPUTED = tuple(name for name in Trace._fields if name != "run")


def _is_within(name: str, paths: Iterable[str]) -> bool:
    """Return whether a tensor is one of the named stages or fields, or lies in one."""
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def _as_array(tensor: Any) -> Any:
    """Return a tensor as a NumPy array; one that was left out stays so."""
    return tensor if isinstance(tensor, Omitted) else np.asarray(tensor)


def _dtype_name(dtype: Any) -> str:
    """Return the NumPy name of a tensor's, an array's or an omitted tensor's dtype."""
    return np.dtype(getattr(dtype, "as_numpy_dtype", dtype)).name


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply a function to every tensor of a result, and keep its types."""
    if not isinstance(value, tuple) or isinstance(value, Omitted):
        return function(value)
    parts = [_map(function, part) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def _build(kind: Any, path: str, leaves: Mapping[str, Any]) -> Any:
    """Return a value of the annotated type from its tensors: a result, a tuple, or a tensor."""
    if hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind)
        return kind(*(_build(hints[name], f"{path}.{name}", leaves) for name in kind._fields))
    if typing.get_origin(kind) is tuple:
        count = len(
            {key.split(".")[path.count(".") + 1] for key in leaves if key.startswith(f"{path}.")}
        )
        return tuple(_build(kind.__args__[0], f"{path}.{i}", leaves) for i in range(count))
    if path not in leaves:
        raise TraceFileError(f"the trace lacks {path}: it is of another version, or damaged")
    return leaves[path]
