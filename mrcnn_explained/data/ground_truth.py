"""Ground truth: the objects of an image that a detector can find, without crowds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, Num

from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.objects import Objects, load_objects


class GroundTruth(NamedTuple):
    """The real objects of one image, in the order of the dataset."""

    boxes: Int32[np.ndarray, "n 4"]  # (y1, x1, y2, x2), pixels of the original image
    class_ids: Int32[np.ndarray, "n"]  # 1 … C-1
    masks: Bool[np.ndarray, "h w n"]  # pixels of the original image
    has_mask: Bool[np.ndarray, "n"]  # False: the file has only a box, which fills the mask


def real_objects(
    class_ids: Int32[np.ndarray, "n"], boxes: Num[np.ndarray, "n 4"]
) -> Bool[np.ndarray, "n"]:
    """Return True for every object that a detector can find.

    class_ids    as `load_mask` returns them: the class of a crowd is negative
    boxes        the boxes of the masks, in any unit

    A crowd is a region, not an object, and an empty mask has a box without area.
    """
    boxes = np.asarray(boxes)
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return (np.asarray(class_ids) > 0) & has_area


def load_ground_truth(dataset: AnyDataset, image_id: int) -> GroundTruth:
    """Read the real objects of one image: no crowds, no empty masks.

    image_id    one of `dataset.image_ids`
    """
    return ground_truth_of(load_objects(dataset, image_id))


def ground_truth_of(found: Objects) -> GroundTruth:
    """Return the real objects among those of one image: no crowds, no empty masks."""
    real = real_objects(found.class_ids, found.boxes)
    return GroundTruth(
        boxes=found.boxes[real],
        class_ids=found.class_ids[real],
        masks=found.masks[..., real],
        has_mask=found.has_mask[real],
    )
