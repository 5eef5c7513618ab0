"""Compare two runs: where they part, and which ROIs changed level, class or fate."""

from typing import NamedTuple

import numpy as np

from mrcnn_explained.detector.trace import Trace, named_tensors
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.detections import fate_kind, fates

MOST_TOLD = 20  # ROIs that a story lists


class TensorDifference(NamedTuple):
    """How one tensor of two runs differs."""

    name: str  # field of the stage's result
    changed: int  # elements that differ; all of them where the shapes do
    of: int  # elements there are
    largest: float  # the largest difference; NaN where a number became none, or the shapes differ
    shapes: tuple[tuple[int, ...], tuple[int, ...]]  # in the two runs

    def __str__(self) -> str:
        if self.shapes[0] != self.shapes[1]:
            return f"{self.name} (shape {list(self.shapes[0])}, then {list(self.shapes[1])})"
        return f"{self.name} ({self.changed:,} of {self.of:,}, by {self.largest:.4g} at most)"


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
    reordered: bool  # detections stand in another order, so their rows differ anyway
    left_out: tuple[str, ...]  # tensors that a file lacks: nobody compared them
    class_names: tuple[str, ...]  # of every class, as the config tells them

    def __str__(self) -> str:
        return self.story()

    def story(self, most: int | None = MOST_TOLD) -> str:
        """Tell it, with so many of the ROIs that changed; None: with all of them."""
        return "\n".join([*self._stages(), *self._rois(most), *self._not_compared()])

    def _stages(self):
        if not self.first:
            yield "The two runs agree in every tensor" + (
                " that both have." if self.left_out else "."
            )
            return
        yield f"They part at {self.first}."
        for stage, tensors in self.stages.items():
            worst = max(tensors, key=lambda t: t.changed / max(t.of, 1))
            behind = stage == "instances" or stage.startswith("mask_")
            order = "; its rows stand in another order" if behind and self.reordered else ""
            yield f"{stage}: {len(tensors)} tensors differ, most of all {worst}{order}"

    def _rois(self, most):
        if not self.first:
            return
        stayed = [c for c in self.rois if min(c.rows) >= 0]
        yield (
            f"ROIs: {sum(c.level[0] != c.level[1] for c in stayed)} changed level, "
            f"{sum(c.class_id[0] != c.class_id[1] for c in stayed)} class, "
            f"{sum(fate_kind(c.fate[0]) != fate_kind(c.fate[1]) for c in stayed)} fate; "
            f"{sum(c.rows[1] < 0 for c in self.rois)} went, "
            f"{sum(c.rows[0] < 0 for c in self.rois)} came."
        )
        for change in self.rois[:most]:
            yield f"  {self._change(change)}"
        if most is not None and len(self.rois) > most:
            yield f"  … and {len(self.rois) - most} more"
        yield "Detections: {} and {}.".format(*self.detections)

    def _change(self, change):
        """One ROI: `ROI 3 (then 5): P4 → P3; circle; background → detection 2`."""
        old, new = change.rows
        if min(old, new) < 0:
            row, i, what = (new, 1, "came") if old < 0 else (old, 0, "went")
            name = self.class_names[change.class_id[i]]
            return f"ROI {row} {what}: P{change.level[i]}; {name}; {change.fate[i]}"
        then = f" (then {new})" if new != old else ""
        parts = (
            [f"P{k}" for k in change.level],
            [self.class_names[k] for k in change.class_id],
            list(change.fate),
        )
        told = (a if a == b else f"{a} → {b}" for a, b in parts)
        return f"ROI {old}{then}: {'; '.join(told)}"

    def _not_compared(self):
        if self.left_out:
            some = ", ".join(self.left_out[:3]) + (", …" if len(self.left_out) > 3 else "")
            yield f"{len(self.left_out)} tensors were left out of a file: not compared ({some})."


def compare(a: Trace, b: Trace, *, image: int = 0, within: float = 1e-4) -> Comparison:
    """Compare two runs on the same images, stage by stage.

    image     the image whose ROIs are compared
    within    part of a tensor's standard deviation by which floats may differ and still count as
              equal: graph and eager mode do not round alike. 0 compares bit for bit.

    ROIs are paired by their anchors, or by row where the caller gave them. Raises InputError for
    runs on images of other sizes or number.
    """
    shapes = [np.asarray(t.image.original_shape).tolist() for t in (a, b)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the runs are of images of other shapes, {shapes[0]} and {shapes[1]}: compare runs "
            "on the same images"
        )
    number = len(shapes[0])
    if not 0 <= image < number:
        raise InputError(f"image is {image}; the runs hold {number}: give 0 to {number - 1}")
    stages, left_out = {}, []
    for stage in (name for name in Trace._fields if name != "run"):
        ours, theirs = (dict(named_tensors(getattr(t, stage))) for t in (a, b))
        absent = [n for n in ours | theirs if not (_there(ours.get(n)) and _there(theirs.get(n)))]
        left_out += [f"{stage}.{name}" for name in absent]
        found = [_difference(n, ours[n], theirs[n], within) for n in ours if n not in absent]
        if found := tuple(d for d in found if d is not None):
            stages[stage] = found
    rows = [np.asarray(t.detections.detection_roi[image]).tolist() for t in (a, b)]
    return Comparison(
        next(iter(stages), ""),
        stages,
        tuple(_rois(a, b, image)),
        tuple(int(np.asarray(t.detections.valid[image]).sum()) for t in (a, b)),
        rows[0] != rows[1],
        tuple(left_out),
        tuple(a.config.class_name(k) for k in range(a.config.num_classes)),
    )


def _there(tensor):
    """Whether a tensor is in the trace: `Omitted` of trace.py stands for one that is not."""
    return tensor is not None and not hasattr(tensor, "path")


def _difference(name, x, y, within):
    """None where two tensors are equal."""
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


def _rois(a, b, image):
    """The ROIs that differ, in the order of the first run, then those that only the second has."""
    of_a, of_b = _facts(a, image), _facts(b, image)
    for key in {**of_a, **of_b}:
        old, new = (of.get(key, (-1, 0, -1, "no ROI")) for of in (of_a, of_b))
        same = old[1:3] == new[1:3] and fate_kind(old[3]) == fate_kind(new[3])
        if not same:
            yield RoiChange(*zip(old, new, strict=True))


def _facts(trace, image):
    """Each ROI, by its anchor or, where the caller gave it, its row → (row, level, class, fate)."""
    p = trace.proposals
    candidates, top = np.asarray(p.post_nms_ix[image]), np.asarray(p.top_ix[image])
    levels = np.asarray(trace.levels.roi_level[image]).tolist()
    classes = np.asarray(trace.detections.class_ids[image]).tolist()
    told = fates(trace.detections, p.valid, image=image)

    def key(row):
        candidate = candidates[row]
        return ("anchor", int(top[candidate])) if candidate >= 0 else ("row", row)

    return {
        key(row): (row, levels[row], classes[row], told[row])
        for row in np.flatnonzero(np.asarray(p.valid[image])).tolist()
    }
