"""Evaluation: COCO's average precision, and where along the pyramid objects are lost.

Precision is pycocotools' (Matterport's code computes something that is neither VOC nor
COCO: deviation 53). Detections enter with any score above MIN_CONFIDENCE: a threshold as high
as the detector's own would cut the precision-recall curve off.
"""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float64, Int32, Int64
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn_explained.boxes import iou
from mrcnn_explained.data.annotations import extract_boxes
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.evaluation.export import coco_results, xywh
from mrcnn_explained.files import atomic_write
from mrcnn_explained.stages.image import mold_boxes
from mrcnn_explained.stages.levels import ROI_LEVELS, assign_levels

MIN_CONFIDENCE = 0.05  # of a detection to count (Fast R-CNN's tests)
FOUND_IOU = 0.5  # overlap of class and box at which an object counts as found


class Evaluation(NamedTuple):
    """What a detector is worth on one dataset."""

    images: int
    objects: int
    bbox: dict[str, float]  # AP, AP50, AP75
    segm: dict[str, float]  # the same of masks
    recall_by_level: dict[str, float]  # share found of the objects whose size belongs to P2…P5
    objects_by_level: dict[str, int]  # how many those are
    rois_by_level: dict[str, float]  # share of all proposals that read P2…P5
    rpn_recall: float  # share of the objects with a proposal of IoU 0.5
    recall: Float64[np.ndarray, "101"]  # 0, 0.01, … 1: abscissa of the curve
    precision: Float64[np.ndarray, "10 101"]  # mean over classes, at IoU 0.5, 0.55, … 0.95

    def to_json(self) -> str:
        """Return the figures as JSON; the curve stays out."""
        figures = self._asdict()
        del figures["recall"], figures["precision"]
        return json.dumps(figures, indent=1)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the JSON, whole or not at all."""
        with atomic_write(path) as file:
            file.write(self.to_json().encode() + b"\n")


class Truth(NamedTuple):
    """The objects of an image, without crowds."""

    boxes: Int64[np.ndarray, "n 4"]  # pixels of the image as given
    class_ids: Int32[np.ndarray, "n"]
    masks: Bool[np.ndarray, "h w n"]


def evaluate(
    model: Any,
    dataset: AnyDataset,
    *,
    image_ids: Sequence[int] | None = None,
    run: Callable[[Any, Any, Truth], Any] = lambda model, pixels, truth: model.trace(pixels),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Detect on every image of a dataset and compare with its masks.

    model       a MaskRCNN; its classes are the dataset's, in the same order
    image_ids   the images; None: all
    run         makes the trace that counts of (model, image, Truth); oracle.py has others

    Raises ValueError where the numbers of classes differ or no object is there.
    """
    if len(dataset.class_names) != model.config.num_classes:
        raise ValueError(
            f"the dataset has {len(dataset.class_names)} classes with the background, the model "
            f"{model.config.num_classes}: they must be the same, in the same order"
        )
    model = model.with_config(
        detection_min_confidence=min(MIN_CONFIDENCE, model.config.detection_min_confidence)
    )
    ids = list(dataset.image_ids if image_ids is None else image_ids)
    truth, found, rois, shapes = [], [], [], []
    levels_of, proposed = [], []
    for done, image_id in enumerate(ids):
        progress(done, len(ids))
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        boxes = extract_boxes(masks)
        real = (np.asarray(class_ids) > 0) & (boxes[:, 2] > boxes[:, 0])  # an empty mask has no box
        trace = run(model, image, Truth(boxes[real], class_ids[real], masks[..., real]))
        shapes.append(image.shape[:2])
        truth += _annotations(image_id, class_ids, boxes, masks, start=len(truth) + 1)
        found += coco_results(
            image_id,
            *(getattr(trace.instances, key)[0] for key in ("rois", "class_ids", "scores", "masks")),
        )
        valid = np.asarray(trace.proposals.valid[0])
        rois.append(np.asarray(trace.levels.roi_level[0])[valid])
        level, reached = _at_the_proposals(trace, boxes, class_ids)
        levels_of += level
        proposed += reached
    if not any(not a["iscrowd"] for a in truth):
        raise ValueError("there is no object in these images: nothing to compare with")

    coco = _coco(dataset, ids, shapes, truth)
    bbox, was_found = _judge(coco, found, "bbox")
    segm, _ = _judge(coco, found, "segm")
    objects = [not a["iscrowd"] for a in truth]
    levels = np.array(levels_of)[objects]
    was_found = np.array([a["id"] in was_found for a in truth])[objects]
    of_rois = np.concatenate(rois)
    shares = {str(k): float((of_rois == k).sum() / max(1, len(of_rois))) for k in ROI_LEVELS}
    precision = bbox.eval["precision"][:, :, :, 0, 2]  # all areas, 100 detections
    return Evaluation(
        images=len(ids),
        objects=int(sum(objects)),
        bbox=_figures(bbox),
        segm=_figures(segm),
        recall_by_level={
            str(k): float(was_found[levels == k].mean()) for k in ROI_LEVELS if (levels == k).any()
        },
        objects_by_level={str(k): int((levels == k).sum()) for k in ROI_LEVELS},
        rois_by_level=shares,
        rpn_recall=float(np.mean(np.array(proposed)[objects])),
        recall=np.linspace(0, 1, 101),
        precision=_mean_of_known(precision),
    )


def match(
    gt_boxes: Float64[np.ndarray, "g 4"],
    gt_class_ids: Int64[np.ndarray, "g"],
    boxes: Float64[np.ndarray, "n 4"],
    class_ids: Int64[np.ndarray, "n"],
    *,
    threshold: float = FOUND_IOU,
) -> tuple[Int64[np.ndarray, "g"], Int64[np.ndarray, "n"]]:
    """Pair detections, best first, with the objects of their class that they overlap most.

    Returns the detection of each object and the object of each detection; -1: none.
    """
    of_object, of_detection = np.full(len(gt_boxes), -1), np.full(len(boxes), -1)
    if not len(boxes) or not len(gt_boxes):
        return of_object, of_detection
    overlaps = iou(tf.constant(boxes, tf.float32), tf.constant(gt_boxes, tf.float32)).numpy()
    for n, row in enumerate(overlaps):
        row = np.where((of_object < 0) & (gt_class_ids == class_ids[n]), row, -1)
        best = int(row.argmax())
        if row[best] >= threshold:
            of_object[best], of_detection[n] = n, best
    return of_object, of_detection


def _at_the_proposals(trace, boxes, class_ids):
    """For each object: the level that its size belongs to, and whether a proposal reached it."""
    if not len(class_ids):
        return [], []
    shape = trace.image.molded_shape[0, :2]
    molded = tf.constant(mold_boxes(boxes, trace.image, 0), tf.float32)
    size = tf.constant(shape, tf.float32)
    level = assign_levels(molded[tf.newaxis], size).roi_level[0].numpy()
    rois = trace.proposals.rpn_rois[0][trace.proposals.valid[0]]
    if not len(rois):
        return level.tolist(), [False] * len(class_ids)
    best = tf.reduce_max(iou(rois, molded), axis=0).numpy()
    return level.tolist(), (best >= FOUND_IOU).tolist()


def _annotations(image_id, class_ids, boxes, masks, start):
    """The objects of an image in COCO's own form."""
    encoded = rle.encode(np.asfortranarray(masks.astype(np.uint8)))
    return [
        {
            "id": start + i,
            "image_id": int(image_id),
            "category_id": abs(int(class_ids[i])),
            "iscrowd": int(class_ids[i] < 0),
            "bbox": xywh(boxes[i]),
            "area": float(rle.area(encoded[i])),
            "segmentation": encoded[i],
        }
        for i in range(len(class_ids))
    ]


def _coco(dataset, image_ids, shapes, truth):
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [
            {"id": int(i), "height": h, "width": w}
            for i, (h, w) in zip(image_ids, shapes, strict=True)
        ],
        "categories": [{"id": i, "name": n} for i, n in enumerate(dataset.class_names) if i],
        "annotations": truth,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _without_annotations(coco):
    """What loadRes, which refuses an empty list, would make of no detection at all."""
    nothing = COCO()
    nothing.dataset = {**coco.dataset, "annotations": []}
    nothing.createIndex()
    return nothing


def _judge(coco, found, kind):
    """COCO's judgement, and the ids of the objects found at IoU 0.5."""
    with contextlib.redirect_stdout(io.StringIO()):
        results = coco.loadRes(found) if found else _without_annotations(coco)
        judge = COCOeval(coco, results, kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    hits = set()
    for entry in judge.evalImgs:
        if entry and entry["aRng"] == judge.params.areaRng[0]:
            hits |= {
                i for i, by in zip(entry["gtIds"], entry["gtMatches"][0], strict=True) if by > 0
            }
    return judge, hits


def _figures(judge):
    return {name: float(judge.stats[i]) for i, name in enumerate(("AP", "AP50", "AP75"))}


def _mean_of_known(precision):
    """Mean over the classes that occur: pycocotools marks the others with -1."""
    known = precision > -1
    return np.sum(np.where(known, precision, 0), axis=2) / np.maximum(known.sum(axis=2), 1)
