"""Plot of the feature pyramid: how the top-down path fills the fine levels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, text_color
from mrcnn_explained.plots.style import Look, panels, show_map
from mrcnn_explained.stages.pyramid import PyramidFeatures


def plot_pyramid(features: PyramidFeatures, image: int = 0) -> Figure:
    """Draw laterals, upsampled maps, sums and P (rows) for levels 2…6 (columns).

    A panel is the mean absolute activation over channels. Each panel has its own colour
    scale, from its lowest to its highest value; both are in its title. A sum is the lateral
    above it plus the upsampled map between them. The signs and arrows between the panels say
    how one follows from the others.
    """
    rows = {
        "lateral 1x1": features.laterals,
        "upsampled": features.upsampled,
        "sum": features.sums,
        "after 3x3: P": features.rpn_maps,
    }
    grid = panels(4, 5, 2.75, 2.85)
    layout = grid[0, 0].figure.get_layout_engine()
    layout.set(wspace=0.18)  # for the arrows
    for axes, (name, maps) in zip(grid, rows.items(), strict=True):
        for ax in axes[len(maps) :]:
            ax.set_axis_off()
            ax.set_box_aspect(1)  # as wide as the panels below it: the level's name is centred
        for ax, values in zip(axes, maps, strict=False):
            mean = np.abs(np.asarray(values[image])).mean(axis=-1)
            size = " x ".join(map(str, mean.shape))
            drawn = show_map(ax, mean, f"{size}: {mean.min():.2g} to {mean.max():.2g}")
        axes[0].set_ylabel(name, fontsize=12)
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
    _connect(grid)
    bar = grid[0, 0].figure.colorbar(drawn, ax=grid, shrink=0.5, ticks=drawn.get_clim())
    bar.ax.set_yticklabels(["panel's\nlowest", "panel's\nhighest"])
    bar.set_label("mean |activation| over channels")
    return grid[0, 0].figure


def _connect(grid: np.ndarray) -> None:
    """Write +, =, x2 and 3x3 between the panels [4, 5], as the pyramid computes them."""
    lateral, upsampled, total, smooth = grid
    for level in range(3):  # P2, P3 and P4; level 5 adds nothing
        _below(lateral[level], "+")
        _below(upsampled[level], "=")
        _arrow(total[level + 1], (0, 1), upsampled[level], (1, 0.3), "x2")
    _arrow(lateral[3], (0.5, 0), total[3], (0.5, 1.15), "nothing to add")
    for ax in total[:4]:
        _below(ax, "3x3 ↓")
    _arrow(smooth[3], (1, 0.5), smooth[4], (0, 0.5), "")
    where: Look = {"transform": smooth[4].transAxes, "ha": "center", "fontsize": 11}
    smooth[4].text(0.5, 1.25, "every second\ncell of P5", color=INK, in_layout=False, **where)


def _below(ax: Axes, sign: str) -> None:
    """Write a sign below a panel, above the title of the next one."""
    look: Look = {"ha": "center", "va": "center", "fontsize": 14, "weight": "bold"}
    ax.text(0.5, -0.1, sign, transform=ax.transAxes, color=INK, in_layout=False, **look)


def _arrow(
    start: Axes, at: tuple[float, float], end: Axes, to: tuple[float, float], text: str
) -> None:
    """Draw an arrow from one panel to another, and a text beside its middle.

    at, to    places in the panels, as fractions of them
    """
    ends: Look = {"coordsA": start.transAxes, "coordsB": end.transAxes}
    look: Look = {"arrowstyle": "-|>", "mutation_scale": 16, "color": INK, "linewidth": 1.6}
    start.figure.add_artist(ConnectionPatch(at, to, in_layout=False, **ends, **look))
    note: Look = {"fontsize": 12, "weight": "bold", "color": INK, "in_layout": False}
    if text == "x2":
        end.text(1.02, to[1] + 0.1, text, transform=end.transAxes, va="bottom", **note)
    elif text:
        start.text(0.55, -0.45, text, transform=start.transAxes, **note)
