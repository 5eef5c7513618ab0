"""The one look: palette, axes, images and boxes. A level has the same colour everywhere."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.plots.palette import INK, MAP, QUIET, ink_on, text_color

HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def figure(width: float = 7.0, height: float = 4.5) -> Figure:
    """An empty white figure of so many inches that no pyplot state knows of."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def axes(ax: Axes | None = None, width: float = 7.0, height: float = 4.5) -> Axes:
    """The given axes, or those of a new figure."""
    return figure(width, height).subplots() if ax is None else ax


def panels(rows: int, columns: int, width: float = 2.4, height: float = 2.4) -> np.ndarray:
    """A grid of axes [rows, columns], each of so many inches."""
    grid = figure(columns * width, rows * height).subplots(rows, columns, squeeze=False)
    return grid


def quiet_axes(ax: Axes) -> Axes:
    """Two spines, quiet ticks: the data speak."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.tick_params(colors=QUIET, labelcolor=INK)
    return ax


def show_map(ax: Axes, values: Any, title: str = "", **options: Any) -> Any:
    """Draw one map [h, w] without ticks; returns the image, for a colour bar."""
    drawn = ax.imshow(np.asarray(values), interpolation="nearest", **{"cmap": MAP, **options})
    ax.set_title(title, fontsize=9, color=INK)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return drawn


def show_image(ax: Axes, image: Any, *, fade: float = 0.0) -> Axes:
    """Draw an image so that a box in pixels lies where it should, faded towards white."""
    image = np.asarray(image)
    height, width = image.shape[:2]
    faded = (image * (1 - fade) + 255 * fade).astype(np.uint8)
    ax.imshow(faded, extent=(0, width, height, 0), interpolation="bilinear")
    ax.set_axis_off()
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    return ax


def to_pixels(boxes: Any, image: Any) -> np.ndarray:
    """Normalised boxes [n, 4] in pixels of a molded image."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return denorm_boxes(boxes, np.asarray(image).shape[:2]).numpy()


def draw_boxes(
    ax: Axes, boxes: Iterable[Sequence[float]], color: Any, **options: Any
) -> list[Rectangle]:
    """Draw boxes (y1, x1, y2, x2) in pixels; `color` is one, or one for each."""
    boxes = list(boxes)
    colors = [color] * len(boxes) if isinstance(color, str) else list(color)
    options = {"linewidth": 1.2, **options}
    return [
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=c, **options))
        for (y1, x1, y2, x2), c in zip(boxes, colors, strict=True)
    ]


def label_boxes(
    ax: Axes,
    boxes: Iterable[Sequence[float]],
    texts: Iterable[str],
    colors: Iterable[str],
    size: float = 8.5,
) -> None:
    """Write a text above each box, or below where that is taken or outside the image.

    A label avoids the labels before it and small boxes, which it would hide.
    """
    boxes = [tuple(float(v) for v in box) for box in boxes]
    left, right, top, bottom = *sorted(ax.get_xlim()), *sorted(ax.get_ylim())
    point = _units_per_point(ax, right - left, bottom - top)
    line = 1.75 * size * point  # a text's height with its background
    # A box that is small beside a label would vanish under it.
    taken = [box for box in boxes if (box[2] - box[0]) * (box[3] - box[1]) < 12 * line**2]
    for (y1, x1, y2, _), text, color in zip(boxes, texts, colors, strict=True):
        width = (0.62 * len(text) * size + 4) * point
        x = min(max(x1, left), max(right - width, left))
        steps = np.arange(0, (bottom - top) / 2, line / 4)
        places = [
            (y, x, y + line, x + width)
            for step in steps
            for y in (y1 - line - step, y2 + step)
            if top <= y <= bottom - line
        ]
        free = [place for place in places if not any(_meet(place, other) for other in taken)]
        place = (free or places or [(y1, x, y1 + line, x + width)])[0]
        taken.append(place)
        ax.text(
            x + 2 * point,
            (place[0] + place[2]) / 2,
            text,
            color=ink_on(color),
            fontsize=size,
            va="center",
            clip_on=True,
            bbox={"facecolor": color, "edgecolor": "none", "pad": 1.2},
        )


def _units_per_point(ax: Axes, width: float, height: float) -> float:
    """How many units of some axes of an image a point of type is, about."""
    window, points = ax.get_window_extent(), 72 / ax.figure.dpi
    return max(width / (window.width * points), height / (window.height * points))


def _meet(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two boxes (y1, x1, y2, x2) overlap; edges may touch."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def draw_masks(ax: Axes, image: Any, masks: Any, colors: Sequence[str]) -> Axes:
    """Draw an image with each mask [h, w, n] tinted a little and outlined in its colour.

    The tint is 20 % of the colour, so that an object's own colours can still be seen.
    """
    painted, masks = np.asarray(image).astype(np.float64), np.asarray(masks, bool)
    for i, color in enumerate(colors):
        mask = masks[..., i]
        painted[mask] = 0.8 * painted[mask] + 0.2 * 255 * np.array(to_rgb(color))
    show_image(ax, painted)
    across, down = np.arange(-0.5, masks.shape[1] + 1), np.arange(-0.5, masks.shape[0] + 1)
    for i, color in enumerate(colors):
        if masks[..., i].any():
            # The frame of zeros closes the outline of a mask that the image's edge cuts.
            closed = np.pad(masks[..., i].astype(float), 1)
            ax.contour(across, down, closed, [0.5], colors=[color], linewidths=1.6)
    ax.set_xlim(0, masks.shape[1])
    ax.set_ylim(masks.shape[0], 0)
    return ax


def beside(
    ax: Axes, lines: Iterable[tuple[str, str]], size: float = 10.5, top: float = 0.98
) -> None:
    """Write lines (text, colour) right of an image: on it they would hide something."""
    ax.set_anchor("W")
    texts = list(lines)
    for text, color in texts:
        weight = "normal" if color in (INK, QUIET) else "bold"
        note(ax, text, x=1.02, y=top, color=text_color(color), weight=weight, fontsize=size)
        top -= (0.02 + 0.038 * (text.count("\n") + 1)) * size / 10.5


def note(ax: Axes, text: str, x: float = 0.01, y: float = 0.99, **options: Any) -> None:
    """Write a remark into the axes, at a fraction of their size."""
    options = {"ha": "left", "va": "top", "fontsize": 9, "color": INK, "bbox": HALO, **options}
    ax.text(x, y, text, transform=ax.transAxes, **options)


def level_names(levels: Iterable[int]) -> list[str]:
    return [f"P{k}" for k in levels]
