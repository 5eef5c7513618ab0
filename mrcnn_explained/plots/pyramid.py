"""Plot of the feature pyramid: how the top-down path fills the fine levels."""

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import LEVEL_COLORS, text_color
from mrcnn_explained.plots.style import panels, show_map
from mrcnn_explained.stages.pyramid import PyramidFeatures


def plot_pyramid(features: PyramidFeatures, image: int = 0) -> Figure:
    """Draw laterals, upsampled maps, sums and P (rows) for levels 2…6 (columns).

    A panel is the mean absolute activation over channels. Each panel has its own colour
    scale, from its lowest to its highest value; both are in its title. A sum is the lateral
    above it plus the upsampled map between them.
    """
    rows = {
        "lateral 1x1": features.laterals,
        "upsampled": features.upsampled,
        "sum": features.sums,
        "after 3x3: P": features.rpn_maps,
    }
    grid = panels(4, 5, 2.5, 2.55)
    for axes, (name, maps) in zip(grid, rows.items(), strict=True):
        for ax in axes[len(maps) :]:
            ax.set_axis_off()
            ax.set_box_aspect(1)  # as wide as the panels below it: the level's name is centred
        for ax, values in zip(axes, maps, strict=False):
            mean = np.abs(np.asarray(values[image])).mean(axis=-1)
            size = " x ".join(map(str, mean.shape))
            drawn = show_map(ax, mean, f"{size}: {mean.min():.2g} to {mean.max():.2g}")
        axes[0].set_ylabel(name, fontsize=11)
    for ax, level in zip(grid[0], range(2, 7), strict=True):
        ax.text(
            0.5,
            1.2,
            f"level {level}",
            transform=ax.transAxes,
            ha="center",
            fontsize=12,
            color=text_color(LEVEL_COLORS[level]),
            weight="bold",
        )
    bar = grid[0, 0].figure.colorbar(drawn, ax=grid, shrink=0.5, ticks=drawn.get_clim())
    bar.ax.set_yticklabels(["panel's\nlowest", "panel's\nhighest"])
    bar.set_label("mean |activation| over channels")
    return grid[0, 0].figure
