"""Invariants: what must hold in every run, whatever the image and the weights."""

from collections.abc import Callable

import numpy as np

from mrcnn_explained.detector.finite import not_finite
from mrcnn_explained.detector.ranges import misfits, missing_rows
from mrcnn_explained.detector.schema import Problem
from mrcnn_explained.detector.trace import COMPUTED, Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.conditions import (
    Problems,
    must_be_boxes,
    must_be_probabilities,
    must_be_zero_padded,
    must_fall,
    must_hold,
    must_start_valid,
)
from mrcnn_explained.stages.levels import LOWEST


def check(trace: Trace) -> list[Problem]:
    """Return what is wrong with a trace, in the order of the data; [] for a sound trace.

    Tensors that were left out when the trace was saved are not checked.
    """
    problems = list(misfits(trace, COMPUTED))
    if problems:  # the other invariants would fail on these shapes
        return problems
    found = [problem for rule in RULES for problem in _problems_of(rule, trace)]
    return sorted(found, key=lambda problem: COMPUTED.index(problem.stage))


def _problems_of(rule: Callable[[Trace], Problems], trace: Trace) -> Problems:
    """Yield the problems that one rule finds, until it needs a tensor that was left out."""
    try:
        yield from rule(trace)
    except InputError:  # a tensor that was left out when the trace was saved
        return


def _numbers(trace: Trace) -> Problems:
    """No tensor holds NaN; only levels of ROIs without area are infinite."""
    yield from not_finite(trace.tensors())


def _window(trace: Trace) -> Problems:
    """The window lies within the molded image."""
    window, (height, width) = np.asarray(trace.image.window), trace.image.molded.shape[1:3]
    y1, x1, y2, x2 = window.T
    inside = (y1 >= 0) & (y1 < y2) & (y2 <= height) & (x1 >= 0) & (x1 < x2) & (x2 <= width)
    expected = f"a window within {height} x {width}"
    yield from must_hold("image", "window", inside, window, expected)


def _anchors(trace: Trace) -> Problems:
    """Every anchor has a row of scores."""
    rows, anchors = trace.rpn.rpn_class.shape[1], trace.anchors.level.shape[0]
    if rows != anchors:
        expected = f"a row for each of {anchors} anchors"
        yield Problem("rpn", "rpn_class", (), expected, f"{rows} rows")


def _rpn(trace: Trace) -> Problems:
    """The RPN's classes are probabilities."""
    yield from must_be_probabilities("rpn", "rpn_class", trace.rpn.rpn_class)


def _proposals(trace: Trace) -> Problems:
    """Candidates are in order and within the image; the kept ones are as many as the ROIs."""
    p, stage = trace.proposals, "proposals"
    yield from must_fall(stage, "scores", p.scores)
    candidates = np.asarray(p.scores).shape[1]
    yield from must_be_boxes(stage, "refined_anchors_clipped", p.refined_anchors_clipped)
    if not trace.has_given_rois:  # boxes of the caller may reach beyond the image
        yield from must_be_boxes(stage, "rpn_rois", p.rpn_rois)
    yield from must_start_valid(stage, "valid", p.valid)
    yield from must_be_zero_padded(stage, "rpn_rois", p.rpn_rois, p.valid)
    if candidates and trace.run.computed_by_model(stage):
        kept = (np.asarray(p.nms.rank) >= 0).sum(axis=1)
        real = np.asarray(p.valid).sum(axis=1)
        yield from must_hold(stage, "nms.rank", kept == real, kept, "as many kept as ROIs")


def _rois_are_candidates(trace: Trace) -> Problems:
    """Every ROI is the box of the candidate that it comes from."""
    p, stage = trace.proposals, "proposals"
    clipped, rows = np.asarray(p.refined_anchors_clipped), np.asarray(p.post_nms_ix)
    if not clipped.shape[1] or not trace.run.computed_by_model(stage):
        return
    usable = (rows >= 0) & (rows < clipped.shape[1])
    boxes = np.take_along_axis(clipped, np.where(usable, rows, 0)[..., None], axis=1)
    rois = np.asarray(p.rpn_rois)
    same = ~usable | (rois == boxes).all(axis=-1)
    yield from must_hold(stage, "rpn_rois", same, rois, "the box of its candidate, post_nms_ix")


def _crops(trace: Trace) -> Problems:
    """Every ROI is cropped once, from its level."""
    yield from _each_roi_once(trace, "crops", "levels")


def _mask_crops(trace: Trace) -> Problems:
    """Every detection is cropped once for its mask, from its level."""
    yield from _each_roi_once(trace, "mask_crops", "mask_levels")


def _each_roi_once(trace: Trace, stage: str, levels: str) -> Problems:
    """The lists of the levels hold every ROI once, each in the list of the level it reads."""
    level = np.asarray(getattr(trace, levels).roi_level)
    times = np.zeros(level.shape, int)
    for k, ix in enumerate(getattr(trace, stage).ix, start=LOWEST):
        ix, name = np.asarray(ix), f"ix.{k - LOWEST}"
        exists = ((ix >= 0) & (ix < level.shape)).all(axis=1)
        if not exists.all():  # `missing_rows` reports it
            return
        rows = tuple(ix.T)
        np.add.at(times, rows, 1)
        yield from must_hold(stage, name, level[rows] == k, ix, f"ROIs of P{k}")
    yield from must_hold(stage, "ix", times == 1, times, "every ROI cropped once")


def _reorder(trace: Trace) -> Problems:
    """The crops of the box head are back at their ROIs."""
    yield from _every_crop_home(trace, "reordered")


def _mask_reorder(trace: Trace) -> Problems:
    """The crops of the mask head are back at their detections."""
    yield from _every_crop_home(trace, "mask_reordered")


def _every_crop_home(trace: Trace, stage: str) -> Problems:
    """The final order is a permutation of the stack that puts every crop at its ROI."""
    result = getattr(trace, stage)
    order, stack = np.asarray(result.final_order), np.asarray(result.box_to_level)
    inside = (order >= 0) & (order < len(order))
    times = np.bincount(order[inside], minlength=len(order))
    once = inside & (times[np.where(inside, order, 0)] == 1)
    yield from must_hold(stage, "final_order", once, order, "every row of the stack once")
    yield from must_hold(stage, "home", result.home, result.home, "every crop at its ROI")
    images, rois = np.asarray(result.home).shape
    places = np.stack(np.divmod(np.arange(images * rois), rois), axis=1)
    if once.all() and trace.run.computed_by_model(stage):
        right = (stack[order, :2] == places).all(axis=1)
        expected = "the row where its ROI's crop lies"
        yield from must_hold(stage, "final_order", right, order, expected)


def _box_head(trace: Trace) -> Problems:
    """The box head's classes are probabilities."""
    yield from must_be_probabilities("box_head", "mrcnn_class", trace.box_head.mrcnn_class)


def _detections(trace: Trace) -> Problems:
    """Detections are boxes of objects, in order of score, above the confidence threshold."""
    d, stage = trace.detections, "detections"
    rows, valid = np.asarray(d.detections), np.asarray(d.valid)
    class_ids, scores = rows[..., 4], rows[..., 5]
    yield from must_be_boxes(stage, "detections", rows[..., :4])
    yield from must_start_valid(stage, "valid", valid)
    yield from must_be_zero_padded(stage, "detections", rows, valid)
    yield from must_fall(stage, "detections", scores)
    least = trace.config.detection_min_confidence
    enough = ~valid | (scores >= np.float32(least))
    yield from must_hold(stage, "detections", enough, scores, f"a score from {least:g} on")
    classes = trace.config.num_classes
    is_object = ~valid | np.isin(class_ids, np.arange(1, classes))
    expected = "a class other than background"
    yield from must_hold(stage, "detections", is_object, class_ids, expected)


def _detections_are_rois(trace: Trace) -> Problems:
    """Classes are the most probable ones, and a detection has the score of its ROI."""
    d, stage = trace.detections, "detections"
    if not trace.run.computed_by_model(stage):
        return
    best = np.asarray(trace.box_head.mrcnn_class).argmax(axis=-1)
    ids = np.asarray(d.class_ids)
    yield from must_hold(stage, "class_ids", ids == best, ids, "the most probable class of its ROI")
    roi, rows = np.asarray(d.detection_roi), np.asarray(d.detections)
    usable = (roi >= 0) & (roi < ids.shape[1])
    scores = np.take_along_axis(np.asarray(d.class_scores), np.where(usable, roi, 0), axis=1)
    same = ~usable | (rows[..., 5] == scores)
    yield from must_hold(stage, "detections", same, rows[..., 5], "the score of its ROI")


def _masks(trace: Trace) -> Problems:
    """Masks are probabilities."""
    mask = np.asarray(trace.mask_head.class_mask)
    inside = (mask >= 0) & (mask <= 1)
    yield from must_hold("mask_head", "class_mask", inside, mask, "0…1")


def _instances(trace: Trace) -> Problems:
    """Boxes and masks lie within the original image."""
    for i, boxes in enumerate(trace.instances.rois):
        boxes, (h, w) = np.asarray(boxes), np.asarray(trace.image.original_shape[i])[:2].tolist()
        inside = (boxes >= 0) & (boxes <= np.array([h, w, h, w]))
        yield from must_hold("instances", f"rois.{i}", inside, boxes, f"inside {h} x {w} pixels")
        shape, actual = (h, w, len(boxes)), np.shape(trace.instances.masks[i])
        if actual != shape:
            expected = f"shape {list(shape)}"
            yield Problem("instances", f"masks.{i}", (), expected, str(list(actual)))


RULES: tuple[Callable[[Trace], Problems], ...] = (
    _numbers,
    missing_rows,
    _window,
    _anchors,
    _rpn,
    _proposals,
    _rois_are_candidates,
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
