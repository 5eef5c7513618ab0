"""The chart of the level equation as a panel; an explorer and the page of a report show it."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Int, Int32

from mrcnn_explained.plots.palette import LEVEL_COLORS, QUIET
from mrcnn_explained.scenes.format import Label, LineLayer, Panel
from mrcnn_explained.scenes.scene import label, lines, panel, points
from mrcnn_explained.stages.levels import (
    CANONICAL_LEVEL,
    CANONICAL_SIDE,
    HIGHEST,
    LOWEST,
    ROI_LEVELS,
)

LOW, HIGH = -1.0, 6.0  # exact levels that the chart shows at least
AXIS = 1.3  # height of the axis below the lowest exact level, in levels
LEFT, RIGHT = 3.0, 11.0  # log2 of the sides that the chart shows: 8 to 2048 pixels


def level_chart(
    side: Float32[np.ndarray, "N"],
    exact: Float32[np.ndarray, "N"],
    level: Int32[np.ndarray, "N"],
    rows: Int[np.ndarray, "R"],
    edges: Sequence[float],
    *,
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    canonical_side: float = CANONICAL_SIDE,
    canonical_level: int = CANONICAL_LEVEL,
) -> Panel:
    """Return a panel with every ROI at its exact level and a line to the level that it reads.

    side, exact, level    of all ROIs of one image, the fields of LevelAssignment; sides in
                          pixels of the molded image
    rows                  ROIs that are shown
    edges                 sides in pixels at which the level changes, from level_boundaries
    lowest, highest       levels between which the run kept its ROIs

    The panel's units are log2 of pixels to the right and minus the level downwards. Dots and
    their lines carry the rows of their ROIs.
    """
    # The exact level of an empty ROI is minus infinity: it lies at the lower edge of the chart.
    finite = exact[rows][np.isfinite(exact[rows])]
    low, high = min(LOW, finite.min(initial=LOW)), max(HIGH, finite.max(initial=HIGH))
    foot = AXIS - low  # y of the chart's lower edge
    x = np.clip(np.log2(np.maximum(side, 1)), LEFT, RIGHT)
    y = -np.maximum(exact, low)
    levels = range(lowest, highest + 1)
    intercept = canonical_level - np.log2(canonical_side)  # exact level of a side of one pixel
    upper_edges = zip(levels, edges, strict=False)  # the highest level has none
    boundaries = {k: edge for k, edge in upper_edges if LEFT < np.log2(edge) < RIGHT}
    dots = points(
        np.stack([x[rows], y[rows]], 1),
        [LEVEL_COLORS[k] for k in level[rows]],
        rows,
        radius=3,
        halo=True,
    )
    return panel(
        f"k = {canonical_level} + log2(side / {canonical_side:g} px), and the level that is read",
        (LEFT - 0.6, -high - 0.2, RIGHT + 0.2, foot),
        width=520,
        height=400,
        lines=[
            *_steps(levels, edges),
            _exact_levels(intercept, low, high),
            _boundary_lines(boundaries, foot),
            *_falls(x, y, level, rows),
        ],
        points=[dots],
        labels=[
            *_axis_labels(list(boundaries.values()), foot),
            *_clamped_labels(levels, low, high),
        ],
    )


def _steps(levels: range, edges: Sequence[float]) -> list[LineLayer]:
    """Return each level as a step, from its lower to its upper boundary."""
    ends = np.clip([LEFT, *np.log2(edges), RIGHT], LEFT, RIGHT)
    return [
        lines([[left, -k, right, -k]], LEVEL_COLORS[k], width=5)
        for k, left, right in zip(levels, ends[:-1], ends[1:], strict=True)
    ]


def _exact_levels(intercept: float, low: float, high: float) -> LineLayer:
    """Return the line of the equation before rounding, as far as the chart shows it."""
    first, last = max(LEFT, low - intercept), min(RIGHT, high - intercept)
    return lines([[first, -intercept - first, last, -intercept - last]], QUIET)


def _boundary_lines(boundaries: Mapping[int, float], foot: float) -> LineLayer:
    """Return a line from the upper end of each level, whose side is given, to the axis."""
    ends = [[np.log2(edge), -k, np.log2(edge), foot - 0.9] for k, edge in boundaries.items()]
    return lines(ends, QUIET, dash=[2, 3])


def _falls(x: np.ndarray, y: np.ndarray, level: np.ndarray, rows: np.ndarray) -> list[LineLayer]:
    """Return, level by level, the lines from each ROI's exact level to the one that it reads."""
    layers = []
    for k in ROI_LEVELS:
        here = rows[level[rows] == k]
        ends = np.stack([x[here], y[here], x[here], -level[here]], 1)
        layers.append(lines(ends, LEVEL_COLORS[k], here, width=0.8))
    return layers


def _clamped_labels(levels: range, low: float, high: float) -> list[Label]:
    """Return the whole levels outside the pyramid, each with the level that is read instead."""
    whole = range(int(np.ceil(low)), int(np.floor(high)) + 1)
    return [
        label(f"{k} → P{min(max(k, levels[0]), levels[-1])}", LEFT - 0.5, -k)
        for k in whole
        if k not in levels
    ]


def _axis_labels(edges: Sequence[float], foot: float) -> list[Label]:
    """Return the names of the levels, the sides at the boundaries, and the axis' title."""
    numbers, title = foot - 0.7, foot - 0.2
    names = [
        label(f"P{k}", LEFT - 0.5, -k, background=LEVEL_COLORS[k], bold=True) for k in ROI_LEVELS
    ]
    sides = [label(f"{edge:.0f}", np.log2(edge), numbers, align="center") for edge in edges]
    return [*names, *sides, label("side of the ROI, px", RIGHT, title, align="right")]
