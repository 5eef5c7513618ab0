"""DatasetReport: what was read of a dataset: images, objects by class and level, problems."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Int32

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.data.annotated import AnnotatedDataset
from mrcnn_explained.data.objects import Objects
from mrcnn_explained.data.records import AnnotationProblem, lost_objects
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.image import mold_scale
from mrcnn_explained.stages.levels import ROI_LEVELS, assign_levels


class ClassRow(NamedTuple):
    """The objects of one class."""

    name: str
    objects: int
    crowds: int
    without_mask: int  # of the objects: those that have only a box
    by_level: dict[int, int]  # objects that an ROI of their size reads at each level, 2…5


class DatasetReport(NamedTuple):
    """What was read of an annotation file, and what was not."""

    file: str
    tool: str
    images: int  # whose objects were read
    empty_images: int  # of them: without objects
    broken_images: int  # not found, broken, or of another size than declared
    objects_in_file: int
    objects_used: int
    classes: tuple[ClassRow, ...]
    problems: tuple[AnnotationProblem, ...]  # what is left out
    notes: tuple[AnnotationProblem, ...]  # what is used, but not as it is written

    @property
    def objects_left_out(self) -> int:
        """Number of objects that the problems leave out."""
        return lost_objects(self.problems)


def dataset_report(
    dataset: AnnotatedDataset,
    config: Config,
    *,
    image_ids: Sequence[int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetReport:
    """Read every object of a dataset, and count.

    config       decides how images are molded and levels rounded
    image_ids    images to read; None: all. Of the others' objects nothing is counted
    progress     called with (images done, images in all)

    If all images are read, the objects in the file are those used plus those left out.
    """
    reading = dataset.reading
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    problems, notes = list(reading.problems), list(dataset.notes)
    counts: dict[str, Counter[str]] = {name: Counter() for name in dataset.class_names[1:]}
    empty = broken = 0
    for done, image_id in enumerate(ids):
        progress(done, len(ids))
        record = reading.images[image_id]
        try:
            found = dataset.load_objects(image_id)
        except (InputError, OSError) as error:
            broken += 1
            problem = AnnotationProblem("", -1, str(error), lost=len(record.objects))
            problems += [*record.problems, problem]
            continue
        problems += found.problems
        notes += found.notes
        empty += not len(found.class_ids)
        _count(found, dataset.class_names, config, counts)
    progress(len(ids), len(ids))
    skipped = set(map(int, dataset.image_ids)) - set(ids)
    unread = sum(len(reading.images[i].objects) + len(reading.images[i].problems) for i in skipped)
    return DatasetReport(
        file=reading.file,
        tool=reading.tool,
        images=len(ids) - broken,
        empty_images=empty,
        broken_images=broken,
        objects_in_file=reading.objects_in_file - unread,
        objects_used=sum(each["objects"] + each["crowds"] for each in counts.values()),
        classes=tuple(_class_row(name, each) for name, each in counts.items()),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _count(
    found: Objects, class_names: Sequence[str], config: Config, counts: dict[str, Counter[str]]
) -> None:
    """Add the objects of one image to the counts of their classes."""
    levels = _levels(found, config)
    for class_id, has_mask, level in zip(
        found.class_ids.tolist(), found.has_mask.tolist(), levels.tolist(), strict=True
    ):
        count = counts[class_names[abs(class_id)]]
        if class_id < 0:
            count["crowds"] += 1
            continue
        count["objects"] += 1
        count["without mask"] += not has_mask
        count[f"P{level}"] += 1


def _levels(found: Objects, config: Config) -> Int32[np.ndarray, "n"]:
    """Return the level that an ROI equal to each object's box reads."""
    if not len(found.boxes):
        return np.zeros(0, np.int32)
    height, width = found.masks.shape[:2]
    scale = mold_scale(
        height,
        width,
        min_dim=config.image_min_dim,
        max_dim=config.image_max_dim,
        min_scale=config.image_min_scale,
        mode=config.image_resize_mode,
    )
    shape = _molded_shape(height * scale, width * scale, config)
    rois = norm_boxes(tf.constant(found.boxes * scale), shape)
    assigned = assign_levels(
        tf.cast(rois, tf.float32)[tf.newaxis],
        tf.constant(shape, tf.float32),
        rounding=config.level_rounding,
    )
    return np.asarray(assigned.roi_level[0])


def _molded_shape(height: float, width: float, config: Config) -> tuple[int, int]:
    """Return the size of the molded image; crops are as large as whole images."""
    if config.image_resize_mode == "square":
        return config.image_max_dim, config.image_max_dim
    return max(2, round(height)), max(2, round(width))


def _class_row(name: str, count: Counter[str]) -> ClassRow:
    """Return the row of one class."""
    by_level = {level: count[f"P{level}"] for level in ROI_LEVELS}
    return ClassRow(name, count["objects"], count["crowds"], count["without mask"], by_level)
