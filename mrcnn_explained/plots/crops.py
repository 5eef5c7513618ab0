"""Plots of crops: where an ROI samples its map, on the map and on the image, and the crop."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, SHADE, text_color
from mrcnn_explained.plots.style import (
    Look,
    draw_boxes,
    figure,
    label_boxes,
    panels,
    show_image,
    show_map,
    to_pixels,
)
from mrcnn_explained.stages.crops import LevelCrops
from mrcnn_explained.stages.levels import LOWEST


def find_roi(crops: LevelCrops, roi: int, image: int = 0) -> tuple[int, int]:
    """Return the level of an ROI, and its row in the list of that level.

    Raises ValueError if the image has no such ROI.
    """
    for level, ix in enumerate(crops.ix, LOWEST):
        rows = np.flatnonzero((np.asarray(ix) == (image, roi)).all(axis=1))
        if len(rows):
            return level, int(rows[0])
    raise ValueError(f"image {image} has no ROI {roi}; it has 0…{_last(crops, image)}")


def _last(crops: LevelCrops, image: int) -> int:
    """Return the number of the last ROI of an image."""
    rows = np.concatenate([np.asarray(ix) for ix in crops.ix])
    return int(rows[rows[:, 0] == image, 1].max(initial=-1))


def plot_sampling(crops: LevelCrops, maps: Any, pixels: Any, roi: int, image: int = 0) -> Figure:
    """Draw the samples of one ROI on the image and on the map of its level, and the pooled crop.

    maps      P2…P5, finest first
    pixels    the molded image

    Left: the samples, as dots, on the molded image. Middle: the same samples on the mean
    absolute activation around the box, one square per cell; the axes count cells. Right: the
    crop that bilinear interpolation returns, also the mean over channels, on the same colour
    scale.
    """
    level, row = find_roi(crops, roi, image)
    index, color = level - LOWEST, LEVEL_COLORS[level]
    features = np.abs(np.asarray(maps[index][image])).mean(axis=-1)
    ys, xs = np.asarray(crops.sample_y[index][row]), np.asarray(crops.sample_x[index][row])
    pooled = np.abs(np.asarray(crops.pooled[index][row])).mean(axis=-1)

    on_image, on_map, crop = panels(1, 3, 4.3, 4.1)[0]
    top, bottom = _around(ys, features.shape[0])
    left, right = _around(xs, features.shape[1])
    near = features[top:bottom, left:right]
    scale = {"vmin": min(near.min(), pooled.min()), "vmax": max(near.max(), pooled.max())}
    title = f"P{level}, {features.shape[0]} x {features.shape[1]} cells"
    extent = (left - 0.5, right - 0.5, bottom - 0.5, top - 0.5)
    show_map(on_map, near, title, extent=extent, **scale)
    on_map.set_xticks(range(left, right, max(1, (right - left) // 6)))
    on_map.set_yticks(range(top, bottom, max(1, (bottom - top) // 6)))
    on_map.set(xlabel="column", ylabel="row")
    draw_boxes(on_map, [(ys[0], xs[0], ys[-1], xs[-1])], color, linewidth=2)
    _dots(on_map, ys, xs, 5)

    show_image(on_image, pixels, fade=0.3)
    (box,) = to_pixels(crops.level_boxes[index][row], pixels)
    y1, x1, y2, x2 = (float(side) for side in box)
    draw_boxes(on_image, [box], color, linewidth=2)
    # The corners of map and image are aligned, so samples spread from edge to edge of the box.
    _dots(on_image, np.linspace(y1, y2, len(ys)), np.linspace(x1, x2, len(xs)), 3)
    size = f"{y2 - y1:.0f} x {x2 - x1:.0f}"
    on_image.set_title(f"ROI {roi}: {size} molded pixels", fontsize=9)
    drawn = show_map(crop, pooled, f"pooled crop, {len(ys)} x {len(xs)}", **scale)
    for ax in (on_map, on_image, crop):
        ax.title.set_fontsize(11)
    crop.figure.colorbar(drawn, ax=crop, shrink=0.8, label="mean |activation| over channels")
    return on_map.figure


def _around(samples: np.ndarray, cells: int) -> tuple[int, int]:
    """Return the cells to show around samples: half their spread on each side, in the map."""
    margin = max(2.0, np.ptp(samples) / 2)
    return max(0, int(samples[0] - margin)), min(cells, int(samples[-1] + margin) + 2)


def _dots(ax: Axes, ys: np.ndarray, xs: np.ndarray, size: float) -> None:
    """Draw a dot at every crossing of the rows `ys` and the columns `xs`."""
    grid_x, grid_y = np.meshgrid(xs, ys)
    look: Look = {"color": "white", "markeredgecolor": INK, "markersize": size, "mew": 0.6}
    # Not clipped: the samples of an ROI at the edge of the image lie on that edge.
    ax.plot(grid_x, grid_y, "o", clip_on=False, **look)


def plot_crop_channels(
    crops: LevelCrops, roi: int, image: int = 0, channels: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
) -> Figure:
    """Draw some channels of one ROI's pooled crop with a common colour scale."""
    level, row = find_roi(crops, roi, image)
    pooled = np.asarray(crops.pooled[level - LOWEST][row])[..., list(channels)]
    scale = {"vmin": pooled.min(), "vmax": pooled.max()}
    row_of_axes = panels(1, len(channels), 1.9, 2.2)[0]
    for i, (ax, channel) in enumerate(zip(row_of_axes, channels, strict=True)):
        drawn = show_map(ax, pooled[..., i], f"channel {channel}", **scale)
    fig = row_of_axes[0].figure
    fig.colorbar(drawn, ax=list(row_of_axes), shrink=0.75, label="activation")
    return fig


def plot_level_boxes(crops: LevelCrops, images: Any, per_image: int = 2) -> Figure:
    """What `level_boxes` and `box_indices` hold: boxes on their images, then each level's list.

    images       the molded images of the batch, uint8 [B, H, W, 3]
    per_image    rows to show of each image and level

    Above: each image with the first boxes that a level crops from it, named by level and row
    of that level's list. Below: the lists. One list serves all images, so a row needs its
    `box_indices`; rows of one image lie together. A row's shade is that of its image.
    """
    images = np.asarray(images)
    count, levels = len(images), len(crops.ix)
    whole = figure(max(5.0 * count, 3.1 * levels), 7.0)
    above, below = whole.subfigures(2, 1, squeeze=False, height_ratios=(4.4, 2.6))[:, 0]
    image_axes = above.subplots(1, count, squeeze=False)[0]
    for number, (ax, pixels) in enumerate(zip(image_axes, images, strict=True)):
        show_image(ax, pixels, fade=0.45)
        ax.set_title(f"image {number}", fontsize=11)
        boxes, names, colors = [], [], []
        for level, row in _first_rows(crops, number, per_image):
            boxes.append(to_pixels(crops.level_boxes[level - LOWEST][row], pixels)[0])
            names.append(f"P{level} row {row}")
            colors.append(LEVEL_COLORS[level])
        draw_boxes(ax, boxes, colors, linewidth=2)
        label_boxes(ax, boxes, names, colors)
    for level, ax in enumerate(below.subplots(1, levels, squeeze=False)[0], LOWEST):
        _list_of_level(ax, crops, level, count, per_image)
    return whole


def _first_rows(crops: LevelCrops, image: int, count: int) -> list[tuple[int, int]]:
    """Return (level, row of its list) of the first boxes that each level crops from an image."""
    found = []
    for level, indices in enumerate(crops.box_indices, LOWEST):
        rows = np.flatnonzero(np.asarray(indices) == image)
        found += [(level, int(row)) for row in rows[:count]]
    return found


def _list_of_level(ax: Axes, crops: LevelCrops, level: int, images: int, count: int) -> None:
    """Write the first rows of each image in one level's list, and how many more there are."""
    index = level - LOWEST
    indices, ix = np.asarray(crops.box_indices[index]), np.asarray(crops.ix[index])
    boxes = np.asarray(crops.level_boxes[index])
    lines = [("row box_indices ROI  level_boxes", "white")]
    for image in range(images):
        rows = np.flatnonzero(indices == image)
        shade = SHADE if image % 2 else "white"
        for row in rows[:count]:
            box = " ".join(f"{value:.2f}" for value in boxes[row])
            lines.append((f"{row:3} {image:11} {ix[row, 1]:3}  {box}", shade))
        if len(rows) > count:
            lines.append((f"  … {len(rows) - count} more of image {image}", shade))
    ax.set_axis_off()
    ax.set_title(f"P{level}: {len(ix)} rows", fontsize=11, color=text_color(LEVEL_COLORS[level]))
    for number, (text, shade) in enumerate(lines):
        background = {"facecolor": shade, "edgecolor": "none", "pad": 2.5}
        weight = "bold" if number == 0 else "normal"
        look: Look = {"family": "monospace", "fontsize": 8, "weight": weight}
        y = 0.97 - 0.12 * number
        ax.text(0, y, text, va="top", transform=ax.transAxes, bbox=background, **look)
