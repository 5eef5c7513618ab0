"""Plots of the mask head: masks as probabilities, before scaling and threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import INK
from mrcnn_explained.plots.style import class_label, figure, note, panels, show_map
from mrcnn_explained.stages.mask_head import MaskHeadOutput


def plot_masks(
    head: MaskHeadOutput,
    detections: Any,
    names: Sequence[str] = (),
    image: int = 0,
    count: int = 12,
) -> Figure:
    """Draw the masks of the best detections for their own class, as probabilities 0…1.

    detections    [B, D, 6] of detections.py, read for the titles
    names         C class names, background first; without them, numbers are shown
    count         how many masks to draw
    """
    rows = np.asarray(head.rows)
    shown = rows[rows[:, 0] == image, 1][:count]
    if not len(shown):
        return _nothing()
    columns = min(6, len(shown))
    grid = panels(-(-len(shown) // columns), columns, 1.9, 2.1)
    for ax in grid.ravel():
        ax.set_axis_off()
    for ax, d in zip(grid.ravel(), shown, strict=False):
        class_id, score = int(detections[image][d][4]), float(detections[image][d][5])
        title = f"{d}: {class_label(class_id, names)} {score:.2f}"
        drawn = show_map(ax, head.class_mask[image][d], title, vmin=0, vmax=1)
        ax.set_axis_on()
    grid[0, 0].figure.colorbar(drawn, ax=grid.ravel().tolist(), shrink=0.7, label="probability")
    return grid[0, 0].figure


def plot_class_masks(
    head: MaskHeadOutput, row: int, chosen: int, names: Sequence[str] = (), count: int = 12
) -> Figure:
    """Draw the masks of all classes for one detection; a frame marks the chosen class.

    row       row of `head.rows`
    chosen    class that the box head chose; it is always among those drawn
    names     C class names, background first; without them, numbers are shown
    count     how many classes to draw
    """
    masks = np.asarray(head.mrcnn_mask[row])
    classes = [c for c in range(masks.shape[-1]) if c != chosen][: count - 1]
    classes = sorted([*classes, chosen])
    columns = min(6, len(classes))
    grid = panels(-(-len(classes) // columns), columns, 1.8, 2.0)
    for ax in grid.ravel():
        ax.set_axis_off()
    for ax, c in zip(grid.ravel(), classes, strict=False):
        drawn = show_map(ax, masks[..., c], class_label(c, names), vmin=0, vmax=1)
        ax.set_axis_on()
        if c == chosen:
            ax.spines[:].set(visible=True, color=INK, linewidth=3)
            ax.title.set(weight="bold", color=INK)
    grid[0, 0].figure.colorbar(drawn, ax=grid.ravel().tolist(), shrink=0.7, label="probability")
    return grid[0, 0].figure


def _nothing() -> Figure:
    """Return a figure that states that no mask was computed."""
    fig = figure(5, 1.2)
    ax = fig.subplots()
    ax.set_axis_off()
    note(ax, "no detection, so no mask was computed", x=0.5, y=0.5, ha="center", va="center")
    return fig
