"""Image molding: from the original image to the tensor that the network sees.

Paper    Mask R-CNN (arXiv:1703.06870), section 3.1: the shorter side becomes 800 pixels
Input    images, uint8 [h, w, 3], any sizes
Output   read by backbone.py (molded), levels.py and detections.py (image_meta, window)
Shapes   B images of H x W molded pixels, h x w original pixels; C classes; meta = 12 + C;
         a window is (y1, x1, y2, x2)
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Float64, Int64, UInt8
from skimage.transform import resize

from mrcnn_explained.errors import ImageError
from mrcnn_explained.stages.image_meta import pack_meta

ResizeMode = Literal["square", "pad64", "crop", "none"]


class MoldedImage(NamedTuple):
    """Each image on its way into the network."""

    original: Annotated[
        tuple[UInt8[np.ndarray, "_ _ ch"], ...], "the original images; their sizes may differ"
    ]
    resized: Annotated[
        UInt8[np.ndarray, "B H W ch"], "the images scaled, then padded with 0 or cropped"
    ]
    molded: Annotated[
        Float32[tf.Tensor, "B H W ch"],
        "`resized` minus the mean pixel; padding becomes -mean, not 0",
    ]
    scale: Annotated[Float64[np.ndarray, "B"], "molded pixels per original pixel"]
    padding: Annotated[
        Int64[np.ndarray, "B 3 2"],
        "molded pixels added before and after, along y, x and channels",
    ]
    crop: Annotated[
        Int64[np.ndarray, "B 2"],
        "(y, x) of the first pixel that mode `crop` keeps, in pixels of the scaled image",
    ]
    window: Annotated[
        Int64[np.ndarray, "B 4"], "part of the molded image that the original fills, molded pixels"
    ]
    image_meta: Annotated[
        Float64[np.ndarray, "B meta"],
        "image_id, original_shape, molded_shape, window, scale and active_class_ids in one row",
    ]
    image_id: Annotated[
        Int64[np.ndarray, "B"], "number of the image in its dataset; 0 when detecting"
    ]
    original_shape: Annotated[
        Int64[np.ndarray, "B 3"], "(h, w, channels) of the original image, pixels"
    ]
    molded_shape: Annotated[
        Int64[np.ndarray, "B 3"], "(H, W, channels) of the molded image, pixels"
    ]
    active_class_ids: Annotated[
        Int64[np.ndarray, "B C"], "1 for each class of the image's dataset, 0 for the others"
    ]


def mold_image(
    images: Sequence[UInt8[np.ndarray, "_ _ ch"]],
    *,
    min_dim: int = 800,
    max_dim: int = 1024,
    min_scale: float = 0.0,
    mode: ResizeMode = "square",
    mean_pixel: Sequence[float] = (123.7, 116.8, 103.9),
    num_classes: int = 81,
    image_ids: Sequence[int] | None = None,
    active_class_ids: Int64[np.ndarray, "B C"] | None = None,
    seed: int = 0,
) -> MoldedImage:
    """Scale, pad or crop images to one size and subtract the mean pixel.

    mode    square  scale until the shorter side is min_dim, or until the longer side is
                    max_dim if that comes first; pad to max_dim x max_dim (Matterport's
                    default)
            pad64   scale until the shorter side is min_dim; pad to multiples of 64
            crop    scale until the shorter side is min_dim; cut out min_dim x min_dim at a
                    random place drawn from `seed` (for training)
            none    leave the size as it is

    Images grow to min_dim but never shrink to it; they grow at least by min_scale. Scaled
    pixels are truncated to uint8 before the mean is subtracted. Padding enters the network
    as minus the mean pixel, so it is not neutral. The paper scales to 800 pixels and pads
    nothing (deviation 20).

    Raises ImageError if there is no image, if the molded sizes differ, or if a molded side
    is not a multiple of 64.
    """
    if not images:
        raise ImageError("no image came: pass one uint8 array [h, w, 3], or a list of them")
    rng = np.random.default_rng(seed)
    done = [_resize(image, min_dim, max_dim, min_scale, mode, rng) for image in images]
    _check_sizes(images, [one.image for one in done], mode)

    resized = np.stack([one.image for one in done])
    # In float64, rounded once at the end: float32 all the way differs in the last bit.
    molded = (resized.astype(np.float32) - np.asarray(mean_pixel, np.float64)).astype(np.float32)
    ids = np.zeros(len(images)) if image_ids is None else np.asarray(image_ids)
    if active_class_ids is None:
        active_class_ids = np.zeros([len(images), num_classes], np.int64)
    facts = {
        "image_id": ids.astype(np.int64),
        "original_shape": np.array([image.shape for image in images], np.int64),
        "molded_shape": np.array([image.shape for image in resized], np.int64),
        "window": np.array([one.window for one in done], np.int64),
        "scale": np.array([one.scale for one in done], np.float64),
        "active_class_ids": np.asarray(active_class_ids, np.int64),
    }
    return MoldedImage(
        original=tuple(images),
        resized=resized,
        molded=tf.constant(molded),
        padding=np.array([one.padding for one in done], np.int64),
        crop=np.array([one.crop for one in done], np.int64),
        image_meta=pack_meta(**facts),
        **facts,
    )


def unmold_image(
    molded: Float32[tf.Tensor, "H W ch"], mean_pixel: Sequence[float]
) -> UInt8[np.ndarray, "H W ch"]:
    """Add the mean pixel back: the resized and padded image, 0…255. Undoes the subtraction."""
    values = np.asarray(molded, np.float64) + np.asarray(mean_pixel)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def mold_scale(
    height: int,
    width: int,
    *,
    min_dim: int,
    max_dim: int,
    min_scale: float = 0,
    mode: str = "square",
) -> float:
    """Return the molded pixels per original pixel along y and x; arguments as in `mold_image`.

    height, width    of the original image, pixels

    An image grows until its shorter side is min_dim. In mode square it grows less, or
    shrinks, if its longer side would exceed max_dim.
    """
    if mode == "none":
        return 1.0
    scale = max(1.0, min_dim / min(height, width)) if min_dim else 1.0
    scale = max(scale, min_scale)
    if mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    return scale


class _Resized(NamedTuple):
    """One image after scaling and padding or cropping, with the numbers of each step."""

    image: UInt8[np.ndarray, "H W ch"]
    scale: float
    padding: Sequence[tuple[int, int]]
    crop: tuple[int, int]
    window: tuple[int, int, int, int]


def _resize(
    image: UInt8[np.ndarray, "h w ch"],
    min_dim: int,
    max_dim: int,
    min_scale: float,
    mode: ResizeMode,
    rng: np.random.Generator,
) -> _Resized:
    """Scale one image, then pad or crop it."""
    h, w = image.shape[:2]
    no_padding, no_crop = [(0, 0), (0, 0), (0, 0)], (0, 0)
    if mode == "none":
        return _Resized(image, 1.0, no_padding, no_crop, window=(0, 0, h, w))

    scale = mold_scale(h, w, min_dim=min_dim, max_dim=max_dim, min_scale=min_scale, mode=mode)
    if scale != 1:
        h, w = max(1, round(h * scale)), max(1, round(w * scale))
        image = scale_image(image, (h, w)).astype(np.uint8)  # truncates, as Matterport's code

    if mode == "crop":
        top, left = int(rng.integers(h - min_dim + 1)), int(rng.integers(w - min_dim + 1))
        cut = image[top : top + min_dim, left : left + min_dim]
        return _Resized(cut, scale, no_padding, (top, left), window=(0, 0, min_dim, min_dim))

    high, wide = (max_dim, max_dim) if mode == "square" else (_up_to_64(h), _up_to_64(w))
    top, left = (high - h) // 2, (wide - w) // 2
    padding = [(top, high - h - top), (left, wide - w - left), (0, 0)]
    window = (top, left, top + h, left + w)
    return _Resized(np.pad(image, padding), scale, padding, no_crop, window)


def scale_image(image: np.ndarray, shape: tuple[int, int]) -> Float64[np.ndarray, "h w *ch"]:
    """Scale an image to `shape` (h, w) bilinearly, as scikit-image does; keep its value range.

    The image is not smoothed first. Outside the image is 0, so an image that grows gets
    darker at its border.
    """
    return resize(
        image,
        shape,
        order=1,
        mode="constant",
        cval=0,
        clip=True,
        preserve_range=True,
        anti_aliasing=False,
    )


def _up_to_64(side: int) -> int:
    return -(-side // 64) * 64


def _check_sizes(
    images: Sequence[np.ndarray], resized: Sequence[np.ndarray], mode: ResizeMode
) -> None:
    """Raise ImageError if resized images differ in size, or do not suit the network."""
    shapes = [image.shape for image in resized]
    if len(set(shapes)) > 1:
        originals = ", ".join(f"{i.shape[0]}x{i.shape[1]}" for i in images)
        results = ", ".join(f"{s[0]}x{s[1]}" for s in shapes)
        raise ImageError(
            f"images of one batch must be molded to one size, but resize mode {mode!r} turned "
            f"{originals} into {results}. Use mode 'square', or pass the images one at a time"
        )
    h, w = shapes[0][:2]
    if h % 64 or w % 64 or not h or not w:
        raise ImageError(
            "the network halves an image six times, so the molded sides must be multiples of "
            f"64; with resize mode {mode!r} the image is {h}x{w}. Use mode 'square' or 'pad64'"
        )
