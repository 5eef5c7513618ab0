"""Annotations: the objects of one image, checked, molded and made small.

The masks follow the image: scaled, padded, cropped and flipped with it; boxes are drawn
around the masks (deviation 42).
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8
from skimage.transform import resize

from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import AnyDataset, DatasetError, active_class_ids
from mrcnn_explained.data.molding import mold

Broken = Literal["skip", "refuse"]


class Sample(NamedTuple):
    """One image to train on, with its objects."""

    resized: UInt8[np.ndarray, "H W ch"]
    image_meta: Float32[np.ndarray, "meta"]
    gt_class_ids: Int32[np.ndarray, "n"]
    gt_boxes: Float32[np.ndarray, "n 4"]  # (y1, x1, y2, x2), pixels of the molded image
    gt_masks: Bool[np.ndarray, "mh mw n"]  # of the whole image, or mini-masks


class Problem(NamedTuple):
    """An annotation that cannot be used."""

    image: str  # source and id of the image
    object: int  # its number; -1: the image itself
    reason: str


def extract_boxes(masks: Bool[np.ndarray, "h w n"]) -> Int32[np.ndarray, "n 4"]:
    """Draw the box around each mask: y2 and x2 lie outside. An empty mask has a zero box."""
    boxes = np.zeros([masks.shape[-1], 4], np.int32)
    for i in range(masks.shape[-1]):
        rows, columns = (np.flatnonzero(masks[..., i].any(axis)) for axis in (1, 0))
        if len(rows):
            boxes[i] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes


def minimize_masks(
    boxes: Int32[np.ndarray, "n 4"], masks: Bool[np.ndarray, "h w n"], shape: tuple[int, int]
) -> Bool[np.ndarray, "mh mw n"]:
    """Cut each mask to its box and scale it to `shape`: 3 kB an object instead of an image.

    Detail is lost in boxes larger than `shape` (deviation 41). Boxes have an area.
    """
    small = np.zeros([*shape, len(boxes)], bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        cut = masks[y1:y2, x1:x2, i].astype(np.float64)
        small[..., i] = np.round(resize(cut, shape, order=1, mode="constant", anti_aliasing=False))
    return small


def check_objects(
    reference: str, masks: np.ndarray, class_ids: np.ndarray, shape: tuple[int, ...], classes: int
) -> list[Problem]:
    """Name every object of an image that cannot be learnt, and why."""
    masks, class_ids = np.asarray(masks), np.asarray(class_ids)
    if masks.ndim != 3 or masks.shape[:2] != tuple(shape[:2]):
        reason = f"masks have the shape {list(masks.shape)}, the image {list(shape[:2])}"
        return [Problem(reference, -1, reason)]
    if masks.shape[2] != len(class_ids):
        reason = f"{masks.shape[2]} masks came with {len(class_ids)} classes"
        return [Problem(reference, -1, reason)]
    problems = []
    for i, class_id in enumerate(class_ids.tolist()):
        ys, xs = masks[..., i].any(1).sum(), masks[..., i].any(0).sum()
        if class_id == 0:
            problems.append(Problem(reference, i, "class 0 is the background"))
        elif abs(class_id) >= classes:
            problems.append(Problem(reference, i, f"class {class_id} of {classes} classes"))
        elif not ys:
            problems.append(Problem(reference, i, "its mask is empty"))
        elif ys < 2 or xs < 2:
            problems.append(Problem(reference, i, f"its box is {ys}x{xs} pixels: no area to learn"))
    return problems


def load_sample(
    dataset: AnyDataset,
    image_id: int,
    config: Config,
    *,
    flip: bool = False,
    seed: int = 0,
    broken: Broken = "refuse",
) -> tuple[Sample | None, list[Problem]]:
    """Load an image with its objects, molded to the network's size.

    flip      left and right change places
    seed      where to crop, in resize mode "crop"
    broken    "refuse" raises DatasetError with the image and the reason; "skip" leaves out the
              object, or returns no sample for an image without any object

    Returns the sample and what was left out.
    """
    source = dataset.image_info[image_id]
    reference = f"{source['source']}: {source['id']}"
    try:
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        problems = check_objects(reference, masks, class_ids, image.shape, config.num_classes)
    except (OSError, DatasetError, ValueError) as error:
        problems = [Problem(reference, -1, str(error))]
    if problems and broken == "refuse":
        first = problems[0]
        which = "" if first.object < 0 else f", object {first.object}"
        raise DatasetError(
            f"{first.image}{which}: {first.reason}. Mend it, or leave such annotations out "
            "(broken='skip', --broken skip)"
        )
    if any(problem.object < 0 for problem in problems):
        return None, problems
    good = np.setdiff1d(np.arange(len(class_ids)), [problem.object for problem in problems])
    masks, class_ids = np.asarray(masks)[..., good], np.asarray(class_ids)[good]

    molded = mold(
        [image],
        config,
        image_ids=[image_id],
        active_class_ids=active_class_ids(dataset, image_id)[np.newaxis],
        seed=seed,
    )
    resized = molded.resized[0]
    masks = mold_masks(masks, molded.scale[0], molded.padding[0], molded.crop[0], resized.shape[:2])
    if flip:
        resized, masks = resized[:, ::-1], masks[:, ::-1]
    boxes = extract_boxes(masks)
    seen = np.flatnonzero(np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) > 1)
    seen = seen[: config.max_gt_instances]  # those that scaling and cropping left
    if not len(seen):
        return None, [*problems, Problem(reference, -1, "no object to learn is on it")]
    boxes, masks = boxes[seen], masks[..., seen]
    if config.use_mini_mask:
        masks = minimize_masks(boxes, masks, config.mini_mask_shape)
    meta = molded.image_meta[0].astype(np.float32)
    sample = Sample(
        np.ascontiguousarray(resized),
        meta,
        class_ids[seen].astype(np.int32),
        boxes.astype(np.float32),
        np.ascontiguousarray(masks),
    )
    return sample, problems


def mold_masks(
    masks: Bool[np.ndarray, "h w n"],
    scale: float,
    padding: Int64[np.ndarray, "3 2"],
    crop: Int64[np.ndarray, "2"],
    shape: tuple[int, int],
) -> Bool[np.ndarray, "H W n"]:
    """Scale, crop and pad masks as the image was; nearest pixel, so they stay 0 and 1."""
    masks = np.asarray(masks, bool)
    if scale != 1:
        high, wide = (max(1, round(side * scale)) for side in masks.shape[:2])
        masks = resize(
            masks,
            (high, wide, masks.shape[2]),
            order=0,
            mode="constant",
            anti_aliasing=False,
            preserve_range=True,
        ).astype(bool)
    if np.any(crop):
        masks = masks[crop[0] : crop[0] + shape[0], crop[1] : crop[1] + shape[1]]
    return np.pad(masks[: shape[0], : shape[1]], padding) if np.any(padding) else masks
