"""Statistics of a dataset: sizes of images and objects, and the levels that read the objects."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float64, Int32, Int64, UInt8

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import AnyDataset, load_pixels
from mrcnn_explained.data.ground_truth import load_ground_truth
from mrcnn_explained.data.molding import mold
from mrcnn_explained.stages.levels import LevelAssignment, assign_levels


class DatasetStatistics(NamedTuple):
    """m images and their n objects, in the order of the images: no crowds, no empty masks."""

    shape: Int64[np.ndarray, "m 2"]  # height, width, pixels of the original image
    mean_color: Float64[np.ndarray, "m 3"]  # RGB, 0…255
    image: Int64[np.ndarray, "n"]  # index of each object's image among the m
    class_ids: Int32[np.ndarray, "n"]
    size: Int64[np.ndarray, "n 2"]  # height, width of each object's box, original pixels
    side: Float64[np.ndarray, "n"]  # sqrt(height x width) in the molded image, pixels
    level: Int32[np.ndarray, "n"]  # pyramid level that an ROI equal to the object's box reads


def dataset_statistics(
    dataset: AnyDataset,
    config: Config,
    *,
    image_ids: Sequence[int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetStatistics:
    """Measure the images of a dataset, and their objects as the model will see them.

    config       decides how images are molded and levels rounded
    image_ids    images to measure; None: all
    progress     called with (images done, images in all)

    An object's level is the one that `assign_levels` gives to an ROI equal to its box.
    """
    ids = list(dataset.image_ids if image_ids is None else image_ids)
    shapes, colors, indices, class_ids, sizes, sides, levels = ([] for _ in range(7))
    for index, image_id in enumerate(ids):
        progress(index, len(ids))
        image = load_pixels(dataset, image_id)
        objects = load_ground_truth(dataset, image_id)
        assigned = _levels_of(image, objects.boxes, config)
        shapes.append(image.shape[:2])
        colors.append(image[..., :3].mean(axis=(0, 1)))
        indices.append(np.full(len(objects.boxes), index))
        class_ids.append(objects.class_ids)
        sizes.append(objects.boxes[:, 2:] - objects.boxes[:, :2])
        sides.append(np.asarray(assigned.side[0]))
        levels.append(np.asarray(assigned.roi_level[0]))
    return DatasetStatistics(
        shape=np.array(shapes),
        mean_color=np.array(colors),
        image=np.concatenate(indices),
        class_ids=np.concatenate(class_ids),
        size=np.concatenate(sizes),
        side=np.concatenate(sides),
        level=np.concatenate(levels),
    )


def _levels_of(
    image: UInt8[np.ndarray, "h w 3"], boxes: Int32[np.ndarray, "n 4"], config: Config
) -> LevelAssignment:
    """Assign levels to boxes of one image, pixels of the original image."""
    molded = mold([image], config)
    shape = molded.molded.shape[1:3]
    rois = norm_boxes(tf.constant(boxes * molded.scale[0]), shape)
    return assign_levels(
        tf.cast(rois, tf.float32)[tf.newaxis],
        tf.constant(shape, tf.float32),
        rounding=config.level_rounding,
    )
