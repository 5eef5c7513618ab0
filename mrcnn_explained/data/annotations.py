"""Annotations: the objects of one image, checked, and molded with it for training."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

from mrcnn_explained.config import Config
from mrcnn_explained.data.classes import in_model_classes
from mrcnn_explained.data.dataset import (
    AnyDataset,
    DatasetError,
    active_class_ids,
    image_reference,
    load_pixels,
)
from mrcnn_explained.data.masks import minimize_masks, mold_masks
from mrcnn_explained.data.molding import mold
from mrcnn_explained.data.objects import (
    Objects,
    extract_boxes,
    load_objects,
    objects_of,
    records_of,
)
from mrcnn_explained.data.records import AnnotationProblem
from mrcnn_explained.errors import OutOfMemoryError
from mrcnn_explained.media.pixels import as_image
from mrcnn_explained.stages.image import MoldedImage

Broken = Literal["skip", "refuse"]

NOTHING = "it has no object to train on"  # the reason of an image that is skipped for it


class Sample(NamedTuple):
    """One image to train on, with its n objects; the heads are trained on the first k of them."""

    resized: UInt8[np.ndarray, "H W ch"]  # the molded image before the mean pixel is subtracted
    image_meta: Float32[np.ndarray, "meta"]  # as in MoldedImage
    gt_class_ids: Int32[np.ndarray, "n"]  # the model's; negative: a crowd
    gt_boxes: Float32[np.ndarray, "n 4"]  # (y1, x1, y2, x2), pixels of the molded image
    gt_masks: Bool[np.ndarray, "mh mw k"]  # of the molded image, or mini-masks
    gt_has_mask: Bool[np.ndarray, "n"]  # False: the file has only a box, which fills the mask


class _Place(NamedTuple):
    """What messages call an image."""

    file: str  # the annotation file; "": there is none
    image: str
    objects: int  # on the image, as far as its file says

    def problem(
        self, reason: str, index: int = -1, *, name: str = "", lost: int = 1
    ) -> AnnotationProblem:
        """Return a problem with the image, or with the object at an index."""
        return AnnotationProblem(self.image, index, reason, self.file, name, lost)


class _Loaded(NamedTuple):
    """An image with the objects on it that a model can be trained on, and what is left out."""

    image: UInt8[np.ndarray, "h w ch"] | None  # None: the image cannot be used
    objects: Objects
    problems: list[AnnotationProblem]
    notes: list[AnnotationProblem]


def check_objects(
    reference: str,
    masks: np.ndarray,
    class_ids: np.ndarray,
    shape: tuple[int, ...],
    classes: int,
    *,
    file: str = "",
    names: Sequence[str] = (),
) -> list[AnnotationProblem]:
    """List every object of an image that a model cannot be trained on, and why.

    reference      of the image, for the messages
    shape          of the image; its height and width count
    classes        of the model, background included
    file, names    the annotation file and what it calls each object, for the messages
    """
    masks, class_ids = np.asarray(masks), np.asarray(class_ids)
    place = _Place(file, reference, len(class_ids))
    if masks.ndim != 3 or masks.shape[:2] != tuple(shape[:2]):
        reason = f"masks have the shape {list(masks.shape)}, the image {list(shape[:2])}"
        return [place.problem(reason, lost=len(class_ids))]
    if masks.shape[2] != len(class_ids):
        reason = f"{masks.shape[2]} masks came with {len(class_ids)} classes"
        return [place.problem(reason, lost=len(class_ids))]
    problems = []
    for index, class_id in enumerate(class_ids):
        if reason := _problem(masks[..., index], int(class_id), classes):
            name = names[index] if len(names) else ""
            problems.append(place.problem(reason, index, name=name))
    return problems


def _problem(mask: Bool[np.ndarray, "h w"], class_id: int, classes: int) -> str:
    """Return why a model cannot be trained on an object, "" if it can."""
    if class_id == 0:
        return "class 0 is the background"
    if abs(class_id) >= classes:
        return f"class {class_id} of {classes} classes"
    rows, columns = int(mask.any(1).sum()), int(mask.any(0).sum())
    if rows == 0:
        return "its mask is empty"
    if rows < 2 or columns < 2:
        return f"its box is {rows}x{columns} pixels: no area to train on"
    return ""


def load_sample(
    dataset: AnyDataset,
    image_id: int,
    config: Config,
    *,
    flip: bool = False,
    seed: int = 0,
    broken: Broken = "refuse",
    keep_empty: bool = False,
) -> tuple[Sample | None, list[AnnotationProblem]]:
    """Load an image with its objects, molded to the network's size.

    flip          exchange left and right
    seed          chooses the place to crop, in resize mode "crop", and the objects that the heads
                  are trained on where there are more than `max_gt_instances`
    broken        "refuse" raises DatasetError with the image and the reason; "skip" leaves out
                  the object, or the image if it cannot be read
    keep_empty    also return an image without any object to train on, as background; not one
                  whose objects were left out

    Returns the sample, or None for an image that cannot be used or has no object to train on
    (crowds are none), and what was left out. A problem with `lost=0` is a note that is never
    refused: objects that molding makes too small, or that the heads are not trained on.

    Classes are matched with the model's by name. Raises DatasetError for one that it lacks.
    """
    dataset = in_model_classes(dataset, config)
    place = _place(dataset, image_id)
    image, objects, problems, notes = _load(dataset, image_id, config, place)
    if problems and broken == "refuse":
        raise DatasetError(f"{problems[0]}. Fix it, or leave it out: --broken skip (broken='skip')")
    if image is None:
        return None, [*problems, *notes]
    image = as_image(image, place.image, channels=config.image_channel_count)
    molded = mold(
        [image],
        config,
        image_ids=[image_id],
        active_class_ids=active_class_ids(dataset, image_id)[np.newaxis],
        seed=seed,
    )
    sample, left_out = _sample(molded, objects, config, flip, place)
    is_background = keep_empty and not (problems or left_out)
    if not (is_background or (sample.gt_class_ids > 0).any()):
        return None, [*problems, *notes, *left_out, place.problem(NOTHING, lost=0)]
    number, most = len(sample.gt_class_ids), config.max_gt_instances
    if number > most:
        why = f"it has {number} objects: {number - most} of them, drawn at random, do not train "
        notes.append(place.problem(f"{why}the heads (max_gt_instances {most})", lost=0))
    return _for_heads(sample, config, seed), [*problems, *notes, *left_out]


def _place(dataset: AnyDataset, image_id: int) -> _Place:
    """Return what messages call an image: as its annotation file names it, if there is one."""
    reading = records_of(dataset)
    if reading is None:
        return _Place("", image_reference(dataset, image_id), 1)
    record = reading.images[image_id]
    return _Place(reading.file, record.where, len(record.objects))


def _load(dataset: AnyDataset, image_id: int, config: Config, place: _Place) -> _Loaded:
    """Read an image and the objects that can be used; list what is wrong with the others."""
    nothing = objects_of(np.zeros([0, 0, 0]), np.zeros(0))
    try:
        image = load_pixels(dataset, image_id)
        objects = load_objects(dataset, image_id)
    except OutOfMemoryError:
        raise
    except (OSError, ValueError) as error:
        reason, path = str(error), str(dataset.image_info[image_id].get("path") or "")
        if path and reason.startswith(path):  # the message names the image's own file
            place = place._replace(file="")
        within = reason.removeprefix(f"{place.file}, ").removeprefix(f"{place.image}: ")
        return _Loaded(None, nothing, [place.problem(within, lost=place.objects)], [])
    problems = check_objects(
        place.image,
        objects.masks,
        objects.class_ids,
        image.shape,
        config.num_classes,
        file=place.file,
        names=objects.names,
    )
    wrong = [problem.object for problem in problems]
    every_problem, notes = [*objects.problems, *problems], list(objects.notes)
    if -1 in wrong:
        return _Loaded(None, nothing, every_problem, notes)
    usable = np.setdiff1d(np.arange(len(objects.class_ids)), wrong)
    return _Loaded(image, _only(objects, usable), every_problem, notes)


def _only(objects: Objects, rows: Int64[np.ndarray, "m"]) -> Objects:
    """Return some of the objects."""
    return objects._replace(
        masks=objects.masks[..., rows],
        class_ids=objects.class_ids[rows],
        boxes=objects.boxes[rows],
        has_mask=objects.has_mask[rows],
        names=tuple(objects.names[row] for row in rows) if objects.names else (),
    )


def _sample(
    molded: MoldedImage, objects: Objects, config: Config, flip: bool, place: _Place
) -> tuple[Sample, list[AnnotationProblem]]:
    """Put a molded image and its objects together, with whole masks.

    Returns also the objects that molding made too small to train on. What lies outside a crop is
    not of this image.
    """
    resized = molded.resized[0]
    masks = mold_masks(
        objects.masks, molded.scale[0], molded.padding[0], molded.crop[0], resized.shape[:2]
    )
    if flip:
        resized, masks = resized[:, ::-1], masks[:, ::-1]
    boxes = extract_boxes(masks)
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    is_visible = np.minimum(height, width) > 1
    left_out = []
    for row in np.flatnonzero(~is_visible) if config.image_resize_mode != "crop" else ():
        reason = (
            f"its box is {height[row]}x{width[row]} pixels in the molded image of "
            f"{resized.shape[0]}x{resized.shape[1]}: too small to train on (--size)"
        )
        name = objects.names[row] if objects.names else ""
        left_out.append(place.problem(reason, int(row), name=name, lost=0))
    sample = Sample(
        resized=np.ascontiguousarray(resized),
        image_meta=molded.image_meta[0].astype(np.float32),
        gt_class_ids=objects.class_ids[is_visible].astype(np.int32),
        gt_boxes=boxes[is_visible].astype(np.float32),
        gt_masks=masks[..., is_visible],
        gt_has_mask=objects.has_mask[is_visible],
    )
    return sample, left_out


def _for_heads(sample: Sample, config: Config, seed: int) -> Sample:
    """Draw the objects that the heads are trained on, if there are too many; make masks small.

    The drawn ones come first and only they keep a mask. Source: Matterport's `data_generator`,
    which draws them after the targets of the RPN are made.
    """
    number = len(sample.gt_class_ids)
    rows = np.arange(number)
    if number > config.max_gt_instances:
        rng = np.random.default_rng([seed, number])
        drawn = np.sort(rng.choice(number, config.max_gt_instances, replace=False))
        rows = np.concatenate([drawn, np.setdiff1d(rows, drawn)])
    for_heads = rows[: config.max_gt_instances]
    masks = sample.gt_masks[..., for_heads]
    if config.use_mini_mask:
        boxes = sample.gt_boxes[for_heads].astype(np.int32)
        masks = minimize_masks(boxes, masks, config.mini_mask_shape)
    return sample._replace(
        gt_class_ids=sample.gt_class_ids[rows],
        gt_boxes=sample.gt_boxes[rows],
        gt_masks=np.ascontiguousarray(masks),
        gt_has_mask=sample.gt_has_mask[rows],
    )
