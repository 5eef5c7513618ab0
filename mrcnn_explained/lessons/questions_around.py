"""The questions of notebooks 14 to 20: training, data, weights, tensors, what if, diagnosis."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.data.statistics import DatasetStatistics
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.training_step import TrainingTrace
from mrcnn_explained.evaluation.evaluate import Evaluation
from mrcnn_explained.explain.compare import Comparison
from mrcnn_explained.explain.diagnosis import Diagnosis
from mrcnn_explained.explain.fates import FateKind
from mrcnn_explained.explain.lineage import Lineage
from mrcnn_explained.lessons.exercises import Question
from mrcnn_explained.weights.load import WeightReport


def _most_frequent_levels(found: DatasetStatistics) -> set[int]:
    """Return the level that most objects read; several if they are equally frequent."""
    counts = np.bincount(found.level)
    return set(np.flatnonzero(counts == counts.max()).tolist())


def _worst_levels(found: Evaluation) -> set[int]:
    """Return the level with the lowest recall; several if they are equal."""
    worst = min(found.recall_by_level.values())
    return {level for level, recall in found.recall_by_level.items() if recall == worst}


def _detections_of_another_class(comparison: Comparison) -> int:
    """Return how many detections of the second run have an ROI that had another class before."""
    return sum(
        change.before is not None
        and change.after is not None
        and change.after.fate.kind is FateKind.DETECTION
        and change.before.class_id != change.after.class_id
        for change in comparison.rois
    )


def _first_stage(comparison: Any) -> str:
    """Return the first stage that differs between two runs."""
    return str(comparison.first)


AROUND = {
    "14.1": Question(
        lambda step: int(np.sum(np.asarray(step.rpn_targets.rpn_match[0]) != 0)),
        "`rpn_train_anchors_per_image` anchors enter the loss, positive and negative ones; all "
        "others are neutral.",
        (
            "It is the same number for every image with enough anchors.",
            "`step.rpn_targets.rpn_match` is 1 for positive, -1 for negative and 0 for neutral.",
            "Count where `rpn_match[0]` is not 0.",
        ),
        TrainingTrace,
    ),
    "14.2": Question(
        lambda step: int(np.sum(np.asarray(step.detection_targets.positive[0]))),
        "Only these ROIs train the box and the mask; the negatives train the class alone.",
        (
            "Fewer than there are ROIs.",
            "`describe(step.detection_targets)` lists a mask of the ROIs that show an object.",
            "Count where `step.detection_targets.positive[0]` is True.",
        ),
        TrainingTrace,
    ),
    "14.3": Question(
        lambda step: float(step.losses.mrcnn_bbox_loss.loss_of_zero),
        "A loss says little alone. Compared with the loss of a head that predicts no move at all, "
        "it says what the head has learned.",
        (
            "It is the loss of deltas that are all 0.",
            "The result of each box loss holds it beside `loss` and `terms`.",
            "`loss_of_zero` of `step.losses.mrcnn_bbox_loss`.",
        ),
        TrainingTrace,
        within=0.01,
    ),
    "15.1": Question(
        lambda found: len(found.class_ids),
        "Each mask is one object, and the statistics have one row per object.",
        (
            "More than there are images.",
            "`describe(found)` shows the shapes of the statistics.",
            "The number of rows of `found.class_ids`.",
        ),
        DatasetStatistics,
    ),
    "15.2": Question(
        _most_frequent_levels,
        "Most objects of this dataset are small, and small ROIs read fine levels.",
        (
            "Are most of the objects small or large?",
            "The shares of the levels are printed above.",
            "The level with the largest share.",
        ),
        DatasetStatistics,
    ),
    "15.3": Question(
        lambda _: 0,
        "The background is class 0, so `num_classes` is one more than the kinds of objects.",
        (
            "It is in the list of class names, too: BG.",
            "The first cell prints the names with their ids.",
            "The id that stands before BG.",
        ),
    ),
    "16.1": Question(
        lambda model: len(model.weights),
        "`model.weights` names every tensor `layer/weight`: kernels, biases, and four tensors of "
        "each BatchNorm.",
        (
            "The first cell prints it.",
            "`model.weights` is a dict with one entry per tensor.",
            "`len(model.weights)`.",
        ),
        MaskRCNN,
    ),
    "16.2": Question(
        lambda report: len({name.split("/")[0] for name in report.left_random}),
        "The layers that were excluded stay random; each has a kernel and a bias.",
        (
            "The error above names them.",
            "`report.left_random` lists tensors as `layer/weight`.",
            "Count the different layers in `report.left_random`.",
        ),
        WeightReport,
    ),
    "16.3": Question(
        lambda model: float(model.box_head.bn1.epsilon),
        "Matterport's BatchNorm keeps the default of Keras; other implementations use 1e-5.",
        (
            "It is larger than the papers' 1e-5.",
            "Deviation 14 has it, and so has each BatchNorm layer, `model.box_head.bn1`.",
            "`model.box_head.bn1.epsilon`.",
        ),
        MaskRCNN,
        within=1e-9,
    ),
    "17.1": Question(
        lambda roi_level: int(tf.where(roi_level == 3).shape[0]),
        "One ROI in each image reads P3, and `tf.where` returns one row per place.",
        (
            "Each row is one place where the mask is True.",
            "`roi_level` is at the top of the notebook.",
            "Count the entries of `roi_level` that are 3.",
        ),
        tf.Tensor,
    ),
    "17.2": Question(
        lambda boxes: int(tf.gather(boxes, [[0], [2]], batch_dims=1).numpy()[1].item()),
        "With `batch_dims=1` the second list of rows is for image 1: its third ROI.",
        (
            "Which of the two lists of rows belongs to image 1?",
            "Print `boxes[1]`.",
            "Row 2 of image 1, counted from 0.",
        ),
        tf.Tensor,
    ),
    "17.3": Question(
        lambda key: int(np.argmin(key)),
        "It is the place of the smallest number.",
        (
            "An index, not the number itself.",
            "`order` above begins with it.",
            "The place of the minimum of `key`, counted from 0.",
        ),
        tf.Tensor,
    ),
    "18.1": Question(
        lambda of_object: int(np.sum(np.asarray(of_object) >= 0)),
        "An object counts as found if a detection of its class overlaps it with IoU 0.5 or more.",
        (
            "An object can be found only once.",
            "`of_object` holds the detection of each object; -1 stands for none.",
            "Count where `of_object >= 0`.",
        ),
        np.ndarray,
    ),
    "18.2": Question(
        lambda _: "no",
        "At 0.75 it is a false positive, and its object counts as missed.",
        (
            "What does the number in AP75 mean?",
            "A pair needs an IoU of at least the threshold.",
            "Compare 0.6 with 0.75.",
        ),
        options=("yes", "no"),
    ),
    "18.3": Question(
        _worst_levels,
        "`recall_by_level` is the share of objects found, by the level that their size reads.",
        (
            "It is a property of `found`, the evaluation of all ten images.",
            "Print `found.recall_by_level`.",
            "The level with the smallest recall.",
        ),
        Evaluation,
    ),
    "19.1": Question(
        lambda line: abs(float(line.numbers("levels")["margin"])),
        "`margin` is the side minus the boundary; an ROI that is few pixels away changes its level "
        "easily.",
        (
            "The level changes where the side reaches a boundary.",
            "`n`, the numbers of the levels, holds the side and its distance.",
            'The absolute value of `n["margin"]`.',
        ),
        Lineage,
        within=0.1,
    ),
    "19.2": Question(
        _first_stage,
        "Anchors and scores do not depend on the NMS threshold, so everything upstream of the "
        "proposals is the same.",
        (
            "In which stage is that NMS?",
            "`compare(trace, other)` names the first stage that differs.",
            "The stage with the setting that was changed.",
        ),
        Comparison,
        options=("anchors", "rpn", "proposals", "levels", "crops", "detections"),
    ),
    "19.3": Question(
        _detections_of_another_class,
        "On the wrong level an ROI has crops that the heads were not trained on, so some ROIs "
        "change their class.",
        (
            "Only ROIs that are detections in the second run count.",
            "`compare(trace, forced).rois` holds each ROI that changed, before and after.",
            "Count where `after.fate.kind` is DETECTION and the two `class_id` differ.",
        ),
        Comparison,
    ),
    "20.1": Question(
        lambda found: found.number,
        "The first place that fails decides, whatever the stages downstream would have done.",
        (
            "Is the object found at all? 0 is an answer, too.",
            "`print(diagnose(few, boxes[-1], class_ids[-1]))` shows the list.",
            "The number of the line LOST HERE; 0 if there is none.",
        ),
        Diagnosis,
    ),
    "20.2": Question(
        lambda _: 100 * 512 / 2048,
        "The image and everything in it are scaled by 512 / 2048.",
        (
            "The object shrinks with its image.",
            "By which factor is the image scaled?",
            "Side of the object x 512 / 2048.",
        ),
        within=0.5,
    ),
    "20.3": Question(
        lambda _: "crop",
        "A part of the image is resized less, so the object has more pixels in what the network "
        "sees. No threshold acts where there is no box.",
        (
            "What is the object short of?",
            "Case 3 is about such an object.",
            "It needs more pixels in the molded image.",
        ),
        options=("threshold", "crop", "training"),
    ),
}
