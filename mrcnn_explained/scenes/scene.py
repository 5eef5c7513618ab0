"""Scenes: what explorer.js draws, as plain data. Everything of the detector happened before.

A scene is a dict of `panels` (each with images, lines, boxes, points and labels in its own
units), `text` (lines below them) and `tips` (row → what hovering tells). Numbers travel as
float32 bytes, rows as int32. Boxes are (y1, x1, y2, x2), points (x, y), lines (x1, y1, x2, y2).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

WIDTH = 400  # CSS pixels of a panel that holds an image


def panel(
    title: str,
    extent: Sequence[float],
    *,
    width: float = WIDTH,
    height: float | None = None,
    color: str = "",
    draws: bool = False,
    starts_row: bool = False,
    below: bool = False,
    **layers: list[dict[str, Any]],
) -> dict[str, Any]:
    """One canvas.

    extent        (x1, y1, x2, y2) that it shows, in the units of its layers
    width         CSS pixels; the height follows from the extent unless given
    draws         whether its reader may draw a box
    starts_row    stands left, below the panels before it
    below         stands below the text; such panels come last
    layers        images, lines, boxes, points, labels; drawn in this order
    """
    x1, y1, x2, y2 = (float(v) for v in extent)
    height = width * abs(y2 - y1) / abs(x2 - x1) if height is None else height
    return {
        "title": title,
        "extent": [x1, y1, x2, y2],
        "size": [round(width), round(height)],
        "color": color,
        "draws": draws,
        "starts_row": starts_row,
        "below": below,
        **layers,
    }


def image_panel(title: str, image: Any, **options: Any) -> dict[str, Any]:
    """A panel over the molded image, in its pixels; the image itself is sent once."""
    height, width = np.asarray(image).shape[:2]
    extent = [0, 0, width, height]
    fade = options.pop("fade", 0.55)
    background = {"name": "image", "extent": extent, "alpha": fade, "smooth": True}
    images = [background, *options.pop("images", [])]
    return panel(title, extent, images=images, **options)


def heat(values: Any, extent: Sequence[float], **options: Any) -> dict[str, Any]:
    """A map [h, w] of values 0…1 in the palette viridis."""
    shown = np.clip(np.nan_to_num(np.asarray(values, np.float32)), 0, 1) * 255
    return {**pixels_of(shown.astype(np.uint8)), "extent": [float(v) for v in extent], **options}


def values_of(values: Any) -> dict[str, Any]:
    """A map of values [h, w] for a layer of `cut_map`; float64, which the browser counts in."""
    values = np.ascontiguousarray(values, np.float64)
    return {"data": values.tobytes(), "height": values.shape[0], "width": values.shape[1]}


def cut_map(name: str, extent: Sequence[float], **options: Any) -> dict[str, Any]:
    """One of the view's maps: bright, or in `tint`, where it is at least the view's threshold."""
    return {"name": name, "cut": True, "extent": [float(v) for v in extent], **options}


def pixels_of(image: Any) -> dict[str, Any]:
    """The bytes of an image, uint8 [h, w] or [h, w, 3]."""
    image = np.ascontiguousarray(image, np.uint8)
    channels = image.shape[2] if image.ndim == 3 else 1
    return {
        "data": image.tobytes(),
        "height": image.shape[0],
        "width": image.shape[1],
        "channels": channels,
    }


def boxes(
    values: Any, color: str | Sequence[str], rows: Sequence[int] = (), **options: Any
) -> dict[str, Any]:
    """Boxes [n, 4]; those with rows can be hovered, clicked and reached by keys.

    With `worth`, float32 [n], only those are there that are worth the view's threshold. Lines
    take it too.
    """
    return _group(values, color, rows, **options)


def points(
    values: Any, color: str | Sequence[str], rows: Sequence[int] = (), **options: Any
) -> dict[str, Any]:
    """Dots [n, 2] as (x, y)."""
    return _group(values, color, rows, **options)


def lines(values: Any, color: str, **options: Any) -> dict[str, Any]:
    """Straight lines [n, 4] as (x1, y1, x2, y2); `arrow=True` gives them heads."""
    return _group(values, color, **options)


def label(text: str, x: float, y: float, **options: Any) -> dict[str, Any]:
    """A text; it is moved into the panel where it would stick out.

    With `apart=True` also below the labels before it where they would overlap. With `foot`, the
    y of a box's lower edge, it stands above y, the box's upper edge; where there is no room,
    below the foot: it hides no small object. Text on a `background` is black or white,
    whichever can be read, unless it has a `color`.
    """
    return {"text": text, "x": float(x), "y": float(y), **options}


def line(text: str, color: str = "", *, live: bool = False) -> dict[str, Any]:
    """A line of text below the panels.

    live    screen readers read it out when it changes; where no line says so, they read all
    """
    return {"text": text, "color": color, **({"live": True} if live else {})}


def _group(values, color, rows=(), *, worth=None, **options):
    data = np.ascontiguousarray(values, np.float32)
    return {
        "data": data.tobytes(),
        "color": color if isinstance(color, str) else [str(c) for c in color],
        "rows": np.asarray(rows, np.int32).tobytes(),
        **({} if worth is None else {"worth": np.asarray(worth, np.float32).tobytes()}),
        **options,
    }
