"""Plots of level assignment: every ROI falls from equation 1 onto a step."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, QUIET, text_color
from mrcnn_explained.plots.style import (
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
    """Each ROI at its exact level, with a drop to the level that it reads.

    lowest, highest, rounding, canonical_side, canonical_level    as `assign_levels` got them

    Across: side of the ROI, pixels, log scale, ticks where the level changes. Up: level.
    A drop is what rounding takes away; beyond the steps it is how far the ROI is from a
    level of its own, which the pyramid lacks. ROIs without area stand aside as a number.
    """
    side, exact, level = (
        np.asarray(x[image]) for x in (levels.side, levels.exact_level, levels.roi_level)
    )
    real = side > 0
    equation = {"canonical_side": canonical_side, "canonical_level": canonical_level}
    edges = level_boundaries(lowest, highest, rounding, **equation)
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
        # The line rises through the steps from below left to above right: P2 and P3 have room
        # right of their end, below the line; P4 and P5 left of their beginning, above it.
        low = k <= 3
        ax.annotate(
            f"P{k}: {here.sum()} ROIs",
            (end if low else start, k),
            (9 if low else -9, 0),
            textcoords="offset points",
            color=text_color(color),
            ha="left" if low else "right",
            weight="bold",
            va="center",
        )
    ax.set_xscale("log", base=2)
    ax.set_xticks(edges, [f"{edge:.0f}" for edge in edges])
    ax.set_xticks([t for t in (16, 32, 1024) if left <= t <= right], minor=True)
    ax.xaxis.set_minor_formatter("{x:g}")
    ax.set_yticks(ROI_LEVELS, level_names(ROI_LEVELS))
    ax.set_ylim(
        min(1.4, exact[real].min(initial=9) - 0.3), max(5.9, exact[real].max(initial=0) + 0.3)
    )
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
    """The best ROIs over the molded image, each in the colour of the level that it reads.

    rois     [B, N, 4], normalised, best first
    count    how many to draw; beside the image stands how many of each level they are
    """
    ax = show_image(axes(ax, 8.6, 6.8), pixels, fade=0.4)
    level, side = np.asarray(levels.roi_level[image]), np.asarray(levels.side[image])
    real = side > 0
    shown = np.flatnonzero(real)[:count]
    shown = shown[np.argsort(-side[shown])]  # small ones on top
    draw_boxes(
        ax,
        to_pixels(np.asarray(rois[image])[shown], pixels),
        [LEVEL_COLORS[k] for k in level[shown]],
    )
    few = len(shown) < real.sum()
    title = f"The {len(shown)} best of {real.sum()} ROIs" if few else f"All {len(shown)} ROIs"
    ax.set_title(title, fontsize=11, color=INK, loc="left")
    counts = [(k, np.sum(level[shown] == k), np.sum(real & (level == k))) for k in ROI_LEVELS]
    beside(
        ax,
        [
            (f"P{k}: {f'{drawn} of ' if few else ''}{every} ROIs", LEVEL_COLORS[k])
            for k, drawn, every in counts
        ],
    )
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
    """Width and height of every ROI in molded pixels, with the lines where the level changes.

    Both axes are logarithmic, so a line w h = constant is straight: shape does not matter.
    Its side, sqrt(w h), stands at its end; the other arguments as in `plot_levels`.
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
        number = np.sum(real & (level == k))
        _at_edge(
            ax,
            a * b,
            low,
            high,
            f"P{k}: {number}",
            color=text_color(LEVEL_COLORS[k]),
            weight="bold",
        )
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    ticks = [t for t in (8, 16, 32, 64, 128, 256, 512, 1024) if low < t < high]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks, [str(t) for t in ticks])
        axis.set_ticks([], minor=True)
    ax.set_xlabel("width, molded pixels")
    ax.set_ylabel("height, molded pixels")
    return ax


def _at_edge(ax, area, low, high, text, **look):
    """Write a text where the line w h = area leaves the plot, low…high on both axes."""
    if area > low * high:  # at the top: ROIs that are as high as this are rare
        ax.annotate(
            text,
            (area / high, high),
            (0, 3),
            textcoords="offset points",
            ha="left",
            va="bottom",
            rotation=40,
            rotation_mode="anchor",
            **look,
        )
    else:  # at the left
        ax.annotate(text, (low, area / low), (4, 0), textcoords="offset points", **look)
