"""The questions of notebooks 07 to 13: from the levels to the masks, and one object's path."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.lineage import Lineage
from mrcnn_explained.lessons.exercises import NotReady, Question
from mrcnn_explained.stages.levels import Rounding, assign_levels
from mrcnn_explained.stages.reorder import IMAGE_STEP

MASK_SIDE = 28  # pixels of a mask


def _level_of(side: float, rounding: Rounding) -> int:
    """Return the level of a square ROI, its side in pixels."""
    box = tf.constant([[[0.0, 0.0, side, side]]]) / 1024
    found = assign_levels(box, tf.constant([1024.0, 1024.0]), rounding=rounding)
    return int(found.roi_level.numpy().item())


def _most_changed_bins(explorer: Any) -> set[tuple[int, ...]]:
    """Return the bins that differ most between the ways of pooling in a CropsExplorer."""
    level = int(explorer.trace.levels.roi_level[explorer.image][explorer.settings["roi"].value])
    if level not in explorer.aligned:
        raise NotReady("Choose ROIAlign at *pooled by* in the explorer first.")
    aligned = np.asarray(explorer.aligned[level].pooled[0])
    plain = np.asarray(explorer.result[level].pooled[0][0])
    channel = explorer.settings["channel"].value
    one = (lambda crop: crop.mean(-1)) if channel < 0 else (lambda crop: crop[..., channel])
    change = np.abs(one(aligned) - one(plain))
    return {tuple(place) for place in np.argwhere(change >= 0.99 * change.max()).tolist()}


def _count(mask: Any) -> int:
    """Return how often a mask of image 0 is True."""
    return int(np.sum(np.asarray(mask)[0]))


def _foreground(trace: Trace) -> np.ndarray:
    """Return which ROIs have a most probable class other than background."""
    return np.asarray(trace.detections.is_foreground) & np.asarray(trace.proposals.valid)


SECOND = {
    "07.1": Question(
        lambda _: _level_of(100, "round"),
        "log2(100 / 224) is -1.16, which rounds to -1; 4 - 1 = 3.",
        (
            "Is the ROI larger or smaller than the 224 of the equation?",
            "Put w = h = 100 into the equation at the top.",
            "4 + log2(100 / 224), rounded to the nearest whole number.",
        ),
    ),
    "07.2": Question(
        lambda _: _level_of(100, "floor"),
        "log2(100 / 224) is -1.16, and the next whole number below it is -2; 4 - 2 = 2.",
        (
            "Only the last step differs from the question above.",
            "Rounding down of a negative number goes away from 0.",
            "4 + log2(100 / 224), cut down to the whole number below.",
        ),
    ),
    "07.3": Question(
        lambda trace: int(np.sum(np.abs(np.asarray(trace.levels.margin)[0]) < 5)),
        "`margin` is the distance of the ROI's side from the nearest boundary. ROIs close to one "
        "change their level when the box moves by a few pixels.",
        (
            "Boundaries are the sides at which the level changes.",
            "`describe(trace.levels)` lists a tensor with the distance from the boundary.",
            "Count where the absolute value of `trace.levels.margin[0]` is below 5.",
        ),
        Trace,
    ),
    "08.1": Question(
        lambda trace: int(trace.crops.ix[0].shape[0]),
        "Each level has its own list; that of P2 is the first one.",
        (
            "The crops are made level by level.",
            "`trace.crops.ix` has one tensor per level, P2 first.",
            "It is the number of rows of `trace.crops.ix[0]`.",
        ),
        Trace,
    ),
    "08.2": Question(
        lambda _: 7 * 7,
        "`crop_and_resize` takes one sample per cell of the crop and averages nothing.",
        (
            "How many values has a crop in one channel?",
            "The first figure draws the samples as points: count a row of them.",
            "One sample for each of the 7 x 7 cells of the crop.",
        ),
    ),
    "08.3": Question(
        lambda _: 7 * 7 * 2 * 2,
        "ROIAlign takes four samples in each of the 7 x 7 bins and averages them.",
        (
            "Each bin has samples of its own.",
            "Compare with the question above: what is there four of?",
            "Number of bins x samples per bin.",
        ),
    ),
    "08.4": Question(
        _most_changed_bins,
        "The ways of pooling differ most where the map changes fast: between the outer samples of "
        "`crop_and_resize`, on the border of the box, and the samples inside the bins.",
        (
            "The explorer shows the difference of the two ways beside each crop.",
            "Look at the panel of the ROI's own level, and count rows and columns from 0.",
            "It is the brightest bin of *difference* on the level that the ROI reads.",
        ),
    ),
    "09.1": Question(
        lambda _: 2 * IMAGE_STEP + 7,
        "The key is image x 100,000 + ROI.",
        (
            "One number is made of two.",
            "The section about sorting by one key has the formula.",
            "image x 100,000 + ROI, both counted from 0.",
        ),
    ),
    "09.2": Question(
        lambda trace: int(trace.reordered.final_order[2]),
        "`final_order` holds, for each ROI, the row of the stack that becomes its crop.",
        (
            "In the small case above, ROI 0 takes its crop from row 2.",
            "`describe(trace.reordered)` lists the tensors: which has one row per ROI?",
            "The entry of `final_order` for ROI 2, counted from 0.",
        ),
        Trace,
    ),
    "09.3": Question(
        lambda _: "reverse",
        "`top_k` sorts in descending order, and the code reverses its result by `[::-1]`.",
        (
            "The keys stay as they are.",
            "Look at the code cell that compares `top_k` with `np.lexsort`.",
            "`[::-1]` takes a list from its end to its start.",
        ),
        options=("negate", "reverse"),
    ),
    "10.1": Question(
        lambda trace: int(np.prod(trace.box_head.mrcnn_bbox.shape[2:])),
        "The head returns four deltas for each class, the background included.",
        (
            "More than four.",
            "`trace.box_head.mrcnn_bbox` is [images, ROIs, classes, deltas].",
            "Number of classes x 4.",
        ),
        Trace,
    ),
    "10.2": Question(
        lambda trace: _count(np.asarray(trace.proposals.valid) & ~_foreground(trace)),
        "Most ROIs are background: the RPN proposes many boxes, and class 0 is the most probable "
        "one of these.",
        (
            "Class 0 is the background.",
            "`probabilities.argmax(-1)` is the most probable class of each ROI.",
            "Count the ROIs whose most probable class is 0; padded rows do not count.",
        ),
        Trace,
    ),
    "10.3": Question(
        lambda _: 1 * 100,
        "Folding makes one axis of images and ROIs.",
        (
            "Folding joins the first two axes.",
            "The section on folding names the two axes.",
            "Images x ROIs.",
        ),
    ),
    "11.1": Question(
        lambda trace: _count(_foreground(trace)),
        "The first filter drops the ROIs whose most probable class is the background.",
        (
            "It is the first filter of the cascade above.",
            "`d.is_foreground` holds the filter's answer for each ROI.",
            "Count where `d.is_foreground` and `trace.proposals.valid` are both True.",
        ),
        Trace,
    ),
    "11.2": Question(
        lambda trace: _count(
            _foreground(trace)
            & np.asarray(trace.detections.is_confident)
            & ~np.asarray(trace.detections.survives_nms)
        ),
        "These ROIs are confident, but another ROI of their class overlaps them with a higher "
        "score.",
        (
            "NMS sees only what the filters upstream of it passed.",
            "`d.is_confident` and `d.survives_nms` are the answers of two filters.",
            "Count the ROIs that are foreground and confident, but do not survive NMS.",
        ),
        Trace,
    ),
    "11.3": Question(
        lambda _: "no",
        "NMS runs within each class, so boxes of two classes never suppress each other.",
        (
            "How many lists of boxes does this NMS sort?",
            "The figure above has one column per class.",
            "Only boxes of one class are compared.",
        ),
        options=("yes", "no"),
    ),
    "12.1": Question(
        lambda trace: trace.mask_head.mrcnn_mask.shape[0] * trace.mask_head.mrcnn_mask.shape[3],
        "The head draws one mask per class for every detection; the box head's class decides "
        "which one is used.",
        (
            "Every detection has more than one mask.",
            "`trace.mask_head.mrcnn_mask` is [detections, 28, 28, classes].",
            "Detections x classes.",
        ),
        Trace,
    ),
    "12.2": Question(
        lambda _: 280 / MASK_SIDE,
        "The 28 columns of the mask are spread over 280 pixels.",
        (
            "The whole mask covers the whole box.",
            "How many pixels wide is a mask?",
            "Width of the box / width of the mask.",
        ),
    ),
    "12.3": Question(
        lambda _: "sigmoid",
        "Each class has a sigmoid of its own, so mask and class are decoupled (section 3 of Mask "
        "R-CNN): several masks may be 1 at one pixel.",
        (
            "Look at the masks of all classes for one detection: can two be bright at one place?",
            "Do the values of all classes at one pixel of `mrcnn_mask` add up to 1?",
            "Values that compete add up to 1; these do not.",
        ),
        options=("softmax", "sigmoid"),
    ),
    "13.1": Question(
        lambda line: int(line.numbers("anchors")["level"]),
        "The RPN reads every level, and this anchor's cell is on that one.",
        (
            "The first step of the lineage is about it.",
            "`line.numbers('anchors')` holds level, cell, scale and ratio.",
            "`line.numbers('anchors')['level']`.",
        ),
        Lineage,
    ),
    "13.2": Question(
        lambda line: int(line.numbers("levels")["roi_level"]),
        "The ROI's own size decides, not the level of its anchor.",
        (
            "It need not be the level of the anchor.",
            "Put the ROI's side into the equation of notebook 07.",
            "`line.numbers('levels')` holds the side, the exact level and the rounded one.",
        ),
        Lineage,
    ),
    "13.3": Question(
        lambda line: float(line.numbers("levels")["margin"]),
        "It is the side minus the boundary: positive above it, negative below.",
        (
            "At which side would this ROI read another level?",
            "`line.numbers('levels')` holds the side and its distance from the boundary.",
            "Side of the ROI minus the nearest boundary (79, 158 or 317 pixels).",
        ),
        Lineage,
        within=0.5,
    ),
}
