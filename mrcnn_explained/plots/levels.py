"""Plots of level assignment: the exact level of every ROI, and the level that it reads."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, QUIET, text_color
from mrcnn_explained.plots.style import (
    Look,
    axes,
    beside,
    draw_boxes,
    level_names,
    quiet_axes,
    show_image,
    to_pixels,
)
from mrcnn_explained.stages.levels import (
    CANONICAL_LEVEL,
    CANONICAL_SIDE,
    HIGHEST,
    LOWEST,
    ROI_LEVELS,
    LevelAssignment,
    Rounding,
    level_boundaries,
)


def plot_levels(
    levels: LevelAssignment,
    image: int = 0,
    *,
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    rounding: Rounding = "round",
    canonical_side: float = CANONICAL_SIDE,
    canonical_level: int = CANONICAL_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw each ROI at its exact level, with a vertical line to the level that it reads.

    lowest, highest, rounding, canonical_side, canonical_level    as passed to `assign_levels`

    The horizontal axis is the side of the ROI in molded pixels, on a log scale, with bold ticks
    where the level changes and powers of two below them. The length of a vertical line is what
    rounding changes; outside the range of levels it also shows how far the ROI is from a level
    that the pyramid does not have. ROIs without area are only counted, in the label of the axis.
    """
    side, exact = np.asarray(levels.side[image]), np.asarray(levels.exact_level[image])
    level = np.asarray(levels.roi_level[image])
    real = side > 0
    edges = level_boundaries(lowest, highest, rounding, canonical_side, canonical_level)
    left = min([min(edges, default=canonical_side) / 4, *side[real]])
    right = max([max(edges, default=canonical_side) * 4, *side[real]])
    steps = zip([left, *edges], [*edges, right], strict=True)
    step_of = dict(zip(range(lowest, highest + 1), steps, strict=True))

    ax = quiet_axes(axes(ax, 8.5, 4.6))
    ends = np.array([left, right])
    ax.plot(ends, canonical_level + np.log2(ends / canonical_side), color=QUIET, lw=1, zorder=1)
    for k in ROI_LEVELS:
        color, here = LEVEL_COLORS[k], real & (level == k)
        ax.vlines(side[here], level[here], exact[here], color=color, lw=0.8, alpha=0.5)
        ax.scatter(side[here], exact[here], s=18, color=color, edgecolor="white", lw=0.4, zorder=2)
        if k not in step_of:  # no ROI reads this level unless the levels were edited
            continue
        start, end = step_of[k]
        ax.hlines(k, start, end, color=color, lw=7, alpha=0.3, zorder=0)
        # The rising line crosses the steps: there is room for a label to the right of P2 and P3,
        # below the line, and to the left of P4 and P5, above it.
        on_right = k <= 3
        place: Look = {"textcoords": "offset points", "va": "center"}
        place["ha"] = "left" if on_right else "right"
        ax.annotate(
            f"P{k}: {here.sum()} ROIs",
            (end if on_right else start, k),
            (9 if on_right else -9, 0),
            color=text_color(color),
            weight="bold",
            **place,
        )
    ax.set_xscale("log", base=2)
    ax.set_xticks(edges, [f"{edge:.0f}" for edge in edges])
    # In a row of their own: 64 would lie on 79, and 256 on 317.
    powers = 2.0 ** np.arange(np.ceil(np.log2(left)), np.log2(right) + 1e-9)
    ax.set_xticks(powers, minor=True)
    ax.xaxis.set_minor_formatter("{x:g}")
    ax.tick_params(axis="x", which="minor", pad=17, labelsize=9, labelcolor=QUIET)
    for tick in ax.get_xticklabels():
        tick.set_fontweight("bold")
    ax.set_yticks(ROI_LEVELS, level_names(ROI_LEVELS))
    lower, upper = exact[real].min(initial=9) - 0.3, exact[real].max(initial=0) + 0.3
    ax.set_ylim(min(1.4, lower), max(5.9, upper))
    hidden = f" ({np.sum(~real)} ROIs without area are not shown)" if (~real).any() else ""
    ax.set_xlabel(f"side of the ROI, sqrt(w h), molded pixels{hidden}", color=INK)
    ax.set_ylabel(f"k = {canonical_level} + log2(side / {canonical_side:g})", color=INK)
    return ax


def plot_levels_on_image(
    levels: LevelAssignment,
    rois: Any,
    pixels: Any,
    image: int = 0,
    count: int = 60,
    ax: Axes | None = None,
) -> Axes:
    """Draw the best ROIs on the molded image, each in the colour of the level that it reads.

    rois      [B, N, 4], normalised, best first
    pixels    the molded image
    count     how many ROIs to draw

    The list beside the image counts the ROIs of each level.
    """
    ax = show_image(axes(ax, 8.6, 6.8), pixels, fade=0.4)
    level, side = np.asarray(levels.roi_level[image]), np.asarray(levels.side[image])
    real = side > 0
    shown = np.flatnonzero(real)[:count]
    shown = shown[np.argsort(-side[shown])]  # small ones on top
    boxes = to_pixels(np.asarray(rois[image])[shown], pixels)
    draw_boxes(ax, boxes, [LEVEL_COLORS[k] for k in level[shown]])
    few = len(shown) < real.sum()
    title = f"The {len(shown)} best of {real.sum()} ROIs" if few else f"All {len(shown)} ROIs"
    ax.set_title(title, fontsize=11, color=INK, loc="left")
    lines = []
    for k in ROI_LEVELS:
        drawn, total = np.sum(level[shown] == k), np.sum(real & (level == k))
        part = f"{drawn} of " if few else ""
        lines.append((f"P{k}: {part}{total} ROIs", LEVEL_COLORS[k]))
    beside(ax, lines)
    return ax


def plot_sizes(
    levels: LevelAssignment,
    pixels: Any,
    image: int = 0,
    *,
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    rounding: Rounding = "round",
    canonical_side: float = CANONICAL_SIDE,
    canonical_level: int = CANONICAL_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw the width and height of every ROI, with lines where the level changes.

    pixels    the molded image; only its shape is read

    Both axes are molded pixels on a log scale, so a line w h = constant is straight: only
    the area of an ROI decides its level. The label of a line is its side, sqrt(w h). Other
    arguments as in `plot_levels`.
    """
    ax = quiet_axes(axes(ax, 5.6, 5.4))
    height, width = np.asarray(pixels).shape[:2]
    h, w = np.asarray(levels.h[image]) * (height - 1), np.asarray(levels.w[image]) * (width - 1)
    level, real = np.asarray(levels.roi_level[image]), np.asarray(levels.side[image]) > 0
    for k in ROI_LEVELS:
        here = real & (level == k)
        ax.scatter(w[here], h[here], s=14, color=LEVEL_COLORS[k], linewidths=0, alpha=0.7)
    low, high = min([8, *w[real], *h[real]]) * 0.8, max(height, width) * 1.2
    edges = level_boundaries(lowest, highest, rounding, canonical_side, canonical_level)
    for side in edges:
        ax.plot([low, high], [side**2 / low, side**2 / high], color=QUIET, lw=1, zorder=0)
        _at_edge(ax, side**2, low, high, f"{side:.0f} px", color=QUIET, fontsize=9)
    steps = range(lowest, highest + 1)
    for k, a, b in zip(steps, [low, *edges], [*edges, high], strict=True):
        text = f"P{k}: {np.sum(real & (level == k))}"
        _at_edge(ax, a * b, low, high, text, color=text_color(LEVEL_COLORS[k]), weight="bold")
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    ticks = [t for t in (8, 16, 32, 64, 128, 256, 512, 1024) if low < t < high]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks, [str(t) for t in ticks])
        axis.set_ticks([], minor=True)
    ax.set_xlabel("width, molded pixels")
    ax.set_ylabel("height, molded pixels")
    return ax


def _at_edge(ax: Axes, area: float, low: float, high: float, text: str, **look: Any) -> None:
    """Write a text where the line w h = area leaves the plot, which shows low…high on both axes."""
    look = {"textcoords": "offset points", **look}
    if area > low * high:  # at the top: few ROIs are that high
        along: Look = {"ha": "left", "va": "bottom", "rotation": 40, "rotation_mode": "anchor"}
        ax.annotate(text, (area / high, high), (0, 3), **along, **look)
    else:  # at the left
        ax.annotate(text, (low, area / low), (4, 0), **look)
