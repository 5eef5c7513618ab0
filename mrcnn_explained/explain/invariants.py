"""Health: what must hold in every run, whatever the image and the weights."""

from typing import Any

import numpy as np

from mrcnn_explained.detector.schema import Problem, is_there, wrong_level, wrong_shapes
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.levels import HIGHEST, LOWEST

ROI_LEVELS = HIGHEST - LOWEST + 1
CLOSE = 1e-4  # a softmax in float32 sums to one within this


def check(trace: Any) -> list[Problem]:
    """Return what is wrong with a trace, in the order of the data; nothing where it is sound.

    Tensors that were left out when the trace was saved are not looked at.
    """
    problems = [p for stage in trace._fields if stage != "run" for p in wrong_shapes(trace, stage)]
    if problems:  # the other invariants would trip over these
        return problems
    order = trace._fields
    found = [problem for rule in RULES for problem in _ask(rule, trace)]
    return sorted(found, key=lambda problem: order.index(problem.stage))


def _ask(rule, trace):
    """The problems that one rule finds, as far as the tensors it needs are there."""
    try:
        yield from rule(trace)
    except InputError:  # a tensor that was left out when the trace was saved
        return


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
        if not is_there(value) or np.asarray(value).dtype.kind != "f":
            continue
        value = np.asarray(value)
        endless = stage in ("levels", "mask_levels")
        holds = ~np.isnan(value) if endless else np.isfinite(value)
        yield from _where(stage, name, holds, value, "a number")


def _window(trace):
    window, (height, width) = np.asarray(trace.image.window), trace.image.molded.shape[1:3]
    y1, x1, y2, x2 = window.T
    inside = (y1 >= 0) & (y1 < y2) & (y2 <= height) & (x1 >= 0) & (x1 < x2) & (x2 <= width)
    yield from _where("image", "window", inside, window, f"a window within {height} x {width}")


def _anchors(trace):
    rows, anchors = trace.rpn.rpn_class.shape[1], trace.anchors.level.shape[0]
    if rows != anchors:
        yield Problem(
            "rpn", "rpn_class", (), f"a row for each of {anchors} anchors", f"{rows} rows"
        )
    yield from _index("anchors", "level", trace.anchors.level, LOWEST, HIGHEST + 2, "a level")


def _rpn(trace):
    yield from _distribution("rpn", "rpn_class", trace.rpn.rpn_class)


def _box_head(trace):
    yield from _distribution("box_head", "mrcnn_class", trace.box_head.mrcnn_class)


def _index(stage, name, values, low, end, what):
    """Rows of another tensor, from low to below end."""
    values = np.asarray(values)
    yield from _where(stage, name, (values >= low) & (values < end), values, what)


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
    anchors, candidates = trace.anchors.level.shape[0], scores.shape[1]
    yield from _index(stage, "top_ix", p.top_ix, 0, anchors, f"a row of {anchors} anchors")
    for name in ("nms.suppressed_by", "post_nms_ix"):
        values = p.post_nms_ix if name == "post_nms_ix" else p.nms.suppressed_by
        yield from _index(stage, name, values, -1, candidates, f"-1…{candidates - 1}")
    yield from _boxes(stage, "refined_anchors_clipped", p.refined_anchors_clipped)
    if not trace.has_given_rois:  # the caller's own may reach beyond the image
        yield from _boxes(stage, "rpn_rois", p.rpn_rois)
    yield from _first_valid(stage, "valid", p.valid)
    yield from _zero_rows(stage, "rpn_rois", p.rpn_rois, p.valid)
    if candidates and _own(trace, stage):
        kept, real = (rank >= 0).sum(axis=1), np.asarray(p.valid).sum(axis=1)
        yield from _where(stage, "nms.rank", kept == real, kept, "as many kept as there are ROIs")


def _rois_are_candidates(trace):
    p, stage = trace.proposals, "proposals"
    clipped, rows = np.asarray(p.refined_anchors_clipped), np.asarray(p.post_nms_ix)
    usable = (rows >= 0) & (rows < clipped.shape[1])
    if not clipped.shape[1] or not _own(trace, stage):
        return
    boxes = np.take_along_axis(clipped, np.where(usable, rows, 0)[..., None], axis=1)
    rois = np.asarray(p.rpn_rois)
    same = ~usable | (rois == boxes).all(axis=-1)
    yield from _where(stage, "rpn_rois", same, rois, "the box of its candidate, post_nms_ix")


def _own(trace, stage):
    """Whether the stage's own function made its result, and nobody edited it."""
    return trace.run.computed_by_model(stage)


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
    yield from _level_range(trace, "levels")


def _mask_levels(trace):
    yield from _level_range(trace, "mask_levels")


def _level_range(trace, stage):
    if problem := wrong_level(stage, getattr(trace, stage)):
        yield problem


def _crops(trace):
    yield from _each_roi_once(trace, "crops", "levels")


def _mask_crops(trace):
    yield from _each_roi_once(trace, "mask_crops", "mask_levels")


def _each_roi_once(trace, stage, levels):
    level = np.asarray(getattr(trace, levels).roi_level)
    times = np.zeros(level.shape, int)
    for k, ix in enumerate(getattr(trace, stage).ix, start=LOWEST):
        ix, name = np.asarray(ix), f"ix.{k - LOWEST}"
        there = ((ix >= 0) & (ix < level.shape)).all(axis=1)
        if not there.all():
            yield from _where(stage, name, there, ix, f"image and ROI of {list(level.shape)}")
            return
        rows = tuple(ix.T)
        np.add.at(times, rows, 1)
        yield from _where(stage, name, level[rows] == k, ix, f"ROIs of P{k}")
    yield from _where(stage, "ix", times == 1, times, "every ROI cropped once")


def _reorder(trace):
    yield from _every_crop_home(trace, "reordered")


def _mask_reorder(trace):
    yield from _every_crop_home(trace, "mask_reordered")


def _every_crop_home(trace, stage):
    result = getattr(trace, stage)
    order, came = np.asarray(result.final_order), np.asarray(result.box_to_level)
    inside = (order >= 0) & (order < len(order))
    times = np.bincount(order[inside], minlength=len(order))
    once = inside & (times[np.where(inside, order, 0)] == 1)
    yield from _where(stage, "final_order", once, order, "every row of the stack once")
    yield from _where(stage, "home", result.home, result.home, "every crop at its ROI")
    images, rois = np.asarray(result.home).shape
    places = np.stack(np.divmod(np.arange(images * rois), rois), axis=1)
    if once.all() and _own(trace, stage):
        right = (came[order, :2] == places).all(axis=1)
        yield from _where(stage, "final_order", right, order, "the row where its ROI's crop lies")


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
    classes = trace.config.num_classes
    real = ~valid | np.isin(rows[..., 4], np.arange(1, classes))
    yield from _where(stage, "detections", real, rows[..., 4], "a class other than background")
    yield from _index(stage, "class_ids", d.class_ids, 0, classes, f"0…{classes - 1}")
    rois = np.asarray(d.class_ids).shape[1]
    yield from _index(stage, "detection_roi", d.detection_roi, -1, rois, f"-1…{rois - 1}")


def _detections_are_rois(trace):
    d, stage = trace.detections, "detections"
    if not _own(trace, stage):
        return
    best = np.asarray(trace.box_head.mrcnn_class).argmax(axis=-1)
    ids = np.asarray(d.class_ids)
    yield from _where(stage, "class_ids", ids == best, ids, "the most probable class of its ROI")
    roi, rows = np.asarray(d.detection_roi), np.asarray(d.detections)
    usable = (roi >= 0) & (roi < ids.shape[1])
    scores = np.take_along_axis(np.asarray(d.class_scores), np.where(usable, roi, 0), axis=1)
    same = ~usable | (rows[..., 5] == scores)
    yield from _where(stage, "detections", same, rows[..., 5], "the score of its ROI")


def _masks(trace):
    mask, shape = np.asarray(trace.mask_head.class_mask), trace.detections.valid.shape
    yield from _where("mask_head", "class_mask", (mask >= 0) & (mask <= 1), mask, "0…1")
    rows = np.asarray(trace.mask_head.rows)
    there = ((rows >= 0) & (rows < tuple(shape))).all(axis=1)
    yield from _where("mask_head", "rows", there, rows, f"image and detection of {list(shape)}")


def _instances(trace):
    for i, rois in enumerate(trace.instances.rois):
        rois, (h, w) = np.asarray(rois), trace.image.original_shape[i, :2].tolist()
        inside = (rois >= 0) & (rois <= np.array([h, w, h, w]))
        yield from _where("instances", f"rois.{i}", inside, rois, f"inside {h} x {w} pixels")
        most = trace.detections.valid.shape[1]
        rows = trace.instances.detection[i]
        yield from _index("instances", f"detection.{i}", rows, 0, most, f"0…{most - 1}")
        shape, masks = (h, w, len(rois)), np.shape(trace.instances.masks[i])
        if masks != shape:
            yield Problem("instances", f"masks.{i}", (), f"shape {list(shape)}", str(list(masks)))


RULES = (
    _numbers,
    _window,
    _anchors,
    _rpn,
    _proposals,
    _rois_are_candidates,
    _levels,
    _mask_levels,
    _crops,
    _mask_crops,
    _reorder,
    _mask_reorder,
    _box_head,
    _detections,
    _detections_are_rois,
    _masks,
    _instances,
)
