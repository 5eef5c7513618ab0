"""Plots of a survey: levels by kind of box, by size and by class, and how they would move."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import FAINT, INK, LEVEL_COLORS, QUIET, ink_on
from mrcnn_explained.plots.style import axes, level_names, panels, quiet_axes
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
                ax.text(
                    left + value / 2,
                    place,
                    f"P{k} {value:.0%}",
                    ha="center",
                    va="center",
                    color=ink_on(LEVEL_COLORS[k]),
                    fontsize=8,
                    weight="bold",
                )
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
        bins, counts = _histogram(boxes[kind])
        quiet_axes(ax).hist(
            [bins[:-1]] * len(counts),
            bins=bins,
            weights=list(counts.values()),
            stacked=True,
            color=[LEVEL_COLORS[k] for k in counts],
        )
        for edge in level_boundaries(rounding=rounding):
            if bins[0] < np.log2(edge) < bins[-1]:
                ax.axvline(np.log2(edge), color=INK, linewidth=0.8, linestyle=":")
        ticks = range(int(bins[0]), int(bins[-1]) + 1)
        ax.set_xticks(list(ticks), [f"{2**t}" for t in ticks])
        ax.set(xlabel="side in the molded image, pixels", ylabel=KINDS[kind])
        number, near = len(boxes[kind].side), boxes[kind].near
        ax.set_title(
            f"{number:,} {KINDS[kind]}; near a boundary {near:.0%}", fontsize=9, loc="left"
        )
    for ax in grid[len(here) :]:
        ax.set_axis_off()
    return grid[0].figure


def _histogram(boxes: Any, bins: int = 32) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Edges [bins + 1] of log2 of the sides, and level → counts [bins], of levels with a box.

    Counted piece by piece: a survey has millions of boxes, and a histogram of them is small.
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
    """Boxes by class and level: the commonest classes, a row each; areas are numbers of boxes.

    classes    class → level → how many boxes
    """
    kinds = sorted(classes, key=lambda name: (-sum(classes[name].values()), name))[:limit]
    columns = [2, 3, 4, 5]
    table = np.array([[classes[name].get(k, 0) for k in columns] for name in kinds]).reshape(-1, 4)
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
