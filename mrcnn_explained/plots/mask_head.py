"""Plots of the mask head: soft masks before they are scaled and cut."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import BAD
from mrcnn_explained.plots.style import axes, note, panels, show_map
from mrcnn_explained.stages.mask_head import MaskHeadOutput


def plot_masks(
    head: MaskHeadOutput,
    detections: Any,
    names: Sequence[str] = (),
    image: int = 0,
    count: int = 12,
) -> Figure:
    """The soft masks of the best detections, of their own class, probability 0…1.

    detections    [B, D, 6] of detections.py, for the titles
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
        name = names[class_id] if names else f"class {class_id}"
        drawn = show_map(ax, head.class_mask[image][d], f"{d}: {name} {score:.2f}", vmin=0, vmax=1)
        ax.set_axis_on()
    grid[0, 0].figure.colorbar(drawn, ax=grid.ravel().tolist(), shrink=0.7, label="probability")
    return grid[0, 0].figure


def plot_class_masks(
    head: MaskHeadOutput, row: int, chosen: int, names: Sequence[str] = (), count: int = 12
) -> Figure:
    """The masks of all classes for one computed row; the chosen class has a frame.

    row       of `head.rows`
    chosen    class that the box head gave it, always among those drawn
    """
    masks = np.asarray(head.mrcnn_mask[row])
    classes = [c for c in range(masks.shape[-1]) if c != chosen][: count - 1]
    classes = sorted([*classes, chosen])
    columns = min(6, len(classes))
    grid = panels(-(-len(classes) // columns), columns, 1.8, 2.0)
    for ax in grid.ravel():
        ax.set_axis_off()
    for ax, c in zip(grid.ravel(), classes, strict=False):
        drawn = show_map(ax, masks[..., c], names[c] if names else f"class {c}", vmin=0, vmax=1)
        ax.set_axis_on()
        if c == chosen:
            ax.spines[:].set(visible=True, color=BAD, linewidth=3)
            ax.title.set(weight="bold", color=BAD)
    grid[0, 0].figure.colorbar(drawn, ax=grid.ravel().tolist(), shrink=0.7, label="probability")
    return grid[0, 0].figure


def _nothing() -> Figure:
    ax = axes(None, 5, 1.2)
    ax.set_axis_off()
    note(ax, "no detection, so no mask was computed", x=0.5, y=0.5, ha="center", va="center")
    return ax.figure
