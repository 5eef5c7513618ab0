"""Plots of the backbone: where its maps are active."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import panels, show_map
from mrcnn_explained.stages.backbone import BackboneFeatures


def plot_backbone(features: BackboneFeatures, image: int = 0) -> Figure:
    """Draw the mean absolute activation of c1…c5, each with its own colour scale."""
    row = panels(1, len(features), 2.7, 2.7)[0]
    for ax, name, values in zip(row, features._fields, features, strict=True):
        values = np.asarray(values[image])
        size = " x ".join(str(side) for side in values.shape)
        drawn = show_map(ax, np.abs(values).mean(axis=-1), f"{name}: {size}")
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, orientation="horizontal")
        bar.ax.tick_params(labelsize=7)
    row[0].figure.supylabel("mean |activation|", fontsize=9)
    return row[0].figure


def plot_channels(values: Any, channels: Sequence[int] = (0, 1, 2, 3), image: int = 0) -> Figure:
    """Draw single channels of one map with a common colour scale.

    values    [B, h, w, channels], for example c3; for an inner layer see `ResNet.walk`
    """
    values = np.asarray(values[image])
    row = panels(1, len(channels), 2.6, 2.6)[0]
    shown = values[..., list(channels)]
    for ax, channel in zip(row, channels, strict=True):
        drawn = show_map(
            ax, values[..., channel], f"channel {channel}", vmin=shown.min(), vmax=shown.max()
        )
    row[0].figure.colorbar(drawn, ax=list(row), shrink=0.7, label="activation")
    return row[0].figure
