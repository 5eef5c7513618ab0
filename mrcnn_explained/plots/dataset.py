"""Plots of a dataset: images with their objects, and statistics of images and objects."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.data.annotations import Sample
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.statistics import DatasetStatistics
from mrcnn_explained.plots.palette import (
    DASHED,
    INK,
    LEVEL_COLORS,
    MAP,
    QUIET,
    class_color,
    text_color,
)
from mrcnn_explained.plots.style import (
    Look,
    axes,
    class_label,
    draw_boxes,
    draw_masks,
    label_boxes,
    note,
    panels,
    quiet_axes,
    show_image,
    show_map,
)


def plot_objects(
    pixels: Any, masks: Any, class_ids: Any, names: Sequence[str] = (), ax: Axes | None = None
) -> Axes:
    """Draw the masks (outlined and tinted), boxes and classes of an image's objects.

    masks        bool [h, w, n], of the whole image
    class_ids    [n]; negative for crowds
    names        C class names, background first; without them, numbers are shown
    """
    masks = np.asarray(masks, bool)
    colors = [class_color(abs(int(c))) for c in class_ids]
    ax = draw_masks(axes(ax, 6, 6), pixels, masks, colors)
    boxes = extract_boxes(masks)
    draw_boxes(ax, boxes, colors, linewidth=1)
    label_boxes(ax, boxes, [class_label(c, names) for c in class_ids], colors)
    return ax


def plot_top_masks(
    pixels: Any, masks: Any, class_ids: Any, names: Sequence[str] = (), limit: int = 4
) -> Figure:
    """Draw an image, and the masks of its most frequent classes in one panel per class.

    masks        bool [h, w, n], of the whole image
    class_ids    [n]; negative for crowds
    names        C class names, background first; without them, numbers are shown
    limit        how many classes to draw

    The objects of a class have different shades.
    """
    class_ids, masks = np.asarray(class_ids), np.asarray(masks)
    kinds, counts = np.unique(class_ids, return_counts=True)
    kinds = kinds[np.argsort(-counts, kind="stable")][:limit]
    row = panels(1, limit + 1, 2.4, 2.5)[0]
    show_image(row[0], pixels).set_title(f"{len(class_ids)} objects", fontsize=9)
    for ax in row[1:]:
        ax.set_axis_off()
    for ax, kind in zip(row[1:], kinds, strict=False):
        of_class = masks[..., class_ids == kind]
        count = of_class.shape[-1]
        shades = (of_class * (1 + np.arange(count))).max(axis=-1)
        show_map(ax, shades, f"{count} {class_label(kind, names)}", cmap="Blues")
    return row[0].figure


def plot_mini_masks(sample: Sample, names: Sequence[str] = (), count: int = 8) -> Figure:
    """Draw the masks of a training sample as it stores them: mini-masks, or whole masks.

    names    C class names, background first; without them, numbers are shown
    count    how many masks to draw
    """
    count = min(count, len(sample.gt_class_ids))
    row = panels(1, max(count, 1), 1.5, 1.7)[0]
    for i in range(count):
        title = class_label(sample.gt_class_ids[i], names)
        show_map(row[i], sample.gt_masks[..., i], title, cmap="Greys_r", vmin=0, vmax=1)
    return row[0].figure


def plot_dataset(found: DatasetStatistics, names: Sequence[str] = ()) -> Figure:
    """Draw six histograms: images, objects per image, and the objects' sides, shapes and classes.

    names    C class names, background first; without them, numbers are shown
    """
    grid = panels(2, 3, 4.2, 3.3)
    height, width = found.shape.T
    _hist(grid[0, 0], np.sqrt(height * width), "side of the image, pixels", "images")
    per_image = np.bincount(found.image, minlength=len(found.shape))
    bins = np.arange(per_image.max() + 2) - 0.5
    _hist(grid[0, 1], per_image, "objects in an image", "images", bins)
    if not len(found.side):
        for ax in (grid[0, 2], *grid[1]):
            ax.set_axis_off()
            note(ax, "no object", 0.5, 0.5, ha="center")
        return grid[0, 0].figure
    _hist_sides(grid[0, 2], found)
    _hist_ratios(grid[1, 0], *found.size.T)
    ax = quiet_axes(grid[1, 1])
    drawn = ax.hist2d(found.size[:, 1], found.size[:, 0], bins=24, cmap=MAP, cmin=1)[3]
    ax.figure.colorbar(drawn, ax=ax, label="objects")
    ax.set(xlabel="width of the box, pixels", ylabel="height, pixels")
    ax = quiet_axes(grid[1, 2])
    kinds, counts = np.unique(found.class_ids, return_counts=True)
    ax.barh([class_label(k, names) for k in kinds], counts, color=QUIET)
    ax.tick_params(axis="y", labelsize=8)
    ax.set_xlabel("objects")
    return grid[0, 0].figure


def _hist_sides(ax: Axes, found: DatasetStatistics) -> None:
    """Draw the histogram of the objects' sides in the colours of their levels."""
    sides = np.log2(np.maximum(found.side, 1))
    levels = [k for k in LEVEL_COLORS if (found.level == k).any()]
    of_level = [sides[found.level == k] for k in levels]
    colors = [LEVEL_COLORS[k] for k in levels]
    quiet_axes(ax).hist(of_level, bins=24, stacked=True, color=colors)
    place: Look = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom"}
    for k, values in zip(levels, of_level, strict=True):
        look: Look = {"color": text_color(LEVEL_COLORS[k]), "weight": "bold"}
        ax.text(float(np.median(values)), 1.0, f"P{k}", **place, **look)
    ticks = range(int(sides.min()), int(sides.max()) + 2)
    ax.set_xticks(list(ticks), [f"{2**t}" for t in ticks])
    ax.set(xlabel="side when molded, pixels", ylabel="objects")


def _hist_ratios(ax: Axes, height: np.ndarray, width: np.ndarray) -> None:
    """Draw width / height, as the RPN's ratios, on a log scale: 0.5 and 2 are as far from 1."""
    ratio = np.log2(np.maximum(width, 1) / np.maximum(height, 1))
    reach = max(2, int(np.ceil(np.abs(ratio).max())))
    edges = np.linspace(-reach, reach, 12 * reach + 1)
    quiet_axes(ax).hist(ratio, bins=edges.tolist(), color=QUIET)
    for usual in (-1, 0, 1):
        ax.axvline(usual, color=INK, lw=1, ls=DASHED)
    ticks = [t for t in range(-reach, reach + 1) if abs(t) < 2 or reach < 4 or t % 2 == 0]
    ax.set_xticks(ticks, [f"{2.0**t:g}" if t >= -3 else f"1/{2**-t}" for t in ticks])
    ax.set(xlabel="width / height of the box (dashed: 0.5, 1, 2)", ylabel="objects")


def _hist(ax: Axes, values: np.ndarray, xlabel: str, ylabel: str, bins: Any = 24) -> None:
    """Draw one histogram; equal values become one bar, a tenth of the value wide."""
    if np.ptp(values) == 0:
        value = float(values[0])
        bins = [value - max(value / 20, 0.5), value + max(value / 20, 0.5)]
        ax.set_xticks([value], [f"{value:.0f}"])
        ax.set_xlim(value / 2 - 1, value * 1.5 + 1)
    quiet_axes(ax).hist(values, bins=bins, color=QUIET)
    ax.set(xlabel=xlabel, ylabel=ylabel)
