"""Export: detections for other programs, as COCO's results or as run lengths."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from pycocotools import mask as rle


def coco_results(
    image_id: int,
    rois: Int[np.ndarray, "n 4"],
    class_ids: Int[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    masks: Bool[np.ndarray, "h w n"],
) -> list[dict[str, Any]]:
    """Return the detections of an image as COCO's results, for pycocotools' `loadRes`.

    image_id     of the image in the dataset's file
    class_ids    become the category ids: `ClassMap.category_ids` has those of a dataset's file

    Boxes and masks are in pixels of the original image.

    The arrays are those of `MaskRCNN.detect`: `coco_results(1, **model.detect([image])[0])`.
    """
    encoded = rle.encode(np.asfortranarray(masks.astype(np.uint8))) if masks.shape[-1] else []
    return [
        {
            "image_id": int(image_id),
            "category_id": int(class_id),
            "bbox": xywh(box),
            "score": float(score),
            "segmentation": {"size": mask["size"], "counts": mask["counts"].decode("ascii")},
        }
        for class_id, box, score, mask in zip(class_ids, rois, scores, encoded, strict=True)
    ]


def xywh(box: Iterable[float]) -> list[float]:
    """Return a box (y1, x1, y2, x2) in COCO's order: left, top, width, height."""
    y1, x1, y2, x2 = (float(side) for side in box)
    return [x1, y1, x2 - x1, y2 - y1]


def run_lengths(mask: Bool[np.ndarray, "h w"]) -> str:
    """Return the start and the length of each run of a mask: `1 3 10 2`.

    Pixels are numbered from 1, down each column and then to the right, as in the Data Science
    Bowl of 2018 (nuclei) and in later competitions.
    """
    pixels = np.asarray(mask, bool).T.ravel()
    edges = np.flatnonzero(np.diff(pixels, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def without_overlaps(
    scores: Float[np.ndarray, "n"], masks: Bool[np.ndarray, "h w n"]
) -> Bool[np.ndarray, "h w n"]:
    """Return the masks without overlaps: a pixel stays in the mask of the best score only."""
    taken, apart = np.zeros(masks.shape[:2], bool), np.zeros_like(masks)
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        apart[..., i] = masks[..., i] & ~taken
        taken |= masks[..., i]
    return apart
