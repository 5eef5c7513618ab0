"""Subset: some images of a dataset, for example those that are held out to validate."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.objects import Objects, load_objects, records_of
from mrcnn_explained.data.records import Reading


class Subset:
    """Some images of a dataset, under their own ids.

    image_ids    ids of the images, as the dataset has them
    """

    def __init__(self, dataset: AnyDataset, image_ids: Any):
        self._dataset = dataset
        self.image_ids = np.asarray(image_ids)
        self.class_names = dataset.class_names
        self.image_info = dataset.image_info

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Read an image, RGB."""
        return self._dataset.load_image(image_id)

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of an image's objects, and their classes."""
        return self._dataset.load_mask(image_id)

    def load_objects(self, image_id: int) -> Objects:
        """Return the objects of an image that can be used, and what was left out."""
        return load_objects(self._dataset, image_id)

    @property
    def reading(self) -> Reading | None:
        """What the dataset's annotation file holds; None: it has no such file."""
        return records_of(self._dataset)

    def __getattr__(self, name: str) -> Any:
        """Return what a dataset has beyond `AnyDataset`, such as `source_class_ids`."""
        return getattr(self._dataset, name)
