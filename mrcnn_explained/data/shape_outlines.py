"""The nine shapes of ShapesDataset: signed distances to their outlines.

A distance function takes the coordinates x and y of pixels, with the shape's centre at (0, 0) and
y pointing down, half the shape's longer side and its proportion, all in pixels. It returns the
distance to the outline, pixels: negative inside, positive outside.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Grid = Float[np.ndarray, "*hw"]
Number = float | np.floating


class Shape(NamedTuple):
    """One kind of shape, and how it may vary."""

    distance: Callable[[Grid, Grid, Number, Number], Grid]
    proportion: tuple[float, float]  # range of longer side / shorter side
    turn: float  # degrees that it may be turned either way


def _box(x: Grid, y: Grid, half_width: Number, half_height: Number) -> Grid:
    """Return the distance to a rectangle along the axes."""
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def _square(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a square, 0.85 times as wide as other shapes of this size."""
    return _box(x, y, half * 0.85, half * 0.85)


def _rectangle(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a rectangle; its longer sides are horizontal."""
    return _box(x, y, half, half / proportion)


def _diamond(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a rhombus; its longer diagonal is vertical."""
    width = half / proportion
    return (np.abs(y) / half + np.abs(x) / width - 1) * half * width / np.hypot(half, width)


def _circle(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a circle."""
    return np.hypot(x, y) - half


def _ellipse(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return about the distance to an ellipse; its longer axis is horizontal."""
    return (np.hypot(x / half, y * proportion / half) - 1) * half / proportion


def _ring(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a ring; `proportion` is the outer radius / the inner one."""
    hole = half / proportion
    return np.abs(np.hypot(x, y) - (half + hole) / 2) - (half - hole) / 2


def _triangle(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to an equilateral triangle whose tip is on top."""
    slope = np.float32(np.sqrt(3) / 2)
    return np.maximum(slope * np.abs(x) - y / 2, y) - half / 2


def _star(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a star of five points; `proportion` is tip / notch."""
    fifth = np.float32(2 * np.pi / 5)
    # Fold all ten edges onto the one from a tip to the notch beside it.
    angle = np.abs((np.arctan2(y, x) + fifth / 2) % fifth - fifth / 2)
    radius = np.hypot(x, y)
    tip, notch = half, half / proportion
    edge_x, edge_y = notch * np.cos(fifth / 2) - tip, notch * np.sin(fifth / 2)
    from_tip_x, from_tip_y = radius * np.cos(angle) - tip, radius * np.sin(angle)
    return (edge_y * from_tip_x - edge_x * from_tip_y) / np.hypot(edge_x, edge_y)


def _cross(x: Grid, y: Grid, half: Number, proportion: Number) -> Grid:
    """Return the distance to a cross; `proportion` is the length of its bars / their width."""
    return np.minimum(_box(x, y, half, half / proportion), _box(x, y, half / proportion, half))


#: The shapes in the order of their class ids, 1 to 9.
SHAPES = {
    "square": Shape(_square, (1, 1), 14),
    "rectangle": Shape(_rectangle, (1.6, 2.4), 14),
    "diamond": Shape(_diamond, (1.0, 1.5), 8),
    "circle": Shape(_circle, (1, 1), 0),
    "ellipse": Shape(_ellipse, (1.6, 2.2), 20),
    "ring": Shape(_ring, (1.5, 2.0), 0),
    "triangle": Shape(_triangle, (1, 1), 180),
    "star": Shape(_star, (2.0, 2.5), 180),
    "cross": Shape(_cross, (2.4, 3.2), 14),
}
