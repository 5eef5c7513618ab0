"""Dataset: images and the objects on them, under the names of Matterport's `Dataset`.

Anything with `class_names`, `image_ids`, `image_info`, `load_image` and `load_mask` can be
trained on; a subclass written for Matterport's code needs no change but its base.
"""

from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from mrcnn_explained.errors import InputError
from mrcnn_explained.media.images import load_image


class DatasetError(InputError):
    """A dataset that cannot be read: which file or image, what came, what would do."""


class AnyDataset(Protocol):
    """What the pipeline asks of a dataset."""

    class_names: list[str]  # background first
    image_ids: np.ndarray  # 0 … number of images - 1
    image_info: list[dict[str, Any]]  # of each image: its "source" and its "id" there

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]: ...

    def load_mask(
        self, image_id: int
    ) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]: ...


class Dataset:
    """Base of datasets: `add_class` and `add_image`, then `prepare`.

    Classes of several sources share one list of ids; each image trains only the classes of
    its own source (`active_class_ids`).
    """

    def __init__(self):
        self.class_info = [{"source": "", "id": 0, "name": "BG"}]
        self.image_info = []
        self.prepare()

    def add_class(self, source: str, class_id: int, class_name: str) -> None:
        """Add a class under its id at the source, which need not be the id here."""
        if "." in source:
            raise DatasetError(f"source {source!r} contains a dot; name it without")
        known = any((c["source"], c["id"]) == (source, class_id) for c in self.class_info)
        if not known:
            self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id: Any, path: Any, **info: Any) -> None:
        """Add an image under its id at the source; `info` is kept beside it."""
        self.image_info.append({"id": image_id, "source": source, "path": path, **info})

    def prepare(self) -> None:
        """Number classes and images. Call it after the last `add_…`."""
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
        """Return the id here of `source.id`, as in "coco.18"."""
        return self.class_from_source_map[source_class_id]

    def image_reference(self, image_id: int) -> str:
        """Return where the image comes from, for messages: `source: id`."""
        info = self.image_info[image_id]
        return f"{info['source']}: {info['id']}"

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Read the image, RGB."""
        return load_image(self.image_info[image_id]["path"])

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of all objects and their classes; a crowd's class is negative."""
        raise NotImplementedError(f"{type(self).__name__} must define load_mask(image_id)")


def active_class_ids(dataset: AnyDataset, image_id: int) -> Int32[np.ndarray, "C"]:
    """Return 1 for every class of the image's source: the others are not to be learnt."""
    active = np.zeros(len(dataset.class_names), np.int32)
    of_source = getattr(dataset, "source_class_ids", {})
    source = dataset.image_info[image_id]["source"]
    active[of_source.get(source, slice(None))] = 1
    return active
