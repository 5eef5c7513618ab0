"""Census: the images and objects that a training run has, counted before its first step."""

from collections.abc import Sequence
from typing import NamedTuple

from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.objects import load_objects, records_of
from mrcnn_explained.data.outlines import BoxOnly
from mrcnn_explained.data.records import DatasetError, ObjectRecord

MOST_READ = 64  # images of a dataset without records that are read to find one object


class Census(NamedTuple):
    """What an annotation file holds for some images, without what cannot be used."""

    images: int
    empty_images: int  # of them: without an object, or with crowds only
    objects: int  # without crowds
    crowds: int
    without_mask: int  # of the objects: those that have only a box

    def __str__(self) -> str:
        counts = {
            "images": self.images,
            "images without an object": self.empty_images,
            "objects": self.objects,
            "objects with a box only": self.without_mask,
            "crowds": self.crowds,
        }
        always = ("images", "objects")
        return ", ".join(f"{n} {what}" for what, n in counts.items() if n or what in always)


def census(dataset: AnyDataset) -> Census | None:
    """Count the objects of a dataset's images in its records; None: it has no records.

    No image is read.
    """
    reading = records_of(dataset)
    if reading is None:
        return None
    of_images = [reading.images[image_id].objects for image_id in dataset.image_ids]
    real = [[thing for thing in things if not thing.crowd] for things in of_images]
    return Census(
        images=len(of_images),
        empty_images=sum(not things for things in real),
        objects=sum(map(len, real)),
        crowds=sum(map(len, of_images)) - sum(map(len, real)),
        without_mask=sum(map(_boxes_only, real)),
    )


def check_objects_exist(dataset: AnyDataset, what: str) -> None:
    """Refuse a dataset on which nothing can be learned: every loss would be 0.

    what    of the run the images are: "to train on"

    Of a dataset without records, the first images are read; one that is larger passes.

    Raises DatasetError if no image has an object that is not a crowd.
    """
    found = census(dataset)
    if found is None:
        found = _read(dataset)
    if found is None or found.objects:
        return
    images = f"the {found.images} images {what}"
    if found.crowds:
        raise DatasetError(
            f"{images} have {found.crowds} objects and all are crowds (iscrowd 1), which train "
            "nothing: every loss would be 0. If each is one object, use --crowds objects "
            "(crowds=False). To train on background alone, use --keep-empty (keep_empty=True)"
        )
    raise DatasetError(
        f"{images} have no object that can be used: nothing to train on. Check the annotations "
        "(mrcnn-explained data), or train on background alone with --keep-empty (keep_empty=True)"
    )


def _boxes_only(things: Sequence[ObjectRecord]) -> int:
    """Count the objects that have only a box."""
    return sum(isinstance(thing.outline, BoxOnly) for thing in things)


def _read(dataset: AnyDataset) -> Census | None:
    """Read images until one has an object; None: one has, or there are too many to read."""
    crowds = 0
    for index, image_id in enumerate(dataset.image_ids):
        if index == MOST_READ:
            return None
        try:
            class_ids = load_objects(dataset, int(image_id)).class_ids
        except (OSError, ValueError):
            return None  # the pipeline will name it, if it is used
        if (class_ids > 0).any():
            return None
        crowds += len(class_ids)
    images = len(dataset.image_ids)
    return Census(images, images, 0, crowds, 0)
