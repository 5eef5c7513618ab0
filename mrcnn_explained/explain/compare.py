"""Compare two runs: the first stage that differs, and ROIs that changed level, class or fate."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.detector.ranges import check_rows
from mrcnn_explained.detector.schema import Omitted, tensors_of
from mrcnn_explained.detector.trace import COMPUTED, Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.fates import Fate, fates, fates_of
from mrcnn_explained.inputs import check_image_number
from mrcnn_explained.stages.detections import Detections

SHOWN = 20  # ROIs that a story lists
NAMED = 3  # tensors that a file lacks which a story names


class TensorDifference(NamedTuple):
    """How one tensor differs between two runs."""

    name: str  # field of the stage's result
    changed: int  # number of elements that differ; all of them if the shapes differ
    of: int  # number of elements
    largest: float  # largest difference; NaN if one of two numbers is NaN, or the shapes differ
    shapes: tuple[tuple[int, ...], tuple[int, ...]]  # in the first and in the second run

    def __str__(self) -> str:
        first, second = self.shapes
        if first != second:
            return f"{self.name} (shape {list(first)}, then {list(second)})"
        return f"{self.name} ({self.changed:,} of {self.of:,}, by {self.largest:.4g} at most)"


class RoiState(NamedTuple):
    """One ROI in one run."""

    row: int  # of rpn_rois
    level: int  # pyramid level that it reads, 2 to 5
    class_id: int  # most probable class; 0 is background
    fate: Fate

    def differs(self, other: "RoiState") -> bool:
        """Whether level, class or kind of fate differ; the row and the numbers do not count."""
        mine = (self.level, self.class_id, self.fate.kind)
        return mine != (other.level, other.class_id, other.fate.kind)


class RoiChange(NamedTuple):
    """One ROI in two runs, matched by the anchor that it comes from."""

    before: RoiState | None  # in the first run; None: only the second run has this ROI
    after: RoiState | None  # in the second run; None: only the first run has this ROI


class Comparison(NamedTuple):
    """What differs between two runs. `str(comparison)` is a summary of it."""

    first: str  # the first stage that differs; "": none differs
    stages: dict[str, tuple[TensorDifference, ...]]  # every stage that differs, in order
    rois: tuple[RoiChange, ...]  # ROIs with another level, class or fate, or in one run only
    detections: tuple[int, int]  # number of detections in the first and in the second run
    reordered: bool  # the detections are in another order, so their rows differ in any case
    left_out: tuple[str, ...]  # tensors that a file lacks; they were not compared
    class_names: tuple[str, ...]  # one per class, from the config of the first run

    def __str__(self) -> str:
        return self.story()

    def story(self, most: int | None = SHOWN) -> str:
        """Return the summary, with at most this many of the changed ROIs; None: all of them."""
        return "\n".join([*self._stage_lines(), *self._roi_lines(most), *self._left_out_lines()])

    def _stage_lines(self) -> Iterator[str]:
        """Yield one line per stage that differs."""
        if not self.first:
            which = " that both have" if self.left_out else ""
            yield f"The two runs agree in every tensor{which}."
            return
        yield f"The first difference is at {self.first}."
        for stage, tensors in self.stages.items():
            most_changed = max(tensors, key=lambda tensor: tensor.changed / max(tensor.of, 1))
            of_detections = stage == "instances" or stage.startswith("mask_")
            moved = of_detections and self.reordered
            order = "; its rows are in another order" if moved else ""
            yield f"{stage}: {len(tensors)} tensors differ, most of all {most_changed}{order}"

    def _roi_lines(self, most: int | None) -> Iterator[str]:
        """Yield how many ROIs changed, then one line for each, then the numbers of detections."""
        if not self.first:
            return
        pairs = [(c.before, c.after) for c in self.rois if c.before and c.after]
        levels = sum(before.level != after.level for before, after in pairs)
        classes = sum(before.class_id != after.class_id for before, after in pairs)
        kinds = sum(before.fate.kind is not after.fate.kind for before, after in pairs)
        gone = sum(c.after is None for c in self.rois)
        new = sum(c.before is None for c in self.rois)
        yield (
            f"ROIs: {levels} changed level, {classes} changed class, {kinds} changed fate; "
            f"{gone} are gone, {new} are new."
        )
        for change in self.rois[:most]:
            yield f"  {self._change(change)}"
        if most is not None and len(self.rois) > most:
            yield f"  … and {len(self.rois) - most} more"
        first, second = self.detections
        yield f"Detections: {first} and {second}."

    def _change(self, change: RoiChange) -> str:
        """One ROI: `ROI 3 (then 5): P4 → P3; circle; background → detection 2`."""
        before, after = change.before, change.after
        if before and after:
            then = f" (then {after.row})" if after.row != before.row else ""
            parts = zip(self._words(before), self._words(after), strict=True)
            words = (old if old == new else f"{old} → {new}" for old, new in parts)
            return f"ROI {before.row}{then}: {'; '.join(words)}"
        state = before or after
        assert state is not None  # a change has at least one of the two
        what = "is gone" if before else "is new"
        return f"ROI {state.row} {what}: {'; '.join(self._words(state))}"

    def _words(self, state: RoiState) -> tuple[str, str, str]:
        """Return level, class and fate of an ROI as text."""
        return f"P{state.level}", self.class_names[state.class_id], str(state.fate)

    def _left_out_lines(self) -> Iterator[str]:
        """Yield which tensors could not be compared, if there are any."""
        if self.left_out:
            more = ", …" if len(self.left_out) > NAMED else ""
            names = ", ".join(self.left_out[:NAMED]) + more
            yield f"{len(self.left_out)} tensors are missing from a file: not compared ({names})."


def compare(a: Trace, b: Trace, *, image: int = 0, within: float = 1e-4) -> Comparison:
    """Compare two runs on the same images, stage by stage.

    image     number of the image whose ROIs are compared
    within    share of a tensor's standard deviation by which floats may differ and still count
              as equal: graph and eager mode round differently. 0 compares bit for bit.

    ROIs are matched by their anchors, or by row if the caller gave them. Raises InputError for
    runs on images of other shapes or another number of images.
    """
    shapes = [np.asarray(trace.image.original_shape).tolist() for trace in (a, b)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the runs are of images of other shapes, {shapes[0]} and {shapes[1]}: compare runs "
            "on the same images"
        )
    check_image_number(image, len(shapes[0]), "the runs hold")
    stages: dict[str, tuple[TensorDifference, ...]] = {}
    left_out: list[str] = []
    for stage in COMPUTED:
        ours, theirs = (dict(tensors_of(getattr(trace, stage))) for trace in (a, b))
        missing = [
            name
            for name in ours | theirs
            if not (_present(ours.get(name)) and _present(theirs.get(name)))
        ]
        left_out += [f"{stage}.{name}" for name in missing]
        names = [name for name in ours if name not in missing]
        differences = (_difference(name, ours[name], theirs[name], within) for name in names)
        if found := tuple(difference for difference in differences if difference is not None):
            stages[stage] = found
    rows = [np.asarray(trace.detections.detection_roi[image]).tolist() for trace in (a, b)]
    return Comparison(
        first=next(iter(stages), ""),
        stages=stages,
        rois=tuple(_roi_changes(a, b, image)),
        detections=(_detection_count(a, image), _detection_count(b, image)),
        reordered=rows[0] != rows[1],
        left_out=tuple(left_out),
        class_names=tuple(a.config.class_name(k) for k in range(a.config.num_classes)),
    )


def _present(tensor: Any) -> bool:
    """Whether a trace has a tensor: it is neither missing nor left out of the trace's file."""
    return tensor is not None and not isinstance(tensor, Omitted)


def _detection_count(trace: Trace, image: int) -> int:
    return int(np.asarray(trace.detections.valid[image]).sum())


def _difference(name: str, x: Any, y: Any, within: float) -> TensorDifference | None:
    """How two tensors differ; None if they are equal."""
    if x is y:  # a resumed run keeps what is upstream of the change
        return None
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        size = max(x.size, y.size)
        return TensorDifference(name, size, size, float("nan"), (x.shape, y.shape))
    if x.dtype.kind != "f":
        far = x != y
        largest = np.abs(x.astype(np.int64) - y.astype(np.int64)).max(initial=0) if far.any() else 0
    else:
        with np.errstate(invalid="ignore"):  # infinity minus itself, for ROIs without area
            gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, np.abs(x - y))
        finite = x[np.isfinite(x)]
        far = ~(gap <= within * (finite.std() if finite.size > 1 else 1))  # NaN is far
        largest = gap.max(initial=0)
    if far.any():
        return TensorDifference(name, int(far.sum()), x.size, float(largest), (x.shape, y.shape))
    return None


def _roi_changes(a: Trace, b: Trace, image: int) -> Iterator[RoiChange]:
    """Yield changed ROIs in the order of the first run, then those that only the second has."""
    check_rows(a)
    check_rows(b)
    states_a, states_b = roi_states(a, image), roi_states(b, image)
    for key in {**states_a, **states_b}:
        before, after = states_a.get(key), states_b.get(key)
        if before is None or after is None or before.differs(after):
            yield RoiChange(before, after)


def roi_states(
    trace: Trace, image: int = 0, detections: Detections | None = None
) -> dict[tuple[str, int], RoiState]:
    """Return every ROI that is not padding, by its anchor, or by its row if the caller gave it.

    The key is the same in two runs on one image, though the row of an ROI may differ.

    detections    of this image alone, in place of the run's own: with other thresholds
    """
    proposals = trace.proposals
    candidates, top = np.asarray(proposals.post_nms_ix[image]), np.asarray(proposals.top_ix[image])
    levels = np.asarray(trace.levels.roi_level[image]).tolist()
    if detections is None:
        classes, fate_of = np.asarray(trace.detections.class_ids[image]), fates(trace, image)
    else:
        classes = np.asarray(detections.class_ids[0])
        fate_of = fates_of(detections, proposals.valid[image : image + 1])

    def key(row: int) -> tuple[str, int]:
        candidate = candidates[row]
        return ("anchor", int(top[candidate])) if candidate >= 0 else ("row", row)

    return {
        key(row): RoiState(row, levels[row], int(classes[row]), fate_of[row])
        for row in np.flatnonzero(np.asarray(proposals.valid[image])).tolist()
    }
