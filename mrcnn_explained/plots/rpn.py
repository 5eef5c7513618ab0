"""Plots of the region proposal network: its scores as maps, its scores and deltas as numbers."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import LEVEL_COLORS, QUIET, panels, quiet_axes, show_picture
from mrcnn_explained.stages.rpn import RpnScores


def plot_score_maps(rpn: RpnScores, picture: Any, image: int = 0) -> Figure:
    """Probability of an object, best of a cell's anchors, P2…P6 over the picture, one scale."""
    row = panels(1, 5, 2.8, 3.0)[0]
    maps = [np.asarray(level[image, ..., 1]).max(axis=-1) for level in rpn.level_class]
    low, high = min(m.min() for m in maps), max(m.max() for m in maps)
    height, width = np.asarray(picture).shape[:2]
    for ax, level, values in zip(row, range(2, 7), maps, strict=True):
        show_picture(ax, picture)
        drawn = ax.imshow(
            values, extent=(0, width, height, 0), cmap="magma", alpha=0.75, vmin=low, vmax=high,
            interpolation="nearest",
        )  # fmt: skip
        ax.set_title(f"P{level}: {values.shape[0]} x {values.shape[1]}", color=LEVEL_COLORS[level])
    bar = row[0].figure.colorbar(drawn, ax=list(row), shrink=0.75)
    bar.set_label("probability of an object")
    return row[0].figure


def plot_score_histograms(rpn: RpnScores, image: int = 0) -> Figure:
    """How many anchors of each level have which probability; the count is on a log scale."""
    row = panels(1, 5, 2.6, 2.4)[0]
    for ax, level, values in zip(row, range(2, 7), rpn.level_class, strict=True):
        scores = np.asarray(values[image, ..., 1]).ravel()
        quiet_axes(ax).hist(scores, bins=40, range=(0, 1), color=LEVEL_COLORS[level], log=True)
        ax.set_title(f"P{level}: {len(scores):,} anchors", fontsize=10, color=LEVEL_COLORS[level])
        ax.set_xlabel("probability")
    row[0].set_ylabel("anchors")
    return row[0].figure


def plot_delta_histograms(rpn: RpnScores, image: int = 0) -> Figure:
    """The four box deltas of all anchors, in standard deviations; grey line: no change."""
    row = panels(1, 4, 2.8, 2.4)[0]
    deltas = np.asarray(rpn.rpn_bbox[image])
    for ax, name, values in zip(row, ("dy", "dx", "dh", "dw"), deltas.T, strict=True):
        quiet_axes(ax).hist(values, bins=60, color=QUIET)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_title(f"{name}: {values.mean():.2f} ± {values.std():.2f}", fontsize=10)
        ax.set_xlabel("std-devs")
    row[0].set_ylabel("anchors")
    return row[0].figure
