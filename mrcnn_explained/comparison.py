"""Compare two runs: where they part, and which ROIs changed level, class or fate."""

from typing import NamedTuple

import numpy as np

from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.detections import fate_kind, fates
from mrcnn_explained.trace import Trace, named_tensors


class TensorDifference(NamedTuple):
    """How one tensor of two runs differs."""

    name: str  # field of the stage's result
    changed: int  # elements that differ; all of them where the shapes do
    of: int  # elements there are
    largest: float  # the largest difference; NaN where the shapes differ


class RoiChange(NamedTuple):
    """One ROI in two runs, found again by the anchor that it comes from."""

    rows: tuple[int, int]  # of rpn_rois; -1: it is not there
    level: tuple[int, int]  # 2…5; 0: not there
    class_id: tuple[int, int]  # -1: not there
    fate: tuple[str, str]  # in words; "no ROI" where it is not there


class Comparison(NamedTuple):
    """What differs. `str(comparison)` tells it."""

    first: str  # the first stage that differs; "": none does
    stages: dict[str, tuple[TensorDifference, ...]]  # every stage that differs, in order
    rois: tuple[RoiChange, ...]  # ROIs whose level, class or fate changed, or that came or went
    detections: tuple[int, int]  # how many each run has

    def __str__(self) -> str:
        if not self.first:
            return "The two runs agree in every tensor."
        lines = [f"They part at {self.first}."]
        for stage, tensors in self.stages.items():
            worst = max(tensors, key=lambda t: t.changed / max(t.of, 1))
            lines.append(
                f"{stage}: {len(tensors)} tensors differ, most of all {worst.name} "
                f"({worst.changed:,} of {worst.of:,}"
                + (
                    f", by {worst.largest:.4g} at most)"
                    if np.isfinite(worst.largest)
                    else ", shape)"
                )
            )
        moved = [c for c in self.rois if min(c.rows) >= 0]
        lines.append(
            f"ROIs: {sum(c.level[0] != c.level[1] for c in moved)} changed level, "
            f"{sum(c.class_id[0] != c.class_id[1] for c in moved)} class, "
            f"{sum(fate_kind(c.fate[0]) != fate_kind(c.fate[1]) for c in moved)} fate; "
            f"{sum(c.rows[1] < 0 for c in self.rois)} went, "
            f"{sum(c.rows[0] < 0 for c in self.rois)} came."
        )
        lines.append("Detections: {} and {}.".format(*self.detections))
        return "\n".join(lines)


def compare(a: Trace, b: Trace, *, image: int = 0, within: float = 1e-4) -> Comparison:
    """Compare two runs on the same pictures, stage by stage.

    image     the picture whose ROIs are compared
    within    part of a tensor's standard deviation by which floats may differ and still count as
              equal: graph and eager mode do not round alike. 0 compares bit for bit.

    ROIs are paired by their anchors, or by row where the caller gave them. Raises InputError for
    runs on pictures of other sizes or number.
    """
    shapes = [np.asarray(t.image.original_shape).tolist() for t in (a, b)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the runs are of pictures of other shapes, {shapes[0]} and {shapes[1]}: compare runs "
            "on the same pictures"
        )
    stages = {}
    for stage in (name for name in Trace._fields if name != "run"):
        pairs = zip(*(named_tensors(getattr(t, stage)) for t in (a, b)), strict=False)
        found = [_difference(name, x, y, within) for (name, x), (_, y) in pairs]
        if found := tuple(d for d in found if d is not None):
            stages[stage] = found
    number = tuple(int(np.asarray(t.detections.valid[image]).sum()) for t in (a, b))
    return Comparison(next(iter(stages), ""), stages, tuple(_rois(a, b, image)), number)


def _difference(name, x, y, within):
    """None where two tensors are equal, or where one was left out of its file."""
    if hasattr(x, "path") or hasattr(y, "path"):
        return None
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        return TensorDifference(name, max(x.size, y.size), max(x.size, y.size), float("nan"))
    if x.dtype.kind != "f":
        far = x != y
        largest = np.abs(x.astype(np.int64) - y.astype(np.int64)).max(initial=0) if far.any() else 0
    else:
        with np.errstate(invalid="ignore"):  # infinity minus itself, for ROIs without area
            gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, np.abs(x - y))
        finite = x[np.isfinite(x)]
        far = gap > within * (finite.std() if finite.size > 1 else 1)
        largest = gap.max(initial=0)
    return TensorDifference(name, int(far.sum()), x.size, float(largest)) if far.any() else None


def _rois(a, b, image):
    """The ROIs that differ, in the order of the first run, then those that only the second has."""
    of_a, of_b = _facts(a, image), _facts(b, image)
    for key in {**of_a, **of_b}:
        old, new = (of.get(key, (-1, 0, -1, "no ROI")) for of in (of_a, of_b))
        same = old[1:3] == new[1:3] and fate_kind(old[3]) == fate_kind(new[3])
        if not same:
            yield RoiChange(*zip(old, new, strict=True))


def _facts(trace, image):
    """Anchor, or row, of each ROI → (row, level, class, fate)."""
    p = trace.proposals
    candidates, top = np.asarray(p.post_nms_ix[image]), np.asarray(p.top_ix[image])
    levels = np.asarray(trace.levels.roi_level[image]).tolist()
    classes = np.asarray(trace.detections.class_ids[image]).tolist()
    told = fates(trace.detections, p.valid, image=image)
    given = trace.run.rois == "given"
    return {
        (row if given else int(top[candidates[row]])): (row, levels[row], classes[row], told[row])
        for row in np.flatnonzero(np.asarray(p.valid[image])).tolist()
    }
