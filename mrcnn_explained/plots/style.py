"""The one look: palette, axes, pictures and boxes. A level has the same colour everywhere."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mrcnn_explained.boxes import denorm_boxes

INK, QUIET, FAINT = "#1B1F24", "#6B7580", "#D5DADF"
GOOD, BAD = "#0072B2", "#D55E00"  # kept, lost: told apart by every kind of colour vision
#: Okabe and Ito's colours, which colour-blind people can tell apart, and a purple.
LEVEL_COLORS = {2: "#0072B2", 3: "#009E73", 4: "#E69F00", 5: "#D55E00", 6: "#7B3FA0"}
CLASS_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#7B3FA0", "#56B4E9")
MAP = "viridis"  # for whatever has a value per cell
HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def class_color(class_id: int) -> str:
    """The colour of a class; they repeat after seven."""
    return CLASS_COLORS[(class_id - 1) % len(CLASS_COLORS)]


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


def show_picture(ax: Axes, picture: Any, *, fade: float = 0.0) -> Axes:
    """Draw a picture so that a box in pixels lies where it should, faded towards white."""
    picture = np.asarray(picture)
    height, width = picture.shape[:2]
    faded = (picture * (1 - fade) + 255 * fade).astype(np.uint8)
    ax.imshow(faded, extent=(0, width, height, 0), interpolation="bilinear")
    ax.set_axis_off()
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    return ax


def pixels(boxes: Any, picture: Any) -> np.ndarray:
    """Normalised boxes [n, 4] in pixels of a molded picture."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return denorm_boxes(boxes, np.asarray(picture).shape[:2]).numpy()


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
    ax: Axes, boxes: Iterable[Sequence[float]], texts: Iterable[str], colors: Iterable[str]
) -> None:
    """Write a text at each box's top left corner, moved down where two would overlap."""
    taken: list[tuple[float, float]] = []
    bottom, right = max(ax.get_ylim()), max(ax.get_xlim())
    line, reach = bottom / 28, right / 5
    for (y1, x1, _, _), text, color in zip(boxes, texts, colors, strict=True):
        x, y = min(max(x1, 0), right - reach / 2), max(y1, line)
        while any(abs(x - a) < reach and abs(y - b) < line for a, b in taken) and y < bottom:
            y += line
        taken.append((x, y))
        ax.text(
            x, y, text, color="white", fontsize=7.5, va="bottom", clip_on=True,
            bbox={"facecolor": color, "edgecolor": "none", "pad": 1.2, "alpha": 0.9},
        )  # fmt: skip


def note(ax: Axes, text: str, x: float = 0.01, y: float = 0.99, **options: Any) -> None:
    """Write a remark into the axes, at a fraction of their size."""
    options = {"ha": "left", "va": "top", "fontsize": 9, "color": INK, "bbox": HALO, **options}
    ax.text(x, y, text, transform=ax.transAxes, **options)


def level_names(levels: Iterable[int]) -> list[str]:
    return [f"P{k}" for k in levels]
