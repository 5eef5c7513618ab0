"""The outlines of COCO's annotations: polygons, run lengths, compressed or not, and boxes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn_explained.data.outlines import (
    FARTHEST,
    Outline,
    OutlineError,
    Polygon,
    RunLengths,
    box_only,
    check_area,
    number,
    numbers,
)
from mrcnn_explained.data.rasterize import run_counts
from mrcnn_explained.data.records import ImageRecord, Notes

CENTER = 0.5  # of the first pixel


def outline_of(annotation: Mapping[str, Any], image: ImageRecord, notes: Notes) -> Outline:
    """Return the outline of an annotation; a box if it has nothing else.

    Raises OutlineError for one without area, or that does not fit its image.
    """
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        return _run_lengths(segmentation, image)
    if segmentation is not None and not isinstance(segmentation, list):
        raise OutlineError(
            f"segmentation is {type(segmentation).__name__}; expected polygons or run lengths"
        )
    parts = segmentation or []
    if parts and not isinstance(parts[0], list):
        parts = [parts]  # one polygon that is not in a list
    parts = [part for part in parts if part != []]
    if not parts or (len(parts) == 1 and isinstance(parts[0], list) and len(parts[0]) == 4):
        box = annotation.get("bbox")
        if box is None:
            raise OutlineError("it has neither a polygon nor a box")
        if not isinstance(box, list) or len(box) != 4:
            raise OutlineError("bbox does not hold four numbers: x, y, width, height")
        outline = box_only(*box)
        notes.add("objects with a box but no polygon, of which only the boxes are used: {n}")
        return outline
    return _polygons(parts, notes)


def _polygons(parts: Sequence[Any], notes: Notes) -> Polygon:
    """Return the polygons of an object; a part without area is left out if another has one."""
    kept: list[np.ndarray] = []
    error: OutlineError | None = None
    for part in parts:
        corners = _corners(part)
        try:
            check_area(corners)
        except OutlineError as flat:
            error = flat
            continue
        kept.append(corners)
    if not kept:
        raise error or OutlineError("it has no polygon")
    if error:
        notes.add("objects with a part without area, which is left out: {n}")
    return Polygon(tuple(kept), CENTER)


def _corners(part: Any) -> np.ndarray:
    """Return the corners of one part of a polygon: x, y, x, y, …"""
    if not isinstance(part, list):
        raise OutlineError(f"a polygon is {type(part).__name__}; expected a list of numbers")
    if len(part) % 2:
        raise OutlineError(f"a polygon has {len(part)} coordinates; expected pairs x, y")
    if {int, float}.issuperset(map(type, part)):
        try:
            corners = np.array(part, np.float64)
        except OverflowError as error:
            raise OutlineError("its polygon holds a number that is beyond any image") from error
        if np.isfinite(corners).all() and np.abs(corners).max(initial=0) <= FARTHEST:
            return corners.reshape(-1, 2)
    return np.array(numbers(part, "its polygon"), np.float64).reshape(-1, 2)


def _run_lengths(segmentation: Mapping[str, Any], image: ImageRecord) -> RunLengths:
    """Return run lengths whose size is the image's and whose counts fill it."""
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise OutlineError("its run lengths have no size: expected [height, width]")
    height, width = (int(number(side, "the size of its run lengths")) for side in size)
    if height < 1 or width < 1:
        raise OutlineError(f"the size of its run lengths is {width}x{height}")
    if image.size and image.size != (height, width):
        high, wide = image.size
        raise OutlineError(f"its mask is {width}x{height} pixels, its image {wide}x{high}")
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        outline = RunLengths((height, width), counts.encode("utf-8", "replace"))
    elif isinstance(counts, list) and {int, float}.issuperset(map(type, counts)):
        whole = _numbers_of_pixels(counts)
        outline = RunLengths((height, width), whole)
    else:
        raise OutlineError("its run lengths have no counts: expected text or a list of numbers")
    run_counts(outline)
    return outline


def _numbers_of_pixels(counts: list[Any]) -> np.ndarray:
    """Return run lengths as whole numbers."""
    if any(not 0 <= count < 2**40 or count != int(count) for count in counts):
        raise OutlineError("its run lengths hold a number that is no number of pixels")
    return np.array(counts, np.int64)
