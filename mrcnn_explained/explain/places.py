"""Places: one box in every coordinate system of a run. Boxes are (y1, x1, y2, x2)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.stages.instances import original_boxes

Box = tuple[float, float, float, float]
LEVELS = range(2, 7)  # P2 to P6: the RPN reads all of them


class Place(NamedTuple):
    """One box in every coordinate system."""

    original: Box  # whole pixels of the original image; y2 and x2 lie outside the box
    molded: Box  # pixels of the molded image
    normalised: Box  # (0, 0, 1, 1) is the molded image
    cells: dict[int, Box]  # by level: cells of its map; 0 is the first cell's centre (deviation 4)


def place_of(box: Float[np.ndarray, "4"], trace: Trace, image: int) -> Place:
    """Return the place of a box that is normalised to the molded image."""
    box = np.asarray(box, np.float32)
    original_shape = trace.image.original_shape[image]
    molded_shape = trace.image.molded_shape[image]
    window = trace.image.window[image]
    original = original_boxes(box[np.newaxis], original_shape, molded_shape, window)[0]
    molded = denorm_boxes(tf.constant(box), molded_shape[:2]).numpy()
    cells = {
        k: _box(box * np.tile([height - 1, width - 1], 2))
        for k, (height, width) in map_shapes(trace).items()
    }
    return Place(_box(original), _box(molded), _box(box), cells)


def map_shapes(trace: Trace) -> dict[int, tuple[int, int]]:
    """Return (height, width) in cells of the map of every level."""
    return {k: tuple(getattr(trace.pyramid, f"p{k}").shape[1:3]) for k in LEVELS}


def _box(values: np.ndarray) -> Box:
    """A box as plain numbers."""
    y1, x1, y2, x2 = values.tolist()
    return y1, x1, y2, x2
