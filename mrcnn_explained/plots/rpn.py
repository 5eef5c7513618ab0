"""Plots of the region proposal network: scores as maps, scores and deltas as histograms."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, QUIET, text_color
from mrcnn_explained.plots.style import panels, quiet_axes, show_image, show_map
from mrcnn_explained.stages.rpn import RpnScores


def plot_score_maps(rpn: RpnScores, pixels: Any, image: int = 0) -> Figure:
    """Draw the image, and the object probability of every cell of P2…P6 on one colour scale.

    pixels    the molded image

    The probability of a cell is that of its best anchor. The maps are beside the image, not
    on it, so their colours match the colour bar.
    """
    shown, *row = panels(2, 3, 3.1, 3.2).flat
    show_image(shown, pixels).set_title("the molded image", fontsize=11)
    maps = [np.asarray(level[image, ..., 1]).max(axis=-1) for level in rpn.level_class]
    low, high = min(m.min() for m in maps), max(m.max() for m in maps)
    height, width = np.asarray(pixels).shape[:2]
    for ax, level, values in zip(row, range(2, 7), maps, strict=True):
        drawn = show_map(
            ax, values, extent=(0, width, height, 0), cmap="magma", vmin=low, vmax=high
        )
        ax.set_title(
            f"P{level}: {values.shape[0]} x {values.shape[1]} cells",
            fontsize=11,
            color=text_color(LEVEL_COLORS[level]),
        )
    bar = shown.figure.colorbar(drawn, ax=[shown, *row], shrink=0.75)
    bar.set_label("probability of an object, best anchor of the cell")
    return row[0].figure


def plot_score_histograms(rpn: RpnScores, image: int = 0) -> Figure:
    """Draw histograms of the object probability, one per level; counts on a log scale."""
    row = panels(1, 5, 2.6, 2.4)[0]
    for ax, level, values in zip(row, range(2, 7), rpn.level_class, strict=True):
        scores = np.asarray(values[image, ..., 1]).ravel()
        quiet_axes(ax).hist(scores, bins=40, range=(0, 1), color=LEVEL_COLORS[level], log=True)
        ax.set_title(
            f"P{level}: {len(scores):,} anchors", fontsize=10, color=text_color(LEVEL_COLORS[level])
        )
        ax.set_xlabel("probability")
    row[0].set_ylabel("anchors")
    return row[0].figure


def plot_delta_histograms(rpn: RpnScores, image: int = 0, min_score: float = 0.5) -> Figure:
    """Draw histograms of the four deltas of the anchors with a high score.

    min_score    lowest object probability of the anchors drawn; 0 draws all. The deltas of
                 background anchors are never trained, so they mean nothing

    Deltas are in standard deviations: the RPN predicts delta / RPN_BBOX_STD_DEV. The line
    at 0 marks no change.
    """
    row = panels(1, 4, 3.0, 2.9)[0]
    drawn = np.asarray(rpn.rpn_class[image])[:, 1] >= min_score
    deltas = np.asarray(rpn.rpn_bbox[image])[drawn]
    row[0].figure.suptitle(
        f"{drawn.sum():,} of {len(drawn):,} anchors: probability {min_score:g} or more",
        fontsize=11,
        color=INK,
    )
    if not len(deltas):
        for ax in row:
            ax.set_axis_off()
        return row[0].figure
    for ax, name, values in zip(row, ("dy", "dx", "dh", "dw"), deltas.T, strict=True):
        quiet_axes(ax).hist(values, bins=40, color=QUIET)
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set_title(f"{name}: {values.mean():.2f} ± {values.std():.2f}", fontsize=10)
        ax.set_xlabel("delta / RPN_BBOX_STD_DEV")
    row[0].set_ylabel("anchors")
    return row[0].figure
