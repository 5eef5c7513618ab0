"""Plot of weights: the distribution of every kernel and bias of the layers asked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import GOOD, QUIET
from mrcnn_explained.plots.style import panels, quiet_axes

BINS = 50
ABREAST = 3  # layers in a row


def plot_weight_histograms(weights: Mapping[str, Any], layers: list[str] | None = None) -> Figure:
    """A kernel and, right of it, its bias, 50 bins; three layers in a row.

    weights    `layer/weight` → array, as `MaskRCNN.weights` has it; the RPN's layers too
    layers     which; None: the heads and the RPN
    """
    layers = layers or [
        name.removesuffix("/kernel")
        for name in weights
        if name.endswith("/kernel") and name.startswith(("rpn_", "mrcnn_"))
    ]
    if not layers:
        raise ValueError(f"no layer to draw: there are {', '.join(weights) or 'no weights'}")
    abreast = min(ABREAST, len(layers))
    grid = panels(-(-len(layers) // abreast), 2 * abreast, 2.7, 1.9)
    places = grid.reshape(-1, 2)
    for pair, layer in zip(places, layers, strict=False):
        for ax, part, color in zip(pair, ("kernel", "bias"), (GOOD, QUIET), strict=True):
            if f"{layer}/{part}" in weights:
                _histogram(ax, f"{layer}/{part}", weights[f"{layer}/{part}"], color)
            else:
                ax.set_axis_off()
    for ax in places[len(layers) :].flat:
        ax.set_axis_off()
    for ax in grid[:, 0]:
        ax.set_ylabel("weights", fontsize=8)
    return grid[0, 0].figure


def _histogram(ax, name, values, color):
    values = np.asarray(values).ravel()
    quiet_axes(ax).hist(values, bins=BINS, color=color)
    told = f"{len(values):,} values, {values.mean():.2g} ± {values.std():.2g}"
    ax.set_title(f"{name}\n{told}", fontsize=8.5)
    ax.set_xlabel("value", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.locator_params(nbins=4)
