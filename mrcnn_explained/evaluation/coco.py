"""COCO's measures of detections, computed by pycocotools, the field's own code."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn_explained.evaluation.export import xywh

FOUND_IOU = 0.5  # overlap from which an object counts as found


def coco_annotations(
    image_id: int,
    class_ids: Int[np.ndarray, "n"],
    boxes: Int[np.ndarray, "n 4"],
    masks: Bool[np.ndarray, "h w n"],
) -> list[dict[str, Any]]:
    """Return the objects of an image as COCO's annotations, without their ids.

    class_ids    negative for a crowd
    boxes        (y1, x1, y2, x2), pixels
    """
    encoded = rle.encode(np.asfortranarray(masks.astype(np.uint8)))
    return [
        {
            "image_id": int(image_id),
            "category_id": abs(int(class_id)),
            "iscrowd": int(class_id < 0),
            "bbox": xywh(box),
            "area": float(rle.area(mask)),
            "segmentation": mask,
        }
        for class_id, box, mask in zip(class_ids, boxes, encoded, strict=True)
    ]


def coco_dataset(
    shapes: Mapping[int, tuple[int, int]],
    class_names: Sequence[str],
    annotations: list[dict[str, Any]],
) -> COCO:
    """Return a dataset as pycocotools has it.

    shapes         (height, width) in pixels of each image, by its id
    class_names    background first
    annotations    of `coco_annotations`; they are numbered from 1, because pycocotools takes an
                   object with the number 0 for one that was not found
    """
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": int(i), "height": h, "width": w} for i, (h, w) in shapes.items()],
        "categories": [{"id": i, "name": name} for i, name in enumerate(class_names) if i],
        "annotations": [{"id": i, **row} for i, row in enumerate(annotations, start=1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def measure(coco: COCO, results: list[dict[str, Any]], kind: str) -> COCOeval:
    """Compare results with a dataset.

    results    of `export.coco_results`
    kind       "bbox" or "segm": overlap of boxes or of masks
    """
    with contextlib.redirect_stdout(io.StringIO()):
        found = coco.loadRes(results) if results else _without_annotations(coco)
        measured = COCOeval(coco, found, kind)
        measured.evaluate()
        measured.accumulate()
        measured.summarize()
    return measured


def found_objects(measured: COCOeval) -> set[int]:
    """Return the ids of the annotations that a detection of their class matches at IoU 0.5."""
    first_threshold = 0  # IoU 0.5
    all_areas = measured.params.areaRng[0]
    found: set[int] = set()
    for of_image in measured.evalImgs:
        if of_image and of_image["aRng"] == all_areas:
            matches = of_image["gtMatches"][first_threshold]
            pairs = zip(of_image["gtIds"], matches, strict=True)
            found |= {annotation for annotation, detection in pairs if detection > 0}
    return found


def average_precisions(measured: COCOeval) -> dict[str, float]:
    """Return AP (the mean over IoU 0.5, 0.55, … 0.95), AP50 and AP75."""
    ap, ap50, ap75 = (float(value) for value in measured.stats[:3])
    return {"AP": ap, "AP50": ap50, "AP75": ap75}


def mean_precision(measured: COCOeval) -> Float64[np.ndarray, "10 101"]:
    """Return the precision at IoU 0.5, 0.55, … 0.95 and recall 0, 0.01, … 1.

    It is the mean over the classes that occur: pycocotools marks the others with -1.
    """
    all_areas, hundred_detections = 0, 2
    by_class = measured.eval["precision"][:, :, :, all_areas, hundred_detections]
    known = by_class > -1
    return np.sum(np.where(known, by_class, 0), axis=2) / np.maximum(known.sum(axis=2), 1)


def _without_annotations(coco: COCO) -> COCO:
    """Return the dataset with no detection: `loadRes` refuses an empty list."""
    nothing = COCO()
    nothing.dataset = {**coco.dataset, "annotations": []}
    nothing.createIndex()
    return nothing
