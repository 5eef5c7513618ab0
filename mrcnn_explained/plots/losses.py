"""Plots of losses: the terms of each loss, and the losses over the steps of a training run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.config import LOSSES
from mrcnn_explained.plots.palette import CURVE_COLORS, INK
from mrcnn_explained.plots.style import axes, figure, quiet_axes
from mrcnn_explained.stages.losses import Losses


def plot_loss_terms(losses: Losses) -> Figure:
    """Draw the terms of each loss, largest first: do a few anchors or ROIs make up the loss?"""
    fig = figure(14, 3.4)
    places = fig.subplots(1, 5)
    for ax, name, color in zip(places, LOSSES, CURVE_COLORS, strict=True):
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
    """Draw the five losses over the steps of a run, smoothed, on a log scale.

    history    rows of `Trainer.run`, or of the log.csv of a run
    """
    ax = quiet_axes(axes(ax, 8, 4.5))
    steps = np.array([float(row["step"]) for row in history])
    width = max(1, len(steps) // 60)

    def draw(name: str, label: str, **look: Any) -> None:
        values = _smooth([float(row[name]) for row in history], width)
        ax.plot(steps[: len(values)] + width / 2, values, label=label, **look)

    for name, color in zip(LOSSES, CURVE_COLORS, strict=True):
        draw(name, name, color=color, lw=1.6)
    zero_color = CURVE_COLORS[LOSSES.index("mrcnn_bbox_loss")]
    label = "mrcnn_bbox_loss if all deltas were 0"
    draw("mrcnn_bbox_loss_of_zero", label, color=zero_color, lw=1, ls="--")
    ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _smooth(values: Sequence[float], width: int) -> np.ndarray:
    """Return the moving average over `width` values."""
    return np.convolve(values, np.ones(width) / width, mode="valid")
