"""Plot of weights: the distribution of every kernel and bias of the layers asked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import GOOD, QUIET, panels, quiet_axes

BINS = 50


def plot_weight_histograms(weights: Mapping[str, Any], layers: list[str] | None = None) -> Figure:
    """A row a layer, its kernel left and its bias right, 50 bins.

    weights    `layer/weight` → array, as `MaskRCNN.weights` has it; the RPN's layers too
    layers     which; None: the heads and the RPN
    """
    layers = layers or [
        name.removesuffix("/kernel") for name in weights
        if name.endswith("/kernel") and name.startswith(("rpn_", "mrcnn_"))
    ]  # fmt: skip
    if not layers:
        raise ValueError(f"no layer to draw: there are {', '.join(weights) or 'no weights'}")
    grid = panels(len(layers), 2, 4.2, 1.5)
    for row, layer in zip(grid, layers, strict=True):
        for ax, part, color in zip(row, ("kernel", "bias"), (GOOD, QUIET), strict=True):
            if f"{layer}/{part}" not in weights:
                ax.set_axis_off()
                continue
            values = np.asarray(weights[f"{layer}/{part}"]).ravel()
            quiet_axes(ax).hist(values, bins=BINS, color=color)
            ax.set_title(
                f"{layer}/{part}: {len(values):,} values, {values.mean():.3g} ± {values.std():.3g}",
                fontsize=8,
            )
            ax.tick_params(labelsize=7)
    return grid[0, 0].figure
