"""Annotations: the objects of one image, checked, molded and made small.

The masks follow the image: scaled, padded, cropped and flipped with it; boxes are the boxes of
the masks (deviation 42).
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8
from skimage.transform import resize

from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import (
    AnyDataset,
    DatasetError,
    active_class_ids,
    image_reference,
    load_pixels,
)
from mrcnn_explained.data.molding import mold
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.records import AnnotationProblem
from mrcnn_explained.errors import OutOfMemoryError
from mrcnn_explained.stages.image import MoldedImage

Broken = Literal["skip", "refuse"]


class Sample(NamedTuple):
    """One image to train on, with its objects."""

    resized: UInt8[np.ndarray, "H W ch"]  # the molded image before the mean pixel is subtracted
    image_meta: Float32[np.ndarray, "meta"]  # as in MoldedImage
    gt_class_ids: Int32[np.ndarray, "n"]  # negative: a crowd
    gt_boxes: Float32[np.ndarray, "n 4"]  # (y1, x1, y2, x2), pixels of the molded image
    gt_masks: Bool[np.ndarray, "mh mw n"]  # of the molded image, or mini-masks


class _Objects(NamedTuple):
    """An image as a dataset holds it."""

    image: UInt8[np.ndarray, "h w 3"]
    masks: Bool[np.ndarray, "h w n"]
    class_ids: Int32[np.ndarray, "n"]


def minimize_masks(
    boxes: Int32[np.ndarray, "n 4"], masks: Bool[np.ndarray, "h w n"], shape: tuple[int, int]
) -> Bool[np.ndarray, "mh mw n"]:
    """Cut each mask to its box and scale it to `shape`: 3 kB per object instead of an image.

    boxes    of the masks, pixels; each has an area

    Detail is lost in boxes larger than `shape` (deviation 41).
    """
    small = np.zeros([*shape, len(boxes)], bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        cut = masks[y1:y2, x1:x2, i].astype(np.float64)
        small[..., i] = np.round(resize(cut, shape, order=1, mode="constant", anti_aliasing=False))
    return small


def check_objects(
    reference: str, masks: np.ndarray, class_ids: np.ndarray, shape: tuple[int, ...], classes: int
) -> list[AnnotationProblem]:
    """List every object of an image that a model cannot be trained on, and why.

    reference    of the image, for the messages
    shape        of the image; its height and width count
    classes      of the model, background included
    """
    masks, class_ids = np.asarray(masks), np.asarray(class_ids)
    if masks.ndim != 3 or masks.shape[:2] != tuple(shape[:2]):
        reason = f"masks have the shape {list(masks.shape)}, the image {list(shape[:2])}"
        return [AnnotationProblem(reference, -1, reason)]
    if masks.shape[2] != len(class_ids):
        reason = f"{masks.shape[2]} masks came with {len(class_ids)} classes"
        return [AnnotationProblem(reference, -1, reason)]
    reasons = [_problem(masks[..., i], int(k), classes) for i, k in enumerate(class_ids)]
    return [AnnotationProblem(reference, i, reason) for i, reason in enumerate(reasons) if reason]


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
) -> tuple[Sample | None, list[AnnotationProblem]]:
    """Load an image with its objects, molded to the network's size.

    flip      exchange left and right
    seed      chooses the place to crop, in resize mode "crop"
    broken    "refuse" raises DatasetError with the image and the reason; "skip" leaves out the
              object, or returns no sample for an image without any object

    Returns the sample and what was left out.
    """
    reference = image_reference(dataset, image_id)
    objects, problems = _load(dataset, image_id, config)
    if problems and broken == "refuse":
        raise DatasetError(
            f"{problems[0]}. Fix it, or leave such annotations out (broken='skip', --broken skip)"
        )
    if objects is None:
        return None, problems
    usable = np.setdiff1d(
        np.arange(len(objects.class_ids)), [problem.object for problem in problems]
    )
    molded = mold(
        [objects.image],
        config,
        image_ids=[image_id],
        active_class_ids=active_class_ids(dataset, image_id)[np.newaxis],
        seed=seed,
    )
    sample = _sample(molded, objects.masks[..., usable], objects.class_ids[usable], config, flip)
    if sample is None:
        nothing = AnnotationProblem(reference, -1, "it has no object to train on")
        return None, [*problems, nothing]
    return sample, problems


def _load(
    dataset: AnyDataset, image_id: int, config: Config
) -> tuple[_Objects | None, list[AnnotationProblem]]:
    """Read an image and its objects, and list what is wrong; None: the image cannot be used."""
    reference = image_reference(dataset, image_id)
    try:
        image = load_pixels(dataset, image_id)
        masks, class_ids = dataset.load_mask(image_id)
        problems = check_objects(reference, masks, class_ids, image.shape, config.num_classes)
    except OutOfMemoryError:
        raise
    except (OSError, ValueError) as error:
        return None, [AnnotationProblem(reference, -1, str(error))]
    if any(problem.object < 0 for problem in problems):
        return None, problems
    return _Objects(image, np.asarray(masks), np.asarray(class_ids)), problems


def _sample(
    molded: MoldedImage,
    masks: Bool[np.ndarray, "h w n"],
    class_ids: Int32[np.ndarray, "n"],
    config: Config,
    flip: bool,
) -> Sample | None:
    """Put a molded image and its objects together; None: molding left no object on it.

    masks    pixels of the original image
    """
    resized = molded.resized[0]
    masks = mold_masks(masks, molded.scale[0], molded.padding[0], molded.crop[0], resized.shape[:2])
    if flip:
        resized, masks = resized[:, ::-1], masks[:, ::-1]
    boxes = extract_boxes(masks)
    sides = boxes[:, 2:] - boxes[:, :2]
    visible = np.flatnonzero(sides.min(axis=1) > 1)[: config.max_gt_instances]
    if not len(visible):
        return None
    boxes, masks = boxes[visible], masks[..., visible]
    if config.use_mini_mask:
        masks = minimize_masks(boxes, masks, config.mini_mask_shape)
    return Sample(
        resized=np.ascontiguousarray(resized),
        image_meta=molded.image_meta[0].astype(np.float32),
        gt_class_ids=class_ids[visible].astype(np.int32),
        gt_boxes=boxes.astype(np.float32),
        gt_masks=np.ascontiguousarray(masks),
    )


def mold_masks(
    masks: Bool[np.ndarray, "h w n"],
    scale: float,
    padding: Int64[np.ndarray, "3 2"],
    crop: Int64[np.ndarray, "2"],
    shape: tuple[int, int],
) -> Bool[np.ndarray, "H W n"]:
    """Scale, crop and pad masks as the image was; the nearest pixel counts, so they stay 0 and 1.

    scale, padding, crop    of the image, as in MoldedImage
    shape                   (H, W) of the molded image, pixels
    """
    masks = np.asarray(masks, bool)
    if scale != 1:
        height, width = (max(1, round(side * scale)) for side in masks.shape[:2])
        masks = resize(
            masks,
            (height, width, masks.shape[2]),
            order=0,
            mode="constant",
            anti_aliasing=False,
            preserve_range=True,
        ).astype(bool)
    if np.any(crop):
        masks = masks[crop[0] : crop[0] + shape[0], crop[1] : crop[1] + shape[1]]
    return np.pad(masks[: shape[0], : shape[1]], padding) if np.any(padding) else masks
