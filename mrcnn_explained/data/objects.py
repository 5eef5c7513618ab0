"""Objects: the one way in which training, evaluation, surveys and statistics read annotations."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Int32

from mrcnn_explained.data.records import AnnotationProblem, DatasetError, Reading


class HasMasks(Protocol):
    """A dataset as Matterport's code has it."""

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of all objects and their classes; a crowd's class is negative."""


class Objects(NamedTuple):
    """The n objects of one image that can be used, and what was left out."""

    masks: Bool[np.ndarray, "h w n"]  # pixels of the original image
    class_ids: Int32[np.ndarray, "n"]  # negative: a crowd
    boxes: Int32[np.ndarray, "n 4"]  # (y1, x1, y2, x2), pixels; y2 and x2 are one outside
    has_mask: Bool[np.ndarray, "n"]  # False: the file has only a box, which fills the mask
    problems: tuple[AnnotationProblem, ...] = ()  # objects that are left out
    notes: tuple[AnnotationProblem, ...] = ()  # objects that are used, but not as written
    names: tuple[str, ...] = ()  # what the file calls each of the n objects; () : it has no names


def load_objects(dataset: HasMasks, image_id: int) -> Objects:
    """Read the objects of one image of any dataset, also of one that has only `load_mask`.

    image_id    one of `dataset.image_ids`

    Raises DatasetError for an image that cannot be read, or masks that do not fit their classes.
    """
    if _masks_are_its_own(dataset):
        return objects_of(*dataset.load_mask(image_id))
    return getattr(dataset, "load_objects")(image_id)  # noqa: B009 - not every dataset has it


def records_of(dataset: HasMasks) -> Reading | None:
    """Return the records of a dataset's annotation file; None: its objects are not those."""
    return None if _masks_are_its_own(dataset) else getattr(dataset, "reading", None)


def _masks_are_its_own(dataset: HasMasks) -> bool:
    """Return whether only `load_mask` knows the objects of a dataset.

    So it is for Matterport's datasets, and for a subclass or a wrapper that changes `load_mask`
    of one that has `load_objects`.
    """
    if "load_mask" in getattr(dataset, "__dict__", ()):
        return True
    for kind in type(dataset).__mro__:
        if "load_objects" in vars(kind):
            return False
        if "load_mask" in vars(kind):
            return True
    return not hasattr(dataset, "load_objects")


def objects_of(masks: Any, class_ids: Any) -> Objects:
    """Return masks and classes, as `load_mask` returns them, as objects.

    Raises DatasetError if there are not as many masks as classes.
    """
    masks, class_ids = np.asarray(masks, bool), np.asarray(class_ids, np.int32)
    if masks.ndim != 3 or class_ids.ndim != 1:
        raise DatasetError(
            f"masks have the shape {list(masks.shape)}, classes {list(class_ids.shape)}; expected "
            "[height, width, n] and [n]"
        )
    if masks.shape[2] != len(class_ids):
        raise DatasetError(f"{masks.shape[2]} masks came with {len(class_ids)} classes")
    return Objects(masks, class_ids, extract_boxes(masks), np.ones(len(class_ids), bool))


def check_problems(dataset: HasMasks) -> None:
    """Refuse a dataset if its annotation file holds anything that cannot be used.

    Raises DatasetError with the first problem and the number of the others.
    """
    problems = getattr(dataset, "problems", ())
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        skip = "leave such annotations out (broken='skip', --broken skip)"
        hint = f". Fix it, or {skip}" if any(problem.lost for problem in problems) else ""
        raise DatasetError(f"{problems[0]}{more}{hint}")


def extract_boxes(masks: Bool[np.ndarray, "h w n"]) -> Int32[np.ndarray, "n 4"]:
    """Return the box around each mask, (y1, x1, y2, x2) in pixels.

    y2 and x2 are one outside the mask. The box of an empty mask is zero.
    """
    boxes = np.zeros([masks.shape[-1], 4], np.int32)
    for i in range(masks.shape[-1]):
        mask = masks[..., i]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            boxes[i] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes
