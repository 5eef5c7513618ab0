"""Plot of the reorder: crops leave the stack of their level and move home to their ROI."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from mrcnn_explained.plots.palette import LEVEL_COLORS, text_color
from mrcnn_explained.plots.style import HALO, axes, note
from mrcnn_explained.stages.levels import LOWEST
from mrcnn_explained.stages.reorder import Reordered

LEAVE, HOME = 1.3, 2.3  # abscissas: behind the words at the stack (1), and where crops arrive


def plot_reorder(
    reordered: Reordered,
    ix: Sequence[Any],
    image: int = 0,
    ax: Axes | None = None,
    count: int = 24,
) -> Axes:
    """ROIs on their way, for one image: as they came, in the stack of levels, and back home.

    ix       (image, ROI) of each level's rows, of `LevelCrops`
    count    how many ROIs to draw, the first ones

    Row and key stand at each row of the stack; sorting by the key brings a crop home. A line
    that arrives at another ROI than its own would be drawn in black.
    """
    stack = np.concatenate([np.asarray(rows) for rows in ix])
    level_of_row = np.concatenate([np.full(len(x), k) for k, x in enumerate(ix, LOWEST)])
    home = np.asarray(reordered.home[image])
    order = np.asarray(reordered.final_order).reshape(np.asarray(reordered.home).shape)[image]
    order = order[:count]  # the row of the stack that comes to each ROI
    number = len(order)
    shown = np.flatnonzero((stack[:, 0] == image) & (stack[:, 1] < number))
    keys = np.asarray(reordered.sorting_tensor)
    place = {int(row): at for at, row in enumerate(shown)}
    # A row that comes from an undrawn ROI lies below the others.
    arrives = [place.get(int(row), number) for row in order]
    ax = axes(ax, 9, max(4.0, min(7.2, 1.4 + 0.24 * number)))

    came = [LEVEL_COLORS[k] for k in level_of_row[shown]]
    gone = [
        LEVEL_COLORS[k] if at_home else "black"
        for k, at_home in zip(level_of_row[order], home[:number], strict=True)
    ]
    width, alpha = (1.6, 0.9) if number <= 60 else (0.5, 0.6)
    look = {"linewidths": width, "alpha": alpha}
    there = [((0, roi), (1, at)) for at, roi in enumerate(stack[shown, 1])]
    back = [((LEAVE, at), (HOME, roi)) for roi, at in enumerate(arrives)]
    ax.add_collection(LineCollection(there, colors=came, **look))
    ax.add_collection(LineCollection(back, colors=gone, **look))
    ax.scatter(np.zeros(len(shown)), stack[shown, 1], color=came, s=22)
    ax.scatter(np.ones(len(shown)), np.arange(len(shown)), color=came, s=22)
    ax.scatter(np.full(number, HOME), np.arange(number), color=gone, s=22)
    for k in np.unique(level_of_row[shown]):
        rows = np.flatnonzero(level_of_row[shown] == k)
        ax.text(
            0.93,
            rows.mean(),
            f"P{k}: {len(rows)}",
            color=text_color(LEVEL_COLORS[k]),
            ha="right",
            va="center",
            weight="bold",
            bbox=HALO,
        )
    if number <= 60:
        for at, row in enumerate(shown):
            ax.text(1.05, at, f"{row}: {keys[row]}", va="center", fontsize=8)
        for x, align in ((-0.05, "right"), (HOME + 0.05, "left")):
            for roi in range(number):
                ax.text(x, roi, f"{roi}", va="center", ha=align, fontsize=8)
    for x, text in ((0, "ROI"), (1.1, "row of the stack: key"), (HOME, "crop of ROI")):
        ax.text(x, -1.3, text, ha="center", va="bottom", weight="bold")
    ax.set(xlim=(-0.3, HOME + 0.3), ylim=(number + 1.5, -2.6))
    ax.set_axis_off()
    wrong = int((~home).sum())
    told = "every crop is home" if not wrong else f"{wrong} crops at a wrong ROI"
    few = f"the first {number} of {len(home)} ROIs; " if number < len(home) else ""
    note(ax, few + told, x=0.5, y=0.0, ha="center", va="bottom", fontsize=10)
    return ax
