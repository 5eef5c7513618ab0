"""Dataset: images and the objects on them, under the names of Matterport's `Dataset`.

A model can be trained on anything with `class_names`, `image_ids`, `image_info`, `load_image` and
`load_mask`; a subclass written for Matterport's code needs no change but its base class.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from mrcnn_explained.data.objects import Objects, objects_of
from mrcnn_explained.data.records import AnnotationProblem, DatasetError
from mrcnn_explained.media.images import load_image
from mrcnn_explained.media.pixels import ValueRange, as_image


class AnyDataset(Protocol):
    """What training, evaluation and surveys need of a dataset."""

    @property
    def class_names(self) -> Sequence[str]:
        """The names of the classes, background first."""

    @property
    def image_ids(self) -> Any:
        """The numbers of the images, 0 … m-1: an array or a sequence."""

    @property
    def image_info(self) -> Sequence[dict[str, Any]]:
        """For each image, its "source" and its "id" at the source."""

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Read one image, RGB."""

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of all objects and their classes; a crowd's class is negative."""


class Dataset:
    """Base class of datasets: `add_class` and `add_image`, then `prepare`.

    Classes of several sources share one list of ids; each image trains only the classes of
    its own source (`active_class_ids`).
    """

    #: Values of the image files that are black and white; None: each image's largest one decides.
    value_range: ValueRange | None = None
    #: What opening the dataset found that cannot be used, by image and annotation.
    problems: Sequence[AnnotationProblem] = ()
    #: What is used, but not as it is written.
    notes: Sequence[AnnotationProblem] = ()

    def __init__(self) -> None:
        self.class_info: list[dict[str, Any]] = [{"source": "", "id": 0, "name": "BG"}]
        self.image_info: list[dict[str, Any]] = []
        self.prepare()

    def add_class(self, source: str, class_id: int, class_name: str) -> None:
        """Add a class under its id at the source, which may differ from its id here."""
        if "." in source:
            raise DatasetError(f"source {source!r} contains a dot; use a name without one")
        known = any((c["source"], c["id"]) == (source, class_id) for c in self.class_info)
        if not known:
            self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id: Any, path: Any, **info: Any) -> None:
        """Add an image under its id at the source; `info` is kept in `image_info`."""
        self.image_info.append({"id": image_id, "source": source, "path": path, **info})

    def prepare(self) -> None:
        """Number classes and images. Call it after the last `add_class` and `add_image`."""
        self.class_names = [info["name"] for info in self.class_info]
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.num_images = len(self.image_info)
        self.image_ids = np.arange(self.num_images)
        self.sources = sorted({info["source"] for info in self.class_info})
        self.class_from_source_map = {
            f"{info['source']}.{info['id']}": i for i, info in enumerate(self.class_info)
        }
        self.source_class_ids = {
            source: [
                i for i, info in enumerate(self.class_info) if i == 0 or info["source"] == source
            ]
            for source in self.sources
        }

    def map_source_class_id(self, source_class_id: str) -> int:
        """Return the class id here of `source.id`, as in "coco.18"."""
        return self.class_from_source_map[source_class_id]

    def image_reference(self, image_id: int) -> str:
        """Return where the image comes from, for messages: `source: id`."""
        return image_reference(self, image_id)

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Read one image, RGB."""
        return load_image(self.image_info[image_id]["path"], value_range=self.value_range)

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of all objects and their classes; a crowd's class is negative."""
        raise NotImplementedError(f"{type(self).__name__} must define load_mask(image_id)")

    def load_objects(self, image_id: int) -> Objects:
        """Return the objects of an image that can be used, and what was left out."""
        return objects_of(*self.load_mask(image_id))


def load_pixels(dataset: AnyDataset, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
    """Return an image of any dataset, also of one whose `load_image` returns other arrays.

    Raises ImageError for an array that is not an image.
    """
    return as_image(dataset.load_image(image_id), image_reference(dataset, image_id))


def image_reference(dataset: AnyDataset, image_id: int) -> str:
    """Return where an image comes from, for messages: `source: id`."""
    info = dataset.image_info[image_id]
    return f"{info['source']}: {info['id']}"


def active_class_ids(dataset: AnyDataset, image_id: int) -> Int32[np.ndarray, "C"]:
    """Return 1 for every class of the image's source, 0 for classes that it must not train."""
    active = np.zeros(len(dataset.class_names), np.int32)
    of_source = getattr(dataset, "source_class_ids", {})
    source = dataset.image_info[image_id]["source"]
    active[of_source.get(source, slice(None))] = 1
    return active
