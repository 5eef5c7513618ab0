"""The one look of all plots: axes, images, boxes, masks and labels.

A plot computes nothing that a stage computes. It draws into the axes that the caller passes,
or into a new figure, and does not touch pyplot's state. In all plots, `image` is the index of
an image in the batch, and `pixels` are the pixels of an image, uint8 [h, w, 3].
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.plots.palette import CASING, INK, MAP, QUIET, WHITE, ink_on, text_color

Look = dict[str, Any]  # keyword arguments of matplotlib
LONGEST_NAME = 40  # characters of a class name on a plot
HALO: Look = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def figure(width: float = 7.0, height: float = 4.5) -> Figure:
    """Return an empty white figure; sizes in inches. It is not part of pyplot's state."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def axes(ax: Axes | None = None, width: float = 7.0, height: float = 4.5) -> Axes:
    """Return the axes passed, or the axes of a new figure; sizes in inches."""
    return figure(width, height).subplots() if ax is None else ax


def panels(rows: int, columns: int, width: float = 2.4, height: float = 2.4) -> np.ndarray:
    """Return a grid of axes [rows, columns] in a new figure; sizes of one panel in inches."""
    return figure(columns * width, rows * height).subplots(rows, columns, squeeze=False)


def quiet_axes(ax: Axes) -> Axes:
    """Leave two spines and grey ticks on the axes, so the data stand out; return the axes."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.tick_params(colors=QUIET, labelcolor=INK)
    return ax


def show_map(ax: Axes, values: Any, title: str = "", **options: Any) -> Any:
    """Draw one map [h, w] without ticks; return what `imshow` returned, for a colour bar."""
    options = {"cmap": MAP, "interpolation": "nearest", **options}
    drawn = ax.imshow(np.asarray(values), **options)
    ax.set_title(title, fontsize=9, color=INK)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return drawn


def show_image(ax: Axes, pixels: Any, *, fade: float = 0.0) -> Axes:
    """Draw an image so that the data coordinates of the axes are its pixels; return the axes.

    fade    share of white mixed into the image, 0…1
    """
    pixels = as_rgb(pixels)
    height, width = pixels.shape[:2]
    faded = (pixels * (1 - fade) + 255 * fade).astype(np.uint8)
    ax.imshow(faded, extent=(0, width, height, 0), interpolation="bilinear")
    ax.set_axis_off()
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    return ax


def as_rgb(pixels: Any) -> np.ndarray:
    """Return an image of one, three or four channels as three: alpha is dropped."""
    pixels = np.asarray(pixels)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3]


def to_pixels(boxes: Any, pixels: Any) -> np.ndarray:
    """Convert normalised boxes to pixels of the molded image: [n, 4].

    boxes     [n, 4] or [4]
    pixels    the molded image, [H, W, ch]; only its shape is read
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return denorm_boxes(boxes, np.asarray(pixels).shape[:2]).numpy()


def cells_to_pixels(
    places: np.ndarray, cells: int, pixels: int, *, aligned_corners: bool = True
) -> np.ndarray:
    """Convert places on a map along one axis to pixels of the molded image.

    places             in cells; 0 is the centre of the first cell
    cells, pixels      length of the map and of the image along that axis
    aligned_corners    as `crop_and_resize` reads a map: the centres of the first and the last
                       cell are those of the first and the last pixel. Otherwise, as in ROIAlign,
                       a cell covers pixels / cells of them

    Pixel 0 spans 0 to 1, so its centre is at 0.5.
    """
    if aligned_corners:
        return places / max(cells - 1, 1) * (pixels - 1) + 0.5
    return (places + 0.5) * (pixels / cells)


def class_label(class_id: int | np.integer, names: Sequence[str] = ()) -> str:
    """Return the name of a class, or `class 3` without names; crowds have negative ids."""
    return plain_text(names[abs(int(class_id))]) if names else f"class {class_id}"


def plain_text(text: str) -> str:
    """Return a name as matplotlib draws it in one line: `$` is a dollar, never mathematics."""
    line = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    cut = line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"
    return cut.replace("$", r"\$")


def draw_boxes(ax: Axes, boxes: Iterable[Sequence[float]], color: Any, **options: Any) -> None:
    """Draw boxes (y1, x1, y2, x2) in pixels.

    color      one colour for all boxes, or one per box
    options    of `matplotlib.patches.Rectangle`
    """
    boxes = list(boxes)
    colors = [color] * len(boxes) if isinstance(color, str) else list(color)
    options = {"linewidth": 1.2, "fill": False, **options}
    options = {"path_effects": _casing(options["linewidth"]), **options}
    for (y1, x1, y2, x2), edge in zip(boxes, colors, strict=True):
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, edgecolor=edge, **options))


def _casing(width: float) -> list[AbstractPathEffect]:
    """Return a white casing for lines of this width: dark lines are seen on dark images, too."""
    solid = {"dash_offset": 0, "dash_list": None}
    return [withStroke(linewidth=width + 2 * CASING, foreground=WHITE, dashes=solid)]


def label_boxes(
    ax: Axes,
    boxes: Iterable[Sequence[float]],
    texts: Iterable[str],
    colors: Iterable[str],
    size: float = 8.5,
) -> None:
    """Write a label above each box or, if there is no room, below, beside or inside it.

    boxes    (y1, x1, y2, x2) in pixels of the image that the axes show
    size     font size in points

    A label overlaps neither the labels written before it nor small boxes.
    """
    rows = [tuple(float(v) for v in box) for box in boxes]
    left, right = sorted(ax.get_xlim())
    top, bottom = sorted(ax.get_ylim())
    point = _units_per_point(ax, right - left, bottom - top)
    line = 1.75 * size * point  # height of a label with its background
    # A label would cover a box that is small beside it.
    taken = [box for box in rows if (box[2] - box[0]) * (box[3] - box[1]) < 12 * line**2]
    for box, text, color in zip(rows, texts, colors, strict=True):
        if not np.isfinite(box).all():  # of a run that overflowed
            continue
        width = (0.62 * len(text) * size + 4) * point
        places = _label_places(box, line, width, (top, left, bottom, right))
        free = [place for place in places if not any(overlap(place, other) for other in taken)]
        place = (free or places)[0]
        taken.append(place)
        ax.text(
            place[1] + 2 * point,
            (place[0] + place[2]) / 2,
            text,
            color=ink_on(color),
            fontsize=size,
            va="center",
            clip_on=True,
            bbox={"facecolor": color, "edgecolor": "none", "pad": 1.2},
        )


def _label_places(
    box: Sequence[float], height: float, width: float, frame: Sequence[float]
) -> list[tuple[float, float, float, float]]:
    """Return the places for a label of a box, as boxes within the frame, best place first."""
    (y1, x1, y2, x2), (top, left, bottom, right) = box, frame
    inner_rows = np.arange(y1, max(y1, y2 - height) + 1e-6, height / 4)
    distances = np.arange(0, (bottom - top) / 2, height / 4)
    corners = [(y, x) for x in (x1, x2 - width) for y in (y1 - height, y2)]  # above and below
    corners += [(y, x) for y in inner_rows for x in (x2, x1 - width)]  # right and left
    corners += [(y, x1) for y in inner_rows]  # inside
    corners += [(y, x1) for d in distances for y in (y1 - height - d, y2 + d)]  # farther away
    corners.append((min(max(y1, top), bottom - height), x1))  # wherever it is in the frame
    last_x = max(right - width, left)
    places = [(y, min(max(x, left), last_x)) for y, x in corners if top <= y <= bottom - height]
    return [(y, x, y + height, x + width) for y, x in places] or [(y1, x1, y1 + height, x1 + width)]


def _units_per_point(ax: Axes, width: float, height: float) -> float:
    """Return roughly how many data units of the axes one point of type covers."""
    window, points = ax.get_window_extent(), 72 / ax.figure.dpi
    return max(width / (window.width * points), height / (window.height * points))


def overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return True if two boxes (y1, x1, y2, x2) share an area; touching edges do not count."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def draw_masks(ax: Axes, pixels: Any, masks: Any, colors: Sequence[str]) -> Axes:
    """Draw an image with each mask tinted and outlined in its colour; return the axes.

    masks     bool [h, w, n]
    colors    one per mask

    The tint is 20 % of the colour, so the object's own colours stay visible.
    """
    painted, masks = as_rgb(pixels).astype(np.float64), np.asarray(masks, bool)
    for i, color in enumerate(colors):
        mask = masks[..., i]
        painted[mask] = 0.8 * painted[mask] + 0.2 * 255 * np.array(to_rgb(color))
    show_image(ax, painted)
    across, down = np.arange(-0.5, masks.shape[1] + 1), np.arange(-0.5, masks.shape[0] + 1)
    for i, color in enumerate(colors):
        if masks[..., i].any():
            # A border of zeros closes the outline of a mask that ends at the image's edge.
            closed = np.pad(masks[..., i].astype(float), 1)
            ax.contour(across, down, closed, [0.5], colors=[color], linewidths=1.6)
    ax.set_xlim(0, masks.shape[1])
    ax.set_ylim(masks.shape[0], 0)
    return ax


def beside(
    ax: Axes, lines: Iterable[tuple[str, str]], size: float = 10.5, top: float = 0.98
) -> None:
    """Write lines (text, colour) to the right of an image, where they cover nothing.

    size    font size in points
    top     height of the first line, as a fraction of the axes
    """
    ax.set_anchor("W")
    for text, color in lines:
        weight = "normal" if color in (INK, QUIET) else "bold"
        note(ax, text, x=1.02, y=top, color=text_color(color), weight=weight, fontsize=size)
        top -= (0.02 + 0.038 * (text.count("\n") + 1)) * size / 10.5


def note(ax: Axes, text: str, x: float = 0.01, y: float = 0.99, **options: Any) -> None:
    """Write a remark into the axes; x and y are fractions of their size."""
    options = {"ha": "left", "va": "top", "fontsize": 9, "color": INK, "bbox": HALO, **options}
    ax.text(x, y, text, transform=ax.transAxes, **options)


def level_names(levels: Iterable[int]) -> list[str]:
    """Return the names P2, P3, … of levels."""
    return [f"P{k}" for k in levels]
