"""Rasterize: an outline of any kind becomes a mask of the image; what lies outside is cut off.

COCO's polygons are drawn by pycocotools, the field's own code, after their corners are brought
near the image: it needs memory in proportion to their distance.
"""

import io
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from PIL import Image
from pycocotools import mask as rle

from mrcnn_explained.data.fill import fill
from mrcnn_explained.data.outlines import (
    Bitmap,
    BoxOnly,
    Ellipse,
    Outline,
    OutlineError,
    Polygon,
    Rectangle,
    RunLengths,
)

Mask = Bool[np.ndarray, "h w"]
LONGEST = 5_000_000  # pixels; pycocotools needs 40 bytes for each
BEYOND = 1.0  # pixels outside of the image from which a cut is reported
FIRST_DIGIT, DIGIT_BITS, MORE, SIGN = 48, 0x1F, 0x20, 0x10  # of compressed run lengths


class Drawn(NamedTuple):
    """An outline as a mask."""

    mask: Mask
    is_cut: bool  # a part of it lies outside of the image


def draw(outline: Outline, shape: tuple[int, int]) -> Drawn:
    """Draw an outline as a mask.

    shape    (height, width) of the image, pixels

    Raises OutlineError for an outline that does not fit the image, or covers none of its pixels.
    """
    match outline:
        case RunLengths():
            mask = _draw_run_lengths(outline, shape)
        case Bitmap():
            mask = _draw_bitmap(outline, shape)
        case Polygon():
            mask = _draw_polygon(outline, shape)
        case Ellipse():
            mask = _draw_ellipse(outline, shape)
        case Rectangle():
            last = 2 * (0.5 - outline.center)  # VIA counts pixels, the others distances
            mask = _draw_rectangle(outline, shape, outline.center, last)
        case BoxOnly():
            mask = _draw_rectangle(outline, shape, 0.5, 0)
    y1, x1, y2, x2 = bounds(outline)
    if not mask.any():
        outside = y1 >= shape[0] or x1 >= shape[1] or y2 <= 0 or x2 <= 0
        why = "it lies outside of the image" if outside else "it covers no pixel"
        raise OutlineError(f"{why} of {shape[1]}x{shape[0]} pixels")
    beyond = max(-y1, -x1, y2 - shape[0], x2 - shape[1])
    return Drawn(mask, beyond > BEYOND)


def bounds(outline: Outline) -> tuple[float, float, float, float]:
    """Return the box (y1, x1, y2, x2) around an outline; run lengths lie within their image."""
    match outline:
        case Polygon():
            corners = np.concatenate(outline.parts)
            (x1, y1), (x2, y2) = corners.min(axis=0), corners.max(axis=0)
            return float(y1), float(x1), float(y2), float(x2)
        case Rectangle() | BoxOnly():
            x2, y2 = outline.x + outline.width, outline.y + outline.height
            return outline.y, outline.x, y2, x2
        case Ellipse():
            cosine, sine = np.cos(outline.theta), np.sin(outline.theta)
            high = float(np.hypot(outline.rx * sine, outline.ry * cosine))
            wide = float(np.hypot(outline.rx * cosine, outline.ry * sine))
            return outline.cy - high, outline.cx - wide, outline.cy + high, outline.cx + wide
        case RunLengths():
            return 0, 0, *outline.size
        case Bitmap():
            width, height = _bitmap_size(outline)
            return outline.y, outline.x, outline.y + height, outline.x + width


def run_counts(outline: RunLengths) -> Int64[np.ndarray, "k"]:
    """Return run lengths as numbers, checked: none is negative, and they fill their image.

    Raises OutlineError otherwise.
    """
    counts = outline.counts
    if isinstance(counts, bytes):
        counts = _unpack(counts)
    height, width = outline.size
    if len(counts) and counts.min() < 0:
        raise OutlineError("its run lengths hold a negative number")
    total = int(counts.sum())
    if total != height * width:
        raise OutlineError(
            f"its run lengths fill {total} pixels, but its size is {width}x{height} pixels"
        )
    return counts


def _unpack(packed: bytes) -> Int64[np.ndarray, "k"]:
    """Decode compressed run lengths: digits of five bits, then differences to the last but one."""
    codes = np.frombuffer(packed, np.uint8).astype(np.int64) - FIRST_DIGIT
    if len(codes) == 0:
        return np.zeros(0, np.int64)
    if codes.min() < 0 or codes.max() >= 64 or codes[-1] & MORE:
        raise OutlineError("its compressed run lengths are broken")
    is_last = (codes & MORE) == 0
    starts = np.concatenate([[0], np.flatnonzero(is_last)[:-1] + 1])
    places = np.arange(len(codes)) - np.repeat(starts, np.diff([*starts, len(codes)]))
    if places.max() > 7:  # 40 bits: more than any image
        raise OutlineError("its compressed run lengths hold a number that is too large")
    values = np.add.reduceat((codes & DIGIT_BITS) << (5 * places), starts)
    negative = (codes[is_last] & SIGN) != 0
    values -= np.where(negative, np.int64(1) << (5 * (places[is_last] + 1)), 0)
    for first in (1, 2):  # from the fourth on, each is the difference to the last but one
        values[first::2] = np.cumsum(values[first::2])
    return values


def _draw_run_lengths(outline: RunLengths, shape: tuple[int, int]) -> Mask:
    """Draw run lengths."""
    if outline.size != shape:
        (height, width), (high, wide) = outline.size, shape
        raise OutlineError(f"its mask is {width}x{height} pixels, the image {wide}x{high}")
    counts = run_counts(outline)
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape[::-1]).T


def _draw_polygon(outline: Polygon, shape: tuple[int, int]) -> Mask:
    """Draw polygons; together they are the object."""
    parts = [near for part in outline.parts if len(near := _near_image(part, shape)) > 2]
    if not parts:
        return np.zeros(shape, bool)
    _check_length(parts)
    if outline.center == 0.5:
        encoded = rle.frPyObjects([part.ravel().tolist() for part in parts], *shape)
        return rle.decode(rle.merge(encoded)).astype(bool)
    masks = [fill(part - outline.center, shape) for part in parts]
    return np.any(masks, axis=0)


def _check_length(parts: list[Float64[np.ndarray, "k 2"]]) -> None:
    """Raise OutlineError for polygons so long that drawing them would fill the memory."""
    steps = sum(np.abs(part - np.roll(part, 1, axis=0)).max(axis=1).sum() for part in parts)
    if steps > LONGEST:
        raise OutlineError(f"its polygon is {steps:.0f} pixels long, more than {LONGEST} are drawn")


def _near_image(
    corners: Float64[np.ndarray, "k 2"], shape: tuple[int, int]
) -> Float64[np.ndarray, "m 2"]:
    """Cut a polygon at a frame around the image, if it reaches beyond that frame.

    Sutherland and Hodgman's method; the frame is as wide as the image is long.
    """
    margin = max(shape)
    for axis, size in ((0, shape[1]), (1, shape[0])):
        for limit, sign in ((-margin, 1), (size + margin, -1)):
            inside = sign * (corners[:, axis] - limit) >= 0
            if inside.all():
                continue
            corners = _cut(corners, inside, axis, limit)
            if not len(corners):
                return corners
    return corners


def _cut(
    corners: Float64[np.ndarray, "k 2"], inside: Bool[np.ndarray, "k"], axis: int, limit: float
) -> Float64[np.ndarray, "m 2"]:
    """Cut a polygon along one line parallel to an axis."""
    kept: list[np.ndarray] = []
    for index, corner in enumerate(corners):
        before = corners[index - 1]
        if inside[index] != inside[index - 1]:
            share = (limit - before[axis]) / (corner[axis] - before[axis])
            crossing = before + share * (corner - before)
            crossing[axis] = limit
            kept.append(crossing)
        if inside[index]:
            kept.append(corner)
    return np.array(kept).reshape(-1, 2)


def _draw_rectangle(
    outline: Rectangle | BoxOnly, shape: tuple[int, int], center: float, last: float
) -> Mask:
    """Draw a rectangle: the pixels whose centres lie in it.

    center    of the first pixel
    last      what is taken off the size: VIA's rectangle of one pixel has the size 1
    """
    mask = np.zeros(shape, bool)
    top, left = outline.y - center, outline.x - center
    bottom, right = top + outline.height - last, left + outline.width - last
    y1, x1 = (max(0, int(np.ceil(side))) for side in (top, left))
    edge = 0 if last else 1e-9  # without `last` the lower edge belongs to the next pixel
    y2, x2 = (max(0, int(np.floor(side - edge)) + 1) for side in (bottom, right))
    mask[y1:y2, x1:x2] = True
    return mask


def _draw_ellipse(outline: Ellipse, shape: tuple[int, int]) -> Mask:
    """Draw an ellipse: the pixels whose centres lie in it, not on its edge."""
    mask = np.zeros(shape, bool)
    sides = bounds(outline)
    y1, x1 = (max(0, int(side) - 1) for side in sides[:2])
    y2, x2 = (min(size, int(side) + 2) for side, size in zip(sides[2:], shape, strict=True))
    if y2 <= y1 or x2 <= x1:
        return mask
    y = np.arange(y1, y2)[:, np.newaxis] + outline.center - outline.cy
    x = np.arange(x1, x2)[np.newaxis] + outline.center - outline.cx
    cosine, sine = np.cos(outline.theta), np.sin(outline.theta)
    along, across = x * cosine + y * sine, y * cosine - x * sine
    mask[y1:y2, x1:x2] = (along / outline.rx) ** 2 + (across / outline.ry) ** 2 < 1
    return mask


def _draw_bitmap(outline: Bitmap, shape: tuple[int, int]) -> Mask:
    """Put a small mask at its place in the image."""
    width, height = _bitmap_size(outline)
    if width > 4 * shape[1] or height > 4 * shape[0]:
        raise OutlineError(f"its mask is {width}x{height} pixels, far larger than the image")
    try:
        with Image.open(io.BytesIO(outline.png), formats=("PNG",)) as image:
            small = np.asarray(image.convert("L")) > 0
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise OutlineError("its mask is not a PNG that can be read") from error
    mask = np.zeros(shape, bool)
    y1, x1 = max(0, outline.y), max(0, outline.x)
    y2, x2 = min(shape[0], outline.y + height), min(shape[1], outline.x + width)
    if y2 > y1 and x2 > x1:
        mask[y1:y2, x1:x2] = small[y1 - outline.y : y2 - outline.y, x1 - outline.x : x2 - outline.x]
    return mask


def _bitmap_size(outline: Bitmap) -> tuple[int, int]:
    """Return width and height of a small mask without unpacking it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(outline.png), formats=("PNG",)) as image:
                return image.size
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise OutlineError("its mask is not a PNG that can be read") from error
