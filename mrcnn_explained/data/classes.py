"""Classes: a dataset's classes matched to a model's by name, never by number."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Int32, UInt8

from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.objects import Objects, load_objects, records_of
from mrcnn_explained.data.records import DatasetError, Reading, short

NAMED = 3  # names that a refusal lists


class ClassMap(NamedTuple):
    """From the classes of a dataset to those of a model and back."""

    to_model: Int32[np.ndarray, "c"]  # the model's class of each of the dataset's; 0: it has none
    source_ids: Mapping[int, Any]  # the model's class → its id in the dataset's file

    def model_ids(self, class_ids: Int[np.ndarray, "n"]) -> Int32[np.ndarray, "n"]:
        """Return a dataset's class ids as the model's; a crowd's stays negative.

        An id that the dataset's own list of classes lacks stays as it is, for `check_objects`.
        """
        ids = np.asarray(class_ids, np.int32)
        known = np.abs(ids) < len(self.to_model)
        mapped = self.to_model[np.where(known, np.abs(ids), 0)] * np.sign(ids)
        return np.where(known, mapped, ids).astype(np.int32)

    def category_ids(self, class_ids: Int[np.ndarray, "n"]) -> Int32[np.ndarray, "n"]:
        """Return a model's class ids as the ids of the dataset's file: COCO's toothbrush is 90.

        A class that the dataset lacks has no id there, and keeps the model's.
        """
        ids = [int(self.source_ids.get(int(class_id), class_id)) for class_id in class_ids]
        return np.array(ids, np.int32)


def class_map(dataset: AnyDataset, config: Config, *, strict: bool = True) -> ClassMap:
    """Match the classes of a dataset to a model's by name.

    strict    False: an object of a class that the model lacks gets class 0

    A model without class names takes the dataset's numbers, if it has as many classes.

    Raises DatasetError for a class with objects that the model lacks, or a model without names
    and with another number of classes.
    """
    names = list(dataset.class_names)
    if not config.class_names:
        return _by_number(dataset, names, config, strict)
    numbers = {name: number for number, name in enumerate(config.class_names) if number}
    to_model = np.array([0, *(numbers.get(name, 0) for name in names[1:])], np.int32)
    used = getattr(dataset, "used_class_names", None)
    needed = used() if used else set(names[1:])
    missing = [name for name in names[1:] if name not in numbers and name in needed]
    if missing and strict:
        raise DatasetError(
            f"the model has no class {_listed(missing)}; its classes are "
            f"{_listed(config.class_names[1:])}. Rename the classes, or train a model on them"
        )
    return ClassMap(to_model, _source_ids(dataset, to_model))


class Renumbered:
    """A dataset with the class ids of a model.

    dataset        whose images these are
    class_names    of the model, background first
    classes        the map of the dataset's classes to the model's
    """

    def __init__(self, dataset: AnyDataset, class_names: Sequence[str], classes: ClassMap):
        self._dataset, self._classes = dataset, classes
        self.class_names = tuple(class_names)
        self.image_ids, self.image_info = dataset.image_ids, dataset.image_info
        to_model = classes.to_model
        self.source_class_ids = {
            source: sorted({0, *(int(to_model[i]) for i in ids)})
            for source, ids in getattr(dataset, "source_class_ids", {}).items()
        }

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Read an image, RGB."""
        return self._dataset.load_image(image_id)

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of an image's objects, and their classes in the model."""
        found = self.load_objects(image_id)
        return found.masks, found.class_ids

    def load_objects(self, image_id: int) -> Objects:
        """Return the objects of an image with their classes in the model."""
        found = load_objects(self._dataset, image_id)
        return found._replace(class_ids=self._classes.model_ids(found.class_ids))

    @property
    def reading(self) -> Reading | None:
        """What the dataset's annotation file holds; None: it has no such file."""
        return records_of(self._dataset)

    def __getattr__(self, name: str) -> Any:
        """Return what a dataset has beyond `AnyDataset`, such as `problems`."""
        return getattr(self._dataset, name)


def in_model_classes(dataset: AnyDataset, config: Config) -> AnyDataset:
    """Return a dataset with the class ids of a model; itself if they are the same.

    Raises DatasetError as `class_map` does.
    """
    if not config.class_names or tuple(dataset.class_names[1:]) == tuple(config.class_names[1:]):
        return dataset
    return Renumbered(dataset, config.class_names, class_map(dataset, config))


def _by_number(dataset: AnyDataset, names: Sequence[str], config: Config, strict: bool) -> ClassMap:
    """Match classes by their numbers, for a model without names."""
    if not strict:
        return ClassMap(np.zeros(len(names), np.int32), {})
    if len(names) != config.num_classes:
        raise DatasetError(
            f"the dataset has {len(names)} classes with the background, the model "
            f"{config.num_classes} without names: they must be the same, in the same order; "
            'give their names (config.json, "class_names")'
        )
    to_model = np.arange(len(names), dtype=np.int32)
    return ClassMap(to_model, _source_ids(dataset, to_model))


def _source_ids(dataset: AnyDataset, to_model: Int32[np.ndarray, "c"]) -> dict[int, Any]:
    """Return the id in the dataset's file of each of the model's classes."""
    infos = getattr(dataset, "class_info", None)
    if infos is None:
        return {int(number): index for index, number in enumerate(to_model) if number}
    return {int(n): info["id"] for n, info in zip(to_model, infos, strict=True) if n}


def _listed(names: Sequence[str]) -> str:
    """Return some names in quotes."""
    some = ", ".join(repr(short(name, 20)) for name in names[:NAMED])
    return some + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
