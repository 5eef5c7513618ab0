"""The questions of notebooks 00 to 06: from the image to the proposals."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import iou
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.lessons.exercises import NotReady, Question
from mrcnn_explained.stages.image import MoldedImage

COVERED = 0.5  # IoU from which a box covers an object, as in why_missed
FITS = 0.8  # IoU from which an anchor fits the object of the task


def _small_object_fits(explorer: Any) -> bool:
    """Whether the chosen cell of an AnchorsExplorer is of P2 and has an anchor that fits."""
    anchors, chosen = explorer.result, explorer.settings
    here = np.asarray(anchors.level) == 2
    for name in ("level", "row", "column"):
        here &= np.asarray(getattr(anchors, name)) == chosen[name].value
    return bool(explorer.overlaps[here].max(initial=0) >= FITS)


def _covered(trace: Trace, proposals: Any, image: int) -> int:
    """Return how many detected objects an ROI covers."""
    rows = np.asarray(trace.detections.detections[image])[np.asarray(trace.detections.valid[image])]
    if not len(rows):
        raise NotReady("No object was detected in this image, so none can lose its last box.")
    rois = np.asarray(proposals.rpn_rois)[np.asarray(proposals.valid)]
    overlaps = iou(tf.constant(rows[:, :4], tf.float32), tf.constant(rois, tf.float32)).numpy()
    return int((overlaps.max(axis=1, initial=0) >= COVERED).sum())


def _object_lost(explorer: Any) -> bool:
    """Whether an object that had an ROI has none with the settings of a ProposalsExplorer."""
    trace, image = explorer.trace, explorer.image
    one = slice(image, image + 1)
    own = trace.proposals._replace(
        rpn_rois=trace.proposals.rpn_rois[one], valid=trace.proposals.valid[one]
    )
    return _covered(trace, explorer.result, image) < _covered(trace, own, image)


def _most_suppressing(trace: Trace) -> set[int]:
    """Return the candidates that suppressed the most others."""
    by = np.asarray(trace.proposals.nms.suppressed_by[0])
    counts = np.bincount(by[by >= 0], minlength=1)
    return set(np.flatnonzero(counts == counts.max()).tolist())


FIRST = {
    "00.1": Question(
        lambda trace: len(trace.instances.class_ids[0]),
        "Each row of `instances` is one object: a detection whose box has an area.",
        (
            "Every mask in the first image counts once.",
            "`describe(trace.instances)` lists its tensors with their shapes.",
            "It is the length of `trace.instances.class_ids[0]`.",
        ),
        Trace,
    ),
    "00.2": Question(
        lambda trace: int(np.sum(trace.proposals.valid)),
        "The list of ROIs has a fixed length. Rows without a proposal are padding, where `valid` "
        "is False; the filters drop them later.",
        (
            "The number of rows of `rpn_rois` is not the answer if some of them are padding.",
            "A tensor of `trace.proposals` marks the real rows.",
            "Count how often `trace.proposals.valid` is True.",
        ),
        Trace,
    ),
    "00.3": Question(
        lambda trace: len(np.unique(trace.levels.roi_level)),
        "An image with small and large objects has ROIs of many sizes, and each size reads the "
        "level where it covers a similar number of cells.",
        (
            "The explorer above colours each ROI by its level: how many colours are there?",
            "`trace.levels.roi_level` holds the level of each ROI.",
            "Count the different values in `roi_level`.",
        ),
        Trace,
    ),
    "01.1": Question(
        lambda molded: int(molded.padding[0, 0, 0]),
        "The scaled image leaves rows free. Half of them are above it, the rest below.",
        (
            "It is a number of pixels of the molded image, not of the original.",
            "Look at `molded.padding`: axis, then before and after.",
            "(side of the square - height of the scaled image) / 2, rounded down.",
        ),
        MoldedImage,
    ),
    "01.2": Question(
        lambda model: -model.config.mean_pixel[0],
        "Black is 0, and molding subtracts the mean of red from it.",
        (
            "What does molding subtract?",
            "The mean pixel is printed above; red comes first.",
            "0 minus the mean of red.",
        ),
        MaskRCNN,
        within=0.1,
    ),
    "01.3": Question(
        lambda molded: molded.image_meta.shape[1],
        "`image_meta` is 1 id, 3 + 3 numbers of shapes, 4 of the window, 1 scale, and one number "
        "per class.",
        (
            "Some of its parts have several numbers each.",
            "The cell that calls `unpack_meta` prints all parts.",
            "1 + 3 + 3 + 4 + 1, and one per class; the background is a class, too.",
        ),
        MoldedImage,
    ),
    "02.1": Question(
        lambda trace: trace.image.molded.shape[1] // trace.backbone.c4.shape[1],
        "C4 has a stride of this many pixels: each step in the map is that far in the image.",
        (
            "Compare the size of the image with the size of the map.",
            "`describe(trace.backbone)` shows the shape of c4, `trace.image.molded.shape` the "
            "image's.",
            "Side of the molded image / side of C4.",
        ),
        Trace,
    ),
    "02.2": Question(
        lambda _: 32 * 64,
        "A ResNet's widths double from stage to stage: 4, 8, 16 and 32 times 64 for C2 to C5.",
        (
            "C2 of such a network has 256 channels.",
            "Compare the channels of c2, c3, c4 and c5 in the table above: what is their pattern?",
            "From each stage to the next the channels double; start with 256 at C2.",
        ),
    ),
    "02.3": Question(
        lambda trace: round(np.size(trace.backbone.c2) / np.size(trace.backbone.c3)),
        "A quarter of the cells, but twice the channels: half of the values.",
        (
            "Values are rows times columns times channels.",
            "Multiply the numbers in the shapes of c2 and c3, and divide.",
            "Each side halves, so cells shrink by 4; the channels double.",
        ),
        Trace,
    ),
    "03.1": Question(
        lambda trace: math.prod(trace.pyramid.p3.shape[1:3]),
        "The stride of P3 is 8, so its sides are an eighth of the image's.",
        (
            "Cells are places of the map; its channels do not count.",
            "`trace.pyramid.p3.shape` is [images, rows, columns, channels].",
            "Rows times columns of P3.",
        ),
        Trace,
    ),
    "03.2": Question(
        lambda _: 5,
        "The top-down path starts at P5: there is no coarser sum that could be added to it.",
        (
            "At which level does the top-down path begin?",
            "Count the fields: there is one more lateral map than there are upsampled maps.",
            "Each sum adds the level above, doubled; the coarsest of the laterals has none above.",
        ),
    ),
    "03.3": Question(
        lambda trace: len(trace.pyramid.roi_maps),
        "ROIs read P2 to P5. P6 serves the RPN's largest anchors only.",
        (
            "The RPN reads more levels than the ROIs do.",
            "Compare the two lists that are printed above.",
            "`mrcnn_feature_maps` is what ROIs are cropped from.",
        ),
        Trace,
    ),
    "03b.1": Question(
        lambda _: 1 / 3,
        "They share half of one area and cover one and a half together.",
        (
            "It is less than a half.",
            "Take two boxes of area 1: which area do they share, and which do they cover together?",
            "Shared area / (area + area - shared area).",
        ),
        within=0.01,
    ),
    "03b.2": Question(
        lambda _: math.log(2),
        "The height is multiplied by exp(dh), and exp(log 2) is 2.",
        (
            "dh itself is not the factor.",
            "In the formula, what becomes of dh before it multiplies the height?",
            "Solve exp(dh) = 2.",
        ),
        within=0.01,
    ),
    "03b.3": Question(
        lambda _: 160 / 32,
        "A cell of P5 stands for 32 pixels, the stride of P5.",
        (
            "A coarse map has few cells in it.",
            "The section on levels prints the cells of an object of 112 pixels on each level.",
            "Side of the object / stride of P5, which is 32.",
        ),
    ),
    "04.1": Question(
        lambda trace: int(np.sum(np.asarray(trace.anchors.level) == 6)),
        "P6 has one cell per 64 x 64 pixels, and each cell has one anchor per ratio.",
        (
            "Two numbers multiply: how many cells, and how many anchors in each.",
            "The cell above prints the anchors of each level.",
            "(side of the image / 64) squared, times the number of ratios.",
        ),
        Trace,
    ),
    "04.2": Question(
        lambda trace: 100 * float(np.mean(np.asarray(trace.anchors.level) == 2)),
        "Each level has a quarter of the cells of the next finer one, so P2 has about three "
        "quarters of all anchors.",
        (
            "It is a majority.",
            "The counts per level are printed above.",
            "Anchors of P2 / anchors of all levels x 100.",
        ),
        Trace,
        within=1,
    ),
    "04.3": Question(
        lambda _: 64 / math.sqrt(0.5),
        "Height is scale / sqrt(ratio) and width is scale x sqrt(ratio): the area stays 64 x 64.",
        (
            "It is taller than its scale.",
            "The cell above computes `height` from scale and ratio.",
            "scale / sqrt(ratio).",
        ),
        within=0.6,
    ),
    "04.4": Question(
        _small_object_fits,
        "The anchor that fits has about the object's area, and its cell is about the object's "
        "centre. The RPN has to move it only a little.",
        (
            "Compare the object's side with the size of P2's anchors.",
            "The text beside the image shows the best IoU of each level; the map is brightest at "
            "the cells that fit.",
            "Drag the handles until the object is about as large as the anchors of P2, choose P2, "
            "and click the brightest cell of the map; move the object a little if the IoU is below "
            "0.8.",
        ),
        is_task=True,
    ),
    "05.1": Question(
        lambda _: 6,
        "Two logits (background, object) and four deltas (dy, dx, dh, dw).",
        (
            "There are two kinds of output for each anchor.",
            "Look at the last axis of `rpn_class_logits` and of `rpn_bbox`.",
            "The logits, and the deltas; the probabilities are only the softmax of the logits.",
        ),
    ),
    "05.2": Question(
        lambda trace: int(np.sum(np.asarray(trace.rpn.rpn_class)[0, :, 1] >= 0.9)),
        "Several anchors around each object have a high score. NMS reduces them later.",
        (
            "There are more of them than objects.",
            "`probability`, computed above, holds the score of every anchor.",
            "Count where `probability >= 0.9`.",
        ),
        Trace,
    ),
    "05.3": Question(
        lambda _: math.exp(0.2),
        "dh = 1.0 x 0.2 after the multiplication, and the height is multiplied by exp(dh).",
        (
            "First bring dh back to its own unit.",
            "The formula is in the first cell of this notebook: what is done with dh?",
            "exp(dh x 0.2).",
        ),
        within=0.02,
    ),
    "06.1": Question(
        lambda trace: trace.proposals.scores.shape[1],
        "NMS gets the `pre_nms_limit` anchors of the best scores, and no others.",
        (
            "Fewer than there are anchors.",
            "`describe(p)` shows how many rows `scores` has.",
            "`p.scores.shape[1]`, which `pre_nms_limit` bounds.",
        ),
        Trace,
    ),
    "06.2": Question(
        _most_suppressing,
        "`nms.suppressed_by` holds the suppressor of each candidate, so the row that occurs in it "
        "most often suppressed the most.",
        (
            "A box with a high score on an object that many anchors cover.",
            "`p.nms.suppressed_by[0]` holds one row per candidate; -1 stands for none.",
            "The most frequent value of `suppressed_by`, -1 left out: np.bincount counts.",
        ),
        Trace,
    ),
    "06.3": Question(
        lambda _: 0,
        "A candidate is suppressed when its IoU is above the threshold, and no IoU is above 1.",
        (
            "What is the largest IoU that two boxes can have?",
            "Try it: move the threshold in the explorer as far up as it goes.",
            "Suppressed are boxes with IoU > threshold.",
        ),
    ),
    "06.4": Question(
        _object_lost,
        "A low threshold lets one box suppress those of a neighbour, so an object near a better "
        "scored one loses its last ROI. No later stage can bring it back.",
        (
            "A lower threshold suppresses more.",
            "Move *NMS: IoU at most* to the left, and watch the kept boxes around objects that are "
            "close to each other.",
            "Go on until no kept box has an IoU of 0.5 with one of the objects.",
        ),
        is_task=True,
    ),
}
