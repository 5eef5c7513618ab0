"""Masks: they follow their image through molding, and are stored small.

They are scaled, padded and cropped with the image; boxes are the boxes of the masks
(deviation 42).
"""

import numpy as np
from jaxtyping import Bool, Int32, Int64
from skimage.transform import resize


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
        scaled = np.zeros([height, width, masks.shape[2]], bool)
        for i in range(masks.shape[2]):  # one at a time: scaling needs eight bytes per pixel
            scaled[..., i] = resize(
                masks[..., i],
                (height, width),
                order=0,
                mode="constant",
                anti_aliasing=False,
                preserve_range=True,
            )
        masks = scaled
    if np.any(crop):
        masks = masks[crop[0] : crop[0] + shape[0], crop[1] : crop[1] + shape[1]]
    return np.pad(masks[: shape[0], : shape[1]], padding) if np.any(padding) else masks
