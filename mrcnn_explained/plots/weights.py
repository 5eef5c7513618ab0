"""Plot of weights: histograms of the kernels and biases of some layers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import GOOD, QUIET
from mrcnn_explained.plots.style import panels, quiet_axes

BINS = 50
LAYERS_PER_ROW = 3


def plot_weight_histograms(weights: Mapping[str, Any], layers: list[str] | None = None) -> Figure:
    """Draw the histograms of each layer's kernel and, to its right, its bias.

    weights    `layer/weight` → array, such as `MaskRCNN.weights`; the RPN's layers are included
    layers     names of the layers to draw; None draws the heads and the RPN

    Raises ValueError if there is no layer to draw.
    """
    layers = layers or _heads_and_rpn(weights)
    if not layers:
        raise ValueError(f"no layer to draw: there are {', '.join(weights) or 'no weights'}")
    per_row = min(LAYERS_PER_ROW, len(layers))
    rows = -(-len(layers) // per_row)
    grid = panels(rows, 2 * per_row, 2.7, 1.9)
    pairs = grid.reshape(-1, 2)  # axes for a kernel and its bias
    for (left, right), layer in zip(pairs, layers, strict=False):
        _histogram(left, weights, f"{layer}/kernel", GOOD)
        _histogram(right, weights, f"{layer}/bias", QUIET)
    for ax in pairs[len(layers) :].flat:
        ax.set_axis_off()
    for ax in grid[:, 0]:
        ax.set_ylabel("weights", fontsize=8)
    return grid[0, 0].figure


def _heads_and_rpn(weights: Mapping[str, Any]) -> list[str]:
    """Return the names of the layers of the heads and the RPN that have a kernel."""
    kernels = [name for name in weights if name.endswith("/kernel")]
    return [name.removesuffix("/kernel") for name in kernels if name.startswith(("rpn_", "mrcnn_"))]


def _histogram(ax: Axes, weights: Mapping[str, Any], name: str, color: str) -> None:
    """Draw the histogram of one weight; leave the axes empty if there is no such weight."""
    if name not in weights:
        ax.set_axis_off()
        return
    values = np.asarray(weights[name]).ravel()
    quiet_axes(ax).hist(values, bins=BINS, color=color)
    summary = f"{len(values):,} values, {values.mean():.2g} ± {values.std():.2g}"
    ax.set_title(f"{name}\n{summary}", fontsize=8.5)
    ax.set_xlabel("value", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.locator_params(nbins=4)
