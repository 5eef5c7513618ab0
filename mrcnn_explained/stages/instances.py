"""Instances: detections in the pixels of the image as it was given.

Source   Matterport's unmold_detections and unmold_mask
Input    detections of detections.py, class_mask of mask_head.py, the windows of image.py
Output   what `detect` returns
Shapes   one entry an image of h x w pixels with I objects; boxes are (y1, x1, y2, x2)
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, Int64

from mrcnn_explained.boxes import denorm_boxes, norm_boxes
from mrcnn_explained.stages.image import scale_image


class Instances(NamedTuple):
    """The objects of each image. The first four names are the keys of `detect`'s dicts."""

    rois: Annotated[tuple[Int32[np.ndarray, "_ 4"], ...], "pixels; y2 and x2 lie outside the box"]
    class_ids: Annotated[tuple[Int32[np.ndarray, "_"], ...], "1…C-1"]
    scores: Annotated[tuple[Float32[np.ndarray, "_"], ...], "probability of the class"]
    masks: Annotated[tuple[Bool[np.ndarray, "_ _ _"], ...], "h, w, objects"]
    detection: Annotated[tuple[Int64[np.ndarray, "_"], ...], "the row of detections each came from"]


def unmold(
    detections: Float32[np.ndarray, "B D 6"],
    class_mask: Float32[np.ndarray, "B D M M"],
    original_shape: Int64[np.ndarray, "B 3"],
    molded_shape: Int64[np.ndarray, "B 3"],
    window: Int64[np.ndarray, "B 4"],
    *,
    mask_threshold: float = 0.5,
) -> Instances:
    """Undo the molding: boxes to whole pixels, masks to the size of their boxes.

    A mask is scaled after its box was rounded, without a border around it, so that it
    may look blocky at the edges (deviation 51). Boxes without area are left out.

    mask_threshold    a pixel belongs to the object from this probability on
    """
    rows = zip(
        np.asarray(detections),
        np.asarray(class_mask),
        original_shape,
        molded_shape,
        window,
        strict=True,
    )
    images = [_unmold_one(*row, mask_threshold) for row in rows]
    return Instances(*(tuple(column) for column in zip(*images, strict=True)))


def _unmold_one(detections, masks, original_shape, molded_shape, window, threshold):
    (found,) = np.nonzero(detections[:, 4] > 0)  # class 0 marks the zero-padded rows
    boxes = original_boxes(detections[found, :4], original_shape, molded_shape, window)
    has_area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) > 0
    found, boxes = found[has_area], boxes[has_area]

    full = np.zeros([len(found), *original_shape[:2]], bool)
    with ThreadPoolExecutor() as pool:  # scaling releases Python's lock
        draw = partial(full_mask, image_shape=original_shape[:2], threshold=threshold)
        for i, mask in enumerate(pool.map(draw, masks[found], boxes)):
            full[i] = mask
    class_ids = detections[found, 4].astype(np.int32)
    return boxes, class_ids, detections[found, 5], np.moveaxis(full, 0, -1), found


def original_boxes(
    boxes: Float32[np.ndarray, "n 4"],
    original_shape: Sequence[int],
    molded_shape: Sequence[int],
    window: Sequence[int],
) -> Int32[np.ndarray, "n 4"]:
    """Boxes normalised to the molded image, in whole pixels of the original one."""
    frame = norm_boxes(tf.constant(window, tf.float32), tf.constant(molded_shape[:2])).numpy()
    shift, scale = np.tile(frame[:2], 2), np.tile(frame[2:] - frame[:2], 2)
    scale[scale == 0] = 1  # a window of one pixel: every box in it lies at its edge
    inside = tf.constant((boxes - shift) / scale, tf.float64)  # normalised to the window
    return np.around(denorm_boxes(inside, tf.constant(original_shape[:2])).numpy()).astype(np.int32)


def full_mask(
    mask: Float32[np.ndarray, "M M"],
    box: Int32[np.ndarray, "4"],
    image_shape: Sequence[int],
    threshold: float = 0.5,
) -> Bool[np.ndarray, "h w"]:
    """One mask, scaled to its box and laid into an image of `image_shape`, cut there."""
    y1, x1, y2, x2 = (int(v) for v in box)
    full = np.zeros(image_shape, bool)
    full[y1:y2, x1:x2] = scale_image(mask, (y2 - y1, x2 - x1)) >= threshold
    return full
