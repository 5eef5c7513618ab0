"""Statistics of a dataset: sizes of images and objects, and the levels that will read them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float64, Int32, Int64

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import extract_boxes
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.stages.image import mold_image
from mrcnn_explained.stages.levels import assign_levels


class DatasetStatistics(NamedTuple):
    """m images, n objects in the order of the images. Crowds are left out."""

    shape: Int64[np.ndarray, "m 2"]  # height, width, pixels of the image as given
    mean_color: Float64[np.ndarray, "m 3"]  # RGB, 0…255
    image: Int64[np.ndarray, "n"]  # the place of each object's image, 0 … m-1
    class_ids: Int32[np.ndarray, "n"]
    size: Int64[np.ndarray, "n 2"]  # height, width of each object's box, pixels as given
    side: Float64[np.ndarray, "n"]  # sqrt(height x width) in the molded image, pixels
    level: Int32[np.ndarray, "n"]  # that a ROI which fits the object exactly reads


def dataset_statistics(
    dataset: AnyDataset,
    config: Config,
    *,
    image_ids: Sequence[int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetStatistics:
    """Measure the images of a dataset, and their objects as the model will see them.

    config       how images are molded, and how levels are rounded
    image_ids    the images; None: all

    An object's level is that of `assign_levels` for its own box: of a ROI that fits.
    """
    ids = list(dataset.image_ids if image_ids is None else image_ids)
    images, objects = [], []
    for place, image_id in enumerate(ids):
        progress(place, len(ids))
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        real = np.asarray(class_ids) > 0
        boxes = extract_boxes(np.asarray(masks)[..., real])
        images.append((image.shape[:2], image.reshape(-1, image.shape[-1])[:, :3].mean(axis=0)))
        molded = mold_image(
            [image],
            min_dim=config.image_min_dim,
            max_dim=config.image_max_dim,
            min_scale=config.image_min_scale,
            mode=config.image_resize_mode,
        )
        shape = molded.molded.shape[1:3]
        size = tf.constant(shape, tf.float32)
        rois = tf.cast(norm_boxes(tf.constant(boxes * molded.scale[0]), shape), tf.float32)
        found = assign_levels(rois[None], size, rounding=config.level_rounding)
        size_given, ids_real = boxes[:, 2:] - boxes[:, :2], np.asarray(class_ids)[real]
        where = np.full(len(boxes), place)
        objects.append((where, ids_real, size_given, found.side[0], found.roi_level[0]))
    shapes, colors = zip(*images, strict=True)
    columns = (np.concatenate(column) for column in zip(*objects, strict=True))
    return DatasetStatistics(np.array(shapes), np.array(colors), *columns)
