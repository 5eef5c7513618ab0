"""Molded boxes: from pixels of an original image to coordinates normalised to its molded image.

For the caller's own ROIs and for ground truth; `instances.original_boxes` is the way back.

Shapes   B images, N ROIs, n boxes of one image; a box is (y1, x1, y2, x2)
"""

import contextlib
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Float64

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.errors import ImageError, shown
from mrcnn_explained.stages.image import MoldedImage

FARTHEST = 1_000_000  # pixels: a corner of an ROI may lie outside the image, but not anywhere


def mold_rois(rois: Any, molded: MoldedImage) -> Float32[tf.Tensor, "B N 4"]:
    """Normalise the caller's own ROIs: from original pixels to the molded images.

    rois    boxes (y1, x1, y2, x2) in pixels of the original image: [n, 4] for one image, a
            list of such arrays for several

    Images with fewer boxes than others get zero rows. Raises ImageError if an array is
    missing, empty or of another shape, if a box has y2 <= y1 or x2 <= x1, and if less than one
    pixel of the molded image is left of it.
    """
    rows = _per_image(rois, len(molded.original))
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


def _per_image(rois: Any, images: int) -> list[Any]:
    """Return the boxes of each image; raise ImageError for text, a number and nothing."""
    if not isinstance(rois, str | bytes | dict):
        with contextlib.suppress(TypeError, ValueError):  # a ragged list has no number of axes
            if images == 1 and np.ndim(rois) == 2:
                return [rois]
        with contextlib.suppress(TypeError):
            return list(rois)
    raise ImageError(
        f"rois are {shown(rois)}; expected boxes (y1, x1, y2, x2) in pixels of the original image, "
        "[n, 4], or a list of such arrays, one per image"
    )


def _numbers(boxes: Any, image: int) -> Float64[np.ndarray, "..."]:
    """Return boxes as an array; raise ImageError for anything but numbers."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        array = np.asarray(boxes)
        if array.dtype.kind in "iuf":
            return array.astype(np.float64)
    raise ImageError(
        f"rois of image {image} are {shown(boxes)}; expected rows of four numbers, "
        "(y1, x1, y2, x2) in pixels of the original image"
    )


def _check_rois(boxes: Any, image: int) -> Float64[np.ndarray, "n 4"]:
    """Return the boxes of one image as an array, or raise ImageError if one is not ordered."""
    boxes = _numbers(boxes, image)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise ImageError(
            f"rois of image {image} have the shape {list(boxes.shape)}; expected [n, 4] with "
            "n > 0: (y1, x1, y2, x2) in pixels of the original image"
        )
    inside = (np.abs(boxes) <= FARTHEST).all(1)  # False for NaN
    ordered = inside & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not ordered.all():
        row = int(np.argmin(ordered))
        raise ImageError(
            f"ROI {row} of image {image} is {boxes[row].tolist()}; expected (y1, x1, y2, x2) "
            f"with y2 > y1 and x2 > x1, in pixels, {FARTHEST:,} at most"
        )
    return boxes


def _check_area(boxes: Float64[np.ndarray, "n 4"], image: int) -> Float64[np.ndarray, "n 4"]:
    """Raise ImageError for a box that looks like padding once normalised, or has no area."""
    if (zero := ~boxes.any(axis=1)).any():
        raise ImageError(
            f"ROI {int(np.argmax(zero))} of image {image} is one pixel at the corner of the "
            "molded image: normalised it is all zeros, which marks padding; leave it out"
        )
    small = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if small.any():
        raise ImageError(
            f"ROI {int(np.argmax(small))} of image {image} is less than one pixel of the molded "
            "image high or wide; leave it out, or use a larger image size"
        )
    return boxes
