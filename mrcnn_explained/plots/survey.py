"""Plots of a survey: levels by kind of box, by size and by class, and how they would move."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import (
    FAINT,
    INK,
    LEVEL_COLORS,
    QUIET,
    axes,
    level_names,
    panels,
    quiet_axes,
)
from mrcnn_explained.stages.levels import level_boundaries

#: What each kind of box is called; their order is that of the panels.
KINDS = {"roi": "ROIs", "detection": "detections", "object": "objects"}


def plot_level_shares(shares: dict[str, dict[int, float]], ax: Axes | None = None) -> Axes:
    """One bar a row, cut by level. `shares`: the row's name → level → share of its boxes."""
    ax = quiet_axes(axes(ax, 8, 0.9 + 0.45 * len(shares)))
    for place, share in enumerate(shares.values()):
        left = 0.0
        for k, value in share.items():
            ax.barh(place, value, left=left, color=LEVEL_COLORS[k], height=0.72)
            if value >= 0.07:
                ax.text(left + value / 2, place, f"P{k} {value:.0%}", ha="center", va="center",
                        color="white", fontsize=8, weight="bold")  # fmt: skip
            left += value
        if not left:
            ax.text(0.01, place, "no box", va="center", color=QUIET, fontsize=8)
    ax.set_yticks(range(len(shares)), list(shares))
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("share of the boxes")
    return ax


def plot_sides(boxes: dict[str, Any], *, rounding: str = "round") -> Figure:
    """Histograms of sides in the colours of their levels, one for each kind that has boxes.

    boxes    kind → survey.summary.Boxes
    """
    here = [kind for kind in KINDS if len(boxes[kind].side)]
    grid = panels(1, max(len(here), 1), 4.2, 2.9)[0]
    for ax, kind in zip(grid, here, strict=False):
        sides = np.log2(np.maximum(boxes[kind].side, 1))
        bins = np.linspace(np.floor(sides.min()), np.ceil(sides.max() + 0.01), 33)
        levels = [k for k in LEVEL_COLORS if (boxes[kind].level == k).any()]
        quiet_axes(ax).hist(
            [sides[boxes[kind].level == k] for k in levels], bins=bins, stacked=True,
            color=[LEVEL_COLORS[k] for k in levels],
        )  # fmt: skip
        for edge in level_boundaries(rounding=rounding):
            if bins[0] < np.log2(edge) < bins[-1]:
                ax.axvline(np.log2(edge), color=INK, linewidth=0.8, linestyle=":")
        ticks = range(int(bins[0]), int(bins[-1]) + 1)
        ax.set_xticks(list(ticks), [f"{2**t}" for t in ticks])
        ax.set(xlabel="side in the molded picture, pixels", ylabel=KINDS[kind])
        ax.set_title(f"{len(sides):,} {KINDS[kind]}; near a boundary {boxes[kind].near:.0%}",
                     fontsize=9, loc="left")  # fmt: skip
    for ax in grid[len(here) :]:
        ax.set_axis_off()
    return grid[0].figure


def plot_classes(names: Any, levels: Any, ax: Axes | None = None, limit: int = 20) -> Axes:
    """Boxes by class and level: the commonest classes, a row each; areas are numbers of boxes.

    names, levels    str [n] and int [n]: class and level of each box
    """
    kinds, counts = np.unique(np.asarray(names), return_counts=True)
    kinds = kinds[np.argsort(-counts, kind="stable")][:limit]
    columns = [2, 3, 4, 5]
    table = np.array(
        [[np.sum((names == name) & (levels == k)) for k in columns] for name in kinds]
    ).reshape(-1, 4)
    ax = quiet_axes(axes(ax, 6, 1.2 + 0.34 * len(kinds)))
    most = max(table.max(initial=1), 1)
    for row, numbers in enumerate(table):
        for column, number in enumerate(numbers):
            if number:
                ax.scatter(column, row, s=420 * number / most, color=LEVEL_COLORS[columns[column]])
                ax.text(column + 0.28, row, f"{number:,}", va="center", fontsize=8, color=INK)
    ax.set_xticks(range(4), level_names(columns))
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set(xlim=(-0.5, 3.8), ylim=(len(kinds) - 0.4, -0.6))
    ax.grid(color=FAINT, linewidth=0.5)
    ax.set_axisbelow(True)
    return ax
