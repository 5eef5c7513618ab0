"""Plots of a dataset: images with their objects, and how large everything is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.data.annotations import Sample, extract_boxes
from mrcnn_explained.data.statistics import DatasetStatistics
from mrcnn_explained.plots.palette import GOOD, INK, LEVEL_COLORS, class_color, text_color
from mrcnn_explained.plots.style import (
    axes,
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
    image: Any, masks: Any, class_ids: Any, names: Sequence[str] = (), ax: Axes | None = None
) -> Axes:
    """Masks, outlined and tinted, the boxes around them and their classes, over the image.

    masks    bool [h, w, n] of the whole image
    """
    masks = np.asarray(masks, bool)
    colors = [class_color(abs(int(c))) for c in class_ids]
    ax = draw_masks(axes(ax, 6, 6), image, masks, colors)
    boxes = extract_boxes(masks)
    draw_boxes(ax, boxes, colors, linewidth=1)
    words = [names[abs(int(c))] if names else f"class {c}" for c in class_ids]
    label_boxes(ax, boxes, words, colors)
    return ax


def plot_top_masks(
    image: Any, masks: Any, class_ids: Any, names: Sequence[str] = (), limit: int = 4
) -> Figure:
    """The image, and a panel for each of its commonest classes: its objects shaded apart."""
    class_ids, masks = np.asarray(class_ids), np.asarray(masks)
    kinds, counts = np.unique(class_ids, return_counts=True)
    kinds = kinds[np.argsort(-counts, kind="stable")][:limit]
    row = panels(1, limit + 1, 2.4, 2.5)[0]
    show_image(row[0], image).set_title(f"{len(class_ids)} objects", fontsize=9)
    for ax in row[1:]:
        ax.set_axis_off()
    for ax, kind in zip(row[1:], kinds, strict=False):
        mine = masks[..., class_ids == kind]
        shades = (mine * (1 + np.arange(mine.shape[-1]))).max(axis=-1)
        name = names[abs(kind)] if names else f"class {kind}"
        show_map(ax, shades, f"{mine.shape[-1]} {name}", cmap="Blues")
    return row[0].figure


def plot_mini_masks(sample: Sample, names: Sequence[str] = (), count: int = 8) -> Figure:
    """The masks of a training sample as they are kept."""
    count = min(count, len(sample.gt_class_ids))
    row = panels(1, max(count, 1), 1.5, 1.7)[0]
    for ax, i in zip(row, range(count), strict=True):
        c = sample.gt_class_ids[i]
        show_map(
            ax,
            sample.gt_masks[..., i],
            names[abs(c)] if names else f"class {c}",
            cmap="Greys_r",
            vmin=0,
            vmax=1,
        )
    return row[0].figure


def plot_dataset(found: DatasetStatistics, names: Sequence[str] = ()) -> Figure:
    """Six histograms: images, objects in each, their sides by level, shape, size, class."""
    grid = panels(2, 3, 4.2, 3.3)
    height, width = found.shape.T
    _hist(grid[0, 0], np.sqrt(height * width), "side of the image, pixels", "images")
    in_each = np.bincount(found.image, minlength=len(found.shape))
    bins = np.arange(in_each.max() + 2) - 0.5
    _hist(grid[0, 1], in_each, "objects in an image", "images", bins)
    if not len(found.side):
        for ax in (grid[0, 2], *grid[1]):
            ax.set_axis_off()
            note(ax, "no object", 0.5, 0.5, ha="center")
        return grid[0, 0].figure
    sides = np.log2(np.maximum(found.side, 1))
    ax = quiet_axes(grid[0, 2])
    here = [k for k in LEVEL_COLORS if (found.level == k).any()]
    ax.hist(
        [sides[found.level == k] for k in here],
        bins=24,
        stacked=True,
        color=[LEVEL_COLORS[k] for k in here],
    )
    for k in here:
        middle = float(np.median(sides[found.level == k]))
        ax.text(
            middle,
            1.0,
            f"P{k}",
            transform=ax.get_xaxis_transform(),
            ha="center",
            color=text_color(LEVEL_COLORS[k]),
            weight="bold",
            va="bottom",
        )
    ticks = range(int(sides.min()), int(sides.max()) + 2)
    ax.set_xticks(list(ticks), [f"{2**t}" for t in ticks])
    ax.set(xlabel="side when molded, pixels", ylabel="objects")
    _ratios(quiet_axes(grid[1, 0]), *found.size.T)
    ax = quiet_axes(grid[1, 1])
    drawn = ax.hist2d(found.size[:, 1], found.size[:, 0], bins=24, cmap="viridis", cmin=1)[3]
    ax.figure.colorbar(drawn, ax=ax, label="objects")
    ax.set(xlabel="width of the box, pixels", ylabel="height, pixels")
    ax = quiet_axes(grid[1, 2])
    kinds, counts = np.unique(found.class_ids, return_counts=True)
    ax.barh([names[k] if names else f"class {k}" for k in kinds], counts, color=GOOD)
    ax.tick_params(axis="y", labelsize=8)
    ax.set_xlabel("objects")
    return grid[0, 0].figure


def _ratios(ax, height, width):
    """Width / height as the RPN's ratios are meant, on a log scale: 0.5 and 2 are as far from 1."""
    ratio = np.log2(np.maximum(width, 1) / np.maximum(height, 1))
    reach = max(2, int(np.ceil(np.abs(ratio).max())))
    ax.hist(ratio, bins=np.linspace(-reach, reach, 12 * reach + 1), color=GOOD)
    for usual in (-1, 0, 1):
        ax.axvline(usual, color=INK, lw=1, ls="--")
    ticks = [t for t in range(-reach, reach + 1) if abs(t) < 2 or reach < 4 or t % 2 == 0]
    ax.set_xticks(ticks, [f"{2.0**t:g}" if t >= -3 else f"1/{2**-t}" for t in ticks])
    ax.set(xlabel="width / height of the box (dashed: 0.5, 1, 2)", ylabel="objects")


def _hist(ax, values, xlabel, ylabel, bins=24):
    if np.ptp(values) == 0:  # all alike: one bar, as wide as a tenth of its value
        value = float(values[0])
        bins = [value - max(value / 20, 0.5), value + max(value / 20, 0.5)]
        ax.set_xticks([value], [f"{value:.0f}"])
        ax.set_xlim(value / 2 - 1, value * 1.5 + 1)
    quiet_axes(ax).hist(values, bins=bins, color=GOOD)
    ax.set(xlabel=xlabel, ylabel=ylabel)
