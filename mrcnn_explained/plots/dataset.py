"""Plots of a dataset: pictures with their objects, and how large everything is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mrcnn_explained.data.annotations import Sample, extract_boxes
from mrcnn_explained.data.statistics import DatasetStatistics
from mrcnn_explained.plots.style import (
    GOOD,
    LEVEL_COLORS,
    axes,
    class_color,
    draw_boxes,
    label_boxes,
    note,
    panels,
    quiet_axes,
    show_map,
    show_picture,
)


def plot_objects(
    picture: Any, masks: Any, class_ids: Any, names: Sequence[str] = (), ax: Axes | None = None
) -> Axes:
    """Masks, the boxes around them and their classes, over the picture.

    masks    bool [h, w, n] of the whole picture
    """
    painted, masks = np.asarray(picture).astype(np.float64), np.asarray(masks, bool)
    colors = [class_color(abs(int(c))) for c in class_ids]
    for i, color in enumerate(colors):
        painted[masks[..., i]] = 0.5 * painted[masks[..., i]] + 127.5 * np.array(to_rgb(color))
    ax = show_picture(axes(ax, 5, 5), painted)
    boxes = extract_boxes(masks)
    draw_boxes(ax, boxes, colors)
    words = [names[abs(int(c))] if names else f"class {c}" for c in class_ids]
    label_boxes(ax, boxes, words, colors)
    return ax


def plot_top_masks(
    picture: Any, masks: Any, class_ids: Any, names: Sequence[str] = (), limit: int = 4
) -> Figure:
    """The picture, and a panel for each of its commonest classes: its objects shaded apart."""
    class_ids, masks = np.asarray(class_ids), np.asarray(masks)
    kinds, counts = np.unique(class_ids, return_counts=True)
    kinds = kinds[np.argsort(-counts, kind="stable")][:limit]
    row = panels(1, limit + 1, 2.4, 2.5)[0]
    show_picture(row[0], picture).set_title(f"{len(class_ids)} objects", fontsize=9)
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
        show_map(ax, sample.gt_masks[..., i], names[abs(c)] if names else f"class {c}",
                 cmap="Greys_r", vmin=0, vmax=1)  # fmt: skip
    return row[0].figure


def plot_dataset(found: DatasetStatistics, names: Sequence[str] = ()) -> Figure:
    """Six histograms: pictures, objects in each, their sides by level, shape, size, class."""
    grid = panels(2, 3, 3.7, 2.7)
    height, width = found.shape.T
    _hist(grid[0, 0], np.sqrt(height * width), "side of the picture, pixels", "pictures")
    in_each = np.bincount(found.image, minlength=len(found.shape))
    bins = np.arange(in_each.max() + 2) - 0.5
    _hist(grid[0, 1], in_each, "objects in a picture", "pictures", bins)
    if not len(found.side):
        for ax in (grid[0, 2], *grid[1]):
            ax.set_axis_off()
            note(ax, "no object", 0.5, 0.5, ha="center")
        return grid[0, 0].figure
    sides = np.log2(np.maximum(found.side, 1))
    ax = quiet_axes(grid[0, 2])
    here = [k for k in LEVEL_COLORS if (found.level == k).any()]
    ax.hist([sides[found.level == k] for k in here], bins=24, stacked=True,
            color=[LEVEL_COLORS[k] for k in here])  # fmt: skip
    for k in here:
        middle = float(np.median(sides[found.level == k]))
        ax.text(middle, 1.0, f"P{k}", transform=ax.get_xaxis_transform(), ha="center",
                color=LEVEL_COLORS[k], weight="bold", va="bottom", fontsize=9)  # fmt: skip
    ticks = range(int(sides.min()), int(sides.max()) + 2)
    ax.set_xticks(list(ticks), [f"{2**t}" for t in ticks])
    ax.set(xlabel="side when molded, pixels", ylabel="objects")
    tall = found.size[:, 0] / np.maximum(found.size[:, 1], 1)
    _hist(grid[1, 0], np.clip(tall, 0, 5), "height / width of the box, up to 5", "objects")
    ax = quiet_axes(grid[1, 1])
    ax.hist2d(found.size[:, 1], found.size[:, 0], bins=24, cmap="viridis", cmin=1)
    ax.set(xlabel="width of the box, pixels", ylabel="height, pixels")
    ax = quiet_axes(grid[1, 2])
    kinds, counts = np.unique(found.class_ids, return_counts=True)
    ax.barh([names[k] if names else f"class {k}" for k in kinds], counts, color=GOOD)
    ax.tick_params(axis="y", labelsize=8)
    ax.set_xlabel("objects")
    return grid[0, 0].figure


def _hist(ax, values, xlabel, ylabel, bins=24):
    if np.ptp(values) == 0:  # all alike: one bar with its value under it
        bins = [values[0] - 0.5, values[0] + 0.5]
        ax.set_xticks([values[0]])
    quiet_axes(ax).hist(values, bins=bins, color=GOOD)
    ax.set(xlabel=xlabel, ylabel=ylabel)
