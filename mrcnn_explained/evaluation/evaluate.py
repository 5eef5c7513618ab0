"""Evaluation: COCO's average precision, and the pyramid levels at which objects are missed.

pycocotools computes the precision (Matterport's code computes something that is neither VOC nor
COCO: deviation 53). Detections count from a score of MIN_CONFIDENCE: a threshold as high as the
detector's own would cut off the precision-recall curve.
"""

import json
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float64, Int32, Int64, Num, UInt8

from mrcnn_explained.boxes import iou
from mrcnn_explained.data.classes import ClassMap, class_map
from mrcnn_explained.data.dataset import AnyDataset, load_pixels
from mrcnn_explained.data.ground_truth import GroundTruth, ground_truth_of, real_objects
from mrcnn_explained.data.objects import load_objects
from mrcnn_explained.data.records import DatasetError, lost_objects
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.evaluation.coco import (
    FOUND_IOU,
    average_precisions,
    coco_annotations,
    coco_dataset,
    found_objects,
    mean_precision,
    measure,
)
from mrcnn_explained.evaluation.export import coco_results
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.stages.levels import ROI_LEVELS, assign_levels
from mrcnn_explained.stages.molded_boxes import mold_boxes
from mrcnn_explained.system.files import atomic_write

MIN_CONFIDENCE = 0.05  # score from which a detection counts (Fast R-CNN's tests)

#: (model, image, its objects) → the trace to evaluate.
Run = Callable[[MaskRCNN, UInt8[np.ndarray, "h w 3"], GroundTruth], Trace]


class Evaluation(NamedTuple):
    """How well a detector finds the objects of one dataset. Levels are numbers, 2…5."""

    images: int
    objects: int
    bbox: dict[str, float]  # AP, AP50, AP75 of boxes
    segm: dict[str, float]  # AP, AP50, AP75 of masks
    recall_by_level: dict[int, float]  # share found of the objects of each level, by their size
    objects_by_level: dict[int, int]  # number of objects of each level
    rois_by_level: dict[int, float]  # share of the ROIs that read each level
    rpn_recall: float  # share of the objects that an ROI overlaps with IoU 0.5
    recall: Float64[np.ndarray, "101"]  # 0, 0.01, … 1: abscissa of the precision-recall curve
    precision: Float64[np.ndarray, "10 101"]  # mean over classes, at IoU 0.5, 0.55, … 0.95
    left_out: int = 0  # objects of these images that cannot be used

    def to_json(self) -> str:
        """Return the figures as JSON, without the curve. Levels are texts there: "2" … "5"."""
        figures = self._asdict()
        del figures["recall"], figures["precision"]
        return json.dumps(figures, indent=1)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the JSON, whole or not at all."""
        with atomic_write(path) as file:
            file.write(self.to_json().encode() + b"\n")


class _OfImage(NamedTuple):
    """What one image adds to an evaluation. n objects without crowds, m ROIs."""

    shape: tuple[int, int]  # height, width, pixels
    annotations: list[dict[str, Any]]  # COCO's, objects and crowds
    results: list[dict[str, Any]]  # COCO's, detections
    object_levels: Int32[np.ndarray, "n"]  # level of an ROI that fits the object exactly
    is_proposed: Bool[np.ndarray, "n"]  # whether an ROI overlaps the object with IoU 0.5
    roi_levels: Int32[np.ndarray, "m"]
    left_out: int  # objects that cannot be used


def trace_of(model: MaskRCNN, image: UInt8[np.ndarray, "h w 3"], truth: GroundTruth) -> Trace:
    """Return the detector's own trace: `Run` without help from the truth."""
    return model.trace(image)


def evaluate(
    model: MaskRCNN,
    dataset: AnyDataset,
    *,
    image_ids: Sequence[int] | None = None,
    run: Run = trace_of,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Detect on the images of a dataset and compare the detections with its masks.

    model       its classes are matched to the dataset's by name
    image_ids   the images; None: all
    run         makes the trace that is evaluated; oracle.py has others
    progress    called before each image: images done, all

    An object without a mask counts for the precision of boxes only. Objects that cannot be used
    are left out and counted.

    Raises DatasetError for a class that the model lacks, an image that cannot be read, or if there
    is no object.
    """
    classes = class_map(dataset, model.config)
    threshold = min(MIN_CONFIDENCE, model.config.detection_min_confidence)
    model = model.with_config(detection_min_confidence=threshold)
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    images = []
    for done, image_id in enumerate(ids):
        progress(done, len(ids))
        images.append(_evaluate_image(model, dataset, classes, image_id, run))
    annotations = [row for image in images for row in image.annotations]
    is_object = np.array([not row["iscrowd"] for row in annotations], bool)
    if not is_object.any():
        raise DatasetError("there is no object in these images: nothing to compare with")

    shapes = {image_id: image.shape for image_id, image in zip(ids, images, strict=True)}
    names = [model.config.class_name(k) for k in range(model.config.num_classes)]
    coco = coco_dataset(shapes, names, annotations)
    results = [row for image in images for row in image.results]
    bbox = measure(coco, results, "bbox")
    segm = measure(coco_dataset(shapes, names, _for_masks(annotations)), results, "segm")
    found_ids = found_objects(bbox)
    found = np.array([row["id"] in found_ids for row in coco.dataset["annotations"]])[is_object]
    levels = np.concatenate([image.object_levels for image in images])
    roi_levels = np.concatenate([image.roi_levels for image in images])
    rois = max(1, len(roi_levels))
    present = [k for k in ROI_LEVELS if (levels == k).any()]
    return Evaluation(
        images=len(ids),
        objects=int(is_object.sum()),
        bbox=average_precisions(bbox),
        segm=average_precisions(segm),
        recall_by_level={k: float(found[levels == k].mean()) for k in present},
        objects_by_level={k: int((levels == k).sum()) for k in ROI_LEVELS},
        rois_by_level={k: float((roi_levels == k).sum() / rois) for k in ROI_LEVELS},
        rpn_recall=float(np.mean(np.concatenate([image.is_proposed for image in images]))),
        recall=np.linspace(0, 1, 101),
        precision=mean_precision(bbox),
        left_out=sum(image.left_out for image in images),
    )


def match(
    gt_boxes: Num[np.ndarray, "g 4"],
    gt_class_ids: Int64[np.ndarray, "g"],
    boxes: Num[np.ndarray, "n 4"],
    class_ids: Int64[np.ndarray, "n"],
    *,
    threshold: float = FOUND_IOU,
) -> tuple[Int64[np.ndarray, "g"], Int64[np.ndarray, "n"]]:
    """Pair each detection, best first, with the object of its class that it overlaps most.

    gt_boxes, boxes    (y1, x1, y2, x2), in the same coordinates
    threshold          IoU from which they are a pair

    Returns the detection of each object and the object of each detection; -1 if there is none.
    """
    of_object, of_detection = np.full(len(gt_boxes), -1), np.full(len(boxes), -1)
    if not len(boxes) or not len(gt_boxes):
        return of_object, of_detection
    overlaps = iou(tf.constant(boxes, tf.float32), tf.constant(gt_boxes, tf.float32)).numpy()
    for detection, overlap in enumerate(overlaps):
        is_free = (of_object < 0) & (gt_class_ids == class_ids[detection])
        overlap = np.where(is_free, overlap, -1)
        best = int(overlap.argmax())
        if overlap[best] >= threshold:
            of_object[best], of_detection[detection] = detection, best
    return of_object, of_detection


def _for_masks(annotations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return annotations for the measure of masks: detections on a mere box count neither way."""
    return [{**row, "iscrowd": int(row["iscrowd"] or not row["has_mask"])} for row in annotations]


def _evaluate_image(
    model: MaskRCNN, dataset: AnyDataset, classes: ClassMap, image_id: int, run: Run
) -> _OfImage:
    """Run the detector on one image; return its objects, its detections and its ROIs."""
    image = load_pixels(dataset, image_id)
    objects = load_objects(dataset, image_id)
    masks, boxes = objects.masks, objects.boxes
    class_ids = classes.model_ids(objects.class_ids)
    is_real = real_objects(class_ids, boxes)
    truth = ground_truth_of(objects._replace(class_ids=class_ids))
    trace = run(model, image, truth)
    counts = is_real | (class_ids < 0)  # COCO leaves out detections that lie on a crowd
    found = trace.instances
    valid = np.asarray(trace.proposals.valid[0])
    annotations = coco_annotations(image_id, class_ids[counts], boxes[counts], masks[..., counts])
    for row, has_mask in zip(annotations, objects.has_mask[counts], strict=True):
        row["has_mask"] = bool(has_mask)
    levels, is_proposed = _levels_and_proposals(trace, truth.boxes)
    return _OfImage(
        shape=image.shape[:2],
        annotations=annotations,
        results=coco_results(
            image_id, found.rois[0], found.class_ids[0], found.scores[0], found.masks[0]
        ),
        object_levels=levels,
        is_proposed=is_proposed,
        roi_levels=np.asarray(trace.levels.roi_level[0])[valid],
        left_out=lost_objects(objects.problems),
    )


def _levels_and_proposals(
    trace: Trace, boxes: Int32[np.ndarray, "n 4"]
) -> tuple[Int32[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return the level that each object's size belongs to, and whether an ROI overlaps it.

    boxes    of the objects, pixels of the original image

    The levels are assigned as the run assigned those of its ROIs.
    """
    if not len(boxes):
        return np.zeros(0, np.int32), np.zeros(0, bool)
    normalised = tf.constant(mold_boxes(boxes, trace.image, 0), tf.float32)
    molded_size = tf.constant(trace.image.molded_shape[0, :2], tf.float32)
    levels = assign_levels(normalised[tf.newaxis], molded_size, **level_settings(trace))
    rois = tf.boolean_mask(trace.proposals.rpn_rois[0], trace.proposals.valid[0])
    if not len(rois):
        return levels.roi_level[0].numpy(), np.zeros(len(boxes), bool)
    overlap = tf.reduce_max(iou(rois, normalised), axis=0).numpy()
    return levels.roi_level[0].numpy(), overlap >= FOUND_IOU
