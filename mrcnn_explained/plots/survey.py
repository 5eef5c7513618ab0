"""Plots of a survey: levels of the boxes of a dataset, by kind of box, size and class."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import FAINT, INK, LEVEL_COLORS, QUIET, ink_on
from mrcnn_explained.plots.style import (
    Look,
    axes,
    level_names,
    panels,
    quiet_axes,
)
from mrcnn_explained.stages.levels import ROI_LEVELS, Rounding, level_boundaries

#: The name of each kind of box, in the order of the panels.
KINDS = {"roi": "ROIs", "detection": "detections", "object": "objects"}


def plot_level_shares(shares: dict[str, dict[int, float]], ax: Axes | None = None) -> Axes:
    """Draw one bar per row, divided by level.

    shares    name of the row → level → share of its boxes, 0…1
    """
    ax = quiet_axes(axes(ax, 8, 0.9 + 0.45 * len(shares)))
    for place, share in enumerate(shares.values()):
        left = 0.0
        for k, value in share.items():
            ax.barh(place, value, left=left, color=LEVEL_COLORS[k], height=0.72)
            if value >= 0.07:
                look: Look = {"color": ink_on(LEVEL_COLORS[k]), "fontsize": 8, "weight": "bold"}
                middle = left + value / 2
                ax.text(middle, place, f"P{k} {value:.0%}", ha="center", va="center", **look)
            left += value
        if not left:
            ax.text(0.01, place, "no box", va="center", color=QUIET, fontsize=8)
    ax.set_yticks(range(len(shares)), list(shares))
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("share of the boxes")
    return ax


def plot_sides(boxes: dict[str, Any], *, rounding: Rounding = "round") -> Figure:
    """Draw histograms of sides in the colours of their levels, one per kind that has boxes.

    boxes    kind → survey.summary.Boxes
    """
    here = [kind for kind in KINDS if len(boxes[kind].side)]
    grid = panels(1, max(len(here), 1), 4.2, 2.9)[0]
    for ax, kind in zip(grid, here, strict=False):
        bins, counts = _histogram(boxes[kind])
        _draw_counts(quiet_axes(ax), bins, counts)
        for edge in level_boundaries(rounding=rounding):
            if bins[0] < np.log2(edge) < bins[-1]:
                ax.axvline(np.log2(edge), color=INK, linewidth=0.8, linestyle=":")
        ticks = range(int(bins[0]), int(bins[-1]) + 1)
        ax.set_xticks(list(ticks), [f"{2**t}" for t in ticks])
        ax.set(xlabel="side in the molded image, pixels", ylabel=KINDS[kind])
        number, near = len(boxes[kind].side), boxes[kind].near
        title = f"{number:,} {KINDS[kind]}; near a boundary {near:.0%}"
        ax.set_title(title, fontsize=9, loc="left")
    for ax in grid[len(here) :]:
        ax.set_axis_off()
    return grid[0].figure


def _draw_counts(ax: Axes, edges: np.ndarray, counts: dict[int, np.ndarray]) -> None:
    """Draw stacked bars from counts per bin, one colour per level."""
    ax.hist(
        [edges[:-1]] * len(counts),
        bins=edges.tolist(),
        weights=list(counts.values()),
        stacked=True,
        color=[LEVEL_COLORS[k] for k in counts],
    )


def _histogram(boxes: Any, bins: int = 32) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return the edges, [bins + 1], of log2 of the sides, and level → counts [bins].

    Levels without a box are left out. Boxes are counted in pieces, because a survey may have
    millions of them.
    """
    low, high = (np.log2(max(side, 1)) for side in (boxes.side.min(), boxes.side.max()))
    edges = np.linspace(np.floor(low), np.ceil(high + 0.01), bins + 1)
    counts = {k: np.zeros(bins, np.int64) for k in LEVEL_COLORS if (boxes.level == k).any()}
    for start in range(0, len(boxes.side), 2**16):
        piece = slice(start, start + 2**16)
        sides = np.log2(np.maximum(boxes.side[piece], 1))
        for k, count in counts.items():
            count += np.histogram(sides[boxes.level[piece] == k], edges)[0]
    return edges, counts


def plot_classes(
    classes: dict[str, dict[int, int]], ax: Axes | None = None, limit: int = 20
) -> Axes:
    """Draw boxes by class and level: one row per class; the area of a dot is a number of boxes.

    classes    class → level → number of boxes
    limit      how many classes to draw, the most frequent ones
    """
    kinds = sorted(classes, key=lambda name: (-sum(classes[name].values()), name))[:limit]
    columns = ROI_LEVELS
    counts = [[classes[name].get(k, 0) for k in columns] for name in kinds]
    table = np.array(counts).reshape(-1, len(columns))
    ax = quiet_axes(axes(ax, 6, 1.2 + 0.34 * len(kinds)))
    most = max(table.max(initial=1), 1)
    for row, numbers in enumerate(table):
        for column, number in enumerate(numbers):
            if number:
                ax.scatter(column, row, s=420 * number / most, color=LEVEL_COLORS[columns[column]])
                ax.text(column + 0.28, row, f"{number:,}", va="center", fontsize=8, color=INK)
    ax.set_xticks(range(len(columns)), level_names(columns))
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set(xlim=(-0.5, 3.8), ylim=(len(kinds) - 0.4, -0.6))
    ax.grid(color=FAINT, linewidth=0.5)
    ax.set_axisbelow(True)
    return ax
