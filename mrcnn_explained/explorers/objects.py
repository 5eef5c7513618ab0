"""The objects of an image that explorers draw: boxes that the caller knows, or detections."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.plots.style import to_pixels

#: Boxes (y1, x1, y2, x2) in pixels of the molded image.
Boxes = Sequence[Sequence[float]] | np.ndarray


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # [n, 4], pixels of the molded image
    names: list[str]
    source: str  # what the objects are, for the text of a view


def objects_of(trace: Trace, image: int, known: Boxes | None = None) -> Objects:
    """Return the boxes that the caller passes, or else the run's own detections.

    image    number of the image in the trace
    known    boxes of the objects in pixels of the molded image; none: the detections

    Raises InputError for boxes that are not four finite numbers with y1 < y2 and x1 < x2.
    """
    if known is not None:
        boxes = _checked(known)
        return Objects(boxes, [f"object {i}" for i in range(len(boxes))], "the boxes passed")
    d = trace.detections
    valid = np.asarray(d.valid[image])
    rows = np.asarray(d.detections[image])[valid]
    names = [trace.config.class_name(int(class_id)) for class_id in rows[:, 4]]
    boxes = to_pixels(rows[:, :4], trace.image.resized[image])
    return Objects(boxes, names, "the detections of this run")


def _checked(known: Boxes) -> np.ndarray:
    """Return boxes as [n, 4]."""
    try:
        boxes = np.asarray(known, np.float32).reshape(-1, 4)
    except (TypeError, ValueError):
        boxes = np.full([1, 4], np.nan, np.float32)
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
        raise InputError(
            f"objects is {known!r}; expected boxes (y1, x1, y2, x2) in pixels of the molded "
            "image, with y1 < y2 and x1 < x2: give such boxes, or none for the detections"
        )
    return boxes
