"""Instances: detections in pixels of the original image.

Source   Matterport's unmold_detections and unmold_mask
Input    detections of detections.py, class_mask of mask_head.py, the windows of image.py
Output   what `MaskRCNN.detect` returns
Shapes   B images, one entry each, of h x w original pixels; D detections, M side of a mask;
         boxes are (y1, x1, y2, x2)
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

MASK_THRESHOLD = 0.5  # probability from which a pixel belongs to an object

Numbers = Sequence[int] | np.ndarray  # a shape or a window


class Instances(NamedTuple):
    """The objects of each image. The first four names are the keys of the dicts of `detect`."""

    rois: Annotated[
        tuple[Int32[np.ndarray, "_n 4"], ...],
        "boxes in original pixels, one array per image; y2 and x2 lie outside the box",
    ]
    class_ids: Annotated[
        tuple[Int32[np.ndarray, "_n"], ...], "class of each object, 1…C-1, one array per image"
    ]
    scores: Annotated[
        tuple[Float32[np.ndarray, "_n"], ...], "probability of that class, one array per image"
    ]
    masks: Annotated[
        tuple[Bool[np.ndarray, "_h _w _n"], ...],
        "masks [h, w, objects] in original pixels, one array per image",
    ]
    detection: Annotated[
        tuple[Int64[np.ndarray, "_n"], ...],
        "row of `detections` that each object comes from, one array per image",
    ]


def unmold(
    detections: Float32[np.ndarray, "B D 6"],
    class_mask: Float32[np.ndarray, "B D M M"],
    original_shape: Int64[np.ndarray, "B 3"],
    molded_shape: Int64[np.ndarray, "B 3"],
    window: Int64[np.ndarray, "B 4"],
    *,
    mask_threshold: float = MASK_THRESHOLD,
) -> Instances:
    """Undo the molding: boxes to whole original pixels, masks to the size of their boxes.

    detections        rows y1 x1 y2 x2 class score; boxes normalised to the molded image
    class_mask        probability of each pixel of the box
    original_shape    (h, w, channels) of each original image, pixels
    molded_shape      (H, W, channels) of the molded image, pixels
    window            part of the molded image that holds the original, molded pixels
    mask_threshold    lowest probability at which a pixel belongs to the object

    A mask is scaled to its box after the box was rounded, without a border around it, so it
    may look blocky at its edges (deviation 51). Boxes without area are left out.
    """
    detections, class_mask = np.asarray(detections), np.asarray(class_mask)
    images = [
        _unmold_one(
            detections[image],
            class_mask[image],
            original_shape[image],
            molded_shape[image],
            window[image],
            mask_threshold,
        )
        for image in range(len(detections))
    ]
    return Instances(
        rois=tuple(one.boxes for one in images),
        class_ids=tuple(one.class_ids for one in images),
        scores=tuple(one.scores for one in images),
        masks=tuple(one.masks for one in images),
        detection=tuple(one.detection for one in images),
    )


class _Objects(NamedTuple):
    """The objects of one image; fields as in `Instances`."""

    boxes: Int32[np.ndarray, "n 4"]
    class_ids: Int32[np.ndarray, "n"]
    scores: Float32[np.ndarray, "n"]
    masks: Bool[np.ndarray, "h w n"]
    detection: Int64[np.ndarray, "n"]


def _unmold_one(
    detections: Float32[np.ndarray, "D 6"],
    masks: Float32[np.ndarray, "D M M"],
    original_shape: Int64[np.ndarray, "3"],
    molded_shape: Int64[np.ndarray, "3"],
    window: Int64[np.ndarray, "4"],
    threshold: float,
) -> _Objects:
    """Undo the molding for the detections of one image."""
    (found,) = np.nonzero(detections[:, 4] > 0)  # class 0 marks the zero-padded rows
    boxes = original_boxes(detections[found, :4], original_shape, molded_shape, window)
    has_area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) > 0
    found, boxes = found[has_area], boxes[has_area]

    full = np.zeros([len(found), *original_shape[:2]], bool)
    with ThreadPoolExecutor() as pool:  # scaling runs in parallel: it releases Python's lock
        draw = partial(full_mask, image_shape=original_shape[:2], threshold=threshold)
        for i, mask in enumerate(pool.map(draw, masks[found], boxes)):
            full[i] = mask
    return _Objects(
        boxes=boxes,
        class_ids=detections[found, 4].astype(np.int32),
        scores=detections[found, 5],
        masks=np.moveaxis(full, 0, -1),
        detection=found,
    )


def original_boxes(
    boxes: Float32[np.ndarray, "n 4"],
    original_shape: Numbers,
    molded_shape: Numbers,
    window: Numbers,
) -> Int32[np.ndarray, "n 4"]:
    """Convert boxes normalised to the molded image into whole pixels of the original image.

    boxes             array or tensor
    original_shape    (h, w, …) of the original image, pixels
    molded_shape      (H, W, …) of the molded image, pixels
    window            part of the molded image that holds the original, molded pixels
    """
    frame = norm_boxes(tf.constant(window, tf.float32), tf.constant(molded_shape[:2])).numpy()
    shift, scale = np.tile(frame[:2], 2), np.tile(frame[2:] - frame[:2], 2)
    scale[scale == 0] = 1  # a window of one pixel: every box lies at its edge
    in_window = (np.asarray(boxes) - shift) / scale  # normalised to the window
    in_window = tf.constant(in_window, tf.float64)
    pixels = denorm_boxes(in_window, tf.constant(original_shape[:2])).numpy()
    pixels = np.where(np.isfinite(pixels), pixels, 0)  # of a run that overflowed
    return np.around(pixels).astype(np.int32)


def full_mask(
    mask: Float32[np.ndarray, "M M"],
    box: Int32[np.ndarray, "4"],
    image_shape: Numbers,
    threshold: float = MASK_THRESHOLD,
) -> Bool[np.ndarray, "h w"]:
    """Scale one mask to its box, apply the threshold, and place it in an empty image.

    box            in pixels of the image
    image_shape    (h, w) of the image, pixels
    threshold      lowest probability at which a pixel belongs to the object
    """
    y1, x1, y2, x2 = (int(v) for v in box)
    full = np.zeros(image_shape, bool)
    mask = np.where(np.isfinite(mask), mask, 0)  # of a run that overflowed
    full[y1:y2, x1:x2] = scale_image(mask, (y2 - y1, x2 - x1)) >= threshold
    return full
