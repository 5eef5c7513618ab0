"""Names and ids of images and classes in the files that `detect` writes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from mrcnn_explained.coco_classes import category_ids, coco_image_ids


class ResultNames(NamedTuple):
    """What the results call images and classes; each image has names of its own."""

    image_ids: tuple[int, ...]
    category_ids: dict[int, int] | None  # class id → category id; None: the class ids
    csv_ids: tuple[str, ...]
    drawn: tuple[str, ...]  # paths of the drawn images, below their folder
    note: str  # which ids these are

    def categories(self, class_ids: Sequence[int]) -> list[int]:
        """Return the category ids of the model's classes."""
        return [(self.category_ids or {}).get(class_id, class_id) for class_id in class_ids]


def result_names(images: Sequence[str], class_names: Sequence[str]) -> ResultNames:
    """Choose the names and ids of results.

    images         paths of the images below their folder, with forward slashes
    class_names    of the model, in the order of its class ids; the first is the background

    Images that are named as COCO's get COCO's ids. So do the classes, if all have COCO's names and
    they are COCO's 80, or the images are COCO's.
    """
    from_names, categories = coco_image_ids(images), category_ids(class_names)
    if categories is not None and from_names is None and len(categories) <= 80:
        categories = None  # cat and dog alone may be of any dataset
    image_note = (
        "0, 1, … in the order of file_name"
        if from_names is None
        else "COCO's, read from the file's name"
    )
    class_note = "the model's number of the class" if categories is None else "COCO's"
    return ResultNames(
        image_ids=from_names or tuple(range(len(images))),
        category_ids=None if categories is None else dict(enumerate(categories)),
        csv_ids=_csv_ids(images),
        drawn=_drawn(images),
        note=f"image_id is {image_note}; category_id is {class_note}",
    )


def _csv_ids(images: Sequence[str]) -> tuple[str, ...]:
    """Return the names of images in a CSV file: without folder and ending where that is unique."""
    stems = [PurePosixPath(name).stem for name in images]
    count = Counter(stems)
    return tuple(
        stem if count[stem] == 1 and stem not in images else name
        for stem, name in zip(stems, images, strict=True)
    )


def _drawn(images: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the drawn images: the image's own, as PNG."""
    taken = {name for name in images if name.endswith(".png")}
    drawn = []
    for name in images:
        target = name
        if not name.endswith(".png"):
            target = f"{name}.png"
            while target in taken:
                target = f"{target}.png"
            taken.add(target)
        drawn.append(target)
    return tuple(drawn)
