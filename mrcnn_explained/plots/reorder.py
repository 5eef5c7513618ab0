"""Plot of the reorder: crops leave the list of their level and return to their ROI."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from mrcnn_explained.plots.palette import LEVEL_COLORS, text_color
from mrcnn_explained.plots.style import (
    HALO,
    Look,
    axes,
    note,
)
from mrcnn_explained.stages.levels import LOWEST
from mrcnn_explained.stages.reorder import Reordered

ROI, STACK, HOME = 0.0, 1.0, 2.3  # x of the ROIs, of the rows of the stack, of the crops
LEAVE = 1.3  # x at which lines leave the stack, to the right of its labels
FEW = 60  # rows up to which every row is labelled


def plot_reorder(
    reordered: Reordered,
    ix: Sequence[Any],
    image: int = 0,
    ax: Axes | None = None,
    count: int = 24,
) -> Axes:
    """Draw how the crops of one image move: ROI, row in the stack of all levels, ROI again.

    ix       (image, ROI) of each row, one list per level, from `LevelCrops`
    count    how many ROIs to draw, the first ones

    Each row of the stack is labelled `row: key`; sorting by the key brings its crop back. A
    line that ends at the wrong ROI is black.
    """
    stack = np.concatenate([np.asarray(rows) for rows in ix])
    level_of_row = np.concatenate([np.full(len(x), k) for k, x in enumerate(ix, LOWEST)])
    home = np.asarray(reordered.home[image])
    order = np.asarray(reordered.final_order).reshape(np.asarray(reordered.home).shape)[image]
    order = order[:count]  # row of the stack that each ROI takes its crop from
    number = len(order)
    shown = np.flatnonzero((stack[:, 0] == image) & (stack[:, 1] < number))
    height = {int(row): at for at, row in enumerate(shown)}  # row of the stack → y
    # A row of an ROI that is not drawn lies below the others.
    leaves_at = [height.get(int(row), number) for row in order]
    ax = axes(ax, 9, max(4.0, min(7.2, 1.4 + 0.24 * number)))

    to_stack = [LEVEL_COLORS[k] for k in level_of_row[shown]]
    to_home = [LEVEL_COLORS[k] for k in level_of_row[order]]
    to_home = [c if ok else "black" for c, ok in zip(to_home, home[:number], strict=True)]
    width, alpha = (1.6, 0.9) if number <= FEW else (0.5, 0.6)
    look = {"linewidths": width, "alpha": alpha}
    there = [((ROI, roi), (STACK, at)) for at, roi in enumerate(stack[shown, 1])]
    back = [((LEAVE, at), (HOME, roi)) for roi, at in enumerate(leaves_at)]
    ax.add_collection(LineCollection(there, colors=to_stack, **look))
    ax.add_collection(LineCollection(back, colors=to_home, **look))
    ax.scatter(np.full(len(shown), ROI), stack[shown, 1], color=to_stack, s=22)
    ax.scatter(np.full(len(shown), STACK), np.arange(len(shown)), color=to_stack, s=22)
    ax.scatter(np.full(number, HOME), np.arange(number), color=to_home, s=22)

    _label_levels(ax, level_of_row[shown])
    if number <= FEW:
        keys = np.asarray(reordered.sorting_tensor)
        _label_rows(ax, [f"{row}: {keys[row]}" for row in shown], number)
    for x, text in ((ROI, "ROI"), (STACK + 0.1, "row of the stack: key"), (HOME, "crop of ROI")):
        ax.text(x, -1.3, text, ha="center", va="bottom", weight="bold")
    ax.set(xlim=(ROI - 0.3, HOME + 0.3), ylim=(number + 1.5, -2.6))
    ax.set_axis_off()
    wrong = int((~home).sum())
    verdict = f"{wrong} crops are at a wrong ROI" if wrong else "every crop is back at its ROI"
    part = f"the first {number} of {len(home)} ROIs; " if number < len(home) else ""
    note(ax, part + verdict, x=0.5, y=0.0, ha="center", va="bottom", fontsize=10)
    return ax


def _label_levels(ax: Axes, level_of_row: np.ndarray) -> None:
    """Write the name of each level and its number of rows beside its part of the stack."""
    for k in np.unique(level_of_row):
        rows = np.flatnonzero(level_of_row == k)
        look: Look = {"color": text_color(LEVEL_COLORS[k]), "weight": "bold", "bbox": HALO}
        x = STACK - 0.07
        ax.text(x, rows.mean(), f"P{k}: {len(rows)}", ha="right", va="center", **look)


def _label_rows(ax: Axes, rows: Sequence[str], number: int) -> None:
    """Write the texts of the stack's rows, and the numbers of the ROIs on both sides."""
    for y, text in enumerate(rows):
        ax.text(STACK + 0.05, y, text, va="center", fontsize=8)
    for x, align in ((ROI - 0.05, "right"), (HOME + 0.05, "left")):
        for roi in range(number):
            ax.text(x, roi, f"{roi}", va="center", ha=align, fontsize=8)
