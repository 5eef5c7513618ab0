"""What the second stage says about candidates: on the levels that the run read, or on every level.

With a model the box head is asked about every candidate on each of P2…P5, and the mask head about
every box that some setting of the Map may report. The stages' own functions are asked, as `infer`
calls them. The run's own answers always come from the trace.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float32, Int

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.resume import plan_resumption
from mrcnn_explained.detector.settings import stage_settings
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import OneImage, level_settings
from mrcnn_explained.scenes.map_candidates import Candidates
from mrcnn_explained.scenes.map_controls import level_changes, settings_of
from mrcnn_explained.scenes.map_format import Control
from mrcnn_explained.stages.crops import crop_levels
from mrcnn_explained.stages.detections import select_detections
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS, assign_levels

MOST_CANDIDATES = 6000  # that are asked about; the demo has 1000
MOST_MASKS = 1500
ROIS_AT_ONCE, MASKS_AT_ONCE = 500, 100  # rows that go through a head together


class Answers(NamedTuple):
    """The second stage's answers, a row for each pair of level and candidate that was asked."""

    of: Int[np.ndarray, "4 K+1"]  # row; -1: not asked
    classes: Float32[np.ndarray, "R C"]  # probabilities
    deltas: Float32[np.ndarray, "R 4"]  # of the best class, in standard deviations
    refined: Float32[np.ndarray, "R 4"]  # clipped to the window, normalised


class Masks(NamedTuple):
    """The mask head's answers, a row for each pair of answer and level that was asked."""

    of: Int[np.ndarray, "R 4"]  # row; -1: not asked
    masks: Float32[np.ndarray, "n M M"]
    left_out: int  # masks that some setting may report, beyond MOST_MASKS


def own_answers(one: OneImage, candidates: Candidates) -> Answers:
    """Return the answers that the trace holds: each ROI's on its own level."""
    of = np.full((len(ROI_LEVELS), len(candidates.boxes)), -1)
    level = one.of("levels", "roi_level") - LOWEST
    rows = np.arange(len(level))
    # Padded ROIs all have one answer: the last candidate stands for them.
    of[level[::-1], candidates.of_roi[::-1]] = rows[::-1]
    return Answers(
        of=of,
        classes=one.of("box_head", "mrcnn_class"),
        deltas=one.of("detections", "deltas_specific"),
        refined=one.of("detections", "refined_rois_clipped"),
    )


def ask_boxes(
    model: MaskRCNN, trace: Trace, image: int, candidates: Candidates, own: Answers
) -> Answers:
    """Return the box head's answers about candidates on every level, the run's own among them.

    own    `own_answers`: they take the place of the same questions asked again
    """
    boxes = candidates.boxes
    chosen = np.unique([*range(min(len(boxes), MOST_CANDIDATES)), *candidates.of_roi])
    asked = [_ask(model, trace, image, boxes[chosen], level) for level in ROI_LEVELS]
    of = np.full((len(ROI_LEVELS), len(boxes)), -1)
    of[:, chosen] = np.arange(len(ROI_LEVELS) * len(chosen)).reshape(len(ROI_LEVELS), -1)
    classes, deltas, refined = (np.concatenate(parts) for parts in zip(*asked, strict=True))
    mine = own.of >= 0
    for values, theirs in ((classes, own.classes), (deltas, own.deltas), (refined, own.refined)):
        values[of[mine]] = theirs[own.of[mine]]
    return Answers(of, classes, deltas, refined)


def _ask(
    model: MaskRCNN, trace: Trace, image: int, boxes: Float32[np.ndarray, "n 4"], level: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask the box head about boxes on one level: classes, deltas and refined boxes."""
    parts = []
    shape = tf.constant(trace.image.molded_shape[image][:2], tf.float32)
    window = norm_boxes(tf.constant(trace.image.window[image], tf.float32), shape)
    # Only class and box are asked: with a confidence that none reaches, no NMS runs.
    never = {"min_confidence": 2.0, "max_instances": 1}
    settings = {**stage_settings(trace.config, "detections"), **never}
    norm = model.norm_settings(training=False)
    for start in range(0, len(boxes), ROIS_AT_ONCE):
        rois = boxes[start : start + ROIS_AT_ONCE]
        crops = _crops(trace, image, rois, level, trace.config.pool_size)
        head = model.box_head(crops[tf.newaxis], **norm)
        found = select_detections(
            rois[np.newaxis], head.mrcnn_class, head.mrcnn_bbox, window[tf.newaxis], **settings
        )
        answer = (head.mrcnn_class, found.deltas_specific, found.refined_rois_clipped)
        parts.append([np.asarray(values[0]) for values in answer])
    classes, deltas, refined = (np.concatenate(values) for values in zip(*parts, strict=True))
    return classes, deltas, refined


def _crops(
    trace: Trace, image: int, boxes: Float32[np.ndarray, "n 4"], level: int, size: int
) -> Float32[tf.Tensor, "n P P F"]:
    """Crop boxes of one image from one level."""
    features = tf.constant(trace.pyramid.roi_maps[level - LOWEST][image : image + 1])
    levels = tf.fill([1, len(boxes)], level)
    rois = tf.constant(boxes[np.newaxis])
    (pooled,) = crop_levels(rois, levels, [features], pool_size=size, lowest=level).pooled
    return pooled


def check_model(model: MaskRCNN, trace: Trace) -> None:
    """Raise InputError unless the model made the trace and could go on from its pyramid."""
    plan_resumption(trace, model, "pyramid", {})


def own_masks(one: OneImage, answers: Answers, candidates: Candidates) -> Masks:
    """Return the masks that the trace holds: each detection's on its own level."""
    of = np.full((len(answers.classes), len(ROI_LEVELS)), -1)
    roi = one.of("detections", "detection_roi")
    valid = roi >= 0
    level = one.of("levels", "roi_level")[roi[valid]] - LOWEST
    answer = answers.of[level, candidates.of_roi[roi[valid]]]
    mask_level = one.of("mask_levels", "roi_level")[valid] - LOWEST
    of[answer, mask_level] = np.arange(valid.sum())
    return Masks(of, one.of("mask_head", "class_mask")[valid], 0)


def ask_masks(
    model: MaskRCNN,
    trace: Trace,
    image: int,
    candidates: Candidates,
    answers: Answers,
    own: Masks,
    controls: list[Control],
) -> Masks:
    """Return the masks of every detection that some setting of the Map may report.

    own         `own_masks`: they come first
    controls    of the Map: masks are asked for the settings that their steps can make
    """
    wanted = _reportable(trace, image, candidates, answers, controls) & (own.of < 0)
    rows, levels = np.nonzero(wanted)
    order = np.argsort(-answers.classes[rows].max(axis=1), kind="stable")
    room = max(MOST_MASKS - len(own.masks), 0)
    left_out = max(len(order) - room, 0)
    rows, levels = rows[order[:room]], levels[order[:room]]
    of, masks = own.of.copy(), [own.masks]
    count = len(own.masks)
    for level in ROI_LEVELS:
        here = rows[levels == level - LOWEST]
        for start in range(0, len(here), MASKS_AT_ONCE):
            some = here[start : start + MASKS_AT_ONCE]
            masks.append(_masks(model, trace, image, answers, some, level))
            of[some, level - LOWEST] = np.arange(count, count + len(some))
            count += len(some)
    return Masks(of, np.concatenate(masks), left_out)


def _masks(
    model: MaskRCNN, trace: Trace, image: int, answers: Answers, rows: np.ndarray, level: int
) -> Float32[np.ndarray, "n M M"]:
    """Ask the mask head about the boxes of answers on one level."""
    crops = _crops(trace, image, answers.refined[rows], level, trace.config.mask_pool_size)
    classes = tf.constant(answers.classes[rows].argmax(axis=1)[np.newaxis], tf.int32)
    every = tf.ones_like(classes, tf.bool)
    norm = model.norm_settings(training=False)
    return np.asarray(model.mask_head(crops[tf.newaxis], classes, every, **norm).class_mask[0])


def _reportable(
    trace: Trace,
    image: int,
    candidates: Candidates,
    answers: Answers,
    controls: list[Control],
) -> Bool[np.ndarray, "R 4"]:
    """Mark the pairs (answer, mask level) that some combination of the controls may report."""
    shape = tf.constant(trace.image.molded_shape[image][:2], tf.float32)
    settings = settings_of(trace)
    thresholds = [
        float(step)
        for control in controls
        if control["key"] == "rpnNms"
        for step in control["steps"]
    ]
    kept = candidates.kept(thresholds, settings["rois"])
    wanted = np.zeros((len(answers.classes), len(ROI_LEVELS)), bool)
    objects = answers.classes.argmax(axis=1) > 0
    for change in level_changes(controls, settings):
        rule = {**level_settings(trace), **change}
        mask_rule = {**level_settings(trace, "mask_levels"), **change}
        level = _levels(candidates.boxes[kept], shape, rule)
        rows = answers.of[level, kept]
        rows = rows[(rows >= 0) & objects[rows]]
        wanted[rows, _levels(answers.refined[rows], shape, mask_rule)] = True
    return wanted


def _levels(
    boxes: Float32[np.ndarray, "n 4"], shape: tf.Tensor, rule: Mapping[str, Any]
) -> Int[np.ndarray, "n"]:
    """Return the place among P2…P5 that each box reads."""
    assigned = assign_levels(tf.constant(boxes[np.newaxis]), shape, **rule)
    return np.asarray(assigned.roi_level[0]) - LOWEST
