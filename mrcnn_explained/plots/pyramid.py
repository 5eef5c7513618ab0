"""Plot of the feature pyramid: how the top-down path fills the fine levels."""

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import LEVEL_COLORS, panels, show_map
from mrcnn_explained.stages.pyramid import PyramidFeatures


def plot_pyramid(features: PyramidFeatures, image: int = 0) -> Figure:
    """Rows: laterals, upsampled, sums, P. Columns: levels 2…6. Mean absolute activation.

    A row has one scale, so its levels can be compared. Read it upwards: a sum is the
    lateral above it plus the upsampled sum of the next column.
    """
    rows = {
        "lateral 1x1": features.laterals,
        "upsampled": features.upsampled,
        "sum": features.sums,
        "after 3x3": features.rpn_maps,
    }
    grid = panels(4, 5, 2.3, 2.3)
    for axes, (name, maps) in zip(grid, rows.items(), strict=True):
        means = [np.abs(np.asarray(x[image])).mean(axis=-1) for x in maps]
        highest = max(m.max() for m in means)
        axes[0].set_ylabel(name, fontsize=10)
        for ax, level in zip(axes, range(2, 7), strict=True):
            if level - 2 >= len(means):
                ax.set_axis_off()
                continue
            values = means[level - 2]
            show_map(ax, values, "x".join(map(str, values.shape)), vmin=0, vmax=highest)
    for ax, level in zip(grid[0], range(2, 7), strict=True):
        ax.text(
            0.5, 1.22, f"level {level}", transform=ax.transAxes, ha="center", fontsize=11,
            color=LEVEL_COLORS[level], weight="bold",
        )  # fmt: skip
    return grid[0, 0].figure
