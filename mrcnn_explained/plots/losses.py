"""Plots of losses: whose term weighs how much, and how they fall while training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.config import LOSSES
from mrcnn_explained.plots.palette import CLASS_COLORS, INK
from mrcnn_explained.plots.style import axes, figure, quiet_axes
from mrcnn_explained.stages.losses import Losses


def plot_loss_terms(losses: Losses) -> Figure:
    """The terms of each loss, largest first: a few hard cases, or everyone a little?"""
    fig = figure(14, 3.4)
    places = fig.subplots(1, 5)
    for ax, name, color in zip(places, LOSSES, CLASS_COLORS, strict=False):
        part = getattr(losses, name)
        counted, terms = np.asarray(part.counted), np.asarray(part.terms)
        each = terms.reshape(*counted.shape, -1).mean(-1)[counted]
        each = np.sort(each)[::-1]
        quiet_axes(ax).fill_between(np.arange(len(each)), each, color=color, alpha=0.6, step="mid")
        ax.set_title(f"{name}\n{float(part.loss):.2g} over {len(each)}", fontsize=10.5, color=INK)
        ax.set_ylim(0, None)
        whose = "anchors" if name.startswith("rpn") else "ROIs"
        ax.set_xlabel(f"{whose} that count, largest first", color=INK)
    places[0].set_ylabel("term of the loss")
    return fig


def plot_history(history: Sequence[dict[str, Any]], ax: Axes | None = None) -> Axes:
    """The five losses over the steps of a run, smoothed, on a log scale.

    history    rows of `Trainer.run`, or of a run's log.csv
    """
    ax = quiet_axes(axes(ax, 8, 4.5))
    steps = np.array([float(row["step"]) for row in history])
    width = max(1, len(steps) // 60)
    for name, color in zip(LOSSES, CLASS_COLORS, strict=False):
        values = _smooth([float(row[name]) for row in history], width)
        ax.plot(steps[: len(values)] + width / 2, values, color=color, lw=1.6, label=name)
    zero = _smooth([float(row["mrcnn_bbox_loss_of_zero"]) for row in history], width)
    ax.plot(
        steps[: len(zero)] + width / 2,
        zero,
        color=CLASS_COLORS[3],
        lw=1,
        ls="--",
        label="mrcnn_bbox_loss, had it predicted zero",
    )
    ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _smooth(values, width):
    return np.convolve(values, np.ones(width) / width, mode="valid")
