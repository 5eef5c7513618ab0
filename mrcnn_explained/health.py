"""Health: what must hold in every run, whatever the picture and the weights."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_origin, get_type_hints

import jaxtyping
import numpy as np

from mrcnn_explained.stages.levels import HIGHEST, LOWEST

CLOSE = 1e-4  # a softmax in float32 sums to one within this


class Problem(NamedTuple):
    """One invariant that does not hold, at the first place where it does not."""

    stage: str  # as in a trace
    tensor: str  # field of its result
    index: tuple[int, ...]  # of the element; (): the tensor as a whole
    expected: str
    actual: str

    def __str__(self) -> str:
        at = str(list(self.index)) if self.index else ""
        return f"{self.stage}.{self.tensor}{at}: expected {self.expected}, is {self.actual}"


def check(trace: Any) -> list[Problem]:
    """Return what is wrong with a trace, in the order of the data; nothing where it is sound.

    Tensors that were left out when the trace was saved are not looked at.
    """
    problems = [p for stage in trace._fields if stage != "run" for p in wrong_shapes(trace, stage)]
    if problems:  # the other invariants would trip over these
        return problems
    rules = (_numbers, _anchors, _rpn, _proposals, _levels, _crops, _reorder, _box_head,
             _detections, _masks, _instances)  # fmt: skip
    order = trace._fields
    found = [problem for rule in rules for problem in rule(trace)]
    return sorted(found, key=lambda problem: order.index(problem.stage))


def wrong_shapes(trace: Any, stage: str) -> list[Problem]:
    """The tensors of one stage whose kind or shape is not what is written beside them."""
    result, found = getattr(trace, stage), []
    batch, height, width, _ = trace.image.molded.shape
    with jaxtyping.jaxtyped("context"):  # within it a letter means one size
        isinstance(np.zeros([height, width]), jaxtyping.Float[np.ndarray, "H W"])  # binds them
        if stage != "anchors":  # the one stage without a batch axis
            isinstance(np.zeros(batch), jaxtyping.Float[np.ndarray, "B"])
        for name, value, hint in annotated(result, type(result)):
            value = np.asarray(value)
            kind = hint.dtype[np.ndarray, hint.dim_str]
            if not isinstance(value, kind):
                expected = f"{hint.dtype.__name__} [{hint.dim_str}]"
                actual = f"{value.dtype} {list(value.shape)}"
                found.append(Problem(stage, name, (), expected, actual))
    return found


def annotated(result: Any, kind: type, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, value, annotation) of every tensor of a result that is there."""
    hints = get_type_hints(kind)
    for name, value in zip(kind._fields, result, strict=True):
        hint = hints[name]
        if hasattr(hint, "_fields"):
            yield from annotated(value, hint, f"{prefix}{name}.")
        elif get_origin(hint) is tuple:
            for i, part in enumerate(value):
                if _there(part):
                    yield f"{prefix}{name}.{i}", part, hint.__args__[0]
        elif _there(value):
            yield f"{prefix}{name}", value, hint


def _there(value):
    """Whether a tensor is in the trace: `Omitted` of trace.py stands for one that is not."""
    return not hasattr(value, "path")


def _where(stage, tensor, holds, values, expected):
    """A Problem at the first element where something does not hold, if there is one."""
    holds, values = np.asarray(holds), np.asarray(values)
    if holds.all():
        return
    index = tuple(int(i) for i in np.argwhere(~holds)[0])
    yield Problem(stage, tensor, index, expected, _short(values[index[: values.ndim]]))


def _short(value):
    return np.array2string(np.asarray(value), precision=4, threshold=8)


def _numbers(trace):
    """No tensor holds NaN; only levels of ROIs without area are infinite."""
    for path, value in trace.tensors():
        stage, _, name = path.partition(".")
        if not _there(value) or np.asarray(value).dtype.kind != "f":
            continue
        value = np.asarray(value)
        endless = stage in ("levels", "mask_levels")
        holds = ~np.isnan(value) if endless else np.isfinite(value)
        yield from _where(stage, name, holds, value, "a number")


def _anchors(trace):
    rows, anchors = trace.rpn.rpn_class.shape[1], len(trace.anchors.level)
    if rows != anchors:
        yield Problem(
            "rpn", "rpn_class", (), f"a row for each of {anchors} anchors", f"{rows} rows"
        )


def _rpn(trace):
    yield from _distribution("rpn", "rpn_class", trace.rpn.rpn_class)


def _box_head(trace):
    yield from _distribution("box_head", "mrcnn_class", trace.box_head.mrcnn_class)


def _distribution(stage, name, values):
    values = np.asarray(values)
    yield from _where(stage, name, (values >= 0) & (values <= 1 + CLOSE), values, "0…1")
    total = values.sum(axis=-1)
    yield from _where(stage, name, abs(total - 1) <= CLOSE, total, "probabilities that sum to one")


def _proposals(trace):
    p, stage = trace.proposals, "proposals"
    scores, rank = np.asarray(p.scores), np.asarray(p.nms.rank)
    falls = np.pad(np.diff(scores, axis=1) <= 0, [[0, 0], [1, 0]], constant_values=True)
    falls = falls[:, : scores.shape[1]]
    yield from _where(stage, "scores", falls, scores, "no score above the one before it")
    ix = np.asarray(p.top_ix)
    anchors = len(trace.anchors.level)
    yield from _where(
        stage, "top_ix", (ix >= 0) & (ix < anchors), ix, f"a row of {anchors} anchors"
    )
    yield from _boxes(stage, "refined_anchors_clipped", p.refined_anchors_clipped)
    yield from _boxes(stage, "rpn_rois", p.rpn_rois)
    yield from _first_valid(stage, "valid", p.valid)
    yield from _zero_rows(stage, "rpn_rois", p.rpn_rois, p.valid)
    if trace.run.rois == "rpn":
        kept, real = (rank >= 0).sum(axis=1), np.asarray(p.valid).sum(axis=1)
        yield from _where(stage, "nms.rank", kept == real, kept, "as many kept as there are ROIs")


def _boxes(stage, name, boxes):
    boxes = np.asarray(boxes)
    yield from _where(stage, name, (boxes >= 0) & (boxes <= 1), boxes, "0…1")
    ordered = (boxes[..., 2] >= boxes[..., 0]) & (boxes[..., 3] >= boxes[..., 1])
    yield from _where(stage, name, ordered, boxes, "y1 <= y2 and x1 <= x2")


def _first_valid(stage, name, valid):
    valid = np.asarray(valid)
    holds = valid <= np.pad(valid, [[0, 0], [1, 0]], constant_values=True)[:, :-1]
    yield from _where(stage, name, holds, valid, "valid rows before padded ones")


def _zero_rows(stage, name, rows, valid):
    rows, padded = np.asarray(rows), ~np.asarray(valid)
    holds = ~padded[..., None] | (rows == 0)
    yield from _where(stage, name, holds, rows, "zero in a padded row")


def _levels(trace):
    for stage in ("levels", "mask_levels"):
        level = np.asarray(getattr(trace, stage).roi_level)
        inside = (level >= LOWEST) & (level <= HIGHEST)
        yield from _where(stage, "roi_level", inside, level, f"{LOWEST}…{HIGHEST}")


def _crops(trace):
    for stage, levels in (("crops", "levels"), ("mask_crops", "mask_levels")):
        level = np.asarray(getattr(trace, levels).roi_level)
        times = np.zeros(level.shape, int)
        for k, ix in enumerate(getattr(trace, stage).ix, start=LOWEST):
            rows = tuple(np.asarray(ix).T)
            np.add.at(times, rows, 1)
            right = level[rows] == k
            yield from _where(stage, f"ix.{k - LOWEST}", right, ix, f"ROIs of P{k}")
        yield from _where(stage, "ix", times == 1, times, "every ROI cropped once")


def _reorder(trace):
    for stage in ("reordered", "mask_reordered"):
        result = getattr(trace, stage)
        order = np.asarray(result.final_order)
        inside = (order >= 0) & (order < len(order))
        times = np.bincount(order[inside], minlength=len(order))
        once = inside & (times[np.where(inside, order, 0)] == 1)
        yield from _where(stage, "final_order", once, order, "every row of the stack once")
        yield from _where(stage, "home", result.home, result.home, "every crop at its ROI")


def _detections(trace):
    d, stage = trace.detections, "detections"
    rows, valid = np.asarray(d.detections), np.asarray(d.valid)
    yield from _boxes(stage, "detections", rows[..., :4])
    yield from _first_valid(stage, "valid", valid)
    yield from _zero_rows(stage, "detections", rows, valid)
    falls = np.pad(np.diff(rows[..., 5], axis=1) <= 0, [[0, 0], [1, 0]], constant_values=True)
    yield from _where(stage, "detections", falls, rows[..., 5], "no score above the one before it")
    least = trace.config.detection_min_confidence
    enough = ~valid | (rows[..., 5] >= np.float32(least))
    yield from _where(stage, "detections", enough, rows[..., 5], f"a score from {least:g} on")
    real = ~valid | ((rows[..., 4] > 0) & (rows[..., 4] < trace.config.num_classes))
    yield from _where(stage, "detections", real, rows[..., 4], "a class other than background")


def _masks(trace):
    mask = trace.mask_head.class_mask
    if _there(mask):
        mask = np.asarray(mask)
        yield from _where("mask_head", "class_mask", (mask >= 0) & (mask <= 1), mask, "0…1")


def _instances(trace):
    for i, rois in enumerate(trace.instances.rois):
        rois, (h, w) = np.asarray(rois), trace.image.original_shape[i, :2].tolist()
        inside = (rois >= 0) & (rois <= np.array([h, w, h, w]))
        yield from _where("instances", f"rois.{i}", inside, rois, f"inside {h} x {w} pixels")
        shape, masks = (h, w, len(rois)), np.shape(trace.instances.masks[i])
        if masks != shape:
            yield Problem("instances", f"masks.{i}", (), f"shape {list(shape)}", str(list(masks)))
