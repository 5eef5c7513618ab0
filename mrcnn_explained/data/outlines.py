"""Outlines: the shapes that annotation tools draw, checked when they are made.

Coordinates are pixels, x to the right and y down, from the image's upper left corner. Tools differ
in where the centre of the first pixel lies: COCO and Labelme at 0.5, VIA at 0 (`center`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

FARTHEST = 1e6  # pixels; a coordinate beyond is taken for an error


class OutlineError(ValueError):
    """A shape that cannot be drawn: why."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """One or more closed polygons; together they are the object."""

    parts: tuple[Float64[np.ndarray, "k 2"], ...]  # (x, y)
    center: float


@dataclass(frozen=True, slots=True)
class RunLengths:
    """COCO's run lengths: how many 0, how many 1, …, down the columns."""

    size: tuple[int, int]  # height, width
    counts: Int64[np.ndarray, "k"] | bytes  # bytes: compressed


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A small mask at a place in the image, as Labelme stores it: bytes of a PNG."""

    x: int
    y: int
    png: bytes


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle that is the object's mask."""

    x: float
    y: float
    width: float
    height: float
    center: float


@dataclass(frozen=True, slots=True)
class BoxOnly:
    """A box without a mask."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse, turned clockwise by `theta`; a circle has equal radii."""

    cx: float
    cy: float
    rx: float
    ry: float
    theta: float  # radians
    center: float


Outline = Polygon | RunLengths | Bitmap | Rectangle | BoxOnly | Ellipse


def polygon(points: Any, center: float) -> Polygon:
    """Return a polygon of one part.

    points    k corners (x, y)

    Raises OutlineError for a polygon without area, or coordinates that are no numbers.
    """
    corners = np.array([numbers(point, "a corner") for point in points], np.float64).reshape(-1, 2)
    check_area(corners)
    return Polygon((corners,), center)


def check_area(corners: Float64[np.ndarray, "k 2"]) -> None:
    """Raise OutlineError if a polygon has fewer than three different corners, or is flat."""
    steps = corners - corners[:1]
    longest = steps[np.argmax((steps**2).sum(axis=1))] if len(steps) else np.zeros(2)
    away = np.abs(steps[:, 0] * longest[1] - steps[:, 1] * longest[0])
    if away.max(initial=0) > 1e-6 * (longest**2).sum():
        return
    different = len(np.unique(corners, axis=0))
    if different < 3:
        many = "1 point" if different == 1 else f"{different} different points"
        raise OutlineError(f"its polygon has {many}; a polygon needs three")
    raise OutlineError("its polygon is flat: all points lie on one line")


def rectangle(x: Any, y: Any, width: Any, height: Any, center: float) -> Rectangle:
    """Return a rectangle. Raises OutlineError for one without area."""
    return Rectangle(*_box(x, y, width, height), center)


def box_only(x: Any, y: Any, width: Any, height: Any) -> BoxOnly:
    """Return a box without a mask. Raises OutlineError for one without area."""
    return BoxOnly(*_box(x, y, width, height))


def ellipse(cx: Any, cy: Any, rx: Any, ry: Any, theta: Any, center: float) -> Ellipse:
    """Return an ellipse. Raises OutlineError for one without area."""
    cx, cy, rx, ry, theta = numbers((cx, cy, rx, ry, theta), "the ellipse")
    if rx <= 0 or ry <= 0:
        raise OutlineError(f"its radii are {rx:g} and {ry:g}: it has no area")
    return Ellipse(cx, cy, rx, ry, theta, center)


def _box(x: Any, y: Any, width: Any, height: Any) -> tuple[float, float, float, float]:
    """Return the four numbers of a box that has an area."""
    x, y, width, height = numbers((x, y, width, height), "its box")
    if width <= 0 or height <= 0:
        raise OutlineError(f"its box is {height:g}x{width:g} pixels: it has no area")
    return x, y, width, height


def numbers(values: Any, what: str) -> tuple[float, ...]:
    """Return values of a file as finite numbers; digits in text count.

    what    the values are, for the message
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise OutlineError(f"{what} is {type(values).__name__}; expected numbers")
    return tuple(number(value, what) for value in values)


def number(value: Any, what: str) -> float:
    """Return a value of a file as a finite number; digits in text count."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        given = "null" if value is None else type(value).__name__
        raise OutlineError(f"{what} holds {given}; expected numbers") from error
    if not math.isfinite(found) or abs(found) > FARTHEST:
        raise OutlineError(f"{what} holds {found:g}, which is beyond any image")
    return found
