"""Molded boxes: from pixels of an original image to coordinates normalised to its molded image.

For the caller's own ROIs and for ground truth; `instances.original_boxes` is the way back.

Shapes   B images, N ROIs, n boxes of one image; a box is (y1, x1, y2, x2)
"""

from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Float64

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.errors import ImageError
from mrcnn_explained.stages.image import MoldedImage


def mold_rois(rois: Any, molded: MoldedImage) -> Float32[tf.Tensor, "B N 4"]:
    """Normalise the caller's own ROIs: from original pixels to the molded images.

    rois    boxes (y1, x1, y2, x2) in pixels of the original image: [n, 4] for one image, a
            list of such arrays for several

    Images with fewer boxes than others get zero rows. Raises ImageError if an array is
    missing, empty or of another shape, or if a box has y2 <= y1 or x2 <= x1.
    """
    rows = [rois] if len(molded.original) == 1 and np.ndim(rois) == 2 else list(rois)
    if len(rows) != len(molded.original):
        raise ImageError(
            f"rois came for {len(rows)} images, but there are {len(molded.original)}; "
            "pass one array [n, 4] per image"
        )
    rows = [_check_rois(boxes, image) for image, boxes in enumerate(rows)]
    padded = np.zeros([len(rows), max(len(boxes) for boxes in rows), 4])
    for image, boxes in enumerate(rows):
        padded[image, : len(boxes)] = _check_area(mold_boxes(boxes, molded, image), image)
    return tf.constant(padded, tf.float32)


def mold_boxes(boxes: Any, molded: MoldedImage, image: int) -> Float64[np.ndarray, "n 4"]:
    """Normalise boxes: from pixels of the original image to its molded image. Not clipped.

    boxes    [n, 4], original pixels
    image    index of the image in the batch
    """
    shift = np.tile(molded.window[image, :2] - molded.crop[image], 2)
    pixels = np.asarray(boxes, np.float64).reshape(-1, 4) * molded.scale[image] + shift
    return norm_boxes(tf.constant(pixels), molded.molded_shape[image, :2]).numpy()


def _check_rois(boxes: Any, image: int) -> Float64[np.ndarray, "n 4"]:
    """Return the boxes of one image as an array, or raise ImageError if one is not ordered."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise ImageError(
            f"rois of image {image} have the shape {list(boxes.shape)}; expected [n, 4] with "
            "n > 0: (y1, x1, y2, x2) in pixels of the original image"
        )
    ordered = np.isfinite(boxes).all(1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not ordered.all():
        row = int(np.argmin(ordered))
        raise ImageError(
            f"ROI {row} of image {image} is {boxes[row].tolist()}; expected (y1, x1, y2, x2) "
            "with y2 > y1 and x2 > x1, in pixels"
        )
    return boxes


def _check_area(boxes: Float64[np.ndarray, "n 4"], image: int) -> Float64[np.ndarray, "n 4"]:
    """Raise ImageError for a box that looks like padding once normalised: the first pixel."""
    if (zero := ~boxes.any(axis=1)).any():
        raise ImageError(
            f"ROI {int(np.argmax(zero))} of image {image} is one pixel at the corner of the "
            "molded image: normalised it is all zeros, which marks padding; leave it out"
        )
    return boxes
